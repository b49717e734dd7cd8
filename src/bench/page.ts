// What the page of the report brings along: its rules, and the few lines of script that save a plot as PNG.
import { DARK, FONTS, LIGHT, plotStyle, type Theme } from './plot/style.ts'

const variables = ({ paper, ink, muted, grid, soft, alone, together }: Theme): string =>
  `--paper:${paper};--ink:${ink};--muted:${muted};--grid:${grid};--soft:${soft};--accent:${alone};--warn:${together}`

/** The same whether it is looked at or printed: paper is always light. */
export const PAGE_STYLE = `
:root{color-scheme:light dark;${variables(LIGHT)}}
@media screen and (prefers-color-scheme:dark){:root{${variables(DARK)}}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 ${FONTS}}
main{max-width:960px;margin:0 auto;padding:40px 24px 64px}
h1{font-size:30px;line-height:1.2;margin:0 0 6px}
h2{font-size:21px;margin:48px 0 6px;padding-top:14px;border-top:1px solid var(--grid)}
p{margin:8px 0 14px;max-width:74ch}
.muted{color:var(--muted)}
.partial{border:1px solid var(--warn);border-left-width:6px;border-radius:6px;padding:10px 16px}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(190px,1fr));gap:14px;margin:26px 0 10px;padding:0;list-style:none}
.figures li{border:1px solid var(--grid);border-radius:10px;padding:14px 16px}
.figures strong{display:block;font-size:25px;line-height:1.25;font-variant-numeric:tabular-nums}
.figures span{color:var(--muted);font-size:14px;line-height:1.35;display:block}
figure{margin:18px 0 8px}
figure svg{display:block;width:100%;height:auto}
figcaption{color:var(--muted);font-size:14px;max-width:84ch;margin-top:6px}
button{font:13px ${FONTS};color:var(--ink);background:transparent;border:1px solid var(--grid);border-radius:6px;padding:4px 12px;cursor:pointer}
button:hover,button:focus-visible{border-color:var(--accent)}
.tools{margin-top:8px}
.scroll{overflow-x:auto;margin:14px 0}
table{border-collapse:collapse;font-size:14px;width:100%}
th,td{text-align:left;padding:6px 12px 6px 0;border-bottom:1px solid var(--grid);vertical-align:top}
th{font-weight:600;white-space:nowrap}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
td.faint{color:var(--muted)}
pre{background:var(--soft);border-radius:8px;padding:12px 14px;overflow-x:auto;font-size:13px;line-height:1.45}
code{font-size:.92em}
footer{margin-top:48px;color:var(--muted);font-size:14px}
@media print{button{display:none}main{max-width:none}figure,table{break-inside:avoid}}
`

export const PLOT_STYLE = plotStyle(LIGHT)
export const DARK_PLOT_STYLE = `@media screen and (prefers-color-scheme:dark){${plotStyle(DARK)}}`

/** For a plot outside of the page: always on paper. */
export const PAPER_STYLE = PLOT_STYLE

/** Pixels of a PNG for each unit of a plot: a column of a paper at 300 dots an inch. */
export const PNG_SCALE = 3

/** Draws the plot as it is on paper into a canvas; nothing leaves the page. */
export const PAGE_SCRIPT = `
for (const button of document.querySelectorAll('button[data-plot]')) {
  button.hidden = false
  button.addEventListener('click', () => {
    const plot = document.getElementById(button.dataset.plot).cloneNode(true)
    const [width, height] = plot.getAttribute('viewBox').split(' ').slice(2).map(Number)
    const style = document.createElementNS('http://www.w3.org/2000/svg', 'style')
    style.textContent = document.getElementById('plot-style').textContent
    plot.prepend(style)
    plot.setAttribute('width', width)
    plot.setAttribute('height', height)
    const image = new Image()
    image.onload = () => {
      const canvas = document.createElement('canvas')
      canvas.width = width * ${PNG_SCALE}
      canvas.height = height * ${PNG_SCALE}
      canvas.getContext('2d').drawImage(image, 0, 0, canvas.width, canvas.height)
      const link = document.createElement('a')
      link.download = button.dataset.plot + '.png'
      link.href = canvas.toDataURL('image/png')
      link.click()
    }
    image.src = 'data:image/svg+xml;charset=utf-8,' + encodeURIComponent(new XMLSerializer().serializeToString(plot))
  })
}
`
