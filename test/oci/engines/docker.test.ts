// slipway-oci under a dockerd of the test's own, started with --add-runtime.
// Left out: --privileged, whose capabilities dockerd takes from a list, and no runtime can give where this machine lacks one of them.
import path from 'node:path'
import { assert, suite } from '../../support/suite.ts'
import { commonFacts, type Engine, privilegesOf, said } from './common.ts'
import {
  dockerIn,
  engineNeeds,
  groupsNamed,
  openStage,
  packRootfs,
  pause,
  type Ran,
  RUNTIME,
  type Stage,
  startDockerd,
} from './stage.ts'

const test = suite('oci/engines/docker')
const reason = engineNeeds('docker', 'dockerd')
const fact = (name: string, body: () => Promise<void> | void): void =>
  reason === undefined ? test(name, body) : test.skip(name, reason)

const GROUP = `slipway-docker-${process.pid}`
let stage: Stage

const dockerWith = (input: string, ...argv: readonly string[]): Ran => dockerIn(stage, argv, input)
const docker = (...argv: readonly string[]): Ran => dockerWith('', ...argv)
const FLAGS = ['--runtime', 'slipway', '--network', 'none', '--cgroup-parent', `/${GROUP}`]
const run = (...argv: readonly string[]): Ran => docker('run', '--rm', ...FLAGS, ...argv)
const sh = (script: string, ...flags: readonly string[]): Ran => run(...flags, 'box', 'sh', '-c', script)
const sleeper = (name: string, ...flags: readonly string[]): void => {
  said(
    docker('run', '-d', '--name', name, '--stop-signal', 'KILL', ...FLAGS, ...flags, 'box', 'sleep', '1000'),
  )
}
const inside = (name: string, ...argv: readonly string[]): Ran => docker('exec', name, ...argv)

test.before(async () => {
  stage = await openStage()
  await startDockerd(stage, '--add-runtime', `slipway=${RUNTIME}`)
  const { tar, remove } = packRootfs()
  said(docker('import', tar, 'box'))
  remove()
})
test.after(() => stage.close(GROUP))
test.afterEach(() => {
  const all = said(docker('ps', '-aq')).split('\n').filter(Boolean)
  if (all.length > 0) docker('rm', '-f', ...all)
})

const engine: Engine = { call: docker, sh, sleeper, inside }
commonFacts(fact, engine)

fact('a program that is not there is 127, one that cannot be executed 126, in docker’s words', () => {
  const missing = run('box', 'no-such-program')
  assert.is(missing.code, 127)
  assert.match(missing.stderr, /OCI runtime create failed: .*executable file not found in \$PATH/)
  for (const file of ['/etc/notes', '/etc']) {
    const { code, stderr } = run('box', file)
    assert.is(code, 126, file)
    assert.match(stderr, /OCI runtime create failed: .*permission denied/)
  }
})

fact('standard input goes through', () => {
  const { code, stdout } = dockerWith('data\n', 'run', '--rm', '-i', ...FLAGS, 'box', 'cat')
  assert.equal([code, stdout], [0, 'data\n'])
})

fact('user, environment, directory and host name are as asked', () => {
  const flags = ['--user', 'app', '-e', 'A=1', '-w', '/tmp/new', '--hostname', 'foo']
  assert.is(said(sh('id -u; echo $A $HOME; pwd; hostname', ...flags)), '1000\n1 /work\n/tmp/new\nfoo')
  assert.is(said(sh('echo $HOME', '--user', '77')), '/')
})

fact('limits are seen inside, and changed by update', () => {
  sleeper('limited', '--memory', '64m', '--memory-swap', '64m', '--pids-limit', '50', '--cpus', '0.5')
  const files = ['memory/memory.limit_in_bytes', 'pids/pids.max', 'cpu/cpu.cfs_quota_us']
  const look = (): string => said(inside('limited', 'cat', ...files.map((file) => `/sys/fs/cgroup/${file}`)))
  assert.is(look(), '67108864\n50\n50000')
  const limits = ['--memory', '32m', '--memory-swap', '64m', '--cpus', '0.3', '--pids-limit', '77']
  said(docker('update', ...limits, 'limited'))
  assert.is(look(), '33554432\n77\n30000')
})

fact('a read-only root, bind mounts and a tmpfs are as asked', () => {
  const flags = ['--read-only', '-v', '/etc:/mnt:ro', '--tmpfs', '/tmp:mode=1770', '-v', 'kept:/work']
  const { code, stdout } = sh(
    'touch /x || touch /mnt/x || touch /tmp/a /work/a; stat -c %a /tmp /mnt/passwd',
    ...flags,
  )
  assert.is(code, 0)
  assert.is(stdout, '1770\n644\n')
  assert.is(said(sh('ls /work', '-v', 'kept:/work')), 'a')
})

fact('privileges are those that are asked for', () => {
  const status = (...flags: readonly string[]): string => privilegesOf(engine, ...flags)
  assert.match(status('--cap-drop', 'all'), /^0{16} 0 2$/)
  assert.match(status('--security-opt', 'no-new-privileges'), /^00000000a80425fb 1 2$/)
  assert.match(status('--security-opt', 'seccomp=unconfined'), /^00000000a80425fb 0 0$/)
})

fact('exec gives the exit code, however soon it comes', () => {
  sleeper('busy')
  for (let code = 0; code < 20; code++) assert.is(inside('busy', 'sh', '-c', `exit ${code}`).code, code)
  // docker says 126 for both.
  for (const file of ['no-such-program', '/etc/notes']) assert.is(inside('busy', file).code, 126, file)
  assert.is(docker('exec', '-w', '/missing', 'busy', 'pwd').code, 126)
  const flags = ['exec', '-i', '-u', 'app', '-w', '/tmp', '-e', 'B=2']
  assert.is(
    dockerWith('in', ...flags, 'busy', 'sh', '-c', 'cat; id -u; pwd; echo $B').stdout,
    'in1000\n/tmp\n2\n',
  )
})

fact('a container is paused and goes on', () => {
  sleeper('calm')
  const state = (): string => said(docker('inspect', '--format', '{{.State.Status}}', 'calm'))
  said(docker('pause', 'calm'))
  assert.is(state(), 'paused')
  assert.is(inside('calm', 'true').code, 1)
  said(docker('unpause', 'calm'))
  assert.is(state(), 'running')
  assert.match(said(docker('top', 'calm')), /sleep 1000$/)
})

fact('stop waits for a program that tidies up under an init, and its output is kept', async () => {
  const script = 'trap "echo bye; exit 143" TERM; echo up; while :; do sleep 0.05; done'
  said(docker('run', '-d', '--init', '--name', 'polite', ...FLAGS, 'box', 'sh', '-c', script))
  while (docker('logs', 'polite').stdout !== 'up\n') await pause(50)
  said(docker('stop', '-t', '9', 'polite'))
  assert.is(said(docker('wait', 'polite')), '143')
  assert.is(docker('logs', 'polite').stdout, 'up\nbye\n')
})

fact('a program that ignores the signal is killed after the timeout', () => {
  said(docker('run', '-d', '--name', 'stubborn', ...FLAGS, 'box', 'sleep', '1000'))
  said(docker('stop', '-t', '1', 'stubborn'))
  assert.is(said(docker('wait', 'stubborn')), '137')
})

fact('namespaces of another container are joined', () => {
  sleeper('first', '--ipc', 'shareable')
  const [runtime = '', name = '', , , ...rest] = FLAGS
  for (const kind of ['pid', 'ipc', 'network']) {
    const file = `/proc/self/ns/${kind === 'network' ? 'net' : kind}`
    const net = kind === 'network' ? [] : ['--network', 'none']
    const flags = [runtime, name, ...rest, ...net, `--${kind}`, 'container:first']
    assert.is(
      said(docker('run', '--rm', ...flags, 'box', 'readlink', file)),
      said(inside('first', 'readlink', file)),
    )
  }
})

fact('a checkpoint is refused', () => {
  sleeper('kept')
  assert.is(docker('checkpoint', 'create', 'kept', 'one').code, 1)
  assert.is(inside('kept', 'true').code, 0)
})

fact('nothing is left when a running container is removed', () => {
  sleeper('doomed')
  assert.ok(groupsNamed(GROUP).some((group) => !group.endsWith(GROUP)))
  said(docker('rm', '-f', 'doomed'))
  assert.equal(
    groupsNamed(GROUP).filter((group) => !group.endsWith(GROUP)),
    [],
  )
  assert.is(
    said(stage.run(['ls', path.join(stage.directory, 'exec/runtime-runc/moby')])),
    'facts.json\n~filters\n~root',
  )
})

test.run()
