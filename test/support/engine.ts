// An engine of the test's own on the real machine, and a tiny root file system made of the machine's static busybox.
import { copyFileSync, mkdirSync, mkdtempSync, rmdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { cgroupNameOf } from '../../src/adapters/live.ts'
import { createEngine, type Engine, type EngineOptions } from '../../src/index.ts'
import { type Census, cgroupDirectories, settledDifferences, takeCensus } from './census.ts'
import { findProgram, lacking } from './needs.ts'

const APPLETS =
  'sh cat echo id ls sleep true false head tail wc touch mount umount ps kill grep hostname pwd stat env dd sort tr printf readlink mkdir yes test mknod ip seq sync ulimit chmod chown od sed awk cut expr rm find stty'

/** Why engine tests cannot run here; undefined = they can. */
export const engineNeeds = (): string | undefined => lacking('root', 'program:busybox')

export interface TestEngine {
  readonly engine: Engine
  readonly root: string
  /** A directory with busybox and all of its usual names. */
  readonly rootfs: string
  /** What is there before a test; `unchanged` says what a test left, one line each. */
  readonly census: () => Census
  readonly unchanged: (before: Census) => Promise<readonly string[]>
  readonly close: () => Promise<void>
}

export const openTestEngine = (options: EngineOptions = {}): TestEngine => {
  const root = mkdtempSync(path.join(tmpdir(), 'slipway-engine-'))
  const rootfs = path.join(root, 'rootfs')
  makeRootfs(rootfs)
  const data = path.join(root, 'data')
  // What is made ahead comes and goes when it likes: tests that count descriptors have none, and those about it ask for it.
  const engine = createEngine({ networksAhead: 0, ...options, root: data })
  const scope = { directories: [data], cgroup: cgroupNameOf(data) }
  return {
    engine,
    root: data,
    rootfs,
    census: () => takeCensus(scope),
    unchanged: (before) => settledDifferences(scope, before),
    close: async () => {
      await engine.close()
      removeGroups(scope.cgroup)
      rmSync(root, { recursive: true, force: true })
    },
  }
}

/** An engine leaves its own groups for the next one of the same root; of this root there is no other. */
const removeGroups = (name: string): void => {
  for (const group of cgroupDirectories(name).slice().reverse()) {
    try {
      rmdirSync(group)
    } catch {
      // Something lives in it: the census of the test that left it has told.
    }
  }
}

export const makeRootfs = (rootfs: string): void => {
  for (const folder of ['bin', 'proc', 'sys', 'dev', 'etc', 'tmp', 'root', 'work']) {
    mkdirSync(path.join(rootfs, folder), { recursive: true })
  }
  copyFileSync(findProgram('busybox') ?? '/bin/busybox', path.join(rootfs, 'bin', 'busybox'))
  for (const name of APPLETS.split(' ')) symlinkSync('busybox', path.join(rootfs, 'bin', name))
  writeFileSync(
    path.join(rootfs, 'etc', 'passwd'),
    'root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/work:/bin/sh\n',
  )
  writeFileSync(path.join(rootfs, 'etc', 'group'), 'root:x:0:\napp:x:1000:\nextra:x:2000:app\n')
}
