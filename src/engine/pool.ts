// Sandboxes made ahead, each up to the moment before its program is executed. One that got a program is never used again.
import * as E from '#fp/Either'
import type { TaskEither } from '#fp/TaskEither'
import { cancelled } from '../model/abort.ts'
import type { EngineError } from '../model/errors.ts'
import type { RunResult } from '../model/exit.ts'
import { isPlanned } from '../model/named-mounts.ts'
import type { ImageSource } from '../model/options.ts'
import type { DecodedRunOptions } from '../model/options-decoded.ts'
import type { PoolSize, PoolStats } from '../model/pool.ts'
import type { ContainerRecord } from '../model/record.ts'
import { remember } from '../model/remember.ts'
import { servesAs, type TreeSource } from '../plan/launch/index.ts'
import { ownText } from '../plan/launch/own-text.ts'
import { STREAM_NAMES } from '../plan/launch/process.ts'
import type { Container } from './container.ts'
import { abortable, limited } from './deadline.ts'
import { imageGone, imagesIn, unlessGone } from './image-gone.ts'
import { dropOwn } from './own-volumes.ts'
import {
  armSandbox,
  type BroughtMounts,
  discardSandbox,
  limitSandbox,
  mountsTogether,
  preparedAs,
  renamedTree,
  type Sandbox,
} from './pool-sandbox.ts'
import {
  type FireRequest,
  type Firing,
  firingOf,
  type Make,
  mergedOptions,
  NO_IMAGE,
  type PlannedFire,
  type PoolSpec,
  type Shape,
  shapeOf,
} from './pool-shapes.ts'
import { Supply } from './pool-supply.ts'
import type { OpenStdio } from './ports/stdio.ts'
import type { Ports } from './ports.ts'
import { collect } from './run.ts'
import { afterFailure, NOTHING_HELD, ofBinds, type Prepared, running, startFds, streamsOf } from './start.ts'

/** A start whose mounts have been looked up. */
interface MountedFire extends PlannedFire, BroughtMounts {}

/** One start, up to the sandbox it gets. */
interface Shot extends MountedFire {
  readonly shape: Shape
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

/** Whether the image and the host's files are still those of the sandboxes is looked at again after so long. */
const LOOK_AGAIN_MS = 250
/** A start waits for that look when the last one is older than this. */
const TRUST_MS = 1000
/** How long a program runs before it is on record. */
const UNWRITTEN_MS = 5

/** When something was looked at. */
interface Looked {
  readonly shape: Shape
  readonly atMs: number
}

export class Pool {
  readonly #make: Make
  readonly #min: number
  readonly #supply: Supply
  readonly #started: (container: Container, prepared: Prepared) => void
  /** Containers that run and are still on record as sandboxes that wait. */
  readonly #unwritten = new Map<Container, ContainerRecord>()
  /** As which sandboxes are made now. */
  #made: Looked | undefined
  /** Where they have no root: what they become, by the image of the start. Of `#made` as it is now. */
  readonly #served = new Map<string, Looked>()
  #hits = 0
  #misses = 0
  #closed = false

  constructor(
    ports: Ports,
    spec: PoolSpec,
    size: PoolSize,
    started: (container: Container, prepared: Prepared) => void,
  ) {
    this.#make = { ports, spec, templateId: ports.host.randomId() }
    this.#min = size.min
    this.#started = started
    this.#supply = new Supply(size, {
      arm: () => (this.#made === undefined ? undefined : this.#armNext(this.#made)),
      isCurrent: ({ shape }) => shape === this.#made?.shape,
      discard: (sandbox) => discardSandbox(ports, sandbox),
      memoryPressure: () => ports.host.memoryPressure(),
    })
  }

  /** Makes the smallest number of sandboxes. Fails as a start of this image with these options does, and leaves nothing. */
  async open(): Promise<E.Either<EngineError, this>> {
    const { ports, spec } = this.#make
    const filled = await this.#fill()
    if (E.isRight(filled)) return E.right(this)
    await this.close()
    return unlessGone(ports, spec.image ?? '', filled)
  }

  async #fill(): Promise<E.Either<EngineError, void>> {
    const shape = await this.#lookAgain(undefined)
    if (E.isLeft(shape)) return shape
    while (this.#supply.stats.waiting < this.#min && !this.#closed) {
      const sandbox = await armSandbox(this.#make, shape.right, false)
      if (E.isLeft(sandbox)) return sandbox
      this.#supply.keep(sandbox.right)
    }
    this.#supply.open()
    return E.right(undefined)
  }

  get stats(): PoolStats {
    return { ...this.#supply.stats, hits: this.#hits, misses: this.#misses }
  }

  readonly start =
    (request: FireRequest): TaskEither<EngineError, Container> =>
    () => {
      const { ports, spec } = this.#make
      const calledNs = ports.host.nowNs()
      const image = spec.image ?? request.image ?? ''
      return limited(
        request.options,
        (signal) => async () => unlessGone(ports, image, await this.#start(request, signal, calledNs)),
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
    await this.#supply.close()
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
    const { ports, spec } = this.#make
    const shape = spec.image === undefined ? await this.#shapeWith(request.image, made.right, signal) : made
    if (E.isLeft(shape)) return shape
    const own = await this.#mounted(shape.right, request, signal)
    if (E.isLeft(own)) return own
    const started = await this.#startWith(shape.right, own.right, signal, calledNs)
    own.right.taken.release()
    if (E.isLeft(started)) await dropOwn(ports, own.right.taken.volumes)
    return started
  }

  /** What the start itself mounts, and all of the pool's where it brings the root. */
  async #mounted(
    shape: Shape,
    request: FireRequest,
    signal: AbortSignal | undefined,
  ): Promise<E.Either<EngineError, MountedFire>> {
    const { options } = request
    const { ports, spec } = this.#make
    const isHalf = spec.image === undefined
    if (isPlanned(options, NO_IMAGE) && (!isHalf || shape.mounts.named.length === 0))
      return E.right({
        ...request,
        options,
        taken: { ...NOTHING_HELD, remembered: ofBinds(options) },
        named: undefined,
      })
    const { mountsOfStart, remembered, takeVolumes, withFresh } = await import('./volumes-of-start.ts')
    const { security } = spec.options
    const late = await mountsOfStart(ports, { ...options, ...(security && { security }) }, NO_IMAGE)
    if (E.isLeft(late)) return late
    const named = isHalf ? shape.mounts.fresh.map(() => ports.host.randomId()) : undefined
    const ofPool = named === undefined ? [] : withFresh(shape.mounts, named).named
    const all = { named: [...ofPool, ...late.right.named], fresh: [...(named ?? []), ...late.right.fresh] }
    const taking = { rootfs: shape.image.rootfs, passing: true, signal }
    const release = await takeVolumes(ports, all, taking)
    if (E.isLeft(release)) return release
    const taken = { volumes: all.fresh, remembered: remembered(late.right), release: release.right }
    const { mounts, ...others } = options
    const planned = mounts === undefined ? others : { ...others, mounts: late.right.planned }
    return E.right({ ...request, options: planned, taken, named })
  }

  async #startWith(
    shape: Shape,
    request: MountedFire,
    signal: AbortSignal | undefined,
    calledNs: number,
  ): Promise<E.Either<EngineError, Container>> {
    const streams = streamsOf(request.options)
    const given = STREAM_NAMES.map((name) => streams[name] !== 'ignore')
    const firing = await firingOf(this.#make, shape, request, given, signal)
    if (E.isLeft(firing)) return firing
    const wanted = firing.right.trees.map(renamedTree(shape.mounts.fresh, request.named))
    const sources = wanted.length === 0 ? NO_SOURCES : await this.#openSources(request, wanted, signal)
    if (E.isLeft(sources)) return sources
    const stdio = this.#make.ports.stdio.open(streams, firing.right.owner)
    if (E.isLeft(stdio)) {
      sources.right.close()
      return stdio
    }
    const fired = this.#supply.firing()
    const shot = {
      ...request,
      shape,
      firing: firing.right,
      trees: sources.right.fds,
      stdio: stdio.right,
      signal,
      calledNs,
    }
    const result = await this.#fireOne(shot)
    sources.right.close()
    if (E.isLeft(result)) stdio.right.abandon()
    fired(E.isLeft(result) ? undefined : result.right.container)
    if (E.isLeft(result)) return result
    const { container, gone } = result.right
    if (gone === undefined) return E.right(container)
    await container[Symbol.asyncDispose]()
    return gone
  }

  async #openSources(
    { options }: PlannedFire,
    trees: readonly TreeSource[],
    signal: AbortSignal | undefined,
  ): Promise<E.Either<EngineError, Sources>> {
    const { host } = this.#make.ports
    const made = await abortable(signal, host.makeBindSources(options, signal))()
    return E.isLeft(made) ? made : host.openTrees(trees, signal)()
  }

  async #fireOne(shot: Shot): Promise<E.Either<EngineError, Fired>> {
    const { shape } = shot
    const waiting = shape.isServed ? this.#supply.take() : undefined
    if (waiting !== undefined) {
      const fired = await this.#fire(waiting, shot)
      // It had been killed while it waited: no program has run, so another sandbox may.
      if (E.isLeft(fired) && fired.left._tag === 'LaunchDied') this.#supply.lost()
      else {
        this.#hits++
        return fired
      }
    }
    this.#misses++
    this.#supply.missed()
    const sandbox = await armSandbox(this.#make, shape, false)
    return E.isLeft(sandbox) ? sandbox : this.#fire(sandbox.right, shot)
  }

  /** The image may have been pulled anew, and the host's files been written. What waits then is dropped. */
  async #lookAgain(signal: AbortSignal | undefined): Promise<E.Either<EngineError, Shape>> {
    const { ports, spec } = this.#make
    const before = this.#made?.shape
    const look = { source: spec.image, before, isServed: () => true, signal }
    const shape = await shapeOf(this.#make, look)
    if (E.isLeft(shape)) return shape
    const { options } = shape.right
    if (shape.right !== before && options.mounts !== undefined) {
      const sources = await abortable(signal, ports.host.makeBindSources(options, signal))()
      if (E.isLeft(sources)) return sources
    }
    this.#made = { shape: shape.right, atMs: Date.now() }
    if (shape.right === before) return shape
    this.#served.clear()
    this.#supply.dropAll()
    return shape
  }

  /** Of a start that brings its image. */
  async #shapeWith(
    image: ImageSource | undefined,
    made: Shape,
    signal: AbortSignal | undefined,
  ): Promise<E.Either<EngineError, Shape>> {
    if (image === undefined) return E.left(NEEDS_IMAGE)
    const name = JSON.stringify(image)
    const known = this.#served.get(name)
    const recent = trusted(known)
    if (recent !== undefined) return recent
    const shape = await shapeOf(this.#make, {
      source: image,
      before: known?.shape,
      isServed: ({ plan }) => servesAs(made.template.plan, plan),
      signal,
    })
    if (E.isRight(shape) && made === this.#made?.shape)
      remember(this.#served, name, { shape: shape.right, atMs: Date.now() })
    return shape
  }

  async #fire(sandbox: Sandbox, shot: Shot): Promise<E.Either<EngineError, Fired>> {
    const { ports } = this.#make
    const { stage, ids, process, limits } = shot.firing
    const {
      plan: { rest },
      parents,
    } = shot.shape.template
    const own = rest?.trees.length ?? 0
    const set = limitSandbox(ports, sandbox, limits)
    if (E.isLeft(set)) {
      this.#supply.drop(sandbox)
      return set
    }
    for (const { at, length } of ids) stage.bytes.write(sandbox.id.slice(0, length), at, 'latin1')
    let late: Promise<void> | undefined
    const fired = sandbox.process.fire(
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
        own: ownText(sandbox.id, sandbox.createdMs, shot.named ?? []),
        fds: startFds(ports, parents),
        trees: shot.trees.slice(0, own),
      },
    )()
    // While the sandbox turns into the program.
    const { id, createdMs } = sandbox
    const one = { id, createdMs, shape: shot.shape, taken: mountsTogether(sandbox.taken, shot.shape, shot) }
    const options = mergedOptions(shot.shape, shot.options)
    const prepared = preparedAs(one, shot.argv, options, shot.calledNs, process)
    const gone = await this.#goneSince(shot, prepared.record)
    const result = await fired
    if (E.isLeft(result)) return E.left(await afterFailure(ports, prepared, result.left, late))
    const container = running(ports, prepared, shot.stdio, result.right)
    this.#started(container, prepared)
    this.#supply.watch(container)
    if (gone === undefined) this.#record(container, prepared.record)
    return E.right({ container, gone })
  }

  /** A sandbox without a root has been on record without an image. */
  async #goneSince({ image, shape }: Shot, record: ContainerRecord): ReturnType<typeof imageGone> {
    const { ports, spec } = this.#make
    const hasOwn = spec.image === undefined && shape.image.rootfs.kind === 'layers'
    if (!hasOwn && imagesIn(record.mounts ?? []).length === 0) return undefined
    this.#write(record)
    return imageGone(ports, image ?? spec.image ?? '', shape.image, record.mounts)
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
      this.#make.ports.host.state.write(record)
    } catch {
      // A full disk: the container runs all the same, and the old record leads to its removal.
    }
  }

  async #armNext({ shape: known, atMs }: Looked): Promise<E.Either<EngineError, Sandbox>> {
    if (Date.now() - atMs < LOOK_AGAIN_MS) return armSandbox(this.#make, known, true)
    const shape = await this.#lookAgain(undefined)
    return E.isLeft(shape) ? shape : armSandbox(this.#make, shape.right, true)
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
