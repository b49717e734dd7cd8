// SIGKILL of commit, save, import and prune at any moment: the next command finds a store that works, and a container that goes on.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Outcome, openRealCli, type RealCli, realCliNeeds } from '../cli/real-cli.ts'
import { makeRootfs } from '../support/engine.ts'
import { assert, suite } from '../support/suite.ts'

const Crash = suite('crash/image-verbs')
const why = realCliNeeds()
const ROUNDS = 30
/** Of one storm, however busy the machine is. */
const STORM_MS = 25_000
/** Milliseconds; a command takes some 300 of them on an idle machine. */
const LATEST_KILL = 500

let cli: RealCli
let folder = ''
const at = (name: string): string => path.join(folder, name)
Crash.before(async () => {
  if (why !== undefined) return
  cli = await openRealCli()
  folder = mkdtempSync(path.join(tmpdir(), 'slipway-crash-'))
  mkdirSync(at('rootfs'))
  makeRootfs(at('rootfs'))
  execFileSync('sh', [
    '-c',
    `head -c 3000000 /dev/urandom > ${at('rootfs')}/big; tar c -C ${at('rootfs')} -f ${at('base.tar')} .`,
  ])
  await must(['import', '-c', 'ENV PATH=/bin', at('base.tar'), 'keep:1'])
  // The one that killed saves are to replace.
  await must(['save', '-o', at('saved.tar'), 'keep:1'])
})
Crash.after(async () => {
  if (why !== undefined) return
  await cli.close()
  rmSync(folder, { recursive: true, force: true })
})

const must = async (words: readonly string[]): Promise<Outcome> => {
  const outcome = await cli.run(words)
  if (outcome.code !== 0)
    throw new Error(`${words.join(' ')}: ${outcome.code}: ${outcome.stdout}${outcome.stderr}`)
  return outcome
}
/** True when it was killed before its end. */
const killedAfter = async (words: readonly string[], ms: number): Promise<boolean> => {
  const child = cli.spawn(words, { stdio: 'ignore' })
  const ended = new Promise<NodeJS.Signals | null>((resolve) =>
    child.on('exit', (_code, signal) => resolve(signal)),
  )
  await sleep(ms)
  child.kill('SIGKILL')
  return (await ended) === 'SIGKILL'
}
const frozen = (): readonly string[] =>
  ['/sys/fs/cgroup', '/sys/fs/cgroup/unified', '/sys/fs/cgroup/freezer']
    .filter(existsSync)
    .flatMap((mount) => readdirSync(mount))
    .filter((name) => name.includes('-frozen-'))

const storm = (name: string, words: (round: number) => readonly string[]): void => {
  const body = async (): Promise<void> => {
    const script = 'i=0; while :; do i=$((i+1)); echo $i > /next; busybox mv /next /count; done'
    const running = cli.spawn(['run', '--rm', '--name', 'runner', 'keep:1', 'sh', '-c', script], {
      stdio: 'ignore',
    })
    const over = new Promise((resolve) => running.on('exit', resolve))
    try {
      await sleep(1500)
      const count = async (): Promise<number> => {
        await must(['export', '-o', at('runner.tar'), 'runner'])
        return Number(execFileSync('tar', ['xOf', at('runner.tar'), 'count'], { encoding: 'utf8' }))
      }
      let killed = 0
      let last = await count()
      const deadline = Date.now() + STORM_MS
      for (let round = 0; round < ROUNDS && Date.now() < deadline; round++) {
        killed += (await killedAfter(words(round), Math.random() * LATEST_KILL)) ? 1 : 0
        if (round % 3 !== 2) continue
        const checked = await must(['system', 'check', '--quick'])
        assert.match(checked.stdout, /all sound/)
        const now = await count()
        assert.ok(now > last, `the container stands still at ${now}`)
        last = now
      }
      assert.ok(killed > 1, `${killed} were killed`)
    } finally {
      running.kill('SIGTERM')
      await sleep(100)
      running.kill('SIGKILL')
      await over
    }
    // Whatever state the last one was left in.
    await must(['system', 'check'])
    await must(['image', 'prune', '-f'])
    await must(['run', '--rm', 'keep:1', 'true'])
    assert.equal(frozen(), [])
    assert.equal(readdirSync(path.join(cli.root, 'ingest')), [])
    const listed = await must(['images', '--format', '{{.Repository}}'])
    assert.not.ok(listed.stdout.includes('<none>'), listed.stdout)
    assert.ok(listed.stdout.includes('keep'), listed.stdout)
  }
  if (why === undefined) Crash(name, body)
  else Crash.skip(name, why)
}

storm('commit that is killed leaves neither half an image nor a frozen container', () => [
  'commit',
  'runner',
  'made:1',
])
storm('save that is killed leaves the file that was there', () => ['save', '-o', at('saved.tar'), 'keep:1'])
storm('import that is killed leaves no half an image', () => ['import', at('base.tar'), 'imported:1'])
storm('prune that is killed leaves a store, and the image of a container', (round) =>
  round % 2 === 0 ? ['commit', '--pause=false', 'runner', 'made:2'] : ['image', 'prune', '-af'],
)

const noSaved = (): void => {
  if (why !== undefined) return
  const left = readdirSync(folder).filter((name) => name.endsWith('.new'))
  for (const name of left) rmSync(at(name))
  execFileSync('tar', ['tf', at('saved.tar')], { stdio: 'ignore' })
}
if (why === undefined) Crash('the file a killed save was to replace is whole', async () => noSaved())
Crash.run()
