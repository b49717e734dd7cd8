// What containers and verbs on them tell the journal, with Docker's actions and attributes (moby daemon/events.go, daemon/monitor.go,
// daemon/health.go, daemon/exec.go, daemon/volumes_unix.go).
import { type ContainerDocument, labelsOf } from './container-document.ts'
import type { NewEvent } from './events.ts'
import type { NamedMount } from './options-decoded.ts'

export interface EventContainer {
  readonly id: string
  readonly name: string
  readonly image: string
  readonly labels: Readonly<Record<string, string>>
}

export const eventContainer = (document: ContainerDocument): EventContainer => ({
  id: document.id,
  name: document.name,
  image: document.image.reference,
  labels: labelsOf(document),
})

type Attributes = Readonly<Record<string, string>>

/** `more`: what the action adds, e.g. `signal` or `exitCode`; it comes before image and name, which are last whatever the labels are. */
export const containerEvent = (
  action: string,
  { id, name, image, labels }: EventContainer,
  more: Attributes = {},
): NewEvent => {
  const { image: _image, name: _name, ...own } = labels
  return {
    Type: 'container',
    Action: action,
    Actor: { ID: id, Attributes: { ...own, ...more, image, name } },
  }
}

/** Moments of a container's life that nobody asks for at the time. As native/init/monitor.h counts them. */
export const MOMENTS = [
  'started',
  'killed',
  'oom',
  'ended',
  'healthy',
  'unhealthy',
  'removed',
  'execDetached',
  'execEnded',
] as const
export type Moment = (typeof MOMENTS)[number]

/** A volume as a container has it. */
export interface MountedVolume {
  readonly name: string
  readonly target: string
  readonly readonly: boolean
}

/** Those that have a name, which all have by the time of a start. */
export const mountedVolumes = (mounts: readonly NamedMount[] = []): readonly MountedVolume[] =>
  mounts.flatMap((mount) =>
    mount.type === 'volume'
      ? [{ name: mount.source, target: mount.target, readonly: mount.readonly === true }]
      : [],
  )

/**
 * All that is told at one moment, in this order. `more`: what only the moment knows: `signal`; `exitCode` and `execDuration` (seconds);
 * `execID`.
 */
export const eventsAt = (
  moment: Moment,
  container: EventContainer,
  volumes: readonly MountedVolume[],
  more: Attributes = {},
): readonly NewEvent[] => {
  switch (moment) {
    case 'started':
      return [
        ...volumes.map((volume) => mounted(volume, container)),
        containerEvent('start', container, more),
      ]
    case 'killed':
      return [containerEvent('kill', container, more)]
    case 'oom':
      return [containerEvent('oom', container, more)]
    case 'ended':
      return [
        containerEvent('die', container, more),
        ...volumes.map((volume) => unmounted(volume, container)),
      ]
    case 'healthy':
    case 'unhealthy':
      return [containerEvent(`health_status: ${moment}`, container, more)]
    case 'removed':
      return [containerEvent('destroy', container, more)]
    case 'execDetached':
      return [containerEvent('exec_detach', container, more)]
    case 'execEnded':
      return [containerEvent('exec_die', container, more)]
  }
}

const DRIVER = { driver: 'local' } as const

/** `action`: `create` or `destroy`. */
export const volumeEvent = (action: string, name: string, more: Attributes = DRIVER): NewEvent => ({
  Type: 'volume',
  Action: action,
  Actor: { ID: name, Attributes: more },
})

/** A named volume has no propagation of its own. */
const mounted = ({ name, target, readonly }: MountedVolume, { id }: EventContainer): NewEvent =>
  volumeEvent('mount', name, {
    container: id,
    destination: target,
    ...DRIVER,
    propagation: '',
    'read/write': String(!readonly),
  })

const unmounted = ({ name }: MountedVolume, { id }: EventContainer): NewEvent =>
  volumeEvent('unmount', name, { container: id, ...DRIVER })
