// Linux signals: names and numbers (asm-generic/signal.h, the same on x86-64 and arm64), real-time ones included.

import type { Either } from '#fp/Either'
import * as E from '#fp/Either'
import type { InvalidOption } from './errors.ts'

/** By number; signal(7). */
const NAMES: readonly string[] = [
  '',
  'SIGHUP',
  'SIGINT',
  'SIGQUIT',
  'SIGILL',
  'SIGTRAP',
  'SIGABRT',
  'SIGBUS',
  'SIGFPE',
  'SIGKILL',
  'SIGUSR1',
  'SIGSEGV',
  'SIGUSR2',
  'SIGPIPE',
  'SIGALRM',
  'SIGTERM',
  'SIGSTKFLT',
  'SIGCHLD',
  'SIGCONT',
  'SIGSTOP',
  'SIGTSTP',
  'SIGTTIN',
  'SIGTTOU',
  'SIGURG',
  'SIGXCPU',
  'SIGXFSZ',
  'SIGVTALRM',
  'SIGPROF',
  'SIGWINCH',
  'SIGIO',
  'SIGPWR',
  'SIGSYS',
]
const ALIASES: Readonly<Record<string, number>> = { SIGIOT: 6, SIGCLD: 17, SIGPOLL: 29, SIGUNUSED: 31 }

/** The first real-time signal a program may use: glibc and musl keep 32 and 33 (musl 34 too) for themselves. */
export const SIGRTMIN = 34
export const SIGRTMAX = 64

const BY_NAME: ReadonlyMap<string, number> = new Map([
  ...NAMES.map((name, number): [string, number] => [name, number]).slice(1),
  ...Object.entries(ALIASES),
])

/** `SIGTERM`, `term`, `15`, 15, `SIGRTMIN+3` and `RTMAX-1` are all signals; undefined for anything else. */
export const signalNumber = (signal: string | number): number | undefined => {
  if (typeof signal === 'number') return inRange(signal)
  if (/^\d+$/.test(signal)) return inRange(Number(signal))
  const upper = signal.toUpperCase()
  const name = upper.startsWith('SIG') ? upper : `SIG${upper}`
  return BY_NAME.get(name) ?? realTime(name)
}

const inRange = (number: number): number | undefined =>
  Number.isInteger(number) && number >= 1 && number <= SIGRTMAX ? number : undefined

const realTime = (name: string): number | undefined => {
  const match = /^SIGRT(?:MIN(?:\+(\d{1,2}))?|MAX(?:-(\d{1,2}))?)$/.exec(name)
  if (match === null) return undefined
  const number = name.startsWith('SIGRTMIN')
    ? SIGRTMIN + Number(match[1] ?? 0)
    : SIGRTMAX - Number(match[2] ?? 0)
  return number >= SIGRTMIN && number <= SIGRTMAX ? number : undefined
}

/** 9 → `SIGKILL`, 37 → `SIGRTMIN+3`; `signal 32` where there is no name. */
export const signalName = (number: number): string => {
  const name = NAMES[number]
  if (name !== undefined && name !== '') return name
  if (number < SIGRTMIN || number > SIGRTMAX) return `signal ${number}`
  return number === SIGRTMIN ? 'SIGRTMIN' : `SIGRTMIN+${number - SIGRTMIN}`
}

/** Fails: InvalidOption naming `option`. */
export const parseSignal = (value: string | number, option: string): Either<InvalidOption, number> => {
  const number = signalNumber(value)
  if (number !== undefined) return E.right(number)
  return E.left({ _tag: 'InvalidOption', option, value: String(value), why: 'no such signal' })
}
