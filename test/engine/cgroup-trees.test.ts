// What an engine makes of the cgroup tree it finds: none, a read-only one, one version or the other, both, one in a container's
// namespace. Each tree is laid out in a mount namespace of its own, in which this very file runs once more as the engine.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { probeHostFacts } from '../../src/adapters/host-facts.ts'
import { createEngine, SlipwayError } from '../../src/index.ts'
import type { RunOptions } from '../../src/model/options.ts'
import { makeRootfs } from '../support/engine.ts'
import { lacking } from '../support/needs.ts'
import { assert, suite } from '../support/suite.ts'

/** What is tried in every tree: options, a script, and what it prints or why it is refused. */
const TRIALS = {
  plain: [{}, 'echo ran'],
  memory: [{ memory: '32MiB' }, 'echo ran'],
  pids: [{ pids: 10 }, 'echo ran'],
  cpus: [{ cpus: 0.5 }, 'echo ran'],
  'make a node': [{}, '(mknod /work/made c 1 3 && rm /work/made && echo made) 2>&1'],
  'open a node of the image': [{}, '(: </work/zero && echo open) 2>&1'],
  'open a forbidden node of the image': [{}, '(: </work/mem && echo open) 2>&1'],
  'open a usual node': [{}, '(: </dev/zero && echo open) 2>&1'],
  'a given device': [
    { devices: [{ source: '/dev/kmsg', target: '/dev/k', permissions: 'rwm' }] },
    ': >/dev/k; echo open',
  ],
  'a given device, only to write': [
    { devices: [{ source: '/dev/kmsg', target: '/dev/k', permissions: 'w' }] },
    ': >/dev/k; echo open',
  ],
  'a device rule': [{ deviceCgroupRules: ['c 1:11 w'] }, 'echo ran'],
  'the right to make nodes': [{ security: { capAdd: ['MKNOD'] } }, 'echo ran'],
  'the pid namespace of the host': [{ pid: 'host' }, 'echo ran'],
  privileged: [{ security: { privileged: true } }, 'echo ran'],
} as const satisfies Record<string, readonly [RunOptions, string]>
type Found = Readonly<Record<keyof typeof TRIALS, string>>

const tryOne = async (
  engine: ReturnType<typeof createEngine>,
  rootfs: string,
  [options, script]: readonly [RunOptions, string],
): Promise<string> => {
  try {
    const { stdout } = await engine.run({ rootfs }, ['sh', '-c', script], options)
    return String(stdout).trim()
  } catch (error) {
    return error instanceof SlipwayError
      ? `${error._tag}: ${error.message} (${error.hint ?? 'no remedy'})`
      : `thrown: ${error}`
  }
}

const runTrials = async (top: string): Promise<void> => {
  const rootfs = path.join(top, 'rootfs')
  const engine = createEngine({ root: path.join(top, 'data') })
  const found: Record<string, string> = {}
  for (const [name, trial] of Object.entries(TRIALS)) found[name] = await tryOne(engine, rootfs, trial)
  await engine.close()
  console.log(JSON.stringify(found))
}

const CHILD = 'SLIPWAY_TEST_CGROUP_TREE'
const top = process.env[CHILD]
if (top !== undefined) {
  await runTrials(top)
} else {
  const Trees = suite('engine/cgroup-trees')
  const facts = probeHostFacts()
  const has = (name: string, version: number): boolean =>
    facts.cgroup.controllers.some((each) => each.name === name && each.version === version)
  const reason = lacking('root', 'program:busybox', 'program:unshare')

  /** The trials in a mount namespace laid out by `script`, which may go on to further namespaces by `$enter`. */
  const inTree = (script: string): Found => {
    const folder = mkdtempSync(path.join(tmpdir(), 'cgroup-tree-'))
    makeRootfs(path.join(folder, 'rootfs'))
    for (const [name, minor] of [
      ['mem', '1'],
      ['zero', '5'],
    ] as const)
      execFileSync('mknod', [path.join(folder, 'rootfs/work', name), 'c', '1', minor])
    try {
      const engine = `exec "${process.execPath}" "${process.argv[1]}"`
      const { stdout, stderr, status } = spawnSync('unshare', ['-m', 'sh', '-euc', script], {
        encoding: 'utf8',
        env: { ...process.env, [CHILD]: folder, engine },
      })
      assert.is(status, 0, stderr)
      return JSON.parse(stdout)
    } finally {
      rmSync(folder, { recursive: true })
    }
  }

  const tree = (
    name: string,
    missing: string | undefined,
    script: string,
    check: (found: Found) => void,
  ): void => {
    const why = reason ?? missing
    if (why === undefined) Trees(name, () => check(inTree(script)))
    else Trees.skip(name, why)
  }

  const CLEAR = 'umount -l -R /sys/fs/cgroup'
  const RUN = 'eval "$engine"'

  const unlimited = (found: Found): void => {
    assert.is(found.plain, 'ran')
    assert.is(found['open a usual node'], 'open')
    assert.is(found['a given device'], 'open')
    assert.is(found.privileged, 'ran')
    assert.not.match(found['open a forbidden node of the image'], /^open/)
  }
  const refusedLimits = (found: Found, why: RegExp): void => {
    for (const name of ['memory', 'pids', 'cpus'] as const) {
      assert.match(found[name], /^HostUnfit: a limit of /, name)
      assert.match(found[name], why)
    }
  }
  /** No devices group: nodes cannot be made, those of the image do not work, and nothing finer is promised. */
  const withoutDevices = (found: Found): void => {
    assert.match(found['make a node'], /not permitted/)
    assert.match(found['open a node of the image'], /denied/)
    for (const name of ['a given device, only to write', 'a device rule', 'the right to make nodes'] as const)
      assert.match(found[name], /^HostUnfit: .*device rules/s, name)
    assert.match(found['the pid namespace of the host'], /^HostUnfit: .*pid namespace/)
  }
  const withDevices = (found: Found): void => {
    assert.is(found['make a node'], 'made')
    assert.is(found['open a node of the image'], 'open')
    assert.match(found['open a forbidden node of the image'], /not permitted/)
    assert.is(found['a given device, only to write'], 'open')
    for (const name of ['a device rule', 'the right to make nodes', 'the pid namespace of the host'] as const)
      assert.is(found[name], 'ran', name)
  }
  const limited = (found: Found): void => {
    for (const name of ['memory', 'pids', 'cpus'] as const) assert.is(found[name], 'ran', name)
  }

  tree(
    'without any tree, what asks for no limit runs, and the rest says why not',
    undefined,
    `${CLEAR}; ${RUN}`,
    (found) => {
      unlimited(found)
      refusedLimits(found, /no cgroup tree is mounted.*doctor/)
      withoutDevices(found)
    },
  )

  tree(
    'a tree hidden by another mount is as good as none',
    undefined,
    `mount -t tmpfs none /sys/fs/cgroup; ${RUN}`,
    (found) => {
      unlimited(found)
      refusedLimits(found, /no cgroup tree is mounted.*doctor/)
      withoutDevices(found)
    },
  )

  const READONLY = `awk '$3 ~ /^cgroup/ { print $2 }' /proc/mounts | while read m; do mount -o remount,bind,ro "$m"; done`
  tree(
    'in a read-only tree, as in another container, it is the same',
    undefined,
    `${READONLY}; ${RUN}`,
    (found) => {
      unlimited(found)
      refusedLimits(found, /cannot be written to.*doctor/)
      withoutDevices(found)
    },
  )

  tree(
    'v2 without controllers still holds containers to their devices',
    has('memory', 1) ? undefined : 'needs controllers on v1, so that v2 has none',
    `${CLEAR}; mount -t cgroup2 none /sys/fs/cgroup; ${RUN}`,
    (found) => {
      unlimited(found)
      refusedLimits(found, /no such cgroup controller/)
      withDevices(found)
    },
  )

  tree(
    'v1 alone has limits and device rules',
    has('memory', 1) ? undefined : 'needs controllers on v1',
    `umount -l /sys/fs/cgroup/unified 2>/dev/null || true; ${RUN}`,
    (found) => {
      unlimited(found)
      limited(found)
      withDevices(found)
    },
  )

  const onV2 = has('memory', 2) ? undefined : 'needs controllers on v2'
  tree(
    'devices on v1 and all else on v2 work together',
    onV2,
    `${CLEAR}; mount -t tmpfs none /sys/fs/cgroup; cd /sys/fs/cgroup; mkdir unified devices; ` +
      `mount -t cgroup2 none unified; mount -t cgroup -o devices none devices; cd /; ${RUN}`,
    (found) => {
      unlimited(found)
      limited(found)
      withDevices(found)
    },
  )

  const NESTED = `nested-${process.pid}`
  const nested = (before: string): string =>
    `mkdir /sys/fs/cgroup/${NESTED}; echo $$ > /sys/fs/cgroup/${NESTED}/cgroup.procs; ` +
    `exec unshare -C -m sh -euc '${CLEAR}; mount -t cgroup2 none /sys/fs/cgroup; ${before} ${RUN}'`
  const removeNested = (): void => {
    const remove = (folder: string): void => {
      for (const entry of readdirSync(folder, { withFileTypes: true }))
        if (entry.isDirectory()) remove(path.join(folder, entry.name))
      rmdirSync(folder)
    }
    remove(`/sys/fs/cgroup/${NESTED}`)
  }

  tree(
    'a group with processes of its own cannot limit containers, and the remedy is told',
    onV2,
    nested(''),
    (found) => {
      removeNested()
      unlimited(found)
      refusedLimits(found, /processes of its own.*mkdir/s)
      withDevices(found)
    },
  )

  tree(
    'when its processes have moved to a group below, it can',
    onV2,
    nested('mkdir /sys/fs/cgroup/init; echo $$ > /sys/fs/cgroup/init/cgroup.procs;'),
    (found) => {
      removeNested()
      unlimited(found)
      limited(found)
      withDevices(found)
    },
  )

  Trees.run()
}
