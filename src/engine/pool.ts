// Sandboxes made ahead, each up to the moment before its program is executed. One that got a program is never used again.
import * as E from '#fp/Either'
import type { TaskEither } from '#fp/TaskEither'
import { cancelled } from '../model/abort.ts'
import type { EngineError } from '../model/errors.ts'
import type { RunResult } from '../model/exit.ts'
import { isPlanned, rememberedMounts, renameVolumes } from '../model/named-mounts.ts'
import type { Process } from '../model/oci-spec.ts'
import type { ImageSource } from '../model/options.ts'
import { conflictOf } from '../model/options-decode-conflicts.ts'
import type {
  DecodedOptions,
  DecodedRunOptions,
  DecodedStartOptions,
  NamedMount,
  PlannedMount,
  PlannedOptions,
  PlannedStartOptions,
} from '../model/options-decoded.ts'
import { POOL_CHOICES, POOL_LIMITS, type PoolSize, type PoolStats } from '../model/pool.ts'
import type { PreparedImage } from '../model/prepared-image.ts'
import type { ContainerRecord } from '../model/record.ts'
import { remember } from '../model/remember.ts'
import { type ResolvedUser, resolveUser } from '../model/user-db.ts'
import { type LateWrite, lateWrites } from '../plan/launch/cgroup.ts'
import {
  type ArmedPlan,
  type CgroupParent,
  type PlannedStage,
  planArmed,
  planFire,
  servesAs,
  type TreeSource,
} from '../plan/launch/index.ts'
import { isBind } from '../plan/launch/mount-options.ts'
import { idPlaces, ownText } from '../plan/launch/own-text.ts'
import { ownerOf } from '../plan/launch/owner.ts'
import { STREAM_NAMES } from '../plan/launch/process.ts'
import { sourceOf } from '../plan/launch/trees.ts'
import { askedMounts } from '../plan/spec/mounts.ts'
import { specProcess } from '../plan/spec/process.ts'
import { specResources } from '../plan/spec/resources.ts'
import type { Container } from './container.ts'
import { abortable, limited } from './deadline.ts'
import { imageGone, unlessGone } from './image-gone.ts'
import { dropOwn, type RememberedMounts } from './own-volumes.ts'
import type { ArmedProcess } from './ports/launcher.ts'
import type { OpenStdio } from './ports/stdio.ts'
import type { Ports } from './ports.ts'
import { collect } from './run.ts'
import {
  afterFailure,
  decideTemplate,
  type HeldMounts,
  NOTHING_HELD,
  ofBinds,
  type Prepared,
  preparedFrom,
  removeFailed,
  running,
  startFds,
  streamsOf,
  type Template,
  templateKey,
  userOf,
} from './start.ts'

export interface PoolSpec {
  /** Without one the sandboxes wait without a root, and each start brings its image. */
  readonly image: ImageSource | undefined
  readonly lateMounts: boolean
  readonly options: DecodedOptions
}

/** What a program of the pool may choose for itself; the rest is the pool's. */
export interface FireRequest<Options extends DecodedStartOptions = DecodedStartOptions> {
  readonly image: ImageSource | undefined
  readonly argv: readonly string[]
  readonly options: Options
}

/** Whose own mounts have been looked up. */
interface PlannedFire extends Omit<FireRequest, 'options'> {
  readonly options: PlannedStartOptions
}

/** Everything sandboxes of one make have in common. Another image, user or host file is another shape. */
interface Shape {
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
interface ShapeMounts {
  readonly named: readonly NamedMount[]
  readonly fresh: readonly string[]
  readonly remembered: RememberedMounts
}

/** A program as the last stage of a sandbox. Its bytes are given each sandbox's id before they are sent. */
interface Firing {
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

/** One start, up to the sandbox it gets. */
interface Shot extends PlannedFire {
  readonly shape: Shape
  readonly taken: HeldMounts
  /** Of those names of volumes that its sandbox's plan speaks of, which this start has instead: where it brings the root. */
  readonly named: readonly string[] | undefined
  readonly firing: Firing
  /** As the firing has them. */
  readonly trees: readonly number[]
  readonly stdio: OpenStdio
  readonly signal: AbortSignal | undefined
  readonly calledNs: number
}

interface Fired {
  readonly container: Container
  /** Its image has been removed meanwhile. */
  readonly gone: E.Left<EngineError> | undefined
}

interface Sources {
  readonly fds: readonly number[]
  readonly close: () => void
}
const NO_SOURCES: E.Either<never, Sources> = E.right({ fds: [], close: () => {} })

/** A sandbox that waits. */
interface Entry {
  readonly id: string
  readonly createdMs: number
  /** As which it was made. */
  readonly shape: Shape
  readonly taken: Pick<HeldMounts, 'volumes' | 'remembered'>
  readonly process: ArmedProcess
}

/** An older sandbox is replaced: what the host has changed meanwhile need not be known to be left behind. */
const MAX_AGE_MS = 10 * 60 * 1000
/** Whether the image and the host's files are still those of the sandboxes is looked at again after so long. */
const LOOK_AGAIN_MS = 250
/** A start waits for that look when the last one is older than this. */
const TRUST_MS = 1000
/** How often ages are looked at, and how long a pool that is larger than its minimum waits before it shrinks. */
const TICK_MS = 10_000
/** Percent of the last ten seconds somebody waited for memory: then nothing is made ahead (Documentation/accounting/psi.rst). */
const MAX_PRESSURE = 5
const PRESSURE_PAUSE_MS = 1000
/** How long a program runs before it is on record. */
const UNWRITTEN_MS = 5
/** Without a start for so long, the next sandbox is made. */
const QUIET_MS = 5
const CAP_SYS_NICE = 1n << 23n
/** A sandbox's own program, which never runs. */
const PLACEHOLDER = ['true']
/** What a sandbox without a root is made as: nothing of it is used before its start. */
const NO_IMAGE: PreparedImage = {
  reference: '',
  id: '',
  config: {},
  rootfs: { kind: 'directory', path: '/' },
}

/** When something was looked at. */
interface Looked {
  readonly shape: Shape
  readonly atMs: number
}

export class Pool {
  readonly #ports: Ports
  readonly #spec: PoolSpec
  readonly #size: PoolSize
  readonly #started: (container: Container) => void
  readonly #waiting: Entry[] = []
  /** Sandboxes on their way out. */
  readonly #leaving = new Set<Promise<unknown>>()
  /** Containers that run and are still on record as sandboxes that wait. */
  readonly #unwritten = new Map<Container, ContainerRecord>()
  /** Containers that have ended and are being removed. */
  #removing = 0
  /** As which sandboxes are made now. */
  #made: Looked | undefined
  /** Where they have no root: what they become, by the image of the start. Of `#made` as it is now. */
  readonly #served = new Map<string, Looked>()
  /** The id all plans of this pool are told with, so that they can be compared. */
  readonly #templateId: string
  #target: number
  #arming: Promise<unknown> | undefined
  #firing = 0
  #missed = false
  #hits = 0
  #misses = 0
  #dropped = 0
  #closed = false
  #ticker: NodeJS.Timeout | undefined
  #pause: NodeJS.Timeout | undefined
  /** Runs from the last start on. */
  #quiet: NodeJS.Timeout | undefined
  #isQuiet = true

  constructor(ports: Ports, spec: PoolSpec, size: PoolSize, started: (container: Container) => void) {
    this.#ports = ports
    this.#spec = spec
    this.#size = size
    this.#target = size.min
    this.#started = started
    this.#templateId = ports.host.randomId()
  }

  /** Makes the smallest number of sandboxes. Fails as a start of this image with these options does, and leaves nothing. */
  async open(): Promise<E.Either<EngineError, this>> {
    const image = this.#spec.image ?? ''
    const shape = await this.#lookAgain(undefined)
    if (E.isLeft(shape)) return unlessGone(this.#ports, image, shape)
    while (this.#waiting.length < this.#size.min && !this.#closed) {
      const entry = await this.#arm(shape.right, false)
      if (E.isLeft(entry)) {
        await this.close()
        return unlessGone(this.#ports, image, entry)
      }
      this.#keep(entry.right)
    }
    if (!this.#closed) this.#ticker = setInterval(() => this.#tick(), TICK_MS).unref()
    return E.right(this)
  }

  get stats(): PoolStats {
    return {
      waiting: this.#waiting.length,
      target: this.#target,
      hits: this.#hits,
      misses: this.#misses,
      dropped: this.#dropped,
    }
  }

  readonly start =
    (request: FireRequest): TaskEither<EngineError, Container> =>
    () => {
      const calledNs = this.#ports.host.nowNs()
      const image = this.#spec.image ?? request.image ?? ''
      return limited(
        request.options,
        (signal) => async () => unlessGone(this.#ports, image, await this.#start(request, signal, calledNs)),
      )()
    }

  readonly run =
    (request: FireRequest<DecodedRunOptions>): TaskEither<EngineError, RunResult<string | Buffer>> =>
    async () => {
      const started = await this.start(request)()
      return E.isLeft(started) ? started : E.right(await collect(started.right, request.options))
    }

  /** Removes what waits; resolves when nothing of it is left. Containers that were started live on. */
  async close(): Promise<void> {
    this.#closed = true
    this.flush()
    clearInterval(this.#ticker)
    clearTimeout(this.#pause)
    clearTimeout(this.#quiet)
    for (const entry of this.#waiting.splice(0)) this.#discard(entry)
    await this.#arming
    await Promise.all(this.#leaving)
  }

  /** Everything that can fail by the caller's fault comes before a sandbox is taken. */
  async #start(
    request: FireRequest,
    signal: AbortSignal | undefined,
    calledNs: number,
  ): Promise<E.Either<EngineError, Container>> {
    if (this.#closed) return E.left({ _tag: 'Cancelled', what: 'start', why: 'the pool is closed' })
    // Before a sandbox is taken for nothing.
    if (signal?.aborted === true) return E.left(cancelled(signal.reason))
    const made = trusted(this.#made) ?? (await this.#lookAgain(signal))
    if (E.isLeft(made)) return made
    const shape =
      this.#spec.image === undefined ? await this.#shapeOf(request.image, made.right, signal) : made
    if (E.isLeft(shape)) return shape
    const own = await this.#ownMounts(shape.right, request, signal)
    if (E.isLeft(own)) return own
    const started = await this.#startWith(shape.right, own.right, signal, calledNs)
    own.right.taken.release()
    if (E.isLeft(started)) await dropOwn(this.#ports, own.right.taken.volumes)
    return started
  }

  /** What the start itself mounts, and all of the pool's where it brings the root. */
  async #ownMounts(
    shape: Shape,
    request: FireRequest,
    signal: AbortSignal | undefined,
  ): Promise<E.Either<EngineError, PlannedFire & Pick<Shot, 'taken' | 'named'>>> {
    const { options } = request
    const isHalf = this.#spec.image === undefined
    if (isPlanned(options, NO_IMAGE) && (!isHalf || shape.mounts.named.length === 0))
      return E.right({
        ...request,
        options,
        taken: { ...NOTHING_HELD, remembered: ofBinds(options) },
        named: undefined,
      })
    const { mountsOfStart, remembered, takeVolumes, withFresh } = await import('./volumes-of-start.ts')
    const { security } = this.#spec.options
    const late = await mountsOfStart(this.#ports, { ...options, ...(security && { security }) }, NO_IMAGE)
    if (E.isLeft(late)) return late
    const named = isHalf ? shape.mounts.fresh.map(() => this.#ports.host.randomId()) : undefined
    const ofPool = named === undefined ? [] : withFresh(shape.mounts, named).named
    const all = { named: [...ofPool, ...late.right.named], fresh: [...(named ?? []), ...late.right.fresh] }
    const taking = { rootfs: shape.image.rootfs, passing: true, signal }
    const release = await takeVolumes(this.#ports, all, taking)
    if (E.isLeft(release)) return release
    const taken = { volumes: all.fresh, remembered: remembered(late.right), release: release.right }
    const { mounts, ...others } = options
    const planned = mounts === undefined ? others : { ...others, mounts: late.right.planned }
    return E.right({ ...request, options: planned, taken, named })
  }

  async #startWith(
    shape: Shape,
    request: PlannedFire & Pick<Shot, 'taken' | 'named'>,
    signal: AbortSignal | undefined,
    calledNs: number,
  ): Promise<E.Either<EngineError, Container>> {
    const streams = streamsOf(request.options)
    const given = STREAM_NAMES.map((name) => streams[name] !== 'ignore')
    const key = firingKey(request, given)
    const known = shape.firings.get(key)
    const firing =
      known === undefined ? await this.#decide(shape, key, request, given, signal) : E.right(known)
    if (E.isLeft(firing)) return firing
    const wanted = firing.right.trees.map(renamedTree(shape.mounts.fresh, request.named))
    const sources = wanted.length === 0 ? NO_SOURCES : await this.#openSources(request, wanted, signal)
    if (E.isLeft(sources)) return sources
    const stdio = this.#ports.stdio.open(streams, firing.right.owner)
    if (E.isLeft(stdio)) {
      sources.right.close()
      return stdio
    }
    this.#firing++
    const trees = sources.right.fds
    const shot = {
      ...request,
      shape,
      firing: firing.right,
      trees,
      stdio: stdio.right,
      signal,
      calledNs,
    }
    const fired = await this.#fireOne(shot)
    this.#firing--
    sources.right.close()
    if (E.isLeft(fired)) stdio.right.abandon()
    this.#refillAfter(fired)
    if (E.isLeft(fired)) return fired
    const { container, gone } = fired.right
    if (gone === undefined) return E.right(container)
    await container[Symbol.asyncDispose]()
    return gone
  }

  async #openSources(
    { options }: PlannedFire,
    trees: readonly TreeSource[],
    signal: AbortSignal | undefined,
  ): Promise<E.Either<EngineError, Sources>> {
    const { host } = this.#ports
    const made = await abortable(signal, host.makeBindSources(options, signal))()
    return E.isLeft(made) ? made : host.openTrees(trees, signal)()
  }

  async #fireOne(shot: Shot): Promise<E.Either<EngineError, Fired>> {
    const { shape } = shot
    const waiting = shape.isServed ? this.#take() : undefined
    if (waiting !== undefined) {
      const fired = await this.#fire(waiting, shot)
      // It had been killed while it waited: no program has run, so another sandbox may.
      if (E.isLeft(fired) && fired.left._tag === 'LaunchDied') this.#dropped++
      else {
        this.#hits++
        return fired
      }
    }
    this.#misses++
    this.#missed = true
    this.#target = Math.min(this.#size.max, Math.max(1, 2 * this.#target))
    const entry = await this.#arm(shape, false)
    return E.isLeft(entry) ? entry : this.#fire(entry.right, shot)
  }

  /** The oldest that is still as it should be. */
  #take(): Entry | undefined {
    for (;;) {
      const entry = this.#waiting.shift()
      if (entry === undefined || this.#isFresh(entry)) return entry
      this.#drop(entry)
    }
  }

  #isFresh(entry: Entry): boolean {
    return entry.shape === this.#made?.shape && Date.now() - entry.createdMs < MAX_AGE_MS
  }

  /** The image may have been pulled anew, and the host's files been written. What waits then is dropped. */
  async #lookAgain(signal: AbortSignal | undefined): Promise<E.Either<EngineError, Shape>> {
    const { image } = this.#spec
    const before = this.#made?.shape
    const shape = await this.#look(image, before, () => true, signal)
    if (E.isLeft(shape)) return shape
    const { options } = shape.right
    if (shape.right !== before && options.mounts !== undefined) {
      const sources = await abortable(signal, this.#ports.host.makeBindSources(options, signal))()
      if (E.isLeft(sources)) return sources
    }
    this.#made = { shape: shape.right, atMs: Date.now() }
    if (shape.right === before) return shape
    this.#served.clear()
    for (const entry of this.#waiting.splice(0)) this.#drop(entry)
    return shape
  }

  /** Of a start that brings its image. */
  async #shapeOf(
    image: ImageSource | undefined,
    made: Shape,
    signal: AbortSignal | undefined,
  ): Promise<E.Either<EngineError, Shape>> {
    if (image === undefined) return E.left(NEEDS_IMAGE)
    const name = JSON.stringify(image)
    const known = this.#served.get(name)
    const recent = trusted(known)
    if (recent !== undefined) return recent
    const isServed = ({ plan }: Template<ArmedPlan>): boolean => servesAs(made.template.plan, plan)
    const shape = await this.#look(image, known?.shape, isServed, signal)
    if (E.isRight(shape) && made === this.#made?.shape)
      remember(this.#served, name, { shape: shape.right, atMs: Date.now() })
    return shape
  }

  /** `before`, unless something that shapes a sandbox of this image has changed. */
  async #look(
    source: ImageSource | undefined,
    before: Shape | undefined,
    isServed: (template: Template<ArmedPlan>) => boolean,
    signal: AbortSignal | undefined,
  ): Promise<E.Either<EngineError, Shape>> {
    const { lateMounts, image: own } = this.#spec
    const image = source === undefined ? E.right(NO_IMAGE) : await this.#ports.host.prepareImage(source)()
    if (E.isLeft(image)) return image
    const looked = await this.#shapeMounts(image.right)
    if (E.isLeft(looked)) return looked
    const { options, mounts } = looked.right
    const user =
      source === undefined
        ? resolveUser('', undefined, undefined)
        : await userOf(this.#ports, image.right, options, signal)
    if (E.isLeft(user)) return user
    const request = {
      image: source ?? '',
      argv: PLACEHOLDER,
      options,
      keep: false,
      volumes: mounts.fresh,
      remembered: mounts.remembered,
    }
    const key = templateKey(this.#ports, request, image.right, user.right, request)
    if (before?.key === key) return E.right(before)
    const planOf = planArmed(lateMounts, own === undefined ? 'half' : 'armed')
    return E.map((template: Template<ArmedPlan>) => ({
      key,
      image: image.right,
      user: user.right,
      options,
      mounts,
      template,
      isServed: isServed(template),
      firings: new Map<string, Firing>(),
    }))(
      decideTemplate(this.#ports, request, image.right, user.right, planOf, {
        id: this.#templateId,
        isParked: true,
      }),
    )
  }

  async #shapeMounts(
    image: PreparedImage,
  ): Promise<E.Either<EngineError, Pick<Shape, 'options' | 'mounts'>>> {
    const { options } = this.#spec
    if (isPlanned(options, image))
      return E.right({ options, mounts: { named: [], fresh: [], remembered: ofBinds(options) } })
    const { mountsOfStart, remembered } = await import('./volumes-of-start.ts')
    const mounts = await mountsOfStart(this.#ports, options, image)
    if (E.isLeft(mounts)) return mounts
    const { volumesFrom: _, ...rest } = options
    return E.right({
      options: { ...rest, mounts: mounts.right.planned },
      mounts: { ...mounts.right, remembered: remembered(mounts.right) },
    })
  }

  /** One that waits without a root mounts nothing yet: its start does. */
  async #takeForOne({ mounts, image }: Shape): Promise<E.Either<EngineError, HeldMounts>> {
    if (mounts.named.length === 0) return E.right({ ...NOTHING_HELD, remembered: mounts.remembered })
    const { takeVolumes, withFresh } = await import('./volumes-of-start.ts')
    const volumes = mounts.fresh.map(() => this.#ports.host.randomId())
    const own = withFresh(mounts, volumes)
    const remembered = { ...mounts.remembered, mounts: rememberedMounts(own.named) }
    if (this.#spec.image === undefined) return E.right({ volumes, remembered, release: () => {} })
    const taking = { rootfs: image.rootfs, passing: true, signal: undefined }
    const release = await takeVolumes(this.#ports, own, taking)
    return E.isLeft(release) ? release : E.right({ volumes, remembered, release: release.right })
  }

  async #arm(shape: Shape, ahead: boolean): Promise<E.Either<EngineError, Entry>> {
    const { host, launcher } = this.#ports
    const { plan, parents } = shape.template
    const taken = await this.#takeForOne(shape)
    if (E.isLeft(taken)) return taken
    const { volumes, release } = taken.right
    const id = host.randomId()
    const createdMs = Date.now()
    const fds = startFds(this.#ports, parents)
    // Whoever may not raise a priority again does not lower it.
    const background = ahead && (host.facts.effectiveCaps & CAP_SYS_NICE) !== 0n
    const process = await launcher.arm(plan, ownText(id, createdMs, volumes), fds, background)()
    release()
    const one = { id, createdMs, shape, taken: taken.right }
    if (E.isRight(process)) {
      const entry = { ...one, process: process.right }
      const gone = await imageGone(this.#ports, this.#spec.image ?? '', shape.image)
      if (gone === undefined) return E.right(entry)
      this.#discard(entry)
      return gone
    }
    await removeFailed(this.#ports, this.#prepared(one, PLACEHOLDER, shape.options, 0))
    return process
  }

  async #fire(entry: Entry, shot: Shot): Promise<E.Either<EngineError, Fired>> {
    const { stage, ids, process, limits } = shot.firing
    const {
      plan: { rest },
      parents,
    } = shot.shape.template
    const own = rest?.trees.length ?? 0
    const set = limits.length === 0 ? E.right(undefined) : this.#setLimits(entry, limits)
    if (E.isLeft(set)) {
      this.#drop(entry)
      return set
    }
    for (const { at, length } of ids) stage.bytes.write(entry.id.slice(0, length), at, 'latin1')
    let late: Promise<void> | undefined
    const fired = entry.process.fire(
      stage,
      { ...shot.stdio.fds, mounts: shot.trees.slice(own) },
      {
        command: process.args?.[0] ?? '',
        ...(shot.signal === undefined ? {} : { signal: shot.signal }),
        onLate: (end) => {
          late = end
        },
      },
      rest && {
        plan: rest,
        own: ownText(entry.id, entry.createdMs, shot.named ?? []),
        fds: startFds(this.#ports, parents),
        trees: shot.trees.slice(0, own),
      },
    )()
    // While the sandbox turns into the program.
    const { id, createdMs } = entry
    const one = { id, createdMs, shape: shot.shape, taken: together(entry.taken, shot) }
    const options = this.#merged(shot.shape, shot.options)
    const prepared = this.#prepared(one, shot.argv, options, shot.calledNs, process)
    const gone = await this.#goneSince(shot, prepared.record)
    const result = await fired
    if (E.isLeft(result)) return E.left(await afterFailure(this.#ports, prepared, result.left, late))
    const container = running(this.#ports, prepared, shot.stdio, result.right)
    this.#started(container)
    this.#watch(container)
    if (gone === undefined) this.#record(container, prepared.record)
    return E.right({ container, gone })
  }

  #setLimits({ id, shape }: Entry, limits: readonly LateWrite[]): E.Either<EngineError, void> {
    const { groups, id: known } = shape.template.record
    return this.#ports.host.setLimits(
      limits.map(({ group, file, ...write }) => ({
        ...write,
        path: `${groups[group]?.replace(known, id)}/${file}`,
      })),
    )
  }

  #watch(container: Container): void {
    container.exit.then(() => this.#removing++)
    container.removed.then(() => {
      this.#removing--
      this.#refill()
    })
  }

  /**
   * The record said until now that a sandbox waits. A program that ends at once never needs another; who lists containers of this
   * engine writes it first, and other processes find it a moment later.
   */
  #record(container: Container, record: ContainerRecord): void {
    this.#unwritten.set(container, record)
    if (this.#unwritten.size === 1) setTimeout(() => this.flush(), UNWRITTEN_MS).unref()
    container.exit.then(() => this.#unwritten.delete(container))
  }

  /** Every container that was started is on record. */
  flush(): void {
    for (const record of this.#unwritten.values()) this.#write(record)
    this.#unwritten.clear()
  }

  #write(record: ContainerRecord): void {
    try {
      this.#ports.host.state.write(record)
    } catch {
      // A full disk: the container runs all the same, and the old record leads to its removal.
    }
  }

  /** A sandbox without a root has been on record without an image. */
  async #goneSince({ image, shape }: Shot, record: ContainerRecord): ReturnType<typeof imageGone> {
    if (this.#spec.image !== undefined || shape.image.rootfs.kind !== 'layers') return undefined
    this.#write(record)
    return imageGone(this.#ports, image ?? '', shape.image)
  }

  async #decide(
    shape: Shape,
    key: string,
    { argv, options: own }: PlannedFire,
    given: readonly boolean[],
    signal: AbortSignal | undefined,
  ): Promise<E.Either<EngineError, Firing>> {
    const { host } = this.#ports
    const { image, template, firings } = shape
    const options = this.#merged(shape, own)
    const wrong =
      conflictOf(options, host.facts) ??
      missingGroup(template.parents, own) ??
      (this.#spec.lateMounts ? undefined : noMounts(own.mounts ?? []))
    if (wrong !== undefined) return E.left(wrong)
    const user = await userOf(this.#ports, image, options, signal)
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
    const firing = { process: process.right, owner, stage, ids: idPlaces(stage.bytes, id), trees, limits }
    // Of a directory the user database may change.
    if (image.rootfs.kind === 'directory') return E.right(firing)
    remember(firings, key, firing)
    return E.right(firing)
  }

  /** Environment and mounts are added to, anything else replaces what the pool has. */
  #merged({ options }: Shape, own: PlannedStartOptions): PlannedStartOptions {
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

  /** `process`: of a sandbox that got its program. */
  #prepared(
    { id, createdMs, shape, taken }: Omit<Entry, 'process'>,
    argv: readonly string[],
    options: PlannedStartOptions,
    calledNs: number,
    process?: Process,
  ): Prepared {
    const request = { image: shape.image.reference, argv, options, keep: false }
    const prepared = preparedFrom(shape.template, {
      ...NOTHING_HELD,
      ...taken,
      id,
      createdMs,
      request,
      image: shape.image,
      calledNs,
    })
    if (process === undefined) return prepared
    const { parked: _, ...record } = prepared.record
    return {
      ...prepared,
      spec: { ...prepared.spec, process },
      record: { ...record, command: process.args ?? [] },
    }
  }

  /** Waits from now on, until it is taken or its process ends by itself. */
  #keep(entry: Entry): void {
    if (this.#closed) {
      this.#discard(entry)
      return
    }
    this.#waiting.push(entry)
    entry.process.end.then(() => {
      const at = this.#waiting.indexOf(entry)
      if (at < 0) return
      this.#waiting.splice(at, 1)
      this.#drop(entry)
      this.#refill()
    })
  }

  #drop(entry: Entry): void {
    this.#dropped++
    this.#discard(entry)
  }

  #discard(entry: Entry): void {
    const { process } = entry
    process.abandon()
    const prepared = this.#prepared(entry, PLACEHOLDER, entry.shape.options, 0)
    this.#leave(process.end.then(() => removeFailed(this.#ports, prepared)))
  }

  #leave(gone: Promise<unknown>): void {
    this.#leaving.add(gone)
    gone.then(() => {
      this.#leaving.delete(gone)
      this.#refill()
    })
  }

  /**
   * A short program is let end first, and while enough sandboxes wait, so is a burst of starts: what is made for later would take
   * the processors from what is wanted now.
   */
  #refillAfter(fired: E.Either<EngineError, Fired>): void {
    this.#isQuiet = false
    if (!this.#closed) this.#quiet = this.#quiet?.refresh() ?? this.#startQuiet()
    if (E.isLeft(fired)) this.#refill()
    else fired.right.container.exit.then(() => setImmediate(() => this.#refill()))
  }

  #startQuiet(): NodeJS.Timeout {
    const over = (): void => {
      this.#isQuiet = true
      this.#refill()
    }
    return setTimeout(over, QUIET_MS).unref()
  }

  /** One at a time, and not beside a start: a sandbox for later takes nothing from one that is wanted now. */
  #refill(): void {
    if (this.#closed || this.#arming !== undefined || this.#firing > 0) return
    const made = this.#made
    if (made === undefined || this.#waiting.length >= this.#target) return
    if (!this.#isQuiet && this.#waiting.length * 2 > this.#target) return
    // What leaves still has its namespaces and groups; those that come must not outrun it.
    if (this.#leaving.size + this.#removing > 2 * this.#size.max) return
    if ((this.#ports.host.memoryPressure() ?? 0) >= MAX_PRESSURE) {
      this.#pause ??= setTimeout(() => {
        this.#pause = undefined
        this.#refill()
      }, PRESSURE_PAUSE_MS)
      this.#pause.unref()
      return
    }
    this.#arming = this.#armNext(made).then((entry) => {
      this.#arming = undefined
      // One that cannot be made now is asked for again by the next start, which then tells why.
      if (E.isLeft(entry)) return
      if (entry.right.shape === this.#made?.shape) this.#keep(entry.right)
      else this.#drop(entry.right)
      this.#refill()
    })
  }

  async #armNext({ shape: known, atMs }: Looked): Promise<E.Either<EngineError, Entry>> {
    if (Date.now() - atMs < LOOK_AGAIN_MS) return this.#arm(known, true)
    const shape = await this.#lookAgain(undefined)
    return E.isLeft(shape) ? shape : this.#arm(shape.right, true)
  }

  #tick(): void {
    if (!this.#missed) this.#target = Math.max(this.#size.min, this.#target - 1)
    this.#missed = false
    const limitMs = Date.now() - MAX_AGE_MS
    while (this.#waiting.length > this.#target || (this.#waiting[0]?.createdMs ?? limitMs + 1) <= limitMs) {
      const oldest = this.#waiting.shift()
      if (oldest !== undefined) this.#drop(oldest)
    }
    this.#refill()
  }
}

const trusted = (looked: Looked | undefined): E.Either<never, Shape> | undefined =>
  looked !== undefined && Date.now() - looked.atMs < TRUST_MS ? E.right(looked.shape) : undefined

const NEEDS_IMAGE: EngineError = {
  _tag: 'InvalidOption',
  option: 'image',
  value: 'undefined',
  why: 'is needed: the pool was made without one',
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

/** A start that brings the root has other volumes than its sandbox was planned with. */
const renamedTree =
  (before: readonly string[], after: readonly string[] | undefined) =>
  (tree: TreeSource): TreeSource => {
    if (after === undefined) return tree
    const path = before.reduce((text, name, index) => text.replace(name, after[index] ?? name), tree.path)
    return path === tree.path ? tree : { ...tree, path }
  }

/** Of a sandbox and of the start that gets it. */
const together = (
  sandbox: Entry['taken'],
  { taken, named, shape }: Pick<Shot, 'taken' | 'named' | 'shape'>,
): HeldMounts => {
  const own = named === undefined ? sandbox : { volumes: [], remembered: ofNames(shape.mounts, named) }
  const mounts = [...(own.remembered.mounts ?? []), ...(taken.remembered.mounts ?? [])]
  return {
    release: taken.release,
    volumes: [...own.volumes, ...taken.volumes],
    remembered: mounts.length === 0 ? {} : { mounts },
  }
}

const ofNames = ({ named, fresh, remembered }: ShapeMounts, names: readonly string[]): RememberedMounts => ({
  ...remembered,
  mounts: rememberedMounts(renameVolumes(named, fresh, names)),
})
