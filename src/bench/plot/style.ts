// Colours of the plots: paper, and the dark of a screen. Curves are told apart by Okabe and Ito's palette and by dashes.

export interface Theme {
  readonly paper: string
  readonly ink: string
  readonly muted: string
  readonly grid: string
  readonly axis: string
  readonly soft: string
  /** Behind every other row. */
  readonly band: string
  readonly alone: string
  readonly together: string
  readonly inside: string
  readonly command: string
  readonly none: string
  readonly curves: readonly string[]
}

export const LIGHT: Theme = {
  paper: '#ffffff',
  ink: '#1c2230',
  muted: '#5d6675',
  grid: '#e6e9ef',
  axis: '#9aa3b2',
  soft: '#cfe3f3',
  band: '#f5f7fa',
  alone: '#0072b2',
  together: '#d55e00',
  inside: '#0072b2',
  command: '#8a5a00',
  none: '#6b7280',
  curves: ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#8a5a00', '#6b7280', '#b00020', '#5b3fa8'],
}

export const DARK: Theme = {
  paper: '#161a22',
  ink: '#e7ebf2',
  muted: '#9aa5b8',
  grid: '#2a303c',
  axis: '#5b6577',
  soft: '#1f3d56',
  band: '#1c212b',
  alone: '#56b4e9',
  together: '#ff9e4a',
  inside: '#56b4e9',
  command: '#e6b95c',
  none: '#a3adbd',
  curves: ['#56b4e9', '#ff9e4a', '#3fd0a4', '#e79ac6', '#e6c15c', '#a3adbd', '#ff7a85', '#b39dff'],
}

/** Of text in plots, in pixels; widths are reckoned from it. */
export const FONT_PX = 12
export const FONTS =
  "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', 'Liberation Sans', Arial, sans-serif"
const DASHES = ['none', '7 3', '2 3'] as const
export const CURVE_STYLES = LIGHT.curves.length * DASHES.length

/** An upper bound for the width of a text, in pixels. */
export const widthOf = (words: string): number => [...words].length * FONT_PX * 0.56

export const plotStyle = (theme: Theme): string =>
  [
    `.plot{font-family:${FONTS};font-size:${FONT_PX}px}`,
    `.plot .paper{fill:${theme.paper}}`,
    `.plot .ink{fill:${theme.ink}}.plot .muted{fill:${theme.muted}}.plot .strong{fill:${theme.ink};font-weight:600}`,
    `.plot .grid{stroke:${theme.grid}}.plot .axis{stroke:${theme.axis}}.plot .fine{stroke:${theme.grid};stroke-dasharray:2 3}`,
    `.plot .soft{fill:${theme.soft}}`,
    ...(['alone', 'together', 'inside', 'command', 'none'] as const).map(
      (name) =>
        `.plot .${name}{fill:${theme[name]};stroke:${theme[name]}}` +
        `.plot .${name}-open{fill:${theme.paper};stroke:${theme[name]};stroke-width:1.6}` +
        `.plot .${name}-range{stroke:${theme[name]};stroke-width:2.5;stroke-opacity:.55;stroke-linecap:round}` +
        `.plot .${name}-thin{stroke:${theme[name]};stroke-width:1.2}` +
        `.plot .${name}-box{fill:${theme[name]};fill-opacity:.28;stroke:${theme[name]};stroke-width:1.2}`,
    ),
    '.plot .curve{fill:none;stroke-width:1.7;stroke-linejoin:round}.plot .own{stroke-width:3.2}',
    `.plot .band{fill:${theme.band}}`,
    ...Array.from({ length: CURVE_STYLES }, (_, index) => {
      const dash = DASHES[Math.floor(index / theme.curves.length)] ?? 'none'
      return `.plot .curve-${index}{stroke:${theme.curves[index % theme.curves.length]};stroke-dasharray:${dash}}`
    }),
  ].join('\n')
