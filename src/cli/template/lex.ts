// A template as text and actions in turn, and each action as tokens. The grammar is that of Go's text/template.
import { fail } from './failure.ts'

export interface Token {
  /** `chain`: fields of what stands before, as in `(index .A 0).B`. */
  readonly kind: 'word' | 'field' | 'variable' | 'text' | 'number' | 'chain' | 'mark'
  readonly value: string
}
export type Piece =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'action'; readonly source: string; readonly tokens: readonly Token[] }

/** `{{-` and `-}}` swallow the blanks on their side; a comment is nothing. */
export const pieces = (text: string): readonly Piece[] => {
  const found: Piece[] = []
  let rest = text
  for (;;) {
    const open = rest.indexOf('{{')
    if (open < 0) return [...found, { kind: 'text', text: rest }]
    const close = endOfAction(rest, open + 2)
    let before = rest.slice(0, open)
    let action = rest.slice(open + 2, close)
    rest = rest.slice(close + 2)
    if (/^-\s/.test(action)) {
      action = action.slice(1)
      before = before.trimEnd()
    }
    if (/\s-$/.test(action)) {
      action = action.slice(0, -1)
      rest = rest.trimStart()
    }
    found.push({ kind: 'text', text: before })
    if (!/^\s*\/\*.*\*\/\s*$/s.test(action))
      found.push({ kind: 'action', source: action.trim(), tokens: tokensOf(action) })
  }
}

/** The closing braces, skipping those inside quotation marks and comments. */
const endOfAction = (text: string, from: number): number => {
  const comment = /^(?:-\s)?\s*\/\*/.exec(text.slice(from))
  let at = from
  if (comment !== null) {
    const end = text.indexOf('*/', from + comment[0].length)
    at = end < 0 ? text.length : end + 2
  }
  let quote = ''
  for (; at < text.length; at++) {
    const char = text.charAt(at)
    if (quote !== '') {
      if (char === '\\' && quote !== '`') at++
      else if (char === quote) quote = ''
    } else if (char === '"' || char === '`' || char === "'") quote = char
    else if (text.startsWith('}}', at)) return at
  }
  return fail('a {{ is not closed')
}

const TOKEN =
  /\s*(?:"((?:[^"\\]|\\.)*)"|`([^`]*)`|'((?:[^'\\]|\\.)+)'|([+-]?(?:0[xX][\da-fA-F]+|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?))(?![\w.])|(:=|[=|(),])|(\$\w*(?:\.\w+)*)|([^\s|(),="`']+))/gy

const tokensOf = (action: string): readonly Token[] => {
  const found: Token[] = []
  const source = action.trimEnd()
  TOKEN.lastIndex = 0
  while (TOKEN.lastIndex < source.length) {
    const from = TOKEN.lastIndex
    const match = TOKEN.exec(source)
    if (match === null) return fail(`cannot read {{${action}}}`)
    const [whole, quoted, raw, char, number, mark, variable, word] = match
    if (quoted !== undefined) found.push({ kind: 'text', value: unquoted(quoted) })
    else if (raw !== undefined) found.push({ kind: 'text', value: raw })
    else if (char !== undefined) found.push({ kind: 'number', value: String(codePoint(char)) })
    else if (number !== undefined) found.push({ kind: 'number', value: number })
    else if (mark !== undefined) found.push({ kind: 'mark', value: mark })
    else if (variable !== undefined) found.push({ kind: 'variable', value: variable })
    else found.push(wordOf(word ?? '', source.charAt(from - 1) === ')' && !/^\s/.test(whole)))
  }
  return found
}

const wordOf = (value: string, afterBracket: boolean): Token => {
  if (!value.startsWith('.')) return { kind: 'word', value }
  if (value !== '.' && value.slice(1).split('.').includes('')) return fail(`cannot read ${value}`)
  return { kind: afterBracket ? 'chain' : 'field', value }
}

/** Go's escapes that JSON has not: `\a`, `\v`, `\'`, `\x41`, `\101`. Line ends and tabs may stand for themselves: format.ts makes some. */
const unquoted = (text: string): string => {
  const json = text
    .replaceAll('\n', '\\n')
    .replaceAll('\t', '\\t')
    .replace(
      /\\(?:x([\da-fA-F]{2})|([0-7]{3})|([av'])|.)/g,
      (whole: string, hex?: string, octal?: string, letter?: string) => {
        if (letter === "'") return letter
        const named = letter === undefined ? undefined : letter === 'a' ? 7 : 11
        const code = hex ? Number.parseInt(hex, 16) : octal ? Number.parseInt(octal, 8) : named
        return code === undefined ? whole : `\\u${code.toString(16).padStart(4, '0')}`
      },
    )
  try {
    return JSON.parse(`"${json}"`) as string
  } catch {
    return fail(`cannot read the text "${text}"`)
  }
}

const codePoint = (char: string): number => {
  const text = unquoted(char.replaceAll('"', '\\"'))
  return [...text].length === 1 ? (text.codePointAt(0) ?? 0) : fail(`'${char}' is not one character`)
}
