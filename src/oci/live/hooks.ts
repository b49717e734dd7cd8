// Hooks that run in the runtime's own namespaces, and what every hook is told. runtime-spec config.md, POSIX-platform Hooks.
import { spawn } from 'node:child_process'
import * as E from '#fp/Either'
import type { EngineError } from '../../model/errors.ts'
import type { Hook, Spec } from '../../model/oci-spec.ts'

export interface HookState {
  readonly id: string
  /** No hook runs before the environment is there, which is what `creating` means: runtime.md, Lifecycle, steps 2 to 7. */
  readonly status: 'created' | 'running' | 'stopped'
  /** 0: it has none any more. */
  readonly pid: number
  readonly bundle: string
}

/** runtime-spec runtime.md, State. */
export const stateOf = (
  { ociVersion, annotations }: Spec,
  { id, status, pid, bundle }: HookState,
): object => ({
  ociVersion,
  id,
  status,
  ...(pid === 0 ? {} : { pid }),
  bundle,
  ...(annotations === undefined ? {} : { annotations }),
})

export const stateText = (spec: Spec, state: HookState): string => JSON.stringify(stateOf(spec, state))

/** One after the other, up to the first that fails. Fails: HookFailed. */
export const runHooks = async (
  name: string,
  hooks: readonly Hook[] = [],
  state: string,
): Promise<E.Either<EngineError, void>> => {
  for (const hook of hooks) {
    const why = await runHook(hook, state)
    if (why !== undefined) return E.left({ _tag: 'HookFailed', hook: name, path: hook.path, why })
  }
  return E.right(undefined)
}

/** The end of what it says is kept for the error. */
const KEPT_CHARACTERS = 400

/** Undefined when it exits with 0. */
const runHook = ({ path, args = [path], env, timeout }: Hook, state: string): Promise<string | undefined> =>
  new Promise((resolve) => {
    const [name = path, ...rest] = args
    let said = ''
    let late = false
    const child = spawn(path, rest, { argv0: name, env: environment(env), stdio: ['pipe', 'ignore', 'pipe'] })
    const timer =
      timeout === undefined
        ? undefined
        : setTimeout(() => {
            late = true
            child.kill('SIGKILL')
          }, timeout * 1000)
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-KEPT_CHARACTERS)
    })
    // One that does not read what it is told is no failure.
    child.stdin.on('error', () => {})
    child.stdin.end(state)
    child.on('error', (error) => {
      clearTimeout(timer)
      resolve(error.message)
    })
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      if (late) resolve('it ran longer than its timeout')
      else if (code === 0) resolve(undefined)
      else
        resolve(
          [signal === null ? `exit code ${code}` : `ended by ${signal}`, said.trim()]
            .filter(Boolean)
            .join(': '),
        )
    })
  })

/** `NAME=value`, as execve(2) takes it, and nothing else; without a list that of the runtime, as runc and crun have it. */
const environment = (entries: readonly string[] | undefined): NodeJS.ProcessEnv =>
  entries === undefined
    ? process.env
    : Object.fromEntries(
        entries.map((entry) => {
          const at = entry.indexOf('=')
          return at < 0 ? [entry, ''] : [entry.slice(0, at), entry.slice(at + 1)]
        }),
      )
