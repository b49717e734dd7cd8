// What the prune commands share: the question, ended containers by conditions, and what is told afterwards.
import { createInterface } from 'node:readline'
import * as E from '#fp/Either'
import type { EngineError } from '../model/errors.ts'
import type { PrunedImages } from '../model/image-verbs.ts'
import { meetsConditions, type PruneConditions } from '../model/prune-conditions.ts'
import type { PrunedVolumes } from '../model/volume-verbs.ts'
import type { Context } from './command.ts'
import type { EngineForCli } from './engine.ts'
import { humanBytes } from './human.ts'

export const pruneForce = { kind: 'boolean', short: 'f', help: 'Do not ask' } as const

/** Only `y` is a yes; the end of the input is a no. */
export const confirmed = async (
  { stdin, stdout }: Pick<Context, 'stdin' | 'stdout'>,
  warning: string,
): Promise<boolean> => {
  stdout.write(`${warning}Are you sure you want to continue? [y/N] `)
  const lines = createInterface({ input: stdin.stream() })
  try {
    for await (const line of lines) return /^y(es)?$/i.test(line.trim())
    return false
  } finally {
    lines.close()
  }
}

export interface PrunedContainers {
  /** Full ids. */
  readonly ids: readonly string[]
  readonly reclaimedBytes: number
}

/** Removes every container that has ended, or never ran, and meets all conditions. One that another command removes, or that runs again, is passed over. */
export const pruneContainers = async (
  engine: EngineForCli,
  conditions: PruneConditions,
): Promise<E.Either<EngineError, PrunedContainers>> => {
  const listed = await engine.list()()
  if (E.isLeft(listed)) return listed
  const ended = listed.right.filter(({ status }) => status === 'stopped' || status === 'created')
  const wanted = ended.filter((container) => meetsConditions(container, conditions))
  if (wanted.length === 0) return E.right({ ids: [], reclaimedBytes: 0 })
  const usage = await engine.usage()
  if (E.isLeft(usage)) return usage
  const sizes = new Map(usage.right.perContainer.map(({ id, sizeBytes }) => [id, sizeBytes]))
  const ids: string[] = []
  for (const { id } of wanted) {
    const removed = await engine.remove(id, { force: false })()
    if (E.isRight(removed)) ids.push(id)
    else if (!MEANWHILE.has(removed.left._tag)) return removed
  }
  return E.right({ ids, reclaimedBytes: ids.reduce((sum, id) => sum + (sizes.get(id) ?? 0), 0) })
}
const MEANWHILE: ReadonlySet<EngineError['_tag']> = new Set(['ContainerNotFound', 'WrongStatus'])

/** In Docker's words; nothing where nothing was removed. */
export const containersText = ({ ids }: PrunedContainers): string =>
  ids.length === 0 ? '' : `Deleted Containers:\n${ids.map((id) => `${id}\n`).join('')}\n`

export const imagesText = ({ untagged, deleted }: PrunedImages): string => {
  const lines = [...untagged.map((name) => `untagged: ${name}\n`), ...deleted.map((id) => `deleted: ${id}\n`)]
  return lines.length === 0 ? '' : `Deleted Images:\n${lines.join('')}\n`
}

export const volumesText = ({ removed }: PrunedVolumes): string =>
  removed.length === 0 ? '' : `Deleted Volumes:\n${removed.map((name) => `${name}\n`).join('')}\n`

export const reclaimedText = (bytes: number): string => `Total reclaimed space: ${humanBytes(bytes)}\n`
/** Which containers, or volumes, are damaged, and what it means for a prune; none where nothing is. Never fails. */
export const tellDamaged = async (
  { stderr }: Pick<Context, 'stderr'>,
  { list, volumes }: Pick<EngineForCli, 'list' | 'volumes'>,
  isAboutVolumes: boolean,
): Promise<void> => {
  const listed = await list()()
  for (const { id, name, status } of E.isRight(listed) ? listed.right : [])
    if (status === 'damaged')
      stderr.write(
        `slipway: container ${name === '' ? id.slice(0, 12) : name} is damaged, and nobody knows which images and volumes it has: all are kept until slipway rm -f ${id.slice(0, 12)} removes it\n`,
      )
  const found = isAboutVolumes ? await volumes.list()() : undefined
  for (const { name, damage } of found !== undefined && E.isRight(found) ? found.right : [])
    if (damage !== undefined)
      stderr.write(`slipway: volume ${name} is damaged and kept: slipway volume rm -f ${name} removes it\n`)
}

export const POSTPONED =
  'slipway: another process adds images: files that nobody needs go with a later command\n'
