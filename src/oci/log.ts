// Lines for those who call a runtime: containerd and podman read the log file, people and conmon standard error.
import { closeSync, openSync, writeSync } from 'node:fs'

export type LogFormat = 'text' | 'json'
export type LogLevel = 'error' | 'warning' | 'debug'

export interface LogOptions {
  /** Absent: standard error. */
  readonly file?: string
  readonly format: LogFormat
  readonly level: LogLevel
}

export interface Log {
  /** Written to the file, and bare to standard error. Once for a failure: podman reads the file as one JSON document. */
  readonly error: (message: string) => void
  readonly warn: (message: string) => void
  readonly debug: (message: string) => void
}

/** As logrus writes it; its keys are sorted. containerd takes `msg` of the last line whose `level` is `error`. */
export const logLine = (format: LogFormat, level: LogLevel, message: string, time: Date): string => {
  const at = `${time.toISOString().slice(0, 19)}Z`
  return format === 'json'
    ? `${JSON.stringify({ level, msg: message, time: at })}\n`
    : `time=${quoted(at)} level=${level} msg=${quoted(message)}\n`
}

const quoted = (text: string): string => (/^[A-Za-z0-9._/@^+-]+$/.test(text) ? text : goQuoted(text))

/** Go's %q: control characters are spelled out, so that a message stays one line. */
const goQuoted = (text: string): string =>
  `"${text
    .replace(/["\\]/g, (char) => `\\${char}`)
    .replace(/[\n\r\t]/g, (char) => ESCAPES[char] ?? char)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is replaced
    .replace(/[\u0000-\u001f\u007f]/g, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`)}"`
const ESCAPES: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }

const RANK: Readonly<Record<LogLevel, number>> = { error: 0, warning: 1, debug: 2 }

/** `toStderr` writes to standard error; `now` is the clock. Throws what open(2) fails with. */
export const openLog = (options: LogOptions, toStderr: (text: string) => void, now: () => Date): Log => {
  const { file, format, level: most } = options
  // It must be writable before anything is done that it would have to tell of.
  if (file !== undefined) closeSync(openLogFile(file))
  const write = (level: LogLevel, message: string): void => {
    if (RANK[level] > RANK[most]) return
    const line = logLine(format, level, message, now())
    if (file === undefined) toStderr(line)
    else append(file, line)
  }
  return {
    error: (message) => {
      write('error', message)
      if (file !== undefined) toStderr(`${message}\n`)
    },
    warn: (message) => write('warning', message),
    debug: (message) => write('debug', message),
  }
}

/** Append mode: several commands share the file. `as`: whoever reads it must find it complete when we have exited. */
const openLogFile = (file: string): number => openSync(file, 'as', 0o644)

const append = (file: string, line: string): void => {
  const fd = openLogFile(file)
  try {
    writeSync(fd, line)
  } finally {
    closeSync(fd)
  }
}
