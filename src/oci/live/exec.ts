// exec: one more process in the namespaces, groups and root of a running container.
import path from 'node:path'
import * as E from '#fp/Either'
import type { EngineError } from '../../model/errors.ts'
import type { ExecRequest } from '../../model/oci-requests.ts'
import type { Spec } from '../../model/oci-spec.ts'
import { keptConfig } from '../kept-config.ts'
import { type Console, serveConsole, withWindow } from './console.ts'
import { canLeave, extraOf } from './create.ts'
import { planOf } from './document.ts'
import { joinedGroups, openParents } from './groups.ts'
import { handOver } from './hand-over.ts'
import { withHome } from './home.ts'
import { LastingLaunch } from './launch.ts'
import type { Parts } from './parts.ts'
import { isAlive } from './process-handle.ts'
import { passSignals } from './signals.ts'

/** The exit code; 0 once it runs, when detached. Fails: WrongStatus, CommandNotFound, CommandNotExecutable, SyscallFailed … */
export const exec = async (parts: Parts, request: ExecRequest): Promise<E.Either<EngineError, number>> => {
  const { container, extraFds, detach } = request
  const { record, directory } = container
  const kept = keptConfig(container)
  if (E.isLeft(kept)) return kept
  const own = detach ? request.process : withWindow(request.process)
  const program = withHome(parts, own, `/proc/${record.init?.pid ?? 0}/root`)
  const groups = joinedGroups(parts, record.cgroup, request.cgroups)
  const plan = planOf(parts, {
    id: record.id,
    spec: specOf(kept.right, { ...request, process: program }),
    rootfs: record.rootfs,
    scratch: path.join(directory, 'root'),
    cgroups: groups,
    lasting: {
      leavesParent: detach && canLeave(),
      waitsForStart: false,
      extraFds,
      copiesUp: false,
      pausesBeforeRoot: false,
      createContainer: [],
      startContainer: [],
      keepsKeyring: true,
    },
  })
  if (E.isLeft(plan)) return plan
  const parents = openParents(groups)
  const slots = [-1, 0, 1, 2, -1, -1, ...parents.fds, ...extraOf(extraFds)]
  const launch = new LastingLaunch(parts.addon, plan.right, slots, program.args?.[0] ?? '', parents.close)
  let terminal: Console | undefined
  const stop = passSignals(launch, () => terminal?.resize)
  try {
    const reached = await launch.next()
    if (E.isLeft(reached)) {
      const isGone = record.init === undefined || !isAlive(record.init)
      return isGone
        ? E.left({ _tag: 'WrongStatus', container: record.id, status: 'stopped', wanted: 'running' })
        : reached
    }
    const handed = await handOver(parts, request, launch)
    if (E.isLeft(handed)) {
      launch.kill()
      return handed
    }
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
