// Options on the host image, looked at from inside real containers.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import path from 'node:path'
import { probeHostFacts, thisHost } from '../../src/adapters/host-facts.ts'
import { createEngine } from '../../src/index.ts'
import type { RunOptions } from '../../src/model/options.ts'
import { lacking, type Need } from '../support/needs.ts'
import { assert, suite } from '../support/suite.ts'

const HostOptions = suite('engine/host-options')
const reason = lacking('root', 'file:build/Release/slipway.node')
const facts = probeHostFacts(thisHost)
process.env.SLIPWAY_ADDON ??= path.resolve('build/Release/slipway.node')

let top = ''
let engine: ReturnType<typeof createEngine>
HostOptions.before(() => {
  top = mkdtempSync(path.join(tmpdir(), 'host-options-'))
  engine = createEngine({ root: path.join(top, 'state') })
})
HostOptions.after(async () => {
  await engine.close()
  rmSync(top, { recursive: true, force: true })
})

const fact = (name: string, test: () => Promise<void>, ...needs: readonly Need[]): void => {
  const missing = reason ?? lacking(...needs)
  if (missing === undefined) HostOptions(name, test)
  else HostOptions.skip(name, missing)
}

const run = (script: string, options: RunOptions = {}) => engine.run('host', ['sh', '-c', script], options)
/** What the script prints, errors too. A script that fails fails the test. */
const printed = async (script: string, options: RunOptions = {}): Promise<string> => {
  const { exitCode, stdout, stderr } = await run(script, options)
  assert.is(exitCode, 0, String(stderr))
  return String(stdout)
}
const lines = async (script: string, options: RunOptions = {}): Promise<string[]> =>
  (await printed(script, options)).trimEnd().split('\n')

const CANARY = `canary-${process.pid}`

fact('nothing of the host is there but its programs and harmless files', async () => {
  for (const folder of ['/root', '/home', '/srv', '/var/tmp'])
    writeFileSync(path.join(folder, CANARY), 'secret')
  try {
    const found = await printed(
      `for d in /root /home /srv /mnt /media /var/tmp /var/lib /tmp /run /var/log; do find $d -mindepth 1 -name '*${CANARY}*'; done; ` +
        `ls /root /home /srv /mnt /media | grep -v ':$' | grep . ; true`,
    )
    assert.is(found, '')
  } finally {
    for (const folder of ['/root', '/home', '/srv', '/var/tmp'])
      rmSync(path.join(folder, CANARY), { force: true })
  }
})

fact("the engine's own state cannot be reached, nor shadow", async () => {
  const places = [
    top,
    '/etc/shadow',
    '/etc/gshadow',
    '/etc/sudoers',
    '/etc/ssh',
    '/etc/machine-id',
    '/var/lib/slipway',
  ]
  assert.is(await printed(`for f in ${places.join(' ')}; do test -e $f && echo $f; done; true`), '')
})

fact('what is written is gone afterwards, and never reaches the host', async () => {
  const file = `/usr/${CANARY}`
  assert.is(await printed(`echo x > ${file}; echo y > /etc/passwd; cat ${file} /etc/passwd`), 'x\ny\n')
  assert.not.ok(existsSync(file))
  assert.match(await printed('head -1 /etc/passwd'), /^root:x:0:0/)
  assert.match(readFileSync('/etc/passwd', 'utf8'), /^root:/)
})

fact('a read-only root is read-only in each of its parts', async () => {
  const script =
    'for d in / /usr /etc /var /tmp; do touch $d/x 2>/dev/null && echo $d; done; touch /dev/shm/x && echo shm'
  assert.is(await printed(script, { readonly: true }), 'shm\n')
})

fact('a user of the image has its ids, groups and home, and no capability in effect', async () => {
  const script = 'id -u; id -g; echo $HOME; grep CapEff /proc/self/status'
  assert.equal(await lines(script, { user: 'daemon' }), ['1', '1', '/usr/sbin', 'CapEff:\t0000000000000000'])
  assert.equal(await lines('id -u; id -g; id -G', { user: '1234:5678', groups: ['daemon', '42'] }), [
    '1234',
    '5678',
    '5678 1 42',
  ])
})

fact('capabilities are those that were left', async () => {
  const mask = async (options: RunOptions) =>
    (await printed('grep CapBnd /proc/self/status', options)).trim().slice(8)
  assert.is(await mask({}), '00000000a80425fb')
  assert.is(await mask({ security: { capDrop: ['ALL'], capAdd: ['kill'] } }), '0000000000000020')
  assert.is(
    await mask({ security: { privileged: true } }),
    facts.effectiveCaps.toString(16).padStart(16, '0'),
  )
})

fact('no_new_privs is on when asked for', async () => {
  const value = async (noNewPrivileges: boolean) =>
    printed('grep NoNewPrivs /proc/self/status', { security: { noNewPrivileges } })
  assert.equal([await value(true), await value(false)], ['NoNewPrivs:\t1\n', 'NoNewPrivs:\t0\n'])
})

fact('limits of the process and of the group are set', async () => {
  const ulimits = [
    { name: 'nofile', soft: 100, hard: 200 },
    { name: 'core', soft: 0, hard: -1 },
  ]
  assert.equal(await lines('ulimit -Sn; ulimit -Hn; ulimit -Sc; ulimit -Hc', { ulimits }), [
    '100',
    '200',
    '0',
    'unlimited',
  ])
  assert.is(await printed('cat /proc/self/oom_score_adj', { oomScoreAdj: 500 }), '500\n')
  assert.is(await printed('stat -f -c %b,%S /dev/shm', { shmSize: '1m' }), '256,4096\n')
})

fact('Node raises its own limit of open files, the container has the plain one', async () => {
  const [soft, hard] = await lines('ulimit -Sn; ulimit -Hn')
  assert.equal([Number(soft), Number(hard)], [Math.min(1_048_576, facts.nofileHard), facts.nofileHard])
})

fact('mounts are where and as they were asked for', async () => {
  const source = path.join(top, 'source')
  mkdirSync(path.join(source, 'deep'), { recursive: true })
  writeFileSync(path.join(source, 'file'), 'found\n')
  const bind = { type: 'bind', source, target: '/new/place' } as const
  assert.is(
    await printed('cat /new/place/file; echo back > /new/place/written', { mounts: [bind] }),
    'found\n',
  )
  assert.is(readFileSync(path.join(source, 'written'), 'utf8'), 'back\n')
  const closed = { mounts: [{ ...bind, readonly: true }] }
  assert.is(
    await printed(
      'touch /new/place/x 2>/dev/null || touch /new/place/deep/x 2>/dev/null || echo closed',
      closed,
    ),
    'closed\n',
  )
  const tmpfs = { mounts: [{ type: 'tmpfs', target: '/scratch', size: '1m', mode: 0o700 }] } as const
  assert.equal(await lines('stat -c %a /scratch; stat -f -c %T /scratch', tmpfs), ['700', 'tmpfs'])
})

fact('a source that is missing is made when that is asked for, and a failure otherwise', async () => {
  const source = path.join(top, 'made/for/it')
  const bind = { type: 'bind', source, target: '/data' } as const
  const failed = await run('true', { mounts: [bind] }).catch((error: Error) => error.message)
  assert.is(failed, `open bind source: ${source}: ENOENT (no such file or directory)`)
  assert.is(
    await printed('touch /data/x; stat -c %a /data', { mounts: [{ ...bind, createSource: true }] }),
    '755\n',
  )
  assert.ok(existsSync(path.join(source, 'x')))
})

fact('a bind over a file that the engine writes stands in for it', async () => {
  const source = path.join(top, 'hosts')
  writeFileSync(source, '127.0.0.1 mine\n')
  assert.is(
    await printed('cat /etc/hosts', { mounts: [{ type: 'bind', source, target: '/etc/hosts' }] }),
    '127.0.0.1 mine\n',
  )
})

fact('names are those that were asked for, in the kernel and in the files', async () => {
  const options: RunOptions = {
    hostname: 'web',
    domainname: 'example',
    extraHosts: ['db:10.1.2.3'],
    dns: ['10.9.8.7'],
    dnsSearch: ['a.example'],
  }
  const script =
    'uname -n; cat /proc/sys/kernel/domainname /etc/hostname; tail -1 /etc/hosts; cat /etc/resolv.conf; echo $HOSTNAME'
  const want = [
    'web',
    'example',
    'web.example',
    '10.1.2.3\tdb',
    'nameserver 10.9.8.7',
    'search a.example',
    'web',
  ]
  assert.equal(await lines(script, options), want)
})

fact("with the host's namespaces the container has the host's name", async () => {
  assert.is(await printed('uname -n', { uts: 'host' }), `${hostname()}\n`)
  assert.is(await printed('uname -n', { network: 'host' }), `${hostname()}\n`)
})

fact('sysctls of its namespaces are set, low ports are open, and the rest is read-only', async () => {
  const sysctls = { 'net.core.somaxconn': '77', 'kernel.shmmax': '8192' }
  const files = [
    'net/core/somaxconn',
    'kernel/shmmax',
    'net/ipv4/ip_unprivileged_port_start',
    'net/ipv4/ping_group_range',
  ]
  const script = `cd /proc/sys; cat ${files.join(' ')}; (echo 0 > kernel/panic) 2>/dev/null || echo closed`
  assert.equal(await lines(script, { sysctls }), ['77', '8192', '0', '0\t2147483647', 'closed'])
})

fact('masked paths read empty, unless they are opened', async () => {
  assert.is(await printed('cat /proc/keys; ls /sys/firmware'), '')
  const open = { security: { systemPaths: 'unconfined' } } as const
  assert.is.not(await printed('cat /proc/interrupts', open), '')
})

fact('a device is there when asked for, and none can be made otherwise', async () => {
  const script = '(mknod /tmp/f c 10 229 && head -c0 /tmp/f) 2>/dev/null && echo open || echo closed'
  assert.is(await printed(script), 'closed\n')
  if (!existsSync('/dev/fuse')) return
  assert.is(
    await printed('head -c0 /dev/fuse && echo open', { devices: [{ source: '/dev/fuse' }] }),
    'open\n',
  )
})

fact('a terminal has the size that was asked for', async () => {
  const { stdout } = await run('stty size; echo $TERM', { tty: { columns: 91, rows: 37 } })
  assert.equal(String(stdout).trim().split('\r\n'), ['37 91', 'xterm'])
})

fact('the environment is the one that was asked for and nothing of ours', async () => {
  const env = (await lines('env', { env: { A: 'b=c', PATH: '/usr/bin' } })).filter(
    (line) => !/^(PWD|SHLVL|_)=/.test(line),
  )
  assert.equal(env.filter((line) => !line.startsWith('HOSTNAME=')).sort(), [
    'A=b=c',
    'HOME=/root',
    'PATH=/usr/bin',
  ])
})

fact(
  'a user namespace maps its root to a user of no rights',
  async () => {
    const map = [{ containerId: 0, hostId: 100_000, size: 65_536 }]
    const options: RunOptions = { security: { userns: { uidMap: map, gidMap: map } } }
    assert.equal(
      (await lines('id -u; cat /proc/self/uid_map', options)).map((line) =>
        line.trim().split(/\s+/).join(' '),
      ),
      ['0', '0 100000 65536'],
    )
  },
  'linux:6.15',
)

HostOptions.run()
