// slipway and Node themselves as subjects, beside the other engines.
import { spawn } from 'node:child_process'
import path from 'node:path'
import type { CommandTimer } from './command.ts'
import { type Lab, PROGRAM, right } from './lab.ts'
import type { PartId } from './parts.ts'
import { type EngineInfo, REMOVED } from './results.ts'
import { CPUS, MEMORY_BYTES, PIDS } from './shape.ts'
import { failed, type Sample, type Subject } from './subject.ts'

export interface OwnSubject {
  readonly subject: Subject
  readonly infos: readonly EngineInfo[]
}

const WHOLE = 'the whole default isolation, over an overlay'
const OUTSIDE = 'a command: before its vfork to after its waitpid'
const INSIDE = 'inside the process: the call to the exit known'

export const coldStart = (lab: Lab, whole: ReadonlySet<PartId>): OwnSubject => ({
  subject: { id: 'slipway', title: 'slipway', block: 4, once: lab.start(whole) },
  infos: [
    { id: 'slipway', does: WHOLE, how: INSIDE, version: undefined },
    {
      id: `slipway${REMOVED}`,
      does: WHOLE,
      how: 'inside the process: the call to the moment nothing is left',
      version: undefined,
    },
  ],
})

const POOL_SIZE = 4
/** A sandbox is made within milliseconds; a pool that has none for so long has stopped making them. */
const REFILL_MS = 5000
const STREAMS = { stdin: 'ignore', stdout: 'ignore', stderr: 'ignore' } as const

export const pooledStart = async (
  lab: Lab,
  whole: ReadonlySet<PartId>,
): Promise<OwnSubject & { readonly close: () => Promise<void> }> => {
  const pool = await lab.pool(whole, POOL_SIZE)
  const refilled = async (): Promise<void> => {
    for (const end = Date.now() + REFILL_MS; pool.stats().waiting < POOL_SIZE; await sleep(1))
      if (Date.now() > end) throw failed('the pool made no sandboxes')
  }
  /** One that found no sandbox is a cold start, and made again. */
  const once = async (): Promise<Sample> => {
    for (;;) {
      await refilled()
      const { misses } = pool.stats()
      const begin = lab.addon.nowNs()
      const container = right(await pool.start([PROGRAM], STREAMS)())
      const { exitCode } = await container.exit
      const ns = lab.addon.nowNs() - begin
      await container.removed
      const removedNs = lab.addon.nowNs() - begin
      if (exitCode !== 0) throw failed(`the program ended with exit code ${exitCode}`)
      if (pool.stats().misses === misses) return { ns, removedNs }
    }
  }
  return {
    subject: { id: 'slipway-pool', title: 'slipway, from a pool', block: 4, once },
    infos: [
      {
        id: 'slipway-pool',
        does: 'the whole default isolation, in a sandbox made ahead',
        how: INSIDE,
        version: undefined,
      },
    ],
    close: pool.close,
  }
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** `program`: how this command line is started. */
export const ownCommand = (lab: Lab, timer: CommandTimer, program: readonly string[]): OwnSubject => {
  const limits = ['--memory', `${MEMORY_BYTES}`, '--cpus', `${CPUS}`, '--pids-limit', `${PIDS}`]
  const root = path.join(lab.folder, 'command')
  const argv = [...program, '--root', root, 'run', '--rm', ...limits, '--rootfs', lab.rootfs, PROGRAM]
  return {
    subject: {
      id: 'slipway-command',
      title: 'slipway run',
      block: 1,
      once: async () => ({ ns: await timer.time(argv) }),
    },
    infos: [
      {
        id: 'slipway-command',
        does: 'the whole default isolation; a plain directory as root',
        how: `${OUTSIDE}; most of it is the start of Node.js`,
        version: undefined,
      },
    ],
  }
}

export const plainProgram = (lab: Lab, timer: CommandTimer): OwnSubject => {
  const argv = [path.join(lab.rootfs, PROGRAM)]
  return {
    subject: {
      id: 'vfork',
      title: 'vfork + exec',
      block: 8,
      once: async () => ({ ns: await timer.time(argv) }),
    },
    infos: [{ id: 'vfork', does: 'nothing', how: OUTSIDE, version: undefined }],
  }
}

export const spawnedProgram = (lab: Lab): OwnSubject => {
  const file = path.join(lab.rootfs, PROGRAM)
  const once = (): Promise<Sample> =>
    new Promise((resolve, reject) => {
      const begin = lab.addon.nowNs()
      const child = spawn(file, { stdio: 'ignore' })
      child.on('error', reject)
      child.on('exit', (code) => {
        if (code === 0) resolve({ ns: lab.addon.nowNs() - begin })
        else reject(failed(`exit code ${code}`))
      })
    })
  return {
    subject: { id: 'spawn', title: 'child_process.spawn', block: 4, once },
    infos: [
      {
        id: 'spawn',
        does: 'nothing',
        how: 'inside the process: the call to the event exit',
        version: undefined,
      },
    ],
  }
}

export const peerInfo = (id: string, does: string, version: string): EngineInfo => ({
  id,
  does,
  how: OUTSIDE,
  version,
})
