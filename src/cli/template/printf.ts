// Go's printf, as far as values of a template go.
import { show, typeName } from './values.ts'

const VERB = /%([-+# 0]*)(\d*)(?:\.(\d*))?([a-zA-Z%])/g

/** A verb that does not suit is shown as Go shows it: `%!d(string=x)`. */
export const printf = (format: string, values: readonly unknown[]): string => {
  let at = 0
  const text = format.replace(
    VERB,
    (_, flags: string, width: string, precision: string | undefined, verb: string) => {
      if (verb === '%') return '%'
      if (at >= values.length) return `%!${verb}(MISSING)`
      const value = values[at++]
      const digits = precision === undefined ? undefined : Number(precision)
      return padded(formatted(value, verb, flags, digits), flags, Number(width), typeof value === 'number')
    },
  )
  const extra = values.slice(at).map((value) => `${typeName(value)}=${show(value)}`)
  return extra.length === 0 ? text : `${text}%!(EXTRA ${extra.join(', ')})`
}

const formatted = (value: unknown, verb: string, flags: string, digits: number | undefined): string => {
  if (Array.isArray(value) && verb !== 'v' && verb !== 'T')
    return `[${value.map((item) => formatted(item, verb, flags, digits)).join(' ')}]`
  const text =
    TEXT_VERBS[verb]?.(value, digits) ??
    (typeof value === 'number' ? ofNumber(value, verb, digits) : undefined)
  if (text === undefined) return `%!${verb}(${typeName(value)}=${show(value)})`
  return flags.includes('+') && typeof value === 'number' && value >= 0 ? `+${text}` : text
}

/** Undefined: the verb does not suit the value. */
const TEXT_VERBS: Readonly<
  Record<string, (value: unknown, digits: number | undefined) => string | undefined>
> = {
  v: (value) => show(value),
  T: (value) => typeName(value),
  s: (value, digits) =>
    typeof value === 'number' || typeof value === 'boolean'
      ? undefined
      : [...show(value)].slice(0, digits).join(''),
  q: (value) => (typeof value === 'string' ? JSON.stringify(value) : undefined),
  t: (value) => (typeof value === 'boolean' ? String(value) : undefined),
  x: (value) => (typeof value === 'string' ? Buffer.from(value).toString('hex') : undefined),
  X: (value) => (typeof value === 'string' ? Buffer.from(value).toString('hex').toUpperCase() : undefined),
}

const RADIX: Readonly<Record<string, number>> = { d: 10, b: 2, o: 8, x: 16, X: 16 }

const ofNumber = (value: number, verb: string, digits: number | undefined): string | undefined => {
  const radix = RADIX[verb]
  if (radix !== undefined && Number.isInteger(value)) {
    const text = value.toString(radix)
    return verb === 'X' ? text.toUpperCase() : text
  }
  if (verb === 'c' && Number.isInteger(value)) return String.fromCodePoint(value)
  if (Number.isInteger(value)) return undefined
  if (verb === 'f') return value.toFixed(digits ?? 6)
  if (verb === 'e') return value.toExponential(digits ?? 6).replace(/e([+-])(\d)$/, 'e$10$2')
  return verb === 'g' ? String(digits === undefined ? value : Number(value.toPrecision(digits))) : undefined
}

const padded = (text: string, flags: string, width: number, isNumber: boolean): string => {
  const missing = width - [...text].length
  if (missing <= 0) return text
  if (flags.includes('-')) return text + ' '.repeat(missing)
  if (!flags.includes('0') || !isNumber) return ' '.repeat(missing) + text
  const sign = /^[+-]/.exec(text)?.[0] ?? ''
  return sign + '0'.repeat(missing) + text.slice(sign.length)
}
