// slipway-oci in the hands of an ordinary user: by itself, with the bundle that `spec --rootless` writes, and under podman.
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { makeRootfs } from '../support/engine.ts'
import { isAlive, until } from '../support/library.ts'
import { lacking, type Need } from '../support/needs.ts'
import {
  makeOrdinaryUser,
  type OrdinaryUser,
  ordinaryUserNeeds,
  type Ran,
  type RunAs,
} from '../support/ordinary-user.ts'
import { assert, suite } from '../support/suite.ts'

const Oci = suite('rootless/oci')
const reason = ordinaryUserNeeds()
let user: OrdinaryUser
let template: string
/** podman's: names of its sockets must be short, or conmon is waited for in vain. */
let runtime = ''

Oci.before(() => {
  if (reason !== undefined) return
  user = makeOrdinaryUser()
  template = user.folder('rootfs')
  makeRootfs(template)
  runtime = mkdtempSync('/tmp/slpod-')
  chownSync(runtime, user.uid, user.uid)
})
Oci.after(() => {
  if (reason !== undefined) return
  endPause()
  rmSync(runtime, { recursive: true, force: true })
  user.close()
})

/** podman keeps its user namespace by a process that only waits. */
const endPause = (): void => {
  const file = path.join(runtime, 'libpod', 'tmp', 'pause.pid')
  if (existsSync(file)) process.kill(Number(readFileSync(file, 'utf8')), 'SIGKILL')
}

const test = (name: string, body: () => void | Promise<void>, ...needs: readonly Need[]): void => {
  const why = reason ?? lacking(...needs)
  if (why === undefined) Oci(name, body)
  else Oci.skip(name, why)
}

const oci = (argv: readonly string[], options: RunAs = {}): Ran =>
  user.run([process.execPath, user.oci, ...argv], options)
const output = (argv: readonly string[], options: RunAs = {}): string => {
  const { status, stdout, stderr } = oci(argv, options)
  if (status !== 0) throw new Error(`slipway-oci ${argv.join(' ')}: ${status}: ${stderr}`)
  return stdout
}
const containers = (): string[] =>
  (JSON.parse(output(['list', '-f', 'json'])) as { id: string }[] | null)?.map(({ id }) => id) ?? []

interface Config {
  process: { args: string[]; terminal: boolean; user: { uid: number; gid: number }; [more: string]: unknown }
  linux: { namespaces: { type: string; path?: string }[]; [more: string]: unknown }
  [more: string]: unknown
}

let bundles = 0
/** A bundle as the user makes it, its document changed. */
const bundle = (args: readonly string[], change: (config: Config) => void = () => {}): string => {
  const folder = user.folder(`bundle${++bundles}`)
  cpSync(template, path.join(folder, 'rootfs'), { recursive: true, verbatimSymlinks: true })
  user.run(['true'])
  const made = oci(['spec', '--rootless', '--bundle', folder])
  assert.equal([made.status, made.stderr], [0, ''])
  const file = path.join(folder, 'config.json')
  const config = JSON.parse(readFileSync(file, 'utf8')) as Config
  config.process.args = [...args]
  config.process.terminal = false
  change(config)
  writeFileSync(file, JSON.stringify(config))
  return folder
}

test('the document of spec --rootless runs as it is, but for the terminal', () => {
  const folder = bundle(['sh', '-c', 'id; cat /proc/self/uid_map; cat /proc/self/setgroups'])
  const lines = output(['run', '--bundle', folder, 'plain']).trim().split('\n')
  assert.match(lines[0] ?? '', /^uid=0\(root\) gid=0\(root\)/)
  assert.equal((lines[1] ?? '').trim().split(/\s+/).map(Number), [0, user.uid, 1])
  assert.is(lines[2], 'deny')
  assert.equal(containers(), [])
})

test('create, start, exec, ps, kill and delete, without a group', async () => {
  const folder = bundle(['sh', '-c', 'sleep 600 & sleep 600'])
  output(['create', '--bundle', folder, 'life'], { mute: true })
  assert.is(JSON.parse(output(['state', 'life'])).status, 'created')
  output(['start', 'life'])
  const { pid, status } = JSON.parse(output(['state', 'life'])) as { pid: number; status: string }
  assert.is(status, 'running')
  assert.match(output(['exec', 'life', 'id']), /^uid=0\(root\)/)
  const listed = (): number[] => JSON.parse(output(['ps', '-f', 'json', 'life'])) as number[]
  await until('all of them run', () => listed().length === 2)
  const pids = listed()
  assert.ok(pids.includes(pid))
  output(['kill', 'life', 'KILL'])
  await until('all of it has ended', () => !pids.some(isAlive))
  output(['delete', 'life'])
  assert.equal(containers(), [])
  assert.equal(readdirSync(path.join(user.runtime, 'slipway-oci')), ['facts.json', '~root'])
})

test('maps of more than one id are written by newuidmap and newgidmap', () => {
  const maps = (host: number) => [
    { containerID: 0, hostID: host, size: 1 },
    { containerID: 1, hostID: user.firstId, size: 65_536 },
  ]
  const many = (config: Config): void => {
    config.linux.uidMappings = maps(user.uid)
    config.linux.gidMappings = maps(user.uid)
    config.process.user = { uid: 1000, gid: 1000 }
  }
  const folder = bundle(['sh', '-c', 'id; echo out >/dev/stdout'], many)
  const piped = `${process.execPath} ${user.oci} run --bundle ${folder} many | cat`
  assert.is(user.run(['sh', '-c', piped]).stdout, 'uid=1000(app) gid=1000(app)\nout\n')
  const foreign = bundle(['true'], (config) => {
    many(config)
    config.linux.uidMappings = [{ containerID: 0, hostID: user.firstId - 100, size: 200 }]
  })
  const refused = oci(['run', '--bundle', foreign, 'foreign'])
  assert.is(refused.status, 1)
  assert.match(refused.stderr, /the id maps of the document: .*newuidmap refused the map/)
  assert.equal(containers(), [])
})

test('a limit is refused with the reason, and nothing is left', () => {
  const folder = bundle(['true'], ({ linux }) => {
    linux.resources = { memory: { limit: 64 << 20 } }
  })
  const refused = oci(['--cgroup-manager', 'disabled', 'run', '--bundle', folder, 'limited'])
  assert.is(refused.status, 1)
  assert.match(refused.stderr, /a limit of memory: not available on this host/)
  assert.equal(containers(), [])
})

test('a start that fails after the clone says why, and nothing is left', () => {
  const folder = bundle(['true'], (config) => {
    config.linux.uidMappings = [{ containerID: 5, hostID: user.uid, size: 1 }]
    config.linux.gidMappings = [{ containerID: 5, hostID: user.uid, size: 1 }]
  })
  const refused = oci(['run', '--bundle', folder, 'nobody'])
  assert.is(refused.status, 1)
  assert.match(refused.stderr, /setresgid: gid 0: EINVAL/)
  assert.equal(containers(), [])
})

test('a create that is killed leaves what delete --force removes', async () => {
  const folder = bundle(['sleep', '600'])
  output(['create', '--bundle', folder, 'killed'], { mute: true })
  const { pid } = JSON.parse(output(['state', 'killed'])) as { pid: number }
  process.kill(pid, 'SIGKILL')
  await until('it is dead', () => !isAlive(pid))
  output(['delete', '--force', 'killed'])
  assert.equal(containers(), [])
})

/** podman wants a program, and asks for states without PATH. */
const podman = (argv: readonly string[]): Ran => {
  const program = path.join(path.dirname(user.oci), 'oci.sh')
  writeFileSync(program, `#!/bin/sh\nexec ${process.execPath} ${user.oci} "$@"\n`)
  chmodSync(program, 0o755)
  const flags = ['--cgroup-manager', 'cgroupfs', '--events-backend', 'none', '--runtime', program]
  return user.run(['podman', ...flags, ...argv], { env: { XDG_RUNTIME_DIR: runtime } })
}
const podmanOutput = (argv: readonly string[]): string => {
  const { status, stdout, stderr } = podman(argv)
  if (status !== 0) throw new Error(`podman ${argv.join(' ')}: ${status}: ${stderr}`)
  return stdout
}

test(
  'rootless podman runs containers with it',
  () => {
    // podman makes folders in the root.
    const rootfs = user.folder('podman-rootfs')
    user.run(['cp', '-a', `${template}/.`, rootfs])
    const run = (...argv: string[]): string => podmanOutput(['run', '--rm', '--network', 'none', ...argv])
    assert.match(run('--rootfs', rootfs, 'id'), /^uid=0\(root\)/)
    assert.is(run('--user', '5:6', '--rootfs', rootfs, 'sh', '-c', 'id -u; id -g'), '5\n6\n')
    assert.is(
      podman(['run', '--rm', '--network', 'none', '--rootfs', rootfs, 'sh', '-c', 'exit 7']).status,
      7,
    )
    podmanOutput([
      'run',
      '--detach',
      '--name',
      'one',
      '--network',
      'none',
      '--rootfs',
      rootfs,
      'sleep',
      '600',
    ])
    assert.is(podmanOutput(['exec', '--user', '5', 'one', 'id', '-u']), '5\n')
    assert.match(podmanOutput(['ps']), /Up .* one/)
    podmanOutput(['stop', '-t', '0', 'one'])
    podmanOutput(['rm', 'one'])
    assert.equal(containers(), [])
    assert.is(lstatSync(path.join(rootfs, 'bin')).uid, user.uid)
  },
  'program:podman',
)

Oci.run()
