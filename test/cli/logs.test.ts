// `slipway logs` and `slipway events` as commands, on a log that a writer holds, as a monitor does.
import type { ChildProcess } from 'node:child_process'
import { appendFileSync, closeSync, mkdirSync, openSync, readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { segmentName } from '../../src/model/log.ts'
import { loadAddon } from '../../src/native/load.ts'
import { encodeRecord, headOf } from '../support/log-encoder.ts'
import { assert, suite } from '../support/suite.ts'
import { openRealCli, type RealCli } from './real-cli.ts'

const Logs = suite('cli/logs')
Logs.requires('root', 'program:busybox')

let cli: RealCli
let id = ''
Logs.before(async () => {
  cli = await openRealCli()
  await cli.run(['run', '--name', 'web', cli.image, 'true'])
  const [found = ''] = readdirSync(path.join(cli.root, 'run', 'records'))
  id = found
})
Logs.after(() => cli.close())

const segment = (number: number): string => path.join(cli.root, 'containers', id, 'log', segmentName(number))
const record = (text: string, stream: 'stdout' | 'stderr' = 'stdout') =>
  encodeRecord('compact', { stream, timeNs: 1_767_323_045_000_000_001n, bytes: Buffer.from(text) })
const write = (number: number, ...records: readonly Buffer[]): void =>
  writeFileSync(segment(number), Buffer.concat([headOf('compact'), ...records]))

const LOCK_EX = 2
/** Holds the lock of the container's monitor. The result lets go of it. */
const holdLock = (): (() => void) => {
  const folder = path.join(cli.root, 'run', 'monitors', id)
  mkdirSync(folder, { recursive: true })
  const fd = openSync(path.join(folder, 'lock'), 'w')
  assert.is(loadAddon().flock(fd, LOCK_EX), 0)
  return () => closeSync(fd)
}
const ended = (child: ChildProcess): Promise<number | null> =>
  new Promise((resolve) => child.on('close', (code) => resolve(code)))

Logs('without a log there is none to show', async () => {
  const { code, stderr } = await cli.run(['logs', 'web'])
  assert.is(code, 1)
  assert.match(stderr, /logs of container [0-9a-f]{12}: not supported: it runs attached/)
})

Logs('each stream goes to ours, and what is missing is told', async () => {
  mkdirSync(path.dirname(segment(1)))
  write(2, record('one\ntwo\n'), record('bad\n', 'stderr'))
  writeFileSync(segment(3), 'garbage, for whatever reason')
  write(4, record('three\n'))
  const shown = await cli.run(['logs', 'web'])
  assert.equal([shown.code, shown.stdout], [0, 'one\ntwo\nthree\n'])
  assert.is(
    shown.stderr,
    `bad\nslipway: ${segment(3)}: damaged: at byte 0: neither a compact log segment nor one of the json-file form\n`,
  )
  assert.is((await cli.run(['logs', '-n', '1', 'web'])).stdout, 'three\n')
  const timed = await cli.run(['container', 'logs', '-t', '--tail=2', 'web'])
  assert.is(timed.stdout, '2026-01-02T03:04:05.000000001Z three\n')
  assert.is((await cli.run(['logs', '--since', '1m', 'web'])).stdout, '')
})

Logs('following ends when the monitor lets go of its lock, with its last words', async () => {
  write(5, record('begin\n'))
  const letGo = holdLock()
  const following = cli.spawn(['logs', '-f', '--tail', '1', 'web'], { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  const steps: [seen: string, step: () => void][] = [
    ['begin\n', () => appendFileSync(segment(5), record('more\n'))],
    ['more\n', () => write(6, record('rotated\n'))],
    [
      'rotated\n',
      () => {
        appendFileSync(segment(6), record('last words'))
        letGo()
      },
    ],
  ]
  following.stdout?.on('data', (chunk) => {
    text += chunk
    const [next] = steps
    if (next !== undefined && text.endsWith(next[0])) steps.shift()?.[1]()
  })
  assert.is(await ended(following), 0)
  assert.is(text, 'begin\nmore\nrotated\nlast words')
})

Logs('Ctrl-C ends following with 130, a reader that leaves with 141', async () => {
  const letGo = holdLock()
  try {
    const following = cli.spawn(['logs', '-f', 'web'], { stdio: ['ignore', 'pipe', 'ignore'] })
    await new Promise((resolve) => following.stdout?.once('data', resolve))
    following.kill('SIGINT')
    assert.is(await ended(following), 130)
    const left = cli.spawn(['logs', '-f', 'web'], { stdio: ['ignore', 'pipe', 'ignore'] })
    await new Promise((resolve) => left.stdout?.once('data', resolve))
    left.stdout?.destroy()
    const end = ended(left)
    // It notices with what it writes next.
    let over = false
    end.then(() => {
      over = true
    })
    while (!over) {
      appendFileSync(segment(6), record('x\n'))
      await sleep(20)
    }
    assert.is(await end, 141)
  } finally {
    letGo()
  }
})

Logs('events of other commands are followed, and Ctrl-C ends it with 130', async () => {
  const following = cli.spawn(
    ['events', '-f', 'event=tag', '--format', '{{.Action}} {{.Actor.Attributes.name}}'],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  let text = ''
  following.stdout?.on('data', (chunk) => {
    text += chunk
  })
  // It may begin to look only after the first of them.
  for (let round = 0; text === ''; round++) await cli.run(['tag', cli.image, `seen:${round}`])
  following.kill('SIGINT')
  assert.is(await ended(following), 130)
  assert.match(text, /^(tag seen:\d+\n)+$/)
  const json = await cli.run([
    'events',
    '--since',
    '10m',
    '--until',
    '0s',
    '--filter',
    'event=tag',
    '--format',
    'json',
  ])
  for (const line of json.stdout.trim().split('\n')) {
    const { Type, timeNano } = JSON.parse(line) as { Type: string; timeNano: number }
    assert.ok(Type === 'image' && timeNano > 1e18)
  }
  const wrong = await cli.run(['events', '--filter', 'colour=red'])
  assert.equal(
    [wrong.code, wrong.stderr],
    [
      1,
      'slipway: --filter: "colour": no such key; there are type, event, scope, image, container, volume, network, label\n',
    ],
  )
})

Logs(
  'the lives of containers are told, of run after its program was executed, and can be asked for afterwards',
  async () => {
    const since = String(Date.now() / 1000)
    const attached = ['run', '--rm', '--name', 'attached', '--label', 'tier=front']
    assert.is((await cli.run([...attached, cli.image, 'sh', '-c', 'exit 3'])).code, 3)
    const words = ['run', '-d', '--rm', '--name', 'detached', cli.image, 'sh', '-c', 'exit 4']
    const id = (await cli.run(words)).stdout.trim()
    const events = async (...flags: readonly string[]): Promise<readonly string[]> => {
      const until = String(Date.now() / 1000)
      const { stdout } = await cli.run(['events', '--since', since, '--until', until, ...flags])
      return stdout.split('\n').slice(0, -1)
    }
    const ofDetached = async (): Promise<readonly string[]> =>
      events('--filter', 'container=detached', '--format', '{{.Action}}')
    while (!(await ofDetached()).includes('destroy')) await sleep(20)
    assert.equal(await ofDetached(), ['create', 'start', 'die', 'destroy'])
    assert.equal(await events('--filter', 'label=tier=front', '--format', '{{.Status}} {{.From}}'), [
      `create ${cli.image}`,
      `start ${cli.image}`,
      `die ${cli.image}`,
      `destroy ${cli.image}`,
    ])
    const [one, two] = await events('--filter', 'event=die', '--filter', 'type=container')
    const time = '\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{9}Z'
    const line = `^${time} container die [0-9a-f]{64} \\(execDuration=\\d+, exitCode=3, image=${cli.image}, name=attached, tier=front\\)$`
    assert.match(one ?? '', new RegExp(line))
    assert.match(
      two ?? '',
      new RegExp(
        ` container die ${id} \\(execDuration=\\d+, exitCode=4, image=${cli.image}, name=detached\\)$`,
      ),
    )
    const [json] = await events(
      '--filter',
      `container=${id.slice(0, 12)}`,
      '--filter',
      'event=die',
      '--format',
      '{{json .}}',
    )
    const { timeNano, time: seconds, ...event } = JSON.parse(json ?? '')
    const { execDuration } = event.Actor.Attributes
    assert.match(execDuration, /^\d+$/)
    assert.is(Math.floor(timeNano / 1e9), seconds)
    assert.equal(event, {
      Type: 'container',
      Action: 'die',
      Actor: {
        ID: id,
        Attributes: { execDuration, exitCode: '4', image: cli.image, name: 'detached' },
      },
      scope: 'local',
    })
  },
)

Logs.run()
