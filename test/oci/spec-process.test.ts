// What a hand-written document says of its process is what the process finds.
import { lacking } from '../support/needs.ts'
import { documentOf, openSpecLauncher, type SpecChange, type SpecLauncher } from '../support/spec-launcher.ts'
import { assert, suite } from '../support/suite.ts'

const SpecProcess = suite('oci/spec-process')
SpecProcess.requires('root', 'program:busybox')
const able = lacking('root', 'program:busybox') === undefined
let launcher: SpecLauncher
SpecProcess.before(() => {
  if (able) launcher = openSpecLauncher()
})
SpecProcess.after(() => (able ? launcher.close() : undefined))

/** Fields 18 and 19 of proc_pid_stat(5) are priority and nice, 41 is the policy. */
const STAT = "awk '{print $18, $19, $41}' /proc/self/stat"

SpecProcess('a scheduling policy and its nice value hold for the program and its children', async () => {
  const scheduler = { policy: 'SCHED_BATCH', nice: 7 } as const
  assert.is(await launcher.sh(STAT, { process: { scheduler } }), '27 7 3')
})

SpecProcess('a real-time policy has its priority', async () => {
  const scheduler = { policy: 'SCHED_RR', priority: 10, flags: ['SCHED_FLAG_RESET_ON_FORK'] } as const
  const change = { process: { scheduler, args: ['/bin/awk', '{print $18, $41}', '/proc/self/stat'] } }
  assert.is(await launcher.sh('', change), '-11 2')
})

SpecProcess('a deadline task has its budget', async () => {
  const scheduler = { policy: 'SCHED_DEADLINE', runtime: 1e6, deadline: 1e7, period: 1e7 } as const
  const change = { process: { scheduler, args: ['/bin/awk', '{print $41}', '/proc/self/stat'] } }
  assert.is(await launcher.sh('', change), '6')
})

SpecProcess('an io priority is the one asked for', async () => {
  const ioPriority = { class: 'IOPRIO_CLASS_BE', priority: 6 } as const
  assert.is(await launcher.sh('busybox ionice', { process: { ioPriority } }), 'best-effort: prio 6')
})

SpecProcess('a 32-bit personality shows in uname', async () => {
  assert.is(
    await launcher.sh('busybox uname -m', { linux: linuxWith({ personality: { domain: 'LINUX32' } }) }),
    'i686',
  )
})

const NAMESPACES = ['pid', 'mount', 'ipc', 'uts', 'network', 'time'].map((type) => ({ type }))
const linuxWith = (more: object): Readonly<Record<string, unknown>> => ({ namespaces: NAMESPACES, ...more })

SpecProcess('clocks of a time namespace are off by what was asked for', async () => {
  const timeOffsets = { boottime: { secs: 1_000_000_000 }, monotonic: { secs: -1 } }
  const out = await launcher.sh('cut -d. -f1 /proc/uptime; cat /proc/self/timens_offsets', {
    linux: linuxWith({ timeOffsets }),
  })
  const [uptime = '', ...offsets] = out.split('\n')
  assert.ok(Number(uptime) > 1_000_000_000, uptime)
  assert.equal(
    offsets.map((line) => line.trim().split(/\s+/).join(' ')),
    ['monotonic -1 0', 'boottime 1000000000 0'],
  )
})

SpecProcess('a memory policy holds for the program', async () => {
  const memoryPolicy = { mode: 'MPOL_BIND', nodes: '0', flags: ['MPOL_F_STATIC_NODES'] }
  const out = await launcher.sh("grep -c 'bind=static:0' /proc/self/numa_maps", {
    linux: linuxWith({ memoryPolicy }),
  })
  assert.ok(Number(out) > 0, out)
})

SpecProcess(
  'umask, groups, limits and the score of the memory killer are those of the document',
  async () => {
    const process = {
      user: { uid: 1000, gid: 1000, umask: 0o27, additionalGids: [7, 8] },
      rlimits: [{ type: 'RLIMIT_CORE', soft: 1024, hard: 2048 }],
      oomScoreAdj: 321,
    } as const
    const script = 'umask; id -u; id -G; ulimit -c; cat /proc/self/oom_score_adj'
    const out = await launcher.sh(script, { process })
    assert.equal(out.split('\n'), ['0027', '1000', '1000 7 8', '2', '321'])
  },
)

for (const runtime of ['crun', 'runc'] as const) {
  const lacks = lacking('root', 'program:busybox', `program:${runtime}`, 'program:unshare')
  const title = `a process finds the same under ${runtime}`
  if (lacks !== undefined) SpecProcess.skip(title, lacks)
  else
    SpecProcess(title, async () => {
      const process = {
        user: { uid: 1000, gid: 1000, umask: 0o77, additionalGids: [7] },
        rlimits: [{ type: 'RLIMIT_STACK', soft: 1 << 20, hard: 1 << 21 }],
        oomScoreAdj: 12,
        capabilities: { bounding: ['CAP_CHOWN'], permitted: ['CAP_CHOWN'] },
      } as const
      const script =
        "grep -E '^(Uid|Gid|Groups|Cap|NoNew|Umask)' /proc/self/status; cat /proc/self/limits /proc/self/oom_score_adj"
      const theirs = launcher.peer(runtime, script, { process })
      assert.is(await launcher.sh(script, { process }), theirs.out.trimEnd())
    })
}

SpecProcess('the score is set, and time is kept, without a /proc in the container', async () => {
  const mounts = [{ destination: '/p', type: 'proc', source: 'proc' }]
  const out = await launcher.sh('cat /p/self/oom_score_adj', {
    process: { oomScoreAdj: 55 },
    allMounts: mounts,
  })
  assert.is(out, '55')
})

SpecProcess('what this kernel has not is refused by name', async () => {
  const { host } = launcher.live.ports
  const asked: readonly (readonly [boolean, SpecChange, RegExp])[] = [
    [host.facts.apparmor, { process: { apparmorProfile: 'p' } }, /process\.apparmorProfile/],
    [host.facts.selinux, { process: { selinuxLabel: 'a:b:c:d' } }, /process\.selinuxLabel/],
    [host.facts.selinux, { linux: linuxWith({ mountLabel: 'a:b:c:d' }) }, /linux\.mountLabel/],
    [false, { linux: linuxWith({ intelRdt: { closID: 'x' } }) }, /linux\.intelRdt/],
  ]
  for (const [has, change, name] of asked) {
    if (has) continue
    const { failed = '' } = await launcher.run(documentFor(change))
    assert.match(failed, name)
  }
})

const documentFor = (change: SpecChange): object => documentOf(launcher.rootfs, 'true', change)

SpecProcess.run()
