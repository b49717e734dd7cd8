// slipway-oci under podman: its own words for failures, its exit codes, and nothing left when it is done.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { findProgram } from '../../support/needs.ts'
import { assert, suite } from '../../support/suite.ts'
import { commonFacts, type Engine, privilegesOf, said } from './common.ts'
import { engineNeeds, groupsNamed, openStage, packRootfs, type Ran, RUNTIME, type Stage } from './stage.ts'

const test = suite('oci/engines/podman')
const reason = engineNeeds('podman', 'conmon')
const fact: typeof test = ((name: string, body: () => Promise<void> | void) =>
  reason === undefined ? test(name, body) : test.skip(name, reason)) as typeof test

const GROUP = `slipway-podman-${process.pid}`
let stage: Stage

const podman = (...argv: readonly string[]): Ran => podmanWith('', ...argv)
const podmanWith = (input: string, ...argv: readonly string[]): Ran => {
  const at = (name: string): string => path.join(stage.directory, name)
  const flags = ['--cgroup-manager', 'cgroupfs', '--events-backend', 'none', '--storage-driver', 'vfs']
  const places = ['--root', at('store'), '--runroot', at('run'), '--tmpdir', at('tmp'), '--runtime', RUNTIME]
  return stage.run(['podman', ...flags, ...places, ...argv], input)
}

/** Limits podman may set without CAP_SYS_RESOURCE. */
const FLAGS = ['--network', 'none', '--ulimit', 'nofile=1024:1024', '--ulimit', 'nproc=1000:1000']
const create = (verb: 'create' | 'run', ...argv: readonly string[]): Ran =>
  podman(verb, '--cgroup-parent', `/${GROUP}`, ...FLAGS, ...argv)
const run = (...argv: readonly string[]): Ran => create('run', '--rm', ...argv)
const sh = (script: string, ...flags: readonly string[]): Ran => run(...flags, 'box', 'sh', '-c', script)
/** One that runs until it is ended, at once and without a complaint. */
const sleeper = (name: string, ...flags: readonly string[]): void => {
  said(create('run', '-d', '--name', name, '--stop-signal', 'KILL', ...flags, 'box', 'sleep', '1000'))
}
const inside = (name: string, ...argv: readonly string[]): Ran => podman('exec', name, ...argv)

test.before(async () => {
  stage = await openStage()
  const { tar, remove } = packRootfs()
  said(podman('import', tar, 'box'))
  remove()
})
test.after(() => stage.close(GROUP))
test.afterEach(() => {
  podman('rm', '--all', '--force', '--time', '0')
})

const engine: Engine = { call: podman, sh, sleeper, inside }
commonFacts(fact, engine)

fact('a program that is not there is 127, one that cannot be executed 126, in podman’s words', () => {
  const missing = run('box', 'no-such-program')
  assert.is(missing.code, 127)
  assert.match(
    missing.stderr,
    /executable file not found in \$PATH.*attempted to invoke a command that was not found/,
  )
  for (const file of ['/etc/notes', '/etc']) {
    const { code, stderr } = run('box', file)
    assert.is(code, 126, file)
    assert.match(stderr, /OCI permission denied/)
  }
})

fact('standard input goes through', () => {
  const { code, stdout } = podmanWith(
    'data\n',
    'run',
    '--rm',
    '-i',
    ...FLAGS,
    '--cgroup-parent',
    `/${GROUP}`,
    'box',
    'cat',
  )
  assert.equal([code, stdout], [0, 'data\n'])
})

fact('user, groups, environment, directory and host name are as asked', () => {
  const flags = ['--user', 'app', '-e', 'A=1', '-w', '/tmp', '--hostname', 'foo']
  assert.is(
    said(sh('id -u; id -G; echo $A $HOME; pwd; hostname', ...flags)),
    '1000\n1000 2000\n1 /work\n/tmp\nfoo',
  )
})

fact('limits are seen inside, and changed by update', () => {
  sleeper('limited', '--memory', '64m', '--pids-limit', '50', '--cpus', '0.5')
  const files = ['memory/memory.limit_in_bytes', 'pids/pids.max', 'cpu/cpu.cfs_quota_us']
  const look = (): string => said(inside('limited', 'cat', ...files.map((file) => `/sys/fs/cgroup/${file}`)))
  assert.is(look(), '67108864\n50\n50000')
  said(podman('update', '--memory', '32m', '--cpus', '0.3', 'limited'))
  assert.is(look(), '33554432\n50\n30000')
})

fact('a read-only root has folders that can be written to, with what the image has in them', () => {
  const { code, stdout, stderr } = sh(
    'touch /x; touch /tmp/x && stat -c %a /tmp /etc/passwd',
    '--read-only',
    '--tmpfs',
    '/etc',
  )
  assert.is(code, 0, stderr)
  assert.match(stderr, /Read-only file system/)
  assert.is(stdout, '755\n644\n')
})

fact('bind mounts, volumes and a tmpfs are there', () => {
  const flags = ['-v', '/etc:/mnt:ro', '-v', 'kept:/kept', '--tmpfs', '/foo:size=1m,mode=1770']
  assert.is(
    said(sh('test -f /mnt/passwd; touch /mnt/x 2>/dev/null || touch /kept/a; stat -c %a /foo', ...flags)),
    '1770',
  )
  assert.is(said(sh('ls /kept', '-v', 'kept:/kept')), 'a')
})

fact('mapped users see their own groups, and one more process is one of them', () => {
  const map = ['--uidmap', '0:100000:65536', '--gidmap', '0:100000:65536']
  const script =
    'cat /proc/self/uid_map; id -u; cd /sys/fs/cgroup/memory; cat memory.limit_in_bytes cgroup.procs'
  const [uids, uid, limit, ...pids] = said(sh(script, ...map, '--memory', '64m')).split('\n')
  assert.equal(uids?.trim().split(/ +/), ['0', '100000', '65536'])
  assert.equal([uid, limit, pids.includes('1')], ['0', String(64 << 20), true])
  sleeper('mapped', ...map)
  assert.is(said(inside('mapped', 'id', '-u')), '0')
})

fact('privileges are those that are asked for', () => {
  const status = (...flags: readonly string[]): string => privilegesOf(engine, ...flags)
  assert.match(status('--cap-drop', 'all'), /^0{16} 0 2$/)
  assert.match(status('--security-opt', 'no-new-privileges'), /^00000000800405fb 1 2$/)
  assert.match(status('--security-opt', 'seccomp=unconfined'), /^00000000800405fb 0 0$/)
  assert.match(status('--privileged'), /^0000[0-9a-f]*f{6,}[0-9a-f]* 0 0$/)
  assert.is(said(sh('mount -t tmpfs x /work && echo mounted', '--privileged')), 'mounted')
})

fact('exec gives the exit code, however soon it comes', () => {
  sleeper('busy')
  for (let code = 0; code < 20; code++) assert.is(inside('busy', 'sh', '-c', `exit ${code}`).code, code)
  assert.is(inside('busy', 'no-such-program').code, 127)
  assert.is(inside('busy', '/etc/notes').code, 126)
  const { stdout } = podmanWith(
    'in',
    'exec',
    '-i',
    '-u',
    'app',
    '-w',
    '/tmp',
    '-e',
    'B=2',
    'busy',
    'sh',
    '-c',
    'cat; id -u; pwd; echo $B $HOME',
  )
  assert.is(stdout, 'in1000\n/tmp\n2 /work\n')
})

fact('exec makes no working directory', () => {
  sleeper('busy')
  assert.is(podman('exec', '-w', '/missing', 'busy', 'pwd').code, 127)
  assert.is(inside('busy', 'test', '-e', '/missing').code, 1)
})

fact('a container is paused and goes on', () => {
  sleeper('calm')
  const state = (): string => said(podman('inspect', '--format', '{{.State.Status}}', 'calm'))
  said(podman('pause', 'calm'))
  assert.is(state(), 'paused')
  assert.is(inside('calm', 'true').code, 255)
  said(podman('unpause', 'calm'))
  assert.is(state(), 'running')
  assert.is(
    said(podman('top', 'calm', 'args'))
      .split('\n')
      .at(-1),
    'sleep 1000',
  )
})

fact('stop waits for a program that tidies up, and its output is kept', () => {
  const script = 'trap "echo bye; exit 5" TERM; echo up; while :; do sleep 0.05; done'
  said(create('run', '-d', '--name', 'polite', 'box', 'sh', '-c', script))
  while (podman('logs', 'polite').stdout !== 'up\n');
  said(podman('stop', '-t', '9', 'polite'))
  assert.is(said(podman('wait', 'polite')), '5')
  assert.is(podman('logs', 'polite').stdout, 'up\nbye\n')
})

fact('a program that ignores the signal is killed after the timeout', () => {
  said(create('run', '-d', '--name', 'stubborn', 'box', 'sleep', '1000'))
  assert.is(podman('stop', '-t', '1', 'stubborn').code, 0)
  assert.is(said(podman('wait', 'stubborn')), '137')
})

fact('namespaces of another container are joined', () => {
  sleeper('first')
  const own = (name: string): string => said(inside('first', 'readlink', `/proc/self/ns/${name}`))
  for (const name of ['pid', 'ipc'])
    assert.is(
      said(run(`--${name}`, 'container:first', 'box', 'readlink', `/proc/self/ns/${name}`)),
      own(name),
    )
  // podman 4.3 takes a second --network for another network.
  const flags = ['--rm', '--cgroup-parent', `/${GROUP}`, ...FLAGS.slice(2), '--network', 'container:first']
  assert.is(said(podman('run', ...flags, 'box', 'readlink', '/proc/self/ns/net')), own('net'))
})

fact('a container that was created and not started is removed', () => {
  said(create('create', '--name', 'waiting', 'box', 'true'))
  said(podman('init', 'waiting'))
  said(podman('rm', '-f', 'waiting'))
  assert.is(said(podman('ps', '-aq')), '')
})

fact('a file goes in and comes out', () => {
  sleeper('kept')
  said(podman('cp', '/etc/hostname', 'kept:/tmp/name'))
  assert.is(said(inside('kept', 'cat', '/tmp/name')), readFileSync('/etc/hostname', 'utf8').trim())
})

fact('an init of the engine’s takes up the program', () => {
  const init = findProgram('docker-init')
  if (init === undefined) return
  assert.is(sh('test $$ -gt 1 && exit 6', '--init', '--init-path', init).code, 6)
})

fact('a checkpoint is refused', () => {
  sleeper('kept')
  assert.is(podman('container', 'checkpoint', 'kept').code, 125)
  assert.is(inside('kept', 'true').code, 0)
})

/** conmon has one of its own, and lives a moment longer. */
const ofContainers = (): readonly string[] =>
  groupsNamed(GROUP).filter((group) => /\/libpod-[0-9a-f]{64}$/.test(group))

fact('nothing is left when a running container is removed', () => {
  sleeper('doomed')
  assert.ok(ofContainers().length > 0)
  said(podman('rm', '-f', 'doomed'))
  assert.equal(ofContainers(), [])
  assert.is(said(stage.run(['ls', '/run/slipway-oci'])), 'facts.json\n~filters\n~root')
})

test.run()
