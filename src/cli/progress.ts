// Progress of a pull, push or load: one live line per layer on a terminal, plain lines elsewhere.
import type { ImageProgress, PushProgress } from '../model/image-verbs.ts'
import type { Output } from './command.ts'
import { humanBytes } from './human.ts'

export interface ProgressDisplay {
  readonly update: (progress: ImageProgress | PushProgress) => void
  /** Draws the last state, once; later updates are ignored. */
  readonly finish: () => void
}

/** Time between two drawings on a terminal, in milliseconds. */
const FRAME_MS = 80
const SHORT_DIGEST = 12
/** `99.9MB/99.9MB  99.9MB/s  59m left` */
const FIGURES_COLUMNS = 34

interface LayerState {
  readonly name: string
  readonly sizeBytes: number
  status: keyof typeof WORDS
  /** Those that came, or went. */
  movedBytes: number
  /** Of a mounted layer: the repository that had it. */
  from?: string
  /** When its first bytes came. */
  startedMs?: number
}

export const progressDisplay = (output: Output, nowMs: () => number = Date.now): ProgressDisplay =>
  output.isTTY() ? liveDisplay(output, nowMs) : plainDisplay(output)

/** Draws over its own lines; those that do not fit on the screen are summed up in the last one. */
const liveDisplay = (output: Output, nowMs: () => number): ProgressDisplay => {
  const layers = new Map<string, LayerState>()
  let drawnMs = Number.NEGATIVE_INFINITY
  let height = 0
  let finished = false
  const draw = (): void => {
    const lines = layerLines([...layers.values()], output.columns(), output.rows() - 1, nowMs())
    const up = height > 0 ? `\x1b[${height}A` : ''
    // The last drawing may have had more lines, or wider ones: what is below the new ones goes.
    output.write(`${up}${lines.map((line) => `\r\x1b[2K${line}\n`).join('')}\x1b[J`)
    height = lines.length
    drawnMs = nowMs()
  }
  return {
    update: (progress) => {
      if (finished) return
      apply(layers, progress, nowMs())
      const isTurn = nowMs() - drawnMs >= FRAME_MS
      if (isTurn || (progress.kind === 'layer' && !isMoving(progress))) draw()
    },
    finish: () => {
      if (!finished && layers.size > 0) draw()
      finished = true
    },
  }
}

/** A line when a layer begins and one when it ends, as Docker prints into a pipe. */
const plainDisplay = (output: Output): ProgressDisplay => {
  const layers = new Map<string, LayerState>()
  const print = (layer: LayerState): void => output.write(`${layer.name}: ${wordsFor(layer)}\n`)
  return {
    update: (progress) => {
      const before = new Map([...layers].map(([digest, { status }]) => [digest, status]))
      apply(layers, progress, 0)
      for (const [digest, layer] of layers)
        if (layer.status !== 'waiting' && before.get(digest) !== layer.status) print(layer)
    },
    finish: () => {},
  }
}

/** Docker's words. */
const WORDS = {
  waiting: 'Waiting',
  downloading: 'Pulling fs layer',
  exists: 'Already exists',
  done: 'Pull complete',
  uploading: 'Pushing',
  present: 'Layer already exists',
  mounted: 'Mounted from',
  pushed: 'Pushed',
} as const

const wordsFor = ({ status, from }: LayerState): string =>
  from === undefined ? WORDS[status] : `${WORDS[status]} ${from}`

const isMoving = ({ status }: { readonly status: string }): boolean =>
  status === 'downloading' || status === 'uploading'

const apply = (
  layers: Map<string, LayerState>,
  progress: ImageProgress | PushProgress,
  nowMs: number,
): void => {
  if (progress.kind === 'layers') {
    for (const { digest, sizeBytes } of progress.layers)
      if (!layers.has(digest)) layers.set(digest, waiting(digest, sizeBytes))
    return
  }
  const { digest, sizeBytes } = progress
  const layer = layers.get(digest) ?? waiting(digest, sizeBytes)
  layers.set(digest, layer)
  if ('sentBytes' in progress) {
    layer.status = OF_PUSH[progress.status]
    layer.movedBytes = progress.sentBytes
    if (progress.from !== undefined) layer.from = progress.from
  } else {
    layer.status = progress.status
    layer.movedBytes = progress.receivedBytes
  }
  layer.startedMs ??= nowMs
}

const OF_PUSH = { uploading: 'uploading', exists: 'present', mounted: 'mounted', done: 'pushed' } as const

const waiting = (digest: string, sizeBytes: number): LayerState => ({
  name: digest.slice(digest.indexOf(':') + 1).slice(0, SHORT_DIGEST),
  sizeBytes,
  status: 'waiting',
  movedBytes: 0,
})

/** What is drawn, at most `rows` lines of at most `columns` characters. */
export const layerLines = (
  layers: readonly LayerState[],
  columns: number,
  rows: number,
  nowMs: number,
): readonly string[] => {
  const fits = layers.length <= Math.max(rows, 1)
  const active = layers.filter(isMoving)
  const shown = fits ? layers : active.slice(0, Math.max(rows - 1, 0))
  const lines = shown.map((layer) => layerLine(layer, columns, nowMs))
  if (!fits) lines.push(summaryLine(layers))
  return lines.map((line) => line.slice(0, columns))
}

const summaryLine = (layers: readonly LayerState[]): string => {
  const isOver = (layer: LayerState) => layer.status !== 'waiting' && !isMoving(layer)
  return `${layers.filter(isOver).length} of ${layers.length} layers complete`
}

const layerLine = (layer: LayerState, columns: number, nowMs: number): string => {
  const { name, movedBytes, sizeBytes, startedMs = nowMs } = layer
  if (!isMoving(layer)) return `${name}: ${wordsFor(layer)}`
  const seconds = (nowMs - startedMs) / 1000
  const rate = seconds > 0 ? `  ${humanBytes(movedBytes / seconds)}/s` : ''
  const left = remaining(sizeBytes - movedBytes, seconds > 0 ? movedBytes / seconds : 0)
  const figures = `${humanBytes(movedBytes)}/${humanBytes(sizeBytes)}${rate}${left}`
  // All bars are of one length, whatever the figures beside them.
  const room = columns - name.length - Math.max(figures.length, FIGURES_COLUMNS) - 5
  return `${name}: ${room >= 10 ? `${bar(movedBytes / Math.max(sizeBytes, 1), Math.min(room, 50))} ` : ''}${figures}`
}

/** At the rate there was so far; nothing while that says little. */
const remaining = (bytes: number, bytesPerSecond: number): string => {
  if (bytes <= 0 || bytesPerSecond <= 0) return ''
  const seconds = Math.ceil(bytes / bytesPerSecond)
  if (seconds < 100) return `  ${seconds}s left`
  return seconds < 6000 ? `  ${Math.round(seconds / 60)}m left` : `  ${Math.round(seconds / 3600)}h left`
}

/** `[====>     ]`, `width` characters inside the brackets. */
const bar = (share: number, width: number): string => {
  const full = Math.min(width, Math.floor(share * width))
  return `[${`${'='.repeat(Math.max(0, full - 1))}${full > 0 ? '>' : ''}`.padEnd(width)}]`
}
