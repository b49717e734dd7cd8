// start: a monitor is made for the container, and starts it.
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import type { TaskEither } from '#fp/TaskEither'
import * as TE from '#fp/TaskEither'
import type { ContainerDocument } from '../../model/container-document.ts'
import { allowed, statusOf } from '../../model/container-status.ts'
import type { EngineError } from '../../model/errors.ts'
import type { MonitorConnection, MonitorLaunch } from '../ports/detached.ts'
import type { Ports } from '../ports.ts'
import { hasInput } from './attach.ts'
import { withVolumes } from './mounts.ts'
import { wholePlan } from './whole-plan.ts'

export interface StartedContainer {
  readonly document: ContainerDocument
  /** From its first byte on; the caller closes it. Absent where the container ran already. */
  readonly connection?: MonitorConnection
}

export interface StartChoices {
  /** What its first connection hears from the first byte on. */
  readonly attach?: { readonly stdin: boolean; readonly output: boolean }
}

/** Resolves when the payload has been executed. One that runs is left as it is. Fails: ContainerNotFound, WrongStatus; as a start does. */
export const startContainer =
  (id: string, { attach }: StartChoices = {}) =>
  (ports: Ports): TaskEither<EngineError, StartedContainer> =>
    ports.detached.locked(id, async (container) => {
      const { document } = container
      if (['running', 'restarting'].includes(statusOf(container))) return E.right({ document })
      const may = allowed('start', container)
      if (E.isLeft(may)) return may
      const monitor = ports.monitors.begin()
      const started = await pipe(
        wholePlan(ports, document),
        TE.tap(() => TE.fromTask(() => ports.detached.clear(container))),
        // Groups of the run before: this one gets its own, by the limits of the document.
        TE.tapIO(() => () => ports.host.state.change(id, undefined)),
        TE.tap(({ options }) => ports.host.makeBindSources(options, undefined)),
        TE.tap(() => TE.fromEither(ports.detached.want(document, true))),
        TE.flatMap((plan) =>
          withVolumes(
            ports,
            document,
            plan.image.rootfs,
            monitor.launch(document, plan, attached(document, attach)),
          ),
        ),
      )()
      if (E.isLeft(started)) await monitor.dismiss()
      return E.map((connection: MonitorConnection) => ({ document, connection }))(started)
    })

const attached = (document: ContainerDocument, attach: StartChoices['attach']): MonitorLaunch =>
  attach === undefined ? {} : { attach: { ...attach, stdin: attach.stdin && hasInput(document) } }
