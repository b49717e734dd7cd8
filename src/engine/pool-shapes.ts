// What the sandboxes of one make have in common, and how one of them becomes the container of a start.
import * as E from '#fp/Either'
import type { EngineError } from '../model/errors.ts'
import { isPlanned } from '../model/named-mounts.ts'
import type { Process } from '../model/oci-spec.ts'
import type { ImageSource } from '../model/options.ts'
import { conflictOf } from '../model/options-decode-conflicts.ts'
import type {
  DecodedOptions,
  DecodedStartOptions,
  NamedMount,
  PlannedMount,
  PlannedOptions,
  PlannedStartOptions,
} from '../model/options-decoded.ts'
import { POOL_CHOICES, POOL_LIMITS } from '../model/pool.ts'
import type { PreparedImage } from '../model/prepared-image.ts'
import { remember } from '../model/remember.ts'
import { type ResolvedUser, resolveUser } from '../model/user-db.ts'
import { type LateWrite, lateWrites } from '../plan/launch/cgroup.ts'
import {
  type ArmedPlan,
  type CgroupParent,
  type PlannedStage,
  planArmed,
  planFire,
  type TreeSource,
} from '../plan/launch/index.ts'
import { isBind } from '../plan/launch/mount-options.ts'
import { idPlaces } from '../plan/launch/own-text.ts'
import { ownerOf } from '../plan/launch/owner.ts'
import { sourceOf } from '../plan/launch/trees.ts'
import { askedMounts } from '../plan/spec/mounts.ts'
import { specProcess } from '../plan/spec/process.ts'
import { specResources } from '../plan/spec/resources.ts'
import type { RememberedMounts } from './own-volumes.ts'
import type { Ports } from './ports.ts'
import { decideTemplate, ofBinds, type Template, templateKey, userOf } from './start.ts'

export interface PoolSpec {
  /** Without one the sandboxes wait without a root, and each start brings its image. */
  readonly image: ImageSource | undefined
  readonly lateMounts: boolean
  readonly options: DecodedOptions
}

/** A pool, as far as its sandboxes are concerned. */
export interface Make {
  readonly ports: Ports
  readonly spec: PoolSpec
  /** The id all plans of the pool are told with, so that they can be compared. */
  readonly templateId: string
}

/** What a program of the pool may choose for itself; the rest is the pool's. */
export interface FireRequest<Options extends DecodedStartOptions = DecodedStartOptions> {
  readonly image: ImageSource | undefined
  readonly argv: readonly string[]
  readonly options: Options
}

/** Whose own mounts have been looked up. */
export interface PlannedFire extends Omit<FireRequest, 'options'> {
  readonly options: PlannedStartOptions
}

/** Everything sandboxes of one make have in common. Another image, user or host file is another shape. */
export interface Shape {
  readonly key: string
  readonly image: PreparedImage
  readonly user: ResolvedUser
  readonly options: PlannedOptions
  readonly mounts: ShapeMounts
  readonly template: Template<ArmedPlan>
  /** Whether the sandboxes that wait can become one of these. */
  readonly isServed: boolean
  /** Last stages made before, by what the caller chose. */
  readonly firings: Map<string, Firing>
}

/** The pool's own mounts; each sandbox has volumes of its own in place of `fresh`. */
export interface ShapeMounts {
  readonly named: readonly NamedMount[]
  readonly fresh: readonly string[]
  readonly remembered: RememberedMounts
}

/** A program as the last stage of a sandbox. Its bytes are given each sandbox's id before they are sent. */
export interface Firing {
  readonly process: Process
  /** The uid, as the host counts, that it runs as. */
  readonly owner: number
  readonly stage: PlannedStage & { readonly bytes: Buffer }
  /** What has to be opened for it: what its shape needs, then the sources of its own binds. */
  readonly trees: readonly TreeSource[]
  /** Where its limits are not those of the pool. */
  readonly limits: readonly LateWrite[]
  readonly ids: ReturnType<typeof idPlaces>
}

/** A sandbox's own program, which never runs. */
export const PLACEHOLDER = ['true']
/** What a sandbox without a root is made as: nothing of it is used before its start. */
export const NO_IMAGE: PreparedImage = {
  reference: '',
  id: '',
  config: {},
  rootfs: { kind: 'directory', path: '/' },
}

export interface Look {
  readonly source: ImageSource | undefined
  readonly before: Shape | undefined
  readonly isServed: (template: Template<ArmedPlan>) => boolean
  readonly signal: AbortSignal | undefined
}

/** `before`, unless something that shapes a sandbox of this image has changed. */
export const shapeOf = async (
  { ports, spec, templateId }: Make,
  { source, before, isServed, signal }: Look,
): Promise<E.Either<EngineError, Shape>> => {
  const image = source === undefined ? E.right(NO_IMAGE) : await ports.host.prepareImage(source)()
  if (E.isLeft(image)) return image
  const looked = await mountsOf(ports, spec, image.right)
  if (E.isLeft(looked)) return looked
  const { options, mounts } = looked.right
  const user =
    source === undefined
      ? resolveUser('', undefined, undefined)
      : await userOf(ports, image.right, options, signal)
  if (E.isLeft(user)) return user
  const request = {
    image: source ?? '',
    argv: PLACEHOLDER,
    options,
    keep: false,
    volumes: mounts.fresh,
    remembered: mounts.remembered,
  }
  const key = templateKey(ports, request, image.right, user.right, request)
  if (before?.key === key) return E.right(before)
  const planOf = planArmed(spec.lateMounts, spec.image === undefined ? 'half' : 'armed')
  return E.map((template: Template<ArmedPlan>) => ({
    key,
    image: image.right,
    user: user.right,
    options,
    mounts,
    template,
    isServed: isServed(template),
    firings: new Map<string, Firing>(),
  }))(decideTemplate(ports, request, image.right, user.right, planOf, { id: templateId, isParked: true }))
}

const mountsOf = async (
  ports: Ports,
  { options }: PoolSpec,
  image: PreparedImage,
): Promise<E.Either<EngineError, Pick<Shape, 'options' | 'mounts'>>> => {
  if (isPlanned(options, image))
    return E.right({ options, mounts: { named: [], fresh: [], remembered: ofBinds(options) } })
  const { mountsOfStart, remembered } = await import('./volumes-of-start.ts')
  const mounts = await mountsOfStart(ports, options, image)
  if (E.isLeft(mounts)) return mounts
  const { volumesFrom: _, ...rest } = options
  return E.right({
    options: { ...rest, mounts: mounts.right.planned },
    mounts: { ...mounts.right, remembered: remembered(mounts.right) },
  })
}

/** One that was decided before is known at once. `given`: which streams the start has. */
export const firingOf = (
  make: Make,
  shape: Shape,
  request: PlannedFire,
  given: readonly boolean[],
  signal: AbortSignal | undefined,
): E.Either<EngineError, Firing> | Promise<E.Either<EngineError, Firing>> => {
  const key = firingKey(request, given)
  const known = shape.firings.get(key)
  return known === undefined ? decideAs(key, make, shape, request, given, signal) : E.right(known)
}

const decideAs = async (key: string, ...words: Parameters<typeof decideFiring>) => {
  const decided = await decideFiring(...words)
  const [, { image, firings }] = words
  // Of a directory the user database may change.
  if (E.isRight(decided) && image.rootfs.kind !== 'directory') remember(firings, key, decided.right)
  return decided
}

const decideFiring = async (
  { ports, spec }: Make,
  shape: Shape,
  { argv, options: own }: PlannedFire,
  given: readonly boolean[],
  signal: AbortSignal | undefined,
): Promise<E.Either<EngineError, Firing>> => {
  const { host } = ports
  const { image, template } = shape
  const options = mergedOptions(shape, own)
  const wrong =
    conflictOf(options, host.facts) ??
    missingGroup(template.parents, own) ??
    (spec.lateMounts ? undefined : noMounts(own.mounts ?? []))
  if (wrong !== undefined) return E.left(wrong)
  const user = await userOf(ports, image, options, signal)
  if (E.isLeft(user)) return user
  const { hostname } = host.hostFiles(options)
  const { id } = template.record
  const input = {
    image,
    argv,
    options,
    user: user.right,
    id,
    facts: host.facts,
    seccomp: undefined,
    cgroupsPath: '',
    ...(hostname === undefined ? {} : { hostHostname: hostname }),
  }
  const process = specProcess(input)
  if (E.isLeft(process)) return process
  const mounts = askedMounts(own.mounts, input)
  const planned = planFire(template.plan, process.right, given, mounts)
  const stage = { ...planned, bytes: Buffer.from(planned.bytes) }
  const owner = ownerOf({ ...template.spec, process: process.right })
  const before = template.spec.linux?.resources ?? {}
  const limits = lateWrites(template.parents, before, specResources(input))
  const trees = [...(template.plan.rest?.trees ?? []), ...mounts.filter(isBind).map(sourceOf)]
  return E.right({ process: process.right, owner, stage, ids: idPlaces(stage.bytes, id), trees, limits })
}

/** Environment and mounts are added to, anything else replaces what the pool has. */
export const mergedOptions = ({ options }: Shape, own: PlannedStartOptions): PlannedStartOptions => {
  const { env, mounts, ...pool } = options
  return {
    ...pool,
    ...own,
    ...(env === undefined && own.env === undefined ? {} : { env: { ...env, ...own.env } }),
    ...(mounts === undefined && own.mounts === undefined
      ? {}
      : { mounts: [...(mounts ?? []), ...(own.mounts ?? [])] }),
  }
}

/** On cgroup v1 a sandbox has the groups that its pool has limits for. */
const missingGroup = (
  parents: readonly CgroupParent[],
  own: PlannedStartOptions,
): EngineError | undefined => {
  const controllers = new Set(parents.flatMap((parent) => parent.controllers))
  for (const [controller, names] of Object.entries(POOL_LIMITS)) {
    const option = names.find((name) => own[name] !== undefined)
    if (option !== undefined && !controllers.has(controller))
      return {
        _tag: 'InvalidOption',
        option,
        value: String(own[option]),
        why: `the pool's sandboxes have no ${controller} group: give the pool such a limit, too`,
      }
  }
  return undefined
}

/** The filter of a sandbox that waits is loaded already, and most refuse to mount. */
const noMounts = ([first]: readonly PlannedMount[]): EngineError | undefined =>
  first && {
    _tag: 'InvalidOption',
    option: 'mounts',
    value: first.target,
    why: 'the pool was not made for mounts of its starts: give it lateMounts: true',
  }

/** What makes one last stage another one than the next. */
const firingKey = ({ argv, options }: PlannedFire, given: readonly boolean[]): string => {
  const choices = POOL_CHOICES.filter((name) => options[name] !== undefined)
  return JSON.stringify([argv, given, choices, choices.map((name) => options[name])])
}
