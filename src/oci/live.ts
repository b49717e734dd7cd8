// The life cycle on this machine. Not built yet: every operation says so.
import * as E from '#fp/Either'
import type { OciRuntime, RuntimeSettings } from './runtime.ts'

export const openRuntime = async (_settings: RuntimeSettings): Promise<OciRuntime> => {
  const unbuilt = (feature: string) => async () =>
    E.left({ _tag: 'Unsupported', feature, why: 'the life cycle of containers is not built yet' } as const)
  return {
    create: unbuilt('create'),
    start: unbuilt('start'),
    run: unbuilt('run'),
    kill: unbuilt('kill'),
    delete: unbuilt('delete'),
    exec: unbuilt('exec'),
    pause: unbuilt('pause'),
    resume: unbuilt('resume'),
    update: unbuilt('update'),
    ps: unbuilt('ps'),
    events: unbuilt('events'),
    close: async () => {},
  }
}
