// The life cycle on this machine: where the command's port meets the planner, the addon and the kernel's files.
import * as E from '#fp/Either'
import type { EngineError } from '../model/errors.ts'
import { create } from './live/create.ts'
import { events } from './live/events.ts'
import { exec } from './live/exec.ts'
import { pause, resume } from './live/freeze.ts'
import { processesOf } from './live/groups.ts'
import { partsOf } from './live/parts.ts'
import { kill, remove } from './live/remove.ts'
import { run } from './live/run.ts'
import { start } from './live/start.ts'
import { update } from './live/update.ts'
import type { OciRuntime, Outcome, RuntimeSettings } from './runtime.ts'

export const openRuntime = async (settings: RuntimeSettings): Promise<OciRuntime> => {
  const parts = partsOf(settings)
  return {
    create: (request) =>
      told(async () => E.map((launch: { leave(): void }) => launch.leave())(await create(parts, request))),
    start: (request) => told(() => start(parts, request)),
    run: (request) => told(() => run(parts, request)),
    kill: (request) => told(() => kill(parts, request)),
    delete: (request) => told(() => remove(parts, request)),
    exec: (request) => told(() => exec(parts, request)),
    pause: (container) => told(() => pause(parts, container)),
    resume: (container) => told(() => resume(parts, container)),
    update: (request) => told(() => update(parts, request)),
    ps: ({ record }) => told(async () => E.right(processesOf(record.cgroup))),
    events: (request, tell) => told(() => events(parts, request, tell)),
    close: async () => {},
  }
}

/** What the file system throws is told by its call and path; anything else is a bug. */
const told = async <A>(body: () => Outcome<A>): Outcome<A> => {
  try {
    return await body()
  } catch (error) {
    if (typeof error === 'object' && error !== null && '_tag' in error) return E.left(error as EngineError)
    const { syscall, errno, path } = error as NodeJS.ErrnoException
    if (syscall === undefined || errno === undefined) throw error
    return E.left({
      _tag: 'SyscallFailed',
      step: syscall,
      errno: Math.abs(errno),
      ...(path === undefined ? {} : { path }),
    })
  }
}
