// exec: one more process in the namespaces, groups and root of a running container.
import path from 'node:path'
import * as E from '#fp/Either'
import type { EngineError } from '../../model/errors.ts'
import type { ExecRequest } from '../../model/oci-requests.ts'
import type { Spec } from '../../model/oci-spec.ts'
import type { OciRecord } from '../../model/oci-state.ts'
import type { OciContainer } from '../../model/oci-status.ts'
import { remember } from '../../model/remember.ts'
import { livesUnmounted } from '../../plan/launch/build.ts'
import type { LaunchPlan } from '../../plan/launch/index.ts'
import { type HandListener, toAgent } from './agent.ts'
import { configOf } from './config.ts'
import { type Console, serveConsole, withWindow } from './console.ts'
import { canLeave, extraOf, slotsOf } from './create.ts'
import { planOf } from './document.ts'
import { type Group, joinedGroups } from './groups.ts'
import { handOver } from './hand-over.ts'
import { withHome } from './home.ts'
import { LastingLaunch } from './launch.ts'
import { factsInside } from './own-users.ts'
import type { Parts } from './parts.ts'
import { asItIs } from './plans.ts'
import { isAlive } from './process-handle.ts'
import { passSignals } from './signals.ts'

/** The exit code; 0 once it runs, when detached. Fails as `join` does. */
export const exec = async (parts: Parts, request: ExecRequest): Promise<E.Either<EngineError, number>> => {
  const { detach } = request
  let terminal: Console | undefined
  let stop = (): void => {}
  const begun = (launch: LastingLaunch): void => {
    stop = passSignals(launch, () => terminal?.resize)
  }
  try {
    const own = detach ? request : { ...request, process: withWindow(request.process) }
    const joined = await join(parts, own, detach && canLeave(), begun)
    if (E.isLeft(joined)) return joined
    const launch = joined.right
    if (detach) {
      launch.leave()
      return E.right(0)
    }
    if (launch.terminal !== undefined) terminal = serveConsole(parts, launch.terminal)
    return E.right(await launch.end)
  } finally {
    await terminal?.close()
    stop()
  }
}

/**
 * Resolves when it has been executed. `leavesParent`: it becomes a child of this process's parent. `begun` is told of it before anything
 * is waited for. Fails: WrongStatus, CommandNotFound, CommandNotExecutable, SyscallFailed …
 */
export const join = async (
  parts: Parts,
  request: ExecRequest,
  leavesParent: boolean,
  begun: (launch: LastingLaunch) => void,
): Promise<E.Either<EngineError, LastingLaunch>> => {
  const { container, extraFds, streams } = request
  const { record } = container
  const program = withHome(parts, request.process, rootOf(record))
  const groups = joinedGroups(parts, record.cgroup, request.cgroups)
  const plan = joinPlan(parts, { ...request, process: program }, groups, leavesParent)
  if (E.isLeft(plan)) return plan
  const none = groups.map(() => -1)
  const slots = slotsOf(streams, none, extraOf(extraFds))
  const command = program.args?.[0] ?? ''
  const hand = agentOf(parts, container)
  const launch = new LastingLaunch(parts.addon, asItIs(plan.right), slots, command, () => {}, { hand })
  begun(launch)
  const reached = await launch.next()
  if (E.isLeft(reached)) {
    const isGone = record.init === undefined || !isAlive(record.init)
    return isGone
      ? E.left({ _tag: 'WrongStatus', container: record.id, status: 'stopped', wanted: 'running' })
      : reached
  }
  const handed = await handOver(parts, request, launch)
  if (E.isRight(handed)) return E.right(launch)
  launch.kill()
  return handed
}

const agentOf =
  (parts: Parts, container: OciContainer): HandListener =>
  async (fd, pid) => {
    const { id, init, bundle } = container.record
    const kept = configOf(parts, container)
    if (E.isLeft(kept)) return kept
    return toAgent(parts, kept.right, { id, status: 'running', pid: init?.pid ?? 0, bundle })(fd, pid)
  }

/** A service that executes the same again and again has it planned once. The copy of the document a container has never changes. */
const joinPlan = (
  parts: Parts,
  request: ExecRequest,
  groups: readonly Group[],
  leavesParent: boolean,
): E.Either<EngineError, LaunchPlan> => {
  const { container, extraFds, cgroups } = request
  const { record, directory } = container
  const which = [record.id, record.created, record.init, request.process, extraFds, cgroups, leavesParent]
  const key = JSON.stringify(which)
  const known = parts.joins.get(key)
  if (known !== undefined) return E.right(known)
  const kept = configOf(parts, container)
  if (E.isLeft(kept)) return kept
  const plan = planOf(parts, {
    facts: factsInside(parts, record.init?.pid ?? 0),
    id: record.id,
    spec: specOf(kept.right, request),
    rootfs: record.rootfs,
    scratch: path.join(directory, 'root'),
    cgroups: groups,
    lasting: {
      leavesParent,
      waitsForStart: false,
      extraFds,
      copiesUp: false,
      pausesBeforeRoot: false,
      createContainer: [],
      startContainer: [],
      isExec: true,
      keepsKeyring: true,
      // In a mount namespace that others share its root is not that of the namespace.
      ...(livesUnmounted(kept.right, parts.facts) ? { joinsRoot: rootOf(record) } : {}),
    },
  })
  if (E.isRight(plan)) remember(parts.joins, key, plan.right)
  return plan
}

const rootOf = ({ init }: OciRecord): string => `/proc/${init?.pid ?? 0}/root`

/** Every namespace the container has, by the path of its first process; nothing is mounted or limited anew. */
const specOf = ({ ociVersion, linux }: Spec, { container, process: program }: ExecRequest): Spec => ({
  ociVersion,
  root: { path: container.record.rootfs },
  process: program,
  linux: {
    namespaces: Object.entries(container.record.namespaces).map(([type, file]) => ({
      type: type as keyof typeof container.record.namespaces,
      path: file,
    })),
    ...(linux?.seccomp === undefined ? {} : { seccomp: linux.seccomp }),
    ...(linux?.personality === undefined ? {} : { personality: linux.personality }),
  },
})
