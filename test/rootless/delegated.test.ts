// Limits of an ordinary user: a group of cgroup v2 that root has delegated to it.
import {
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { isAlive, until } from '../support/library.ts'
import { lacking } from '../support/needs.ts'
import {
  makeOrdinaryUser,
  type OrdinaryUser,
  ordinaryUserNeeds,
  type RunAs,
} from '../support/ordinary-user.ts'
import { assert, suite } from '../support/suite.ts'
import { writeArchives } from './images.ts'

const Delegated = suite('rootless/delegated')
const reason = ordinaryUserNeeds() ?? lacking('cgroup2')
const TREE = '/sys/fs/cgroup'
/** Root's own; it hands down memory and pids alone. */
const outer = path.join(TREE, `slipway-outer-${process.pid}`)
const inner = path.join(outer, 'inner')
let user: OrdinaryUser

const delegate = (group: string): void => {
  mkdirSync(group, { recursive: true })
  for (const file of ['', 'cgroup.procs', 'cgroup.threads', 'cgroup.subtree_control'])
    chownSync(path.join(group, file), user.uid, user.uid)
}
const removeGroups = (group: string): void => {
  for (const entry of readdirSync(group, { withFileTypes: true }))
    if (entry.isDirectory()) removeGroups(path.join(group, entry.name))
  rmdirSync(group)
}

Delegated.before(() => {
  if (reason !== undefined) return
  user = makeOrdinaryUser()
  for (const name of ['memory', 'pids']) writeFileSync(path.join(TREE, 'cgroup.subtree_control'), `+${name}`)
  mkdirSync(outer)
  for (const name of ['memory', 'pids']) writeFileSync(path.join(outer, 'cgroup.subtree_control'), `+${name}`)
  delegate(inner)
  delegate(path.join(inner, 'shell'))
  const { status, stderr } = user.slipway(['load', '-i', writeArchives(user.folder('archives')).plain])
  if (status !== 0) throw new Error(stderr)
})
Delegated.after(async () => {
  if (reason !== undefined) return
  user.close()
  await until('nobody is in the groups', () =>
    /^populated 0$/m.test(readFileSync(path.join(outer, 'cgroup.events'), 'utf8')),
  )
  removeGroups(outer)
})

const test = (name: string, body: () => void | Promise<void>): void => {
  if (reason === undefined) Delegated(name, body)
  else Delegated.skip(name, reason)
}

/** In this group, as a login's session is in one of its own. */
const inGroup = (group: string): RunAs => ({ before: `echo $$ >${group}/cgroup.procs` })
const SHELL = inGroup(path.join(inner, 'shell'))
const run = (argv: readonly string[], options: RunAs) =>
  user.slipway(['run', '--rm', ...argv.slice(0, -1), 'plain:1', 'sh', '-c', argv.at(-1) ?? ''], options)

/** Directories of containers below a group. */
const containersBelow = (group: string): string[] =>
  existsSync(group)
    ? readdirSync(group, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isDirectory() && /^[0-9a-f]{64}$/.test(entry.name))
        .map(({ name }) => name)
    : []

test('limits hold in a group that is made below the delegated one, and that is the root of what is seen', async () => {
  const script = 'cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max /proc/self/cgroup'
  const { status, stdout, stderr } = run(['--memory', '32m', '--pids-limit', '20', script], SHELL)
  assert.equal([status, stderr, stdout], [0, '', '33554432\n20\n0::/\n'])
  await until('its group is gone', () => containersBelow(inner).length === 0)
  const made = readdirSync(inner, { withFileTypes: true }).filter((entry) => entry.isDirectory())
  assert.equal(made.map(({ name }) => name).sort(), ['shell', 'slipway'])
})

test('they hold for one that outlives its command, and for what its monitor starts again', async () => {
  const output = (...argv: readonly string[]): string => {
    const { status, stdout, stderr } = user.slipway(argv, SHELL)
    if (status !== 0) throw new Error(`slipway ${argv.join(' ')}: ${status}: ${stderr}`)
    return stdout.trim()
  }
  const script = 'cat /sys/fs/cgroup/memory.max; sleep 0.1; exit 2'
  const limits = ['--memory', '32m', '--pids-limit', '20', '--restart', 'on-failure:1']
  output('run', '-d', '--name', 'limited', ...limits, 'plain:1', 'sh', '-c', script)
  await until('it has been tried twice', () =>
    output('ps', '-a', '--format', '{{.Status}}').startsWith('Exited (2)'),
  )
  assert.is(output('logs', 'limited'), '33554432\n33554432')
  output('rm', 'limited')
  await until('its group is gone', () => containersBelow(inner).length === 0)
})

test('who runs out of memory is told so, and the peak is known', () => {
  const source = `
const engine = lib.createEngine()
const script = 'x=x; while true; do x=$x$x; done'
const { exit, usage } = await engine.run('plain:1', ['sh', '-c', script], { memory: '16MiB', memorySwap: '16MiB' })
told([exit._tag, usage.oomKills, usage.peakMemoryBytes === undefined || usage.peakMemoryBytes > 8 << 20])
await engine.close()`
  assert.equal(user.module(source, SHELL), ['OomKilled', 1, true])
})

test('what was not delegated is refused by name', () => {
  const { status, stderr } = run(['--cpus', '0.5', 'true'], SHELL)
  assert.is(status, 125)
  assert.match(
    stderr,
    /a limit of cpu: .*inner, which is delegated to this user, has only memory, pids\n.*Delegate=cpu/,
  )
})

test('a delegated group with processes of its own cannot limit, and says how it can', () => {
  const busy = path.join(outer, 'busy')
  delegate(busy)
  const { status, stderr } = run(['--memory', '32m', 'true'], inGroup(busy))
  assert.is(status, 125)
  assert.match(stderr, /a limit of memory: .*busy has processes of its own/)
  assert.match(stderr, /mkdir .*busy\/init/)
  assert.is(run(['id'], inGroup(busy)).status, 0)
})

test('outside of a delegated group limits are refused, and all else works', () => {
  const { status, stderr } = run(['--memory', '32m', 'true'], {})
  assert.is(status, 125)
  assert.match(
    stderr,
    /a limit of memory: .*in no group that is delegated to user \d+\n.*systemd-run --user --scope/,
  )
  assert.is(run(['id -u'], {}).stdout, '0\n')
  const findings = (options: RunAs) =>
    (
      JSON.parse(user.slipway(['doctor', '--json'], options).stdout) as {
        findings: { id: string; state: string; fact: string }[]
      }
    ).findings
  const cgroups = (options: RunAs) => findings(options).find(({ id }) => id === 'cgroups')
  assert.is(cgroups({})?.state, 'limited')
  assert.is(cgroups(SHELL)?.state, 'ok')
  assert.match(cgroups(SHELL)?.fact ?? '', /inner is this user's/)
})

test('if engine and guardian die together, the next command ends what is in the group', async () => {
  const engine = user.startModule(
    `
const engine = lib.createEngine()
const script = 'sleep 601 & exec su app -c "exec sleep 600"'
const container = await engine.start('plain:1', ['sh', '-c', script], { stdout: 'ignore', stderr: 'ignore' })
told([container.pid, (await engine.open()).guardianPid()])
setInterval(() => {}, 1000)`,
    SHELL,
  )
  const text = await new Promise<string>((resolve, reject) => {
    engine.stdout?.once('data', (chunk) => resolve(String(chunk)))
    engine.once('exit', (code) => reject(new Error(`the engine ended with ${code}`)))
  })
  const [first = 0, guardian = 0] = JSON.parse(text) as number[]
  process.kill(guardian, 'SIGSTOP')
  await new Promise<void>((resolve) => {
    engine.removeAllListeners('exit').once('exit', () => resolve())
    engine.kill('SIGKILL')
  })
  process.kill(guardian, 'SIGKILL')
  assert.is(run(['true'], SHELL).status, 0)
  assert.not.ok(isAlive(first))
  await until('its group is gone', () => containersBelow(inner).length === 0)
  assert.equal(user.left(), [])
})

test('slipway-oci limits a container in the delegated group, too', async () => {
  const bundle = user.folder('bundle')
  const rootfs = user.folder('bundle/rootfs')
  user.run([
    'sh',
    '-c',
    `mkdir ${rootfs}/bin && cp /bin/busybox ${rootfs}/bin/sh && ln -s sh ${rootfs}/bin/cat`,
  ])
  user.run([process.execPath, user.oci, 'spec', '--rootless', '--bundle', bundle])
  const file = path.join(bundle, 'config.json')
  const config = JSON.parse(readFileSync(file, 'utf8'))
  config.process.terminal = false
  config.process.args = ['sh', '-c', 'cat /sys/fs/cgroup/memory.max']
  config.linux.resources = { memory: { limit: 32 << 20 } }
  config.linux.cgroupsPath = 'boxes/one'
  writeFileSync(file, JSON.stringify(config))
  const { status, stdout, stderr } = user.run(
    [process.execPath, user.oci, 'run', '--bundle', bundle, 'one'],
    SHELL,
  )
  assert.equal([status, stderr, stdout], [0, '', '33554432\n'])
  assert.not.ok(existsSync(path.join(inner, 'boxes', 'one')))
})

Delegated.run()
