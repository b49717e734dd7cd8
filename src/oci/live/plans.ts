// A document is planned once for all containers that differ in nothing but their names and places: those are written into the plan's
// bytes by each start.
import * as E from '#fp/Either'
import type { EngineError } from '../../model/errors.ts'
import { formatJson } from '../../model/json.ts'
import type { Spec } from '../../model/oci-spec.ts'
import { remember } from '../../model/remember.ts'
import type { CgroupParent, LaunchPlan } from '../../plan/launch/index.ts'
import { placesOf } from '../../plan/launch/own-text.ts'
import { type Document, planOf } from './document.ts'
import type { Parts } from './parts.ts'

/** A plan, what this start writes into it, and what it says in this start's own words. */
export interface OwnPlan {
  readonly plan: LaunchPlan
  readonly own: string
  readonly say: (text: string) => string
}

export interface Plans {
  /** A number for each document that differs from others in more than that; by the document, and by its text. */
  readonly shapes: WeakMap<Spec, number>
  readonly numbers: Map<string, number>
  readonly known: Map<string, SharedPlan>
}

interface SharedPlan {
  readonly plan: LaunchPlan
  /** What stands where a start has its own. */
  readonly stand: readonly string[]
}

export const noPlans = (): Plans => ({ shapes: new WeakMap(), numbers: new Map(), known: new Map() })

/** `source`: the document as it was decoded. Fails: InvalidSpec, HostUnfit, Unsupported, SyscallFailed. */
export const ownPlan = (parts: Parts, source: Spec, document: Document): E.Either<EngineError, OwnPlan> => {
  const { plans } = parts
  if (plans === undefined || !isShared(document)) return E.map(asItIs)(planOf(parts, document))
  const { cgroups, rootfs } = document
  const texts = [rootfs, ...new Set(cgroups.flatMap(({ path, group = '' }) => [path, group]))].filter(isLong)
  const stand = texts.map(standIn)
  const put = (text: string): string => stand[texts.indexOf(text)] ?? text
  const shared = { ...document, rootfs: put(rootfs), cgroups: cgroups.map((group) => placed(group, put)) }
  const key = keyOf(plans, source, shared)
  const known = plans.known.get(key)
  if (known !== undefined) return E.right(ownOf(known, texts))
  return E.map((plan: LaunchPlan) => {
    const made = { plan: { ...plan, patches: placesOf(plan, stand) }, stand }
    remember(plans.known, key, made)
    return ownOf(made, texts)
  })(planOf(parts, shared))
}

/** What the kernel says of its devices, and a namespace of users that is this container's alone, are not the document's. */
const isShared = ({ facts, spec }: Document): boolean =>
  facts.users === undefined && Object.keys(spec.linux?.netDevices ?? {}).length === 0

/** One that nobody else has a use for. */
export const asItIs = (plan: LaunchPlan): OwnPlan => ({ plan, own: '', say: (text) => text })

const ownOf = ({ plan, stand }: SharedPlan, texts: readonly string[]): OwnPlan => ({
  plan,
  own: texts.join(''),
  say: (text) => stand.reduce((all, part, index) => all.replaceAll(part, texts[index] ?? ''), text),
})

const placed = (group: CgroupParent, put: (text: string) => string): CgroupParent => ({
  ...group,
  path: put(group.path),
  ...(group.group === undefined ? {} : { group: put(group.group) }),
})

/** What is shorter might occur in a plan by accident, and is part of the shape. */
const SHORTEST_BYTES = 12
const LONGEST_BYTES = 4096
const isLong = (text: string): boolean => {
  const size = Buffer.byteLength(text)
  return SHORTEST_BYTES <= size && size <= LONGEST_BYTES
}

/** Of the longest path there is, PATH_MAX. */
const NOISE_BYTES = 2048
const noises: string[] = []
const noise = (): string =>
  Buffer.from(globalThis.crypto.getRandomValues(new Uint8Array(NOISE_BYTES))).toString('hex')

/** As long as the text, a path if that is one, and nothing that a document could say. `index`: no two of them are alike. */
const standIn = (text: string, index: number): string => {
  noises[index] ??= noise()
  const own = (noises[index] ?? '').slice(0, Buffer.byteLength(text))
  return text.startsWith('/') ? `/${own.slice(1)}` : own
}

const keyOf = (plans: Plans, source: Spec, document: Document): string => {
  const { spec, rootfs, cgroups, lasting } = document
  const hooks = [...lasting.createContainer, ...lasting.startContainer].map(({ state }) => state)
  const groups = cgroups.map(({ version, controllers, mountpoint, path, group }) =>
    [version, controllers, mountpoint, path, group].join(),
  )
  const { leavesParent, extraFds, keepsKeyring, networkGiven } = lasting
  const env = spec.process?.env ?? []
  const added = env.slice(source.process?.env?.length ?? 0)
  return JSON.stringify([
    shapeOf(plans, source),
    rootfs,
    groups,
    [leavesParent, extraFds, keepsKeyring, networkGiven],
    added,
    hooks,
  ])
}

/** Annotations are for others than the planner. */
const shapeOf = ({ shapes, numbers }: Plans, spec: Spec): number => {
  const known = shapes.get(spec)
  if (known !== undefined) return known
  const { annotations: _, root: { path: _path, ...root } = {}, linux = {}, ...rest } = spec
  const { cgroupsPath: _group, ...others } = linux
  const text = formatJson({ ...rest, root, linux: others })
  const number = numbers.get(text) ?? nextNumber++
  remember(numbers, text, number)
  shapes.set(spec, number)
  return number
}
let nextNumber = 0
