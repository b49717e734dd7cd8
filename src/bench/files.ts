// The folder of a report: the page, the plots, the samples.
import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, rmdirSync, rmSync, unlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { makeFolders } from '../adapters/make-folders.ts'
import { firstLine } from './command.ts'
import { PAPER_STYLE, PNG_SCALE } from './page.ts'
import { findProgram } from './peers-live.ts'
import { type Plot, svgOf } from './plot/svg.ts'
import { plotsOf, reportHtml } from './report.ts'
import { type Gathered, resultsJson, resultsOf } from './results.ts'

export interface Folder {
  readonly path: string
  /** Takes it away again where it was made here and nothing has come into it. */
  readonly abandon: () => void
}

/** Makes the folder, and a file in it for a moment: what cannot be written is to be known before an hour of measuring. Throws. */
export const openFolder = (folder: string): Folder => {
  const isNew = !existsSync(folder)
  makeFolders(folder, 0o755)
  const probe = path.join(folder, '.slipway-bench')
  const abandon = (): void => {
    if (!isNew) return
    try {
      rmdirSync(folder)
    } catch {}
  }
  try {
    writeFileSync(probe, '')
    unlinkSync(probe)
  } catch (error) {
    abandon()
    throw error
  }
  return { path: folder, abandon }
}

/** Gives the names of the files, the page first. Throws where one cannot be written. */
export const writeReport = async (
  folder: string,
  gathered: Gathered,
  searchPath: string,
): Promise<readonly string[]> => {
  const results = resultsOf(gathered)
  const plots = plotsOf(results)
  writeFileSync(path.join(folder, 'results.json'), resultsJson(gathered, results))
  for (const plot of plots)
    writeFileSync(path.join(folder, `${plot.id}.svg`), `${svgOf(plot, PAPER_STYLE)}\n`)
  const { written, note } = await writePngs(folder, plots, searchPath)
  writeFileSync(path.join(folder, 'report.html'), reportHtml(results, note))
  return ['report.html', 'results.json', ...plots.map(({ id }) => `${id}.svg`), ...written]
}

interface Converter {
  readonly program: string
  readonly args: (plot: Plot, svg: string, png: string, scratch: string) => readonly string[]
}

const chromium = (program: string): Converter => ({
  program,
  args: ({ width, height }, svg, png, scratch) => [
    ...['--headless', '--no-sandbox', '--disable-gpu', '--hide-scrollbars', `--user-data-dir=${scratch}`],
    `--force-device-scale-factor=${PNG_SCALE}`,
    `--window-size=${Math.ceil(width)},${Math.ceil(height)}`,
    `--screenshot=${png}`,
    pathToFileURL(svg).href,
  ],
})

/** In the order in which they are asked. */
const CONVERTERS: readonly Converter[] = [
  { program: 'rsvg-convert', args: (_, svg, png) => ['--zoom', `${PNG_SCALE}`, '--output', png, svg] },
  {
    program: 'inkscape',
    args: (_, svg, png) => [svg, `--export-filename=${png}`, `--export-dpi=${96 * PNG_SCALE}`],
  },
  chromium('chromium'),
  chromium('chromium-browser'),
  chromium('google-chrome'),
]

interface Pngs {
  readonly written: readonly string[]
  readonly note: string
}

const BY_HAND = 'The buttons below the plots make them.'

const writePngs = async (folder: string, plots: readonly Plot[], searchPath: string): Promise<Pngs> => {
  const found = CONVERTERS.map((each) => ({ each, file: findProgram(each.program, searchPath) })).find(
    ({ file }) => file !== undefined,
  )
  if (found?.file === undefined)
    return {
      written: [],
      note: `No PNG files were written: none of rsvg-convert, inkscape and chromium is installed (Debian: apt install librsvg2-bin). ${BY_HAND}`,
    }
  const { each, file } = found
  const scratch = mkdtempSync(path.join(tmpdir(), 'slipway-bench-'))
  try {
    for (const plot of plots) {
      const [svg, png] = ['svg', 'png'].map((ending) => path.join(folder, `${plot.id}.${ending}`)) as [
        string,
        string,
      ]
      await converted(file, each.args(plot, svg, png, scratch))
    }
    return {
      written: plots.map(({ id }) => `${id}.png`),
      note: `The plots lie beside this page as SVG, and as PNG written by ${each.program}.`,
    }
  } catch (error) {
    return {
      written: [],
      note: `No PNG files were written: ${each.program}: ${(error as Error).message}. ${BY_HAND}`,
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

const CONVERTER_TIMEOUT_MS = 60_000
const converted = (file: string, args: readonly string[]): Promise<void> =>
  new Promise((resolve, reject) => {
    execFile(file, args, { timeout: CONVERTER_TIMEOUT_MS }, (error, _, stderr) => {
      if (error === null) resolve()
      else reject(new Error(firstLine(stderr) ?? firstLine(error.message) ?? 'failed'))
    })
  })
