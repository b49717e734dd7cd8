// Standard streams on real descriptors: a file, a given descriptor and an inherited one never pass through JavaScript.
import { closeSync, fchownSync, fstatSync, openSync, statSync } from 'node:fs'
import type { Duplex, Readable, Writable } from 'node:stream'
import * as E from '#fp/Either'
import type { OpenStdio, OutputStream, StdioPort } from '../engine/ports/stdio.ts'
import type { EngineError } from '../model/errors.ts'
import type { OutputOption, StdinOption } from '../model/options.ts'
import type { Addon } from '../native/addon.ts'
import { builtin } from '../native/builtin.ts'
import type { Arch } from '../plan/program.ts'
import { planWindowSize } from '../plan/terminal.ts'
import { type Directions, pipeStream, terminalStream } from './descriptor-stream.ts'
import { closeForEngine, openForEngine } from './engine-descriptors.ts'
import { mergeOutputs, outputStream } from './output-stream.ts'

/** Written before the child exists: fits an empty pipe whole (pipe(7), capacity of one page less than 64 KiB at least). */
const EAGER_BYTES = 4096

/** One stream's two ends. */
interface End<Stream> {
  readonly fd: number
  /** The caller's own choice: it may be a folder, or somebody else's pipe. */
  readonly foreign?: boolean
  /** `fd` belongs to the child alone: this process closes its copy so. */
  readonly close?: (fd: number) => void
  readonly stream: Stream | null
  /** Copies to or from the caller's stream; never rejects. */
  readonly copy?: Promise<void>
  /** Gives up this process's end, and the copying with it. */
  readonly drop?: () => void
}

/** What opening one stream needs. */
interface Opener {
  readonly nothing: Nothing
  /** The descriptor of this process's end belongs to what is made of it; the other one is the child's. */
  readonly pipe: (thisProcessReads: boolean) => readonly [theirs: number, mine: number]
  readonly closePipe: (fd: number) => void
  readonly stream: (fd: number, directions: Directions) => Duplex
  /** What an empty pipe has room for. */
  readonly fill: (fd: number, bytes: Uint8Array) => void
  /** The caller's own stream failed. */
  readonly broken: (error: unknown) => void
}

/** /dev/null, opened once for all containers: the helper gives each of them its own node in its place. */
export class Nothing {
  #input: number | undefined
  #output: number | undefined
  readonly #addon: Addon

  constructor(addon: Addon) {
    this.#addon = addon
  }

  get input(): number {
    this.#input ??= openForEngine(this.#addon, '/dev/null', 'r')
    return this.#input
  }

  get output(): number {
    this.#output ??= openForEngine(this.#addon, '/dev/null', 'w')
    return this.#output
  }

  close(): void {
    for (const fd of [this.#input, this.#output]) if (fd !== undefined) closeForEngine(this.#addon, fd)
    this.#input = undefined
    this.#output = undefined
  }
}

export const nativeStdio = (addon: Addon, arch: Arch, nothing: Nothing): StdioPort => ({
  open: (options, owner) => {
    if (options.stdin === 'ignore' && options.stdout === 'ignore' && options.stderr === 'ignore')
      return E.right(withoutStreams(nothing))
    const opened: End<unknown>[] = []
    const keep = <S>(end: End<S>): End<S> => {
      opened.push(end)
      return end
    }
    const trouble = firstTrouble()
    const opener: Opener = {
      nothing,
      pipe: (reads) => pipeEnds(addon, reads, owner),
      closePipe: (fd) => addon.closeFds(Int32Array.of(fd)),
      stream: (fd, directions) => pipeStream(addon, fd, directions),
      fill: (fd, bytes) => void addon.writeFd(fd, bytes),
      broken: trouble.broken,
    }
    try {
      const stdin = keep(openInput(opener, options.stdin))
      const stdout = keep(openOutput(opener, options.stdout, 'stdout'))
      const stderr = keep(
        options.stderr === 'stdout'
          ? { fd: stdout.fd, stream: null }
          : openOutput(opener, options.stderr, 'stderr'),
      )
      for (const end of opened) if (end.foreign === true) refuseFolder(end.fd)
      for (const end of opened) if (end.foreign === true && end.close === undefined) shareFifo(end.fd, owner)
      return E.right({ ...assemble(stdin, stdout, stderr, opened), onBroken: trouble.onBroken })
    } catch (error) {
      for (const end of opened) release(end)
      return E.left(asError(error))
    }
  },
  terminal: (fd) => {
    const stream = terminalStream(addon, fd)
    const resize = (columns: number, rows: number): void => {
      if (!stream.destroyed) addon.execute(planWindowSize(arch, columns, rows), Int32Array.of(fd))
    }
    return { stdin: stream, stdout: outputStream(stream), resize }
  },
  merge: mergeOutputs,
})

const nowhere = (): void => {}
const withoutStreams = ({ input, output }: Nothing): OpenStdio => ({
  fds: { stdin: input, stdout: output, stderr: output },
  started: nowhere,
  abandon: nowhere,
  ended: nowhere,
  stdin: null,
  stdout: null,
  stderr: null,
  finished: NOTHING_TO_COPY,
  onBroken: nowhere,
})

/** Remembers what happens before anybody listens. */
const firstTrouble = (): Pick<OpenStdio, 'onBroken'> & Pick<Opener, 'broken'> => {
  let found: { readonly error: unknown } | undefined
  let tell: ((error: unknown) => void) | undefined
  return {
    broken: (error) => {
      if (found !== undefined) return
      found = { error }
      tell?.(error)
    },
    onBroken: (listener) => {
      tell = listener
      if (found !== undefined) listener(found.error)
    },
  }
}

const assemble = (
  stdin: End<Writable>,
  stdout: End<OutputStream>,
  stderr: End<OutputStream>,
  opened: readonly End<unknown>[],
): Omit<OpenStdio, 'onBroken'> => ({
  fds: { stdin: stdin.fd, stdout: stdout.fd, stderr: stderr.fd },
  started: () => {
    for (const end of opened) end.close?.(end.fd)
  },
  abandon: () => {
    for (const end of opened) release(end)
  },
  ended: () => stdin.drop?.(),
  stdin: stdin.stream,
  stdout: stdout.stream,
  stderr: stderr.stream,
  finished: copied([stdout, stderr]),
})

const NOTHING_TO_COPY = Promise.resolve()
const copied = (ends: readonly End<unknown>[]): Promise<void> =>
  ends.every(({ copy }) => copy === undefined)
    ? NOTHING_TO_COPY
    : Promise.all(ends.map(({ copy }) => copy)).then(() => {})

const release = (end: End<unknown>): void => {
  end.close?.(end.fd)
  end.drop?.()
}

const openInput = (opener: Opener, option: StdinOption): End<Writable> => {
  if (option === 'ignore') return { fd: opener.nothing.input, stream: null }
  if (option === 'inherit') return borrowed(0)
  if (isPlace(option)) return 'fd' in option ? borrowed(option.fd) : openFile('stdin', option.file, 'r')
  const [theirs, mine] = opener.pipe(false)
  const small = smallContent(option)
  if (small !== undefined) {
    opener.fill(mine, small)
    opener.closePipe(mine)
    return { fd: theirs, close: opener.closePipe, stream: null }
  }
  const socket = opener.stream(mine, { readable: false, writable: true })
  // A payload that stops reading is no error of the caller's: what is written into the void is lost.
  socket.on('error', () => {})
  const end = { fd: theirs, close: opener.closePipe }
  if (option === 'pipe') return { ...end, stream: socket, drop: () => void socket.destroy() }
  const copying =
    option === process.stdin ? lend(option as Readable, socket) : copyInput(opener, option, socket)
  return { ...end, stream: null, ...copying }
}

type Copying = Pick<End<never>, 'copy' | 'drop'>

/** This process's own standard input outlives the container. */
const lend = (source: Readable, socket: Writable): Copying => {
  source.pipe(socket)
  const drop = (): void => {
    source.unpipe(socket)
    source.pause()
    socket.destroy()
  }
  return { drop }
}

const copyInput = (
  { broken }: Opener,
  option: string | Uint8Array | Readable | AsyncIterable<string | Uint8Array>,
  socket: Writable,
): Copying => {
  const { Readable: Source } = builtin('node:stream')
  const whole = typeof option === 'string' || option instanceof Uint8Array ? [option] : option
  // Objects that are no bytes would be thrown at nobody by a pipe; in an iteration they are an error of the stream.
  const bytes = whole instanceof Source && !whole.readableObjectMode
  const source = bytes ? whole : Source.from(whole, { objectMode: false })
  let dropped = false
  const copy = builtin('node:stream/promises')
    .pipeline(source, socket)
    .catch((error: NodeJS.ErrnoException) => {
      if (!dropped && !isHangup(error)) broken(error)
    })
  const drop = (): void => {
    dropped = true
    socket.destroy()
  }
  return { copy, drop }
}

/** write(2) into a pipe without a reader. */
const isHangup = ({ code, syscall }: NodeJS.ErrnoException): boolean =>
  syscall === 'write' && (code === 'EPIPE' || code === 'ECONNRESET')

type Place = { readonly fd: number } | { readonly file: string; readonly append?: boolean }

/** A stream of a file has an `fd`, too, which is null until it is open: what can be read or written is no place. */
const isPlace = (option: StdinOption | OutputOption): option is Extract<typeof option, Place> =>
  typeof option === 'object' &&
  ('fd' in option || 'file' in option) &&
  !('pipe' in option || 'write' in option || Symbol.asyncIterator in option)

const smallContent = (option: StdinOption): Uint8Array | undefined => {
  if (option === 'pipe') return undefined
  if (typeof option === 'string') return option.length * 3 <= EAGER_BYTES ? Buffer.from(option) : undefined
  return option instanceof Uint8Array && option.byteLength <= EAGER_BYTES ? option : undefined
}

const openOutput = (opener: Opener, option: OutputOption, name: 'stdout' | 'stderr'): End<OutputStream> => {
  if (option === 'ignore') return { fd: opener.nothing.output, stream: null }
  if (option === 'inherit') return borrowed(name === 'stdout' ? 1 : 2)
  if (isPlace(option))
    return 'fd' in option
      ? borrowed(option.fd)
      : openFile(name, option.file, option.append === true ? 'a' : 'w')
  const [theirs, mine] = opener.pipe(true)
  const socket = opener.stream(mine, { readable: true, writable: false })
  const end = { fd: theirs, close: opener.closePipe, drop: () => void socket.destroy() }
  if (option === 'pipe') return { ...end, stream: outputStream(socket) }
  return { ...end, stream: null, copy: copyOutput(opener, socket, option) }
}

/** A sink that was closed on purpose is a reader that left: the payload gets SIGPIPE. One that failed is the caller's trouble. */
const copyOutput = ({ broken }: Opener, socket: Readable, sink: Writable): Promise<void> =>
  builtin('node:stream/promises')
    .pipeline(socket, sink, { end: !isStandard(sink) })
    .catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ERR_STREAM_PREMATURE_CLOSE') broken(error)
    })

/** process.stdout and its like outlive the container. */
const isStandard = (stream: Writable): boolean => stream === process.stdout || stream === process.stderr

/** From a folder of the host all of the host can be reached: `..` of a descriptor knows no container. */
const refuseFolder = (fd: number): void => {
  if (!fstatSync(fd).isDirectory()) return
  throw {
    _tag: 'InvalidOption',
    option: 'stdin, stdout, stderr',
    value: `descriptor ${fd}`,
    why: 'a folder cannot be a stream, and would let the container out',
  } satisfies EngineError
}

/** A pipe that is handed on changes hands like our own ones; a file, terminal or socket never does. */
const shareFifo = (fd: number, owner: number): void => {
  if (owner !== 0 && fstatSync(fd).isFIFO()) fchownSync(fd, owner, -1)
}

const borrowed = (fd: number): End<never> => ({ fd, stream: null, foreign: true })

/** O_NONBLOCK is a flag of the open file, which the payload would share: so a named pipe is not opened, but refused. */
const openFile = (option: string, file: string, flags: string): End<never> => {
  if (statSync(file, { throwIfNoEntry: false })?.isFIFO() === true)
    throw {
      _tag: 'InvalidOption',
      option: `${option}.file`,
      value: file,
      why: 'is a named pipe, and opening one may wait for ever: open it yourself and give { fd }',
    } satisfies EngineError
  return { fd: openSync(file, flags), close: closeSync, stream: null, foreign: true }
}

/** A payload that is not root could not open its own /dev/stdout if the pipe stayed root's. */
const pipeEnds = (addon: Addon, reads: boolean, owner: number): [theirs: number, mine: number] => {
  const ends = addon.pipe(reads, owner)
  if (typeof ends === 'number')
    throw { _tag: 'SyscallFailed', step: 'make pipe', errno: -ends } satisfies EngineError
  return reads ? [ends[1], ends[0]] : ends
}

const asError = (error: unknown): EngineError => {
  if (typeof error === 'object' && error !== null && '_tag' in error) return error as EngineError
  const { errno = 5, path } = error as NodeJS.ErrnoException
  return {
    _tag: 'SyscallFailed',
    step: 'open standard stream',
    errno: Math.abs(errno),
    ...(path === undefined ? {} : { path }),
  }
}
