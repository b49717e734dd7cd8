// slipway-oci list: the containers of this root.
import { readFileSync } from 'node:fs'
import * as E from '#fp/Either'
import type { EngineError } from '../../model/errors.ts'
import { parsePasswd } from '../../model/user-db.ts'
import { usage } from '../args.ts'
import { unless } from '../attempt.ts'
import { type Context, command } from '../command.ts'
import { shownState, stateTable } from '../list-table.ts'
import type { Listed } from '../state-dir.ts'
import { wording } from '../wording.ts'

export const list = command({
  name: 'list',
  summary: 'Show the containers of this root',
  usage: '[OPTION...]',
  flags: {
    format: { kind: 'text', short: 'f', value: 'FORMAT', help: 'table (default) or json' },
    quiet: { kind: 'boolean', short: 'q', help: 'Show ids alone' },
  },
  positionals: { min: 0, max: 0 },
  run: async (context) => {
    const { flags, world } = context
    const format = flags.format ?? 'table'
    if (format !== 'table' && format !== 'json') return E.left(usage('invalid format option'))
    const containers = all(context)
    if (E.isLeft(containers)) return containers
    if (flags.quiet)
      world.stdout(containers.right.map(({ container }) => `${container.record.id}\n`).join(''))
    else world.stdout(format === 'json' ? json(containers.right) : stateTable(shown(containers.right)))
    return E.right(0)
  },
})

/** A root that was not named need not exist yet. What is no container is told, and left out. */
const all = ({ state, globals, world }: Context): E.Either<EngineError, readonly Listed[]> => {
  const listed = state.list()
  if (E.isRight(listed)) {
    for (const { name, error } of listed.right.bad)
      world.stderr(`load container ${name}: ${wording(error)}\n`)
    return E.right(listed.right.found)
  }
  const { left } = listed
  const isAbsent = left._tag === 'SyscallFailed' && left.errno === ENOENT
  return isAbsent && !globals.rootIsGiven ? E.right([]) : listed
}
const ENOENT = 2

/** Go writes an empty list as null, and callers know it. */
const json = (containers: readonly Listed[]): string =>
  containers.length === 0 ? 'null\n' : `${JSON.stringify(shown(containers))}\n`

const shown = (containers: readonly Listed[]) => {
  const nameOf = ownerNames(containers.length > 0)
  return containers.map(({ container, ownerUid }) => shownState(container, nameOf(ownerUid)))
}

const ownerNames = (isNeeded: boolean): ((uid: number) => string) => {
  const text = isNeeded ? unless(['ENOENT', 'EACCES'], () => readFileSync('/etc/passwd', 'utf8')) : undefined
  const names = new Map(parsePasswd(text ?? '').map(({ uid, name }) => [uid, name]))
  return (uid) => names.get(uid) ?? `#${uid}`
}
