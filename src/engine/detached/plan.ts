// What a container that outlives its engine is started by: the same plan as any other, but for who holds it.
import * as E from '#fp/Either'
import { pipe } from '#fp/function'
import type { TaskEither } from '#fp/TaskEither'
import * as TE from '#fp/TaskEither'
import type { DecodedDetached } from '../../model/detached-options.ts'
import type { EngineError } from '../../model/errors.ts'
import type { Spec } from '../../model/oci-spec.ts'
import type { PlannedOptions } from '../../model/options-decoded.ts'
import type { PreparedImage } from '../../model/prepared-image.ts'
import { remember } from '../../model/remember.ts'
import type { ResolvedUser } from '../../model/user-db.ts'
import { type LaunchInput, type LaunchPlan, planLaunch } from '../../plan/launch/index.ts'
import type { Lasting } from '../../plan/launch/lasting.ts'
import { ownText, patchesOf, withOwnText } from '../../plan/launch/own-text.ts'
import { MONITOR_USERS } from '../../plan/monitor.ts'
import { inUsersAt } from '../../plan/spec/index.ts'
import type { Ports } from '../ports.ts'
import { decideTemplate, type RequestWithVolumes, type Template, templateKey, userOf } from '../start.ts'
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
  { id, ...wanted }: Omit<DetachedRequest, 'policies'>,
  planOf?: (input: LaunchInput) => LaunchPlan,
): TaskEither<EngineError, DetachedPlan> =>
  planned(ports, wanted, (request, user) =>
    planOf === undefined
      ? E.map((shared: Template) => ofContainer(shared, id))(
          rememberedTemplate(ports, request, wanted.image, user),
        )
      : decideTemplate(ports, request, wanted.image, user, planOf, { id, isParked: false }),
  )

/** What one that is not there yet would be started by, or why it cannot be; fails as `planDetached`. */
export const specOfDetached = (
  ports: Ports,
  wanted: Omit<DetachedRequest, 'id'>,
): TaskEither<EngineError, Spec> =>
  pipe(
    planned(ports, wanted, (request, user) => rememberedTemplate(ports, request, wanted.image, user)),
    TE.map(({ spec }) => spec),
  )

const planned = (
  ports: Ports,
  { image, argv, options, user }: Omit<DetachedRequest, 'id' | 'policies'>,
  decide: (request: RequestWithVolumes, user: ResolvedUser) => E.Either<EngineError, Template>,
): TaskEither<EngineError, DetachedPlan> =>
  pipe(
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
      return E.map((made: Template) => ({ ...made, image, options: planned }))(decide(request, found))
    }),
  )

/** Containers of one shape differ in their ids alone, which are written into the plan of the first. */
const rememberedTemplate = (
  ports: Ports,
  request: RequestWithVolumes,
  image: PreparedImage,
  user: ResolvedUser,
): E.Either<EngineError, Template> => {
  // The document has the name, and no plan.
  const { name: _, ...options } = request.options
  const shape: RequestWithVolumes = { ...request, options }
  const key = `detached ${templateKey(ports, shape, image, user, request)}`
  const known = ports.templates.get(key)
  if (known !== undefined) return E.right(known)
  const template = decideTemplate(ports, shape, image, user, planShared)
  if (E.isRight(template)) remember(ports.templates, key, template.right)
  return template
}

/** With the places where the id stands: those of other programs that last are nobody else's. */
const planShared = (input: LaunchInput): LaunchPlan => {
  const plan = planLaunch({ ...input, spec: inMonitor(input), lasting: LASTING })
  return { ...plan, patches: patchesOf(plan, input) }
}

/** The user namespace of an ordinary user's engine is the monitor's to hold. */
const inMonitor = ({ spec, facts }: LaunchInput): Spec => {
  const { linux } = spec
  if (facts.users === undefined || linux?.namespaces === undefined) return spec
  return { ...spec, linux: { ...linux, namespaces: inUsersAt(linux.namespaces, MONITOR_USERS) } }
}

const ofContainer = (template: Template, id: string): Template => {
  const { plan, cleanup, record } = template
  const own = (text: string): string => text.replaceAll(plan.id, id)
  return {
    ...template,
    plan: withOwnText(plan, ownText(id, Date.now())),
    cleanup: { ...cleanup, id, groups: cleanup.groups.map(own), record: own(cleanup.record) },
    record: { ...record, id, groups: record.groups.map(own) },
  }
}
