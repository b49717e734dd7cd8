// The life cycle on this machine: where the command's port meets the planner, the addon and the kernel's files.
import * as E from '#fp/Either'
import { attempted } from './attempt.ts'
import { create, type Made } from './live/create.ts'
import { events } from './live/events.ts'
import { exec } from './live/exec.ts'
import { pause, resume } from './live/freeze.ts'
import { processesOf } from './live/groups.ts'
import { type Parts, partsOf } from './live/parts.ts'
import { kill, remove } from './live/remove.ts'
import { run } from './live/run.ts'
import { start } from './live/start.ts'
import { update } from './live/update.ts'
import type { OciRuntime, RuntimeSettings } from './runtime.ts'

export const openRuntime = async (settings: RuntimeSettings): Promise<OciRuntime> =>
  runtimeOf(partsOf(settings))

export const runtimeOf = (parts: Parts): OciRuntime => ({
  create: (request) =>
    attempted(async () => E.map(({ launch }: Made) => launch.leave())(await create(parts, request))),
  start: (request) => attempted(() => start(parts, request)),
  run: (request) => attempted(() => run(parts, request)),
  kill: (request) => attempted(() => kill(parts, request)),
  delete: (request) => attempted(() => remove(parts, request)),
  exec: (request) => attempted(() => exec(parts, request)),
  pause: (container) => attempted(() => pause(parts, container)),
  resume: (container) => attempted(() => resume(parts, container)),
  update: (request) => attempted(() => update(parts, request)),
  ps: ({ record }) => attempted(async () => E.right(processesOf(record))),
  events: (request, tell) => attempted(() => events(request, tell)),
  close: async () => {},
})
