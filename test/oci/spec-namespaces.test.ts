// Namespaces of a hand-written document: those that are there already are joined, and what is none is refused.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdirSync, openSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { lacking } from '../support/needs.ts'
import { documentOf, openSpecLauncher, type SpecChange, type SpecLauncher } from '../support/spec-launcher.ts'
import { assert, suite } from '../support/suite.ts'

const SpecNamespaces = suite('oci/spec-namespaces')
const NEEDS = ['root', 'program:busybox', 'program:unshare', 'program:nsenter'] as const
SpecNamespaces.requires(...NEEDS)
const able = lacking(...NEEDS) === undefined
let launcher: SpecLauncher
/** Somebody who lives in namespaces of every kind but the user's. */
let holder: Holder

interface Holder {
  readonly pid: number
  readonly end: () => Promise<void>
}

/** `flags` of unshare(1); the script runs in the new namespaces and waits. */
const hold = async (flags: readonly string[], script = ':'): Promise<Holder> => {
  const words = [...flags, '--fork', '--kill-child', 'sh', '-c', `${script}; echo ready; exec sleep 1000`]
  const outer: ChildProcess = spawn('unshare', words, { stdio: ['ignore', 'pipe', 'inherit'] })
  if (outer.stdout === null) throw new Error('no output')
  await Promise.race([once(outer.stdout, 'data'), once(outer, 'exit')])
  const pid = Number(readFileSync(`/proc/${outer.pid}/task/${outer.pid}/children`, 'utf8').trim())
  const end = async (): Promise<void> => {
    const ended = once(outer, 'exit')
    process.kill(pid, 'SIGKILL')
    await ended
  }
  return { pid, end }
}

SpecNamespaces.before(async () => {
  if (!able) return
  launcher = openSpecLauncher()
  const marked = path.join(launcher.folder, 'marked')
  mkdirSync(marked)
  const script = `hostname held; mount -t tmpfs held ${marked}; touch ${marked}/here`
  holder = await hold(
    ['--mount', '--uts', '--ipc', '--net', '--pid', '--cgroup', '--time', '--mount-proc'],
    script,
  )
})
SpecNamespaces.after(async () => {
  if (!able) return
  await holder.end()
  await launcher.close()
})

const PROC_NAMES = {
  pid: 'pid',
  mount: 'mnt',
  ipc: 'ipc',
  uts: 'uts',
  network: 'net',
  cgroup: 'cgroup',
  time: 'time',
  user: 'user',
}
type Type = keyof typeof PROC_NAMES
const fileOf = (pid: number | 'self', type: Type): string => `/proc/${pid}/ns/${PROC_NAMES[type]}`

const USUAL: readonly Type[] = ['pid', 'mount', 'ipc', 'uts', 'network']
/** The usual namespaces with `joined` in place of new ones. */
const namespaces = (joined: Readonly<Partial<Record<Type, string>>>): Pick<SpecChange, 'linux'> => ({
  linux: {
    namespaces: [...new Set([...USUAL, ...(Object.keys(joined) as Type[])])].map((type) => {
      const file = joined[type]
      return file === undefined ? { type } : { type, path: file }
    }),
  },
})
const failure = async (change: SpecChange): Promise<string> =>
  (await launcher.run(documentOf(launcher.rootfs, 'true', change))).failed ?? 'it started'

for (const type of ['ipc', 'uts', 'network', 'cgroup', 'time', 'pid'] as const)
  SpecNamespaces(`a ${type} namespace is joined`, async () => {
    const file = fileOf(holder.pid, type)
    const inside = await launcher.sh(
      `readlink /proc/self/ns/${PROC_NAMES[type]}`,
      namespaces({ [type]: file }),
    )
    assert.is(inside, readlinkSync(file))
    assert.is.not(inside, readlinkSync(fileOf('self', type)))
  })

SpecNamespaces('all of them are joined together', async () => {
  const types = ['ipc', 'uts', 'network', 'cgroup', 'time', 'pid'] as const
  const joined = Object.fromEntries(types.map((type) => [type, fileOf(holder.pid, type)]))
  const script = types.map((type) => `readlink /proc/self/ns/${PROC_NAMES[type]}`).join('; ')
  const out = await launcher.sh(`${script}; cat /proc/sys/kernel/hostname`, namespaces(joined))
  assert.equal(out.split('\n'), [...types.map((type) => readlinkSync(fileOf(holder.pid, type))), 'held'])
})

SpecNamespaces(
  'in a pid namespace that is joined the others are seen, and the next container is alone again',
  async () => {
    const joined = namespaces({ pid: fileOf(holder.pid, 'pid') })
    assert.is(await launcher.sh('cat /proc/1/comm; test $$ -gt 1', joined), 'sleep')
    assert.is(await launcher.sh('echo $$'), '1')
  },
)

SpecNamespaces('a failure after the thread has left its pid namespace brings it home, too', async () => {
  const dead = await hold(['--pid'])
  const fd = openSync(fileOf(dead.pid, 'pid'), 'r')
  await dead.end()
  try {
    // Nobody can be born in a namespace whose first process is gone.
    const joined = namespaces({ pid: `/proc/${process.pid}/fd/${fd}` })
    assert.match(await failure(joined), /^SyscallFailed: clone3: ENOMEM/)
    assert.is(await launcher.sh('echo $$'), '1')
  } finally {
    closeSync(fd)
  }
})

SpecNamespaces('a user namespace is joined, and the program is its root', async () => {
  const mapped = await hold(['--user', '--net'])
  for (const name of ['gid_map', 'uid_map']) writeFileSync(`/proc/${mapped.pid}/${name}`, '0 100000 65536')
  try {
    const rootfs = path.join(launcher.folder, 'mapped')
    const { makeRootfs } = await import('../support/engine.ts')
    makeRootfs(rootfs)
    spawnSync('chown', ['-R', '100000:100000', rootfs])
    spawnSync('chmod', ['755', launcher.folder, rootfs])
    const script =
      "id -u; awk '{print $2}' /proc/self/uid_map; readlink /proc/self/ns/user; readlink /proc/self/ns/net; touch /x; stat -c %u /x; echo y > /dev/null"
    const change = namespaces({ user: fileOf(mapped.pid, 'user'), network: fileOf(mapped.pid, 'network') })
    const { out, failed } = await launcher.run(documentOf(rootfs, script, change))
    assert.is(failed, undefined)
    assert.equal(out.trim().split('\n'), [
      '0',
      '100000',
      readlinkSync(fileOf(mapped.pid, 'user')),
      readlinkSync(fileOf(mapped.pid, 'network')),
      '0',
    ])
  } finally {
    await mapped.end()
  }
})

SpecNamespaces('in a mount namespace that is joined the program sees what is mounted there', async () => {
  const change = {
    ...namespaces({ mount: fileOf(holder.pid, 'mount') }),
    allMounts: [],
    process: { oomScoreAdj: 77 },
  }
  const script = `ls ${path.join(launcher.folder, 'marked')}; cat /proc/self/oom_score_adj; pwd`
  const { out, failed } = await launcher.run(documentOf(launcher.rootfs, script, change))
  assert.is(failed, undefined)
  assert.match(out, /^here\n/)
})

SpecNamespaces('what would be mounted in one that is joined is refused by name', async () => {
  const joined = namespaces({ mount: fileOf(holder.pid, 'mount') })
  assert.match(await failure(joined), /^Unsupported: mounts in a mount namespace that is joined/)
  const readonly = { ...joined, allMounts: [], root: { readonly: true } }
  assert.match(await failure(readonly), /^Unsupported: root\.readonly/)
})

SpecNamespaces(
  'the name of a container is set in a namespace that is joined, and never in the host’s',
  async () => {
    const own = await hold(['--uts'])
    try {
      const change = { ...namespaces({ uts: fileOf(own.pid, 'uts') }), more: { hostname: 'renamed' } }
      assert.is(await launcher.sh('cat /proc/sys/kernel/hostname', change), 'renamed')
      const host = { ...namespaces({ uts: fileOf('self', 'uts') }), more: { hostname: 'renamed' } }
      assert.match(await failure(host), /^SyscallFailed: verify namespace: uts \/proc\/self\/ns\/uts: EINVAL/)
    } finally {
      await own.end()
    }
  },
)

SpecNamespaces('a sysctl is set in a namespace that is joined, and never in the host’s', async () => {
  const withSysctl = (file: string): SpecChange => {
    const { linux } = namespaces({ network: file })
    return { linux: { ...linux, sysctl: { 'net.ipv4.ip_forward': '1' } } }
  }
  const joined = withSysctl(fileOf(holder.pid, 'network'))
  assert.is(await launcher.sh('cat /proc/sys/net/ipv4/ip_forward', joined), '1')
  assert.match(await failure(withSysctl(fileOf('self', 'network'))), /verify namespace: network/)
})

SpecNamespaces(
  'what is no namespace of the type that is named is refused before anything is made',
  async () => {
    const pipe = path.join(launcher.folder, 'pipe')
    spawnSync('mkfifo', [pipe])
    const file = path.join(launcher.folder, 'plain')
    writeFileSync(file, '')
    for (const wrong of [fileOf(holder.pid, 'uts'), pipe, file, '/dev/null', '/proc/self'])
      assert.match(
        await failure(namespaces({ network: wrong })),
        /^SyscallFailed: verify namespace: network .*EINVAL/,
        wrong,
      )
    assert.match(
      await failure(namespaces({ network: '/no/such' })),
      /^SyscallFailed: open namespace: \/no\/such: ENOENT/,
    )
    const change = namespaces({ user: fileOf('self', 'user') })
    const mapped = {
      linux: {
        ...change.linux,
        uidMappings: [{ containerID: 0, hostID: 0, size: 1 }],
        gidMappings: [{ containerID: 0, hostID: 0, size: 1 }],
      },
    }
    assert.match(await failure(mapped), /InvalidSpec: .*uidMappings/)
  },
)

for (const runtime of ['crun', 'runc'] as const) {
  const lacks = lacking(...NEEDS, `program:${runtime}`)
  const title = `the same namespaces are joined under ${runtime}`
  if (lacks !== undefined) SpecNamespaces.skip(title, lacks)
  else
    SpecNamespaces(title, async () => {
      const types = ['ipc', 'uts', 'network', 'pid'] as const
      const joined = namespaces(Object.fromEntries(types.map((type) => [type, fileOf(holder.pid, type)])))
      const script = types.map((type) => `readlink /proc/self/ns/${PROC_NAMES[type]}`).join('; ')
      assert.is(await launcher.sh(script, joined), launcher.peer(runtime, script, joined).out.trimEnd())
    })
}

SpecNamespaces.run()
