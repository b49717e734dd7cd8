// What a container that outlives its engine is started by: the same plan as any other, but for who holds it.
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import type { TaskEither } from '#fp/TaskEither'
import * as TE from '#fp/TaskEither'
import type { DecodedDetached } from '../../model/detached-options.ts'
import type { EngineError } from '../../model/errors.ts'
import type { PlannedOptions } from '../../model/options-decoded.ts'
import type { PreparedImage } from '../../model/prepared-image.ts'
import type { ResolvedUser } from '../../model/user-db.ts'
import { type LaunchInput, type LaunchPlan, planLaunch } from '../../plan/launch/index.ts'
import type { Lasting } from '../../plan/launch/lasting.ts'
import type { Ports } from '../ports.ts'
import { decideTemplate, type Template, userOf } from '../start.ts'
import { plannedOptions } from './mounts.ts'

export interface DetachedRequest extends DecodedDetached {
  readonly id: string
  readonly image: PreparedImage
  readonly argv: readonly string[]
  /** In place of the one that the options name. */
  readonly user?: ResolvedUser
}

export interface DetachedPlan extends Template {
  readonly image: PreparedImage
  readonly options: PlannedOptions
}

/** It is its monitor's child, and nobody else's. */
export const LASTING: Lasting = {
  leavesParent: false,
  waitsForStart: false,
  extraFds: 0,
  copiesUp: false,
  pausesBeforeRoot: false,
  createContainer: [],
  startContainer: [],
  keepsKeyring: false,
}

/** Fails: UnknownUser, InvalidOption, HostUnfit … */
export const planDetached = (
  ports: Ports,
  { id, image, argv, options, user }: DetachedRequest,
  planOf: (input: LaunchInput) => LaunchPlan = (input) => planLaunch({ ...input, lasting: LASTING }),
): TaskEither<EngineError, DetachedPlan> => {
  return pipe(
    plannedOptions(ports, options, image),
    TE.bindTo('planned'),
    TE.bind(
      'found',
      ({ planned }) =>
        async () =>
          user === undefined ? userOf(ports, image, planned, undefined) : E.right(user),
    ),
    TE.flatMapEither(({ planned, found }) => {
      const request = {
        image: image.reference,
        argv,
        options: planned,
        // Also one that removes itself may outlive its monitor, and be started again: `volatile` admits one mount only (overlayfs.rst).
        keep: true,
        volumes: [],
        remembered: {},
      }
      const template = decideTemplate(ports, request, image, found, planOf, { id, isParked: false })
      return E.map((made: Template) => ({ ...made, image, options: planned }))(template)
    }),
  )
}
