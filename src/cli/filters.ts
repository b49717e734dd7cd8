// The --filter of commands that list things: which of them a list of KEY=VALUE conditions lets through.
import * as E from '#fp/Either'
import { lookUp } from '../model/look-up.ts'
import type { UsageError } from './args.ts'
import { split } from './mount-flags.ts'

export type Test<Item> = (item: Item) => boolean
/** A text instead of a test says what is wrong with the value. */
export type Maker<Item> = (value: string, all: readonly Item[]) => Test<Item> | string

/** Keys that are combined with "and"; values of any other key are alternatives, as in Docker. */
const ALL_MUST_HOLD: ReadonlySet<string> = new Set(['label'])

/** The items that pass: one of the values of each key must hold, of `label` all. */
export const filterItems = <Item>(
  makers: Readonly<Record<string, Maker<Item>>>,
  filters: readonly string[],
  items: readonly Item[],
): E.Either<UsageError, readonly Item[]> => {
  const byKey = new Map<string, Test<Item>[]>()
  for (const filter of filters) {
    const [key, value] = split(filter)
    const make = Object.hasOwn(makers, key) ? makers[key] : undefined
    if (make === undefined) return wrong(filter, `the keys are ${Object.keys(makers).join(', ')}`)
    if (value === undefined) return wrong(filter, 'the form is KEY=VALUE')
    const test = make(value, items)
    if (typeof test === 'string') return wrong(filter, test)
    byKey.set(key, [...(byKey.get(key) ?? []), test])
  }
  const passes: Test<Item> = (item) =>
    [...byKey].every(([key, tests]) =>
      ALL_MUST_HOLD.has(key) ? tests.every((test) => test(item)) : tests.some((test) => test(item)),
    )
  return E.right(items.filter(passes))
}

/** `label=KEY[=VALUE]`. */
export const labelTest = (text: string): Test<{ readonly labels: Readonly<Record<string, string>> }> => {
  const [key, value] = split(text)
  return ({ labels }) => Object.hasOwn(labels, key) && (value === undefined || labels[key] === value)
}

/** A regular expression that holds anywhere in the name, as in Docker; one that is none stands for itself. */
export const nameTest = (text: string): Test<{ readonly name: string }> => {
  try {
    const pattern = new RegExp(text, 'u')
    return ({ name }) => pattern.test(name)
  } catch {
    return ({ name }) => name.includes(text)
  }
}

const TRUTHS: Readonly<Record<string, boolean>> = { true: true, '1': true, false: false, '0': false }
/** Undefined where it is no such word. */
export const truthOf = (value: string): boolean | undefined => lookUp(TRUTHS, value)

const wrong = (filter: string, why: string): E.Either<UsageError, never> =>
  E.left({ _tag: 'UsageError', message: `--filter ${JSON.stringify(filter)}: ${why}` })
