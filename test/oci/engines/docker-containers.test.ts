// The same command lines about containers and volumes to docker and to slipway: the same output, and the same exit code.
import { assert } from '../../support/suite.ts'
import { besideDocker, type Run } from './beside-docker.ts'
import { said } from './common.ts'
import { pause } from './stage.ts'

const { test, fact, at, docker, slipway, same, sameCode } = besideDocker(
  'docker-containers',
  () => {
    both('import', '-c', 'ENV PATH=/bin', '-c', 'LABEL of=image x=image', at('rootfs.tar'), 'base:1')
    both('import', '-c', 'ENV PATH=/bin', '-c', 'VOLUME /own', at('rootfs.tar'), 'other:1')
    both('volume', 'create', '--label', 'k=v', 'vol-1')
    both('volume', 'create', '-o', 'type=tmpfs', '-o', 'device=tmpfs', 'vol-2')
    const line = 'sleep 1000; echo "two words"'
    both(
      'run',
      '-d',
      '--name',
      'up',
      '-l',
      'x=own',
      '--network',
      'none',
      '-v',
      'vol-1:/data',
      'base:1',
      'sh',
      '-c',
      line,
    )
    both('run', '--name', 'ended', '-d', '--network', 'none', 'base:1', 'sh', '-c', 'exit 4')
    both('create', '--name', 'made', '--network', 'none', 'other:1', 'true')
    both('wait', 'ended')
  },
  {
    clear: () => {
      for (const run of BOTH) run('rm', '-f', 'up', 'ended', 'made')
    },
  },
)
const BOTH: readonly Run[] = [docker, slipway]
const both = (...argv: readonly string[]): void => {
  for (const run of BOTH) said(run(...argv))
}

const ROW = '{{.Names}} {{.Image}} {{.State}} {{.Command}} {{.LocalVolumes}} {{.Networks}} {{.Labels}}'
fact('ps lists the same lines in the same order, by every condition', () => {
  same('ps', '--no-trunc', '--format', ROW)
  same('ps', '-a', '--format', ROW)
  same('ps', '-a', '--format', 'table {{.Names}}\\t{{.Label "x"}}|')
  for (const count of ['-1', '0', '2']) same('ps', '-n', count, '--format', '{{.Names}}')
  for (const filter of [
    ...['name=up', 'name=^/up$', 'name=^up', 'name=^p$', 'name=[ud]', 'name=up|made'],
    ...['label=x', 'label=x=own', 'label=x=image', 'label=of=image', 'label=nope'],
    ...['ancestor=base:1', 'ancestor=base', 'ancestor=docker.io/library/other:1', 'ancestor=nope'],
    ...['status=exited', 'status=created', 'exited=4', 'exited=5', 'volume=vol-1', 'volume=/data'],
    ...['before=ended', 'since=ended', 'network=none', 'network=host', 'health=none'],
  ])
    same('ps', '-a', '-f', filter, '--format', '{{.Names}}')
  for (const run of BOTH) {
    const [id = ''] = said(run('images', '-q', 'base:1')).split('\n')
    assert.is(said(run('ps', '-a', '-f', `ancestor=${id}`, '--format', '{{.Names}}')), 'ended\nup')
  }
})

const TEMPLATES = [
  '{{.Name}} {{.Path}} {{.Args}} {{.RestartCount}} {{.Platform}}',
  '{{.State.Status}} {{.State.ExitCode}} {{.State.OOMKilled}} [{{.State.Error}}]',
  '{{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}} {{json .Config.Healthcheck}}',
  '{{.Config.Labels}} {{json .Config.Cmd}} {{.Config.Image}} {{.HostConfig.Binds}}',
  '{{.HostConfig.RestartPolicy.Name}} {{.HostConfig.RestartPolicy.MaximumRetryCount}}',
  '{{.HostConfig.CpuQuota}} {{.HostConfig.CpuPeriod}} {{.HostConfig.OomKillDisable}} [{{.HostConfig.UsernsMode}}]',
  '{{json .HostConfig.VolumesFrom}} [{{.AppArmorProfile}}] [{{.MountLabel}}] [{{.ProcessLabel}}]',
  '{{range .Mounts}}{{.Type}} {{.Driver}} {{.Destination}} {{.RW}}{{end}}',
]
fact('inspect makes the same of a template', () => {
  for (const template of TEMPLATES) same('inspect', '-f', template, 'up', 'ended', 'made')
})

fact('another restart policy is the same afterwards', () => {
  for (const policy of ['on-failure:3', 'unless-stopped', 'no']) {
    same('update', '--restart', policy, 'up')
    same('inspect', '-f', '{{json .HostConfig.RestartPolicy}}', 'up')
  }
  sameCode('update', '--restart', 'nope', 'up')
  sameCode('update', '--restart', 'always', 'nope')
})

fact('volumes are listed and told in the same words', () => {
  const row = '{{.Name}} {{.Driver}} {{.Scope}} {{.Label "k"}}'
  // The volumes that nobody named have other names in each.
  for (const filter of ['name=vol', 'name=^vol-1$', 'name=vol-[12]$', 'name=^ol', 'label=k', 'label=k=w'])
    same('volume', 'ls', '-f', filter, '--format', row)
  same(
    'volume',
    'inspect',
    '-f',
    '{{.Name}} {{.Driver}} {{.Labels}} {{.Options}} {{.Scope}}',
    'vol-1',
    'vol-2',
  )
})

fact('events have attributes, and a template may ask for one that is not there', async () => {
  // Docker counts whole seconds here.
  await pause(1100)
  const since = String(Math.floor(Date.now() / 1000))
  both('kill', '-s', 'WINCH', 'up')
  both('pause', 'up')
  both('unpause', 'up')
  await pause(1100)
  const until = String(Math.floor(Date.now() / 1000))
  const format =
    '{{.Type}} {{.Action}} {{.Actor.Attributes.name}} {{.Actor.Attributes.of}} {{.Actor.Attributes.signal}}'
  same('events', '--since', since, '--until', until, '--format', format)
})

fact('one that removes itself is there after a restart', () => {
  both('run', '-d', '--rm', '--name', 'passing', '--network', 'none', 'base:1', 'sleep', '1000')
  same('restart', '-t', '0', 'passing')
  same('inspect', '-f', '{{.State.Status}} {{.HostConfig.AutoRemove}}', 'passing')
  same('kill', 'passing')
})

fact('what is refused is refused with the same code', () => {
  for (const line of [
    ...[
      'run -d -it=false --log-opt max-size=x base:1 true',
      'run --health-cmd true --health-interval 1x base:1 true',
    ],
    ...['run --no-healthcheck --health-cmd true base:1 true', 'run --health-retries -1 base:1 true'],
    ...['exec -it up true', 'exec --nope up true', 'exec nope true', 'exec made true'],
    ...[
      'stop nope',
      'start nope',
      'restart nope',
      'kill made',
      'kill -s NOPE up',
      'pause made',
      'unpause up',
    ],
    ...['logs nope', 'top made', 'rename up made', 'rename up a/b', 'wait nope', 'update up'],
    ...['volume rm nope', 'volume rm vol-1', 'volume inspect nope', 'volume create a/b'],
  ])
    sameCode(...line.split(' '))
})

fact('a user with a colon and no group, and a limit that is given twice', () => {
  same('run', '--rm', '--network', 'none', '-u', '0:', 'base:1', 'sh', '-c', 'echo here')
  const limits = ['--ulimit', 'nofile=1024', '--ulimit', 'nofile=512']
  same('run', '--rm', '--network', 'none', ...limits, 'base:1', 'sh', '-c', 'ulimit -n')
})
test.run()
