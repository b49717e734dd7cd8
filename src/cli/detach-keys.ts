// The key sequence that leaves a container running: docker-attach(1), --detach-keys.
import * as E from '#fp/Either'
import type { EngineError } from '../model/errors.ts'
import type { Context } from './command.ts'

/** Bytes, in their order. */
export type DetachKeys = readonly number[]

/** Ctrl-P Ctrl-Q. */
const DEFAULT_KEYS: DetachKeys = [16, 17]
const CTRL_A = 1
const LOWER_A = 97
/** `ctrl-` with what is not a letter: ascii(7), caret notation. */
const CONTROL: Readonly<Record<string, number>> = { '@': 0, '[': 27, '\\': 28, ']': 29, '^': 30, _: 31 }

/** `ctrl-p,ctrl-q`, `ctrl-@,x`. Fails: InvalidOption. */
export const parseDetachKeys = (text: string | undefined): E.Either<EngineError, DetachKeys> => {
  if (text === undefined || text === '') return E.right(DEFAULT_KEYS)
  const keys = text.split(',').map(keyOf)
  if (keys.every((key) => key !== undefined)) return E.right(keys)
  return E.left({
    _tag: 'InvalidOption',
    option: '--detach-keys',
    value: text,
    why: 'expected single characters and ctrl-LETTER, with commas between them',
  })
}

/**
 * Those of the flag, else of Docker's config.json, else the usual ones. `isTyped`: somebody may type them; the file is not looked at
 * otherwise. Fails: InvalidOption for the flag; InvalidSpec, SyscallFailed for the file.
 */
export const chosenDetachKeys = async (
  context: Pick<Context, 'engine'>,
  flag: string | undefined,
  isTyped: boolean,
): Promise<E.Either<EngineError, DetachKeys>> => {
  if ((flag ?? '') !== '' || !isTyped) return parseDetachKeys(flag)
  const settings = await (await context.engine()).clientSettings()()
  if (E.isLeft(settings)) return settings
  const { file, detachKeys } = settings.right
  return E.mapLeft(
    (error: EngineError): EngineError =>
      error._tag === 'InvalidOption'
        ? {
            _tag: 'InvalidSpec',
            document: file,
            where: '$.detachKeys',
            why: `${JSON.stringify(detachKeys)}: ${error.why}`,
          }
        : error,
  )(parseDetachKeys(detachKeys))
}

const keyOf = (word: string): number | undefined => {
  if (word.length === 1 && word.charCodeAt(0) < 128) return word.charCodeAt(0)
  const control = /^ctrl-(.)$/.exec(word)?.[1]?.toLowerCase()
  if (control === undefined) return undefined
  return /^[a-z]$/.test(control) ? control.charCodeAt(0) - LOWER_A + CTRL_A : CONTROL[control]
}

/**
 * Looks for the keys in what is typed. Gives what goes on to the container: keys that may begin the sequence are held until it is
 * clear that they do not. `left`: the sequence was typed; nothing more is passed on.
 */
export const keyWatcher = (
  keys: DetachKeys,
): ((chunk: Uint8Array) => { readonly pass: Uint8Array; readonly left: boolean }) => {
  let matched = 0
  return (chunk) => {
    const pass: number[] = []
    for (const key of chunk) {
      if (key !== keys[matched]) {
        pass.push(...keys.slice(0, matched))
        matched = 0
      }
      if (key === keys[matched]) matched++
      else pass.push(key)
      if (matched === keys.length) return { pass: Uint8Array.from(pass), left: true }
    }
    return { pass: Uint8Array.from(pass), left: false }
  }
}
