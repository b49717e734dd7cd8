// What a container mounts in the end: its options, what other containers lend it, and what its image asks for. Every volume has a name then.
import type { Either } from '#fp/Either'
import * as E from '#fp/Either'
import { isAbsolute, normalizePath } from './container-path.ts'
import type { EngineError } from './errors.ts'
import { refuseTarget } from './options-decode-mounts.ts'
import type {
  DecodedMount,
  DecodedOptions,
  NamedMount,
  NamedVolumeMount,
  Planned,
  VolumeMount,
} from './options-decoded.ts'
import type { PreparedImage } from './prepared-image.ts'

/** Nothing has to be looked up: the options say it all. */
export const isPlanned = <Options extends DecodedOptions>(
  options: Options,
  image: PreparedImage,
): options is Options & Planned<Options> =>
  options.volumesFrom === undefined &&
  (image.config.Volumes === undefined || image.config.Volumes.length === 0) &&
  (options.mounts ?? []).every(({ type }) => type === 'bind' || type === 'tmpfs')

export const isNamedVolume = (mount: DecodedMount): mount is NamedVolumeMount =>
  mount.type === 'volume' && mount.source !== undefined

export const isNamed = (mount: DecodedMount): mount is NamedMount =>
  mount.type !== 'volume' || mount.source !== undefined

export interface NamedMounts {
  readonly mounts: readonly NamedMount[]
  /** Names drawn now. */
  readonly fresh: readonly string[]
}

export interface NamingInput {
  readonly options: Pick<DecodedOptions, 'mounts' | 'volumesFrom'>
  readonly image: PreparedImage
  /** Of another container. Fails: ContainerNotFound. */
  readonly mountsOf: (container: string) => Either<EngineError, readonly NamedMount[]>
  /** 64 hex digits. */
  readonly drawName: () => string
}

/**
 * Where several want one place, the options win over `volumesFrom`, of which the last wins, and that over the image (moby
 * daemon/volumes.go, registerMountPoints). Mounts that are named stay as they are, so it may be done again. Fails: ContainerNotFound,
 * Unsupported for a volume of the image where nothing may be mounted.
 */
export const nameMounts = (input: NamingInput): Either<EngineError, NamedMounts> => {
  const { options, image } = input
  const asked = new Map((options.mounts ?? []).map((mount) => [mount.target, mount]))
  const lent = lentMounts(input)
  if (E.isLeft(lent)) return lent
  const all = new Map<string, DecodedMount>([...lent.right, ...asked])
  for (const path of image.config.Volumes ?? []) {
    const target = normalizePath(path)
    const why = isAbsolute(path) ? refuseOfImage(target) : 'its path is not absolute'
    if (why !== undefined) return E.left(refusedVolume(image, path, why))
    if (!all.has(target)) all.set(target, { type: 'volume', target, anonymous: true })
  }
  return E.right(named([...all.values()], input.drawName))
}

const lentMounts = ({
  options,
  mountsOf,
}: NamingInput): Either<EngineError, ReadonlyMap<string, DecodedMount>> => {
  const lent = new Map<string, DecodedMount>()
  for (const from of options.volumesFrom ?? []) {
    const [, container = '', mode] = /^(.*?)(?::(ro|rw))?$/.exec(from) ?? []
    const mounts = mountsOf(container)
    if (E.isLeft(mounts)) return mounts
    for (const mount of mounts.right)
      if (mount.type !== 'tmpfs') lent.set(mount.target, borrowed(mount, mode === 'ro'))
  }
  return E.right(lent)
}

/** A volume of another container is that one's own, not this one's. */
const borrowed = (mount: Exclude<NamedMount, { type: 'tmpfs' }>, readonly: boolean): DecodedMount => {
  if (mount.type === 'image') return mount
  const own = readonly ? { ...mount, readonly } : mount
  if (own.type === 'bind') return own
  const { anonymous: _, ...rest } = own
  return rest
}

/** What of the engine's own an image must not put itself in place of. */
const OURS = ['/proc', '/sys', '/dev']

const refuseOfImage = (target: string): string | undefined =>
  refuseTarget(target) ??
  (OURS.some((place) => target === place || target.startsWith(`${place}/`))
    ? 'the engine mounts file systems of its own there'
    : undefined)

const refusedVolume = ({ reference }: PreparedImage, path: string, why: string): EngineError => ({
  _tag: 'Unsupported',
  feature: `volume ${JSON.stringify(path)} of image ${reference}`,
  why,
})

const named = (mounts: readonly DecodedMount[], drawName: () => string): NamedMounts => {
  const fresh: string[] = []
  const draw = (mount: VolumeMount): NamedVolumeMount => {
    const source = drawName()
    fresh.push(source)
    return { ...mount, source, anonymous: true }
  }
  return {
    mounts: mounts.map((mount) =>
      mount.type !== 'volume' ? mount : isNamedVolume(mount) ? mount : draw(mount),
    ),
    fresh,
  }
}

/** What outlives the container in its record: what can be lent, and what is in use. */
export const rememberedMounts = (mounts: readonly NamedMount[]): readonly NamedMount[] =>
  mounts.filter(({ type }) => type !== 'tmpfs')

export const volumesOf = (mounts: readonly NamedMount[] | undefined): readonly NamedVolumeMount[] =>
  (mounts ?? []).filter(isNamedVolume)

/** The same shape with other names drawn. */
export const renameVolumes = (
  mounts: readonly NamedMount[],
  before: readonly string[],
  after: readonly string[],
): readonly NamedMount[] =>
  mounts.map((mount) => {
    const at = isNamedVolume(mount) ? before.indexOf(mount.source) : -1
    const source = after[at]
    return source === undefined || !isNamedVolume(mount) ? mount : { ...mount, source }
  })
