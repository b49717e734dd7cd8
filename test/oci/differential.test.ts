// The same document in slipway, crun and runc: what a program sees of itself and around it must not differ, but where slipway
// is the stricter one or adds what the document does not say.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Spec } from '../../src/model/oci-spec.ts'
import type { RunOptions } from '../../src/model/options.ts'
import { type Box, openBox, securityNeeds } from '../security/box.ts'
import { lacking } from '../support/needs.ts'
import { assert, suite } from '../support/suite.ts'

const Differential = suite('oci/differential')
const PEERS = ['crun', 'runc'] as const
type Peer = (typeof PEERS)[number]
let box: Box
let work: string

Differential.before(() => {
  if (securityNeeds() !== undefined) return
  box = openBox()
  work = mkdtempSync(path.join(tmpdir(), 'slipway-differential-'))
})
Differential.after(async () => {
  if (securityNeeds() !== undefined) return
  await box.close()
  rmSync(work, { recursive: true, force: true })
})

/** One section for each thing that is compared. runc makes /dev/core only where the host has a /proc/kcore. */
const SCRIPT = `
echo '# status'; grep -E '^(Uid|Gid|Groups|Cap...|NoNewPrivs|Seccomp|Seccomp_filters|SigIgn|SigBlk|SigCgt|Umask)' /proc/self/status
echo '# limits'; cat /proc/self/limits
echo '# fds'; /probe fds | cut -d' ' -f2
echo '# env'; env | sort
echo '# devices'; find /dev ! -name core -exec stat -c '%n %F %a %u:%g %t:%T' {} + | sort
echo '# links'; for f in fd stdin stdout stderr ptmx; do echo $f $(readlink /dev/$f); done
echo '# mounts'; awk '{print $2, $3, $4}' /proc/self/mounts | sort
echo '# namespaces'; for n in cgroup ipc mnt net pid user uts; do echo $n $(readlink /proc/self/ns/$n); done
echo '# sysctls'; cd /proc/sys; cat kernel/hostname kernel/domainname net/ipv4/ip_unprivileged_port_start net/ipv4/ping_group_range
echo '# place'; pwd; cut -d' ' -f4-7 /proc/1/stat; cat /proc/self/oom_score_adj
echo '# network'; ls /sys/class/net; cat /proc/net/dev | wc -l
echo '# masked'; for f in /proc/keys /proc/timer_list /proc/interrupts; do wc -c $f; done; ls /proc/acpi /sys/firmware
echo '# closed'; for f in /proc/sys/kernel/panic /proc/sysrq-trigger /sys/kernel/profiling /proc/irq/default_smp_affinity; do (echo 0 > $f) 2>/dev/null && echo $f; done
echo '# calls'; /probe calls
true`
const ARGV = ['sh', '-c', SCRIPT]

type Sections = ReadonlyMap<string, readonly string[]>
const sections = (text: string): Sections =>
  new Map(
    text
      .split(/^# /m)
      .slice(1)
      .map((part) => part.trimEnd().split('\n'))
      .map(([name = '', ...lines]) => [name, lines] as const),
  )

/** Older peers know neither our version nor a time namespace; files the engine writes are no part of a document. */
const documentOf = (spec: Spec, id: string): string => {
  const namespaces = spec.linux?.namespaces?.filter(({ type }) => type !== 'time')
  const document = {
    ...spec,
    ociVersion: '1.0.2',
    root: { ...spec.root, path: box.rootfs },
    linux: { ...spec.linux, namespaces, cgroupsPath: `/${id}` },
  }
  const json = JSON.stringify(document, (_, value) => (typeof value === 'bigint' ? `#${value}#` : value))
  return json.replace(/"#(\d+)#"/g, '$1')
}

/** In a mount namespace without the v2 tree beside v1, which crun refuses. */
const HIDE =
  'if [ -d /sys/fs/cgroup/unified ]; then mount -t tmpfs none /sys/fs/cgroup/unified; fi; exec "$@"'

const underPeer = async (peer: Peer, options: RunOptions): Promise<Sections> => {
  const { spec } = await box.engine.plan({ rootfs: box.rootfs }, ARGV, { hostname: 'elsewhere', ...options })
  const id = `slipway-differential-${process.pid}`
  const bundle = mkdtempSync(path.join(work, 'bundle-'))
  writeFileSync(path.join(bundle, 'config.json'), documentOf(spec, id))
  const state = path.join(bundle, 'state')
  mkdirSync(state)
  const words = [peer, '--root', state, 'run', '--bundle', bundle, id]
  const { stdout, stderr, status } = spawnSync('unshare', ['--mount', 'sh', '-c', HIDE, 'sh', ...words], {
    encoding: 'utf8',
    timeout: 60_000,
  })
  assert.is(status, 0, `${peer}: ${stdout}${stderr}`)
  return sections(stdout)
}

const underSlipway = async (options: RunOptions): Promise<Sections> =>
  sections((await box.run(ARGV, { hostname: 'elsewhere', ...options })).out)

/** The engine's own files and the root are not the document's; of cgroup v1 only hierarchies that were joined are shown. */
const OWN = /^\/($| |sys\/fs\/cgroup\/|etc\/(hosts|hostname|resolv\.conf) )/
const FLAGS = ['ro', 'nosuid', 'nodev', 'noexec']

/** Where each is mounted, with the flags that forbid something. The last one at a place is the one that is seen. */
const mountsOf = (found: Sections): ReadonlyMap<string, readonly string[]> =>
  new Map(
    (found.get('mounts') ?? [])
      .filter((line) => !OWN.test(line))
      .map((line) => line.split(' '))
      .map(
        ([place = '', , options = '']) =>
          [place, options.split(',').filter((flag) => FLAGS.includes(flag))] as const,
      ),
  )

const SAME = ['status', 'limits', 'fds', 'env', 'links', 'sysctls', 'place', 'network', 'masked', 'closed']

const compare = (ours: Sections, theirs: Sections, peer: Peer): void => {
  for (const name of SAME) assert.equal(ours.get(name), theirs.get(name), `${peer}: ${name}`)
  const [mine, others] = [mountsOf(ours), mountsOf(theirs)]
  assert.equal([...mine.keys()].sort(), [...others.keys()].sort(), `${peer}: mounts`)
  for (const [place, flags] of others) {
    for (const flag of flags) assert.ok(mine.get(place)?.includes(flag), `${peer}: ${place} lacks ${flag}`)
  }
  assert.equal(ours.get('devices'), theirs.get('devices'), `${peer}: devices`)
  for (const found of [ours, theirs]) {
    for (const line of found.get('namespaces') ?? []) {
      const [type = '', name] = line.split(' ')
      const shared = name === readlinkSync(`/proc/self/ns/${type}`)
      assert.is(shared, type === 'user', line)
    }
  }
  assert.equal(ours.get('calls'), theirs.get('calls'), `${peer}: calls`)
}

const SHAPES: Readonly<Record<string, RunOptions>> = {
  'the default': {},
  'another user': { user: 'app' },
  'no_new_privs, a read-only root, fewer capabilities': {
    readonly: true,
    security: { noNewPrivileges: true, capDrop: ['ALL'], capAdd: ['NET_BIND_SERVICE'] },
  },
  'limits and sysctls': {
    memory: '64MiB',
    pids: 100,
    sysctls: { 'net.ipv4.ip_forward': '1' },
    ulimits: [{ name: 'core', soft: 0, hard: 0 }],
  },
  'mounts and a directory': {
    cwd: '/work/below',
    mounts: [
      { type: 'tmpfs', target: '/tmp', size: '1MiB' },
      { type: 'bind', source: '/usr/share', target: '/share', readonly: true },
    ],
  },
}

for (const [name, options] of Object.entries(SHAPES)) {
  for (const peer of PEERS) {
    const title = `${name}: a program sees the same under ${peer}`
    const reason = securityNeeds() ?? lacking(`program:${peer}`, 'program:unshare')
    if (reason !== undefined) Differential.skip(title, reason)
    else
      Differential(title, async () =>
        compare(await underSlipway(options), await underPeer(peer, options), peer),
      )
  }
}

Differential.run()
