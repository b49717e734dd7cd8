// `--change` of commit and import: lines of a Dockerfile that change an image's configuration. Pure.
import * as E from '#fp/Either'
import type { EngineError } from './errors.ts'
import { signalNumber } from './signals.ts'
import { parseDuration } from './units.ts'

/** image-spec config.md, `config`; fields of other tools are kept. */
export type RawConfig = Readonly<Record<string, unknown>>

/** Applies the lines in their order. Fails: InvalidOption with the line that cannot be followed. */
export const applyChanges = (
  config: RawConfig,
  lines: readonly string[],
): E.Either<EngineError, RawConfig> => {
  let changed = config
  for (const line of lines) {
    const next = applyLine(changed, line.trim())
    if (typeof next === 'string')
      return E.left({ _tag: 'InvalidOption', option: 'change', value: line, why: next })
    changed = next
  }
  return E.right(changed)
}

/** A text says what is wrong. */
type Applied = RawConfig | string
type Instruction = (config: RawConfig, rest: string) => Applied

const applyLine = (config: RawConfig, line: string): Applied => {
  const [, word = '', rest = ''] = /^(\S+)(?:\s+(.*))?$/s.exec(line) ?? []
  const name = word.toUpperCase()
  const instruction = Object.hasOwn(INSTRUCTIONS, name) ? INSTRUCTIONS[name] : undefined
  if (instruction === undefined)
    return `${word || 'nothing'} is none of ${Object.keys(INSTRUCTIONS).join(', ')}`
  const text = rest.trim()
  return text === '' ? `${name} needs an argument` : instruction(config, text)
}

const INSTRUCTIONS: Readonly<Record<string, Instruction>> = {
  CMD: (config, rest) => ({ ...config, Cmd: execForm(config, rest) }),
  // As in a Dockerfile: an entrypoint that is set makes the base image's command meaningless.
  ENTRYPOINT: (config, rest) => ({ ...config, Entrypoint: execForm(config, rest), Cmd: null }),
  ENV: (config, rest) => {
    const pairs = pairsOf(rest)
    return typeof pairs === 'string' ? pairs : { ...config, Env: withEnv(textList(config.Env), pairs) }
  },
  EXPOSE: (config, rest) => {
    const ports: string[] = []
    for (const word of wordsOf(rest)) {
      const port = portOf(word)
      if (port === undefined) return `${JSON.stringify(word)} is no port such as 80, 53/udp or 8000-8010`
      ports.push(...port)
    }
    return { ...config, ExposedPorts: withKeys(config.ExposedPorts, ports) }
  },
  HEALTHCHECK: (config, rest) => {
    const check = healthcheck(rest)
    return typeof check === 'string' ? check : { ...config, Healthcheck: check }
  },
  LABEL: (config, rest) => {
    const pairs = pairsOf(rest)
    if (typeof pairs === 'string') return pairs
    return { ...config, Labels: { ...(config.Labels as object | null), ...Object.fromEntries(pairs) } }
  },
  ONBUILD: (config, rest) => ({ ...config, OnBuild: [...textList(config.OnBuild), rest] }),
  STOPSIGNAL: (config, rest) =>
    signalNumber(rest) === undefined
      ? `${JSON.stringify(rest)} is no signal`
      : { ...config, StopSignal: rest },
  USER: (config, rest) => (/\s/.test(rest) ? 'USER takes one word' : { ...config, User: rest }),
  VOLUME: (config, rest) => {
    const paths = jsonList(rest) ?? wordsOf(rest)
    if (paths.some((path) => path === '')) return 'a volume needs a path'
    return { ...config, Volumes: withKeys(config.Volumes, paths) }
  },
  WORKDIR: (config, rest) => {
    const path = unquoted(rest)
    const before = typeof config.WorkingDir === 'string' && config.WorkingDir !== '' ? config.WorkingDir : '/'
    return { ...config, WorkingDir: normalPath(path.startsWith('/') ? path : `${before}/${path}`) }
  },
}

/** `["a", "b"]`, or a line for the shell. */
const execForm = ({ Shell }: RawConfig, text: string): readonly string[] => {
  const shell = textList(Shell)
  return jsonList(text) ?? [...(shell.length === 0 ? ['/bin/sh', '-c'] : shell), text]
}

const jsonList = (text: string): readonly string[] | undefined => {
  try {
    const value: unknown = JSON.parse(text)
    return Array.isArray(value) && value.every((item) => typeof item === 'string') ? value : undefined
  } catch {
    return undefined
  }
}

const textList = (value: unknown): readonly string[] =>
  Array.isArray(value) ? value.filter((item) => typeof item === 'string') : []

const withKeys = (known: unknown, keys: readonly string[]): RawConfig => ({
  ...(known as object | null),
  ...Object.fromEntries(keys.map((key) => [key, {}])),
})

/** A variable that is there keeps its place. */
const withEnv = (known: readonly string[], pairs: readonly Pair[]): readonly string[] => {
  const env = [...known]
  for (const [name, value] of pairs) {
    const at = env.findIndex((entry) => entry.startsWith(`${name}=`))
    env.splice(at < 0 ? env.length : at, at < 0 ? 0 : 1, `${name}=${value}`)
  }
  return env
}

type Pair = readonly [string, string]

/** `a=b "c d"=e`, or the old form with one name, a blank, and everything behind it. */
const pairsOf = (text: string): readonly Pair[] | string => {
  const words = wordsOf(text)
  if (words[0]?.includes('=') !== true) {
    const [, name = '', value] = /^(\S+)\s+(.*)$/s.exec(text) ?? []
    return value === undefined ? `${JSON.stringify(text)} has no value` : [[name, unquoted(value)]]
  }
  const pairs: Pair[] = []
  for (const word of words) {
    const equals = word.indexOf('=')
    if (equals <= 0) return `${JSON.stringify(word)} is not NAME=VALUE`
    pairs.push([word.slice(0, equals), word.slice(equals + 1)])
  }
  return pairs
}

/** Words as a Dockerfile has them: quotation marks go, a backslash takes the next character as it is. */
const wordsOf = (text: string): readonly string[] => {
  const words: string[] = []
  let word: string | undefined
  let quote = ''
  for (let at = 0; at < text.length; at++) {
    const char = text.charAt(at)
    if (char === '\\' && quote !== "'" && at + 1 < text.length) word = (word ?? '') + text.charAt(++at)
    else if (quote !== '' && char === quote) quote = ''
    else if (quote === '' && (char === '"' || char === "'")) {
      quote = char
      word ??= ''
    } else if (quote === '' && /\s/.test(char)) {
      if (word !== undefined) words.push(word)
      word = undefined
    } else word = (word ?? '') + char
  }
  return word === undefined ? words : [...words, word]
}
const unquoted = (text: string): string => wordsOf(text).join(' ')

/** `80`, `53/udp`, `8000-8010/tcp`, each with its protocol. */
const portOf = (text: string): readonly string[] | undefined => {
  const [, first, last = first, protocol = 'tcp'] =
    /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(tcp|udp|sctp))?$/i.exec(text) ?? []
  const [from, to] = [Number(first), Number(last)]
  if (first === undefined || from < 1 || to < from || to > 65_535) return undefined
  return Array.from({ length: to - from + 1 }, (_, at) => `${from + at}/${protocol.toLowerCase()}`)
}

const NANOSECONDS = 1_000_000
const HEALTH_FLAGS = {
  interval: 'Interval',
  timeout: 'Timeout',
  'start-period': 'StartPeriod',
  'start-interval': 'StartInterval',
} as const

/** `NONE`, or flags and `CMD …`. Times are nanoseconds in an image config. */
const healthcheck = (text: string): RawConfig | string => {
  if (/^none$/i.test(text)) return { Test: ['NONE'] }
  const check: Record<string, unknown> = {}
  let rest = text
  for (;;) {
    const [whole, flag = '', value = ''] = /^--([a-z-]+)=(\S+)\s+/.exec(rest) ?? []
    if (whole === undefined) break
    rest = rest.slice(whole.length)
    if (flag === 'retries' && /^\d{1,6}$/.test(value)) check.Retries = Number(value)
    else {
      const field = Object.hasOwn(HEALTH_FLAGS, flag)
        ? HEALTH_FLAGS[flag as keyof typeof HEALTH_FLAGS]
        : undefined
      const ms = parseDuration(value, flag)
      if (field === undefined || E.isLeft(ms)) return `--${flag}=${value} is no flag of HEALTHCHECK`
      check[field] = ms.right * NANOSECONDS
    }
  }
  const [, command] = /^cmd\s+(.+)$/is.exec(rest) ?? []
  if (command === undefined) return 'HEALTHCHECK takes NONE, or CMD and a command'
  const words = jsonList(command)
  return { Test: words === undefined ? ['CMD-SHELL', command] : ['CMD', ...words], ...check }
}

const normalPath = (path: string): string => {
  const parts: string[] = []
  for (const part of path.split('/')) {
    if (part === '..') parts.pop()
    else if (part !== '' && part !== '.') parts.push(part)
  }
  return `/${parts.join('/')}`
}
