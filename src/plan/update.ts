// Other limits for a container that runs, as writes to the groups it is in.
import type { Either } from '#fp/Either'
import * as E from '#fp/Either'
import type { EngineError } from '../model/errors.ts'
import type { OwnGroup } from '../model/group-paths.ts'
import type { LinuxResources } from '../model/oci-spec.ts'
import { hasController, limitedControllers, limitWrites } from './launch/cgroup.ts'

export interface LimitWrite {
  readonly path: string
  readonly value: string
  readonly optional?: boolean
}

/** Fails: HostUnfit where the container is in no group of a controller, so that nothing could hold the limit. */
export const planUpdate = (
  groups: readonly OwnGroup[],
  resources: LinuxResources,
): Either<EngineError, readonly LimitWrite[]> => {
  const lacking = limitedControllers(resources).find((name) => !hasController(groups, name))
  if (lacking !== undefined) return E.left(notIn(lacking))
  return E.right(
    groups.flatMap((group) =>
      limitWrites(group, resources).map(({ file, value, optional }) => ({
        path: `${group.directory}/${file}`,
        value,
        ...(optional === true ? { optional } : {}),
      })),
    ),
  )
}

const notIn = (controller: string): EngineError => ({
  _tag: 'HostUnfit',
  need: `a limit of ${controller}`,
  why: 'the container has no group of this controller, and can be given none',
})
