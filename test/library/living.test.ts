// Verbs on containers that another engine runs: what a second command does to the container of a first one.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Container, createEngine, type Engine, type SlipwayError } from '../../src/index.ts'
import { openTestEngine, type TestEngine } from '../support/engine.ts'
import { comeAndGo, failure } from '../support/library.ts'
import { lacking } from '../support/needs.ts'
import { assert, suite } from '../support/suite.ts'

const Living = suite('library/living')
Living.requires('root', 'program:busybox')

let box: TestEngine
let other: Engine
Living.before(() => {
  box = openTestEngine()
})
Living.after(() => box.close())
Living.beforeEach(() => {
  other = createEngine({ root: box.root, networksAhead: 0 })
})
Living.afterEach(() => other.close())

const start = (words: readonly string[], options: object = {}): Promise<Container> =>
  box.engine.start({ rootfs: box.rootfs }, words, options)
const sleeper = (options: object = {}): Promise<Container> => start(['sleep', '300'], options)

const end = async (container: Container): Promise<void> => {
  container.kill('SIGKILL')
  await container.removed
}
const statusOf = async (id: string) => (await other.list()).find((each) => each.id === id)

Living('kill ends a container of another engine, by name, id or the beginning of one', async () => {
  const named = await sleeper({ name: 'web' })
  assert.is(await other.containers.kill('web'), named.id)
  assert.equal((await named.exit).exit, { _tag: 'Signaled', signal: 9, signalName: 'SIGKILL' })
  const second = await start(['sh', '-c', 'trap "exit 7" HUP; echo ready; while :; do sleep 0.01; done'], {
    stdout: 'pipe',
  })
  for await (const line of second.stdout?.lines() ?? []) if (line === 'ready') break
  await other.containers.kill(second.id.slice(0, 20), 'hup')
  assert.is((await second.exit).exitCode, 7)
  await second.removed
})

Living('who is not there, or no more, is told so', async () => {
  assert.is((await failure(other.containers.kill('nobody'))).message, 'no such container: nobody')
  const kept = await start(['true'], { name: 'over', keep: true })
  await kept.removed
  const short = kept.id.slice(0, 12)
  for (const verb of ['kill', 'pause', 'unpause', 'top'] as const)
    assert.is(
      (await failure(other.containers[verb]('over'))).message,
      `container ${short} is stopped, not running`,
    )
  const update = await failure(other.containers.update('over', { memory: '64m' }))
  assert.is(update.message, `container ${short} is stopped, not running`)
  await other.remove('over')
})

Living('a signal that does not exist is an error of the option', async () => {
  const error = await failure(other.containers.kill('x', 'SIGNONE'))
  assert.is(error.message, 'signal: "SIGNONE": no such signal')
})

Living('a kill that comes with the end is either done or told that it ended', async () => {
  for (let round = 0; round < 5; round++) {
    const container = await start(['true'])
    const result = await other.containers.kill(container.id).then(
      () => 'done',
      ({ _tag }: SlipwayError) => _tag,
    )
    assert.ok(['done', 'WrongStatus', 'ContainerNotFound'].includes(result), result)
    await container.removed
  }
})

Living('pause holds every process still, also for others, until unpause', async () => {
  const container = await start(['sh', '-c', 'i=0; while :; do i=$((i+1)); echo $i; done'], {
    stdout: 'pipe',
  })
  let lines = 0
  const reading = (async () => {
    for await (const _ of container.stdout?.lines() ?? []) lines++
  })()
  await other.containers.pause(container.id)
  assert.is((await statusOf(container.id))?.status, 'paused')
  // What was in the pipe when it was paused is read; nothing is added then.
  let before = -1
  while (before !== lines) {
    before = lines
    await sleep(50)
  }
  const paused = await failure(other.containers.pause(container.id))
  assert.is(paused.message, `container ${container.id.slice(0, 12)} is already paused`)
  assert.is(lines, before)
  await other.containers.unpause(container.id)
  assert.is((await statusOf(container.id))?.status, 'running')
  while (lines === before) await sleep(5)
  const running = await failure(other.containers.unpause(container.id))
  assert.is(running.message, `container ${container.id.slice(0, 12)} is running, not paused`)
  await end(container)
  await reading
})

Living('SIGKILL ends a paused container, and nothing of the pause is left', async () => {
  const container = await sleeper()
  await other.containers.pause(container.id)
  await other.containers.kill(container.id)
  await container.removed
  assert.equal(readdirSync(`${box.root}/run/frozen`), [])
})

Living('what was paused and ended otherwise is forgotten by the next engine', async () => {
  const container = await sleeper()
  await other.containers.pause(container.id)
  const { pid } = container
  process.kill(pid, 'SIGKILL')
  // v1's freezer lets nobody die; the freezer of v2 does.
  if (existsSync('/sys/fs/cgroup/unified') || existsSync('/sys/fs/cgroup/cgroup.controllers'))
    await container.removed
  else await other.containers.unpause(container.id)
  await comeAndGo(box)
  await container.removed
  assert.equal(readdirSync(`${box.root}/run/frozen`), [])
})

Living('a new name is taken, the old one is free, and both are gone with the container', async () => {
  const container = await sleeper({ name: 'first' })
  assert.is(await other.containers.rename('first', 'second'), container.id)
  assert.is((await statusOf(container.id))?.name, 'second')
  const another = await sleeper({ name: 'first' })
  const taken = await failure(other.containers.rename('first', 'second'))
  assert.is(taken.message, `the name "second" is in use by container ${container.id.slice(0, 12)}`)
  await end(container)
  // Its old name is somebody else's by now.
  assert.is((await statusOf(another.id))?.name, 'first')
  assert.ok(existsSync(`${box.root}/names/first`) || readdirSync(`${box.root}/names`).includes('first'))
  const third = await sleeper({ name: 'second' })
  await Promise.all([end(another), end(third)])
  assert.equal(readdirSync(`${box.root}/names`), [])
})

Living('an ended container keeps its new name, and gives it up when it is removed', async () => {
  const container = await start(['sleep', '300'], { name: 'before', keep: true })
  await other.containers.rename('before', 'after')
  await end(container)
  const found = (await other.list()).find(({ id }) => id === container.id)
  assert.equal([found?.name, found?.status, found?.exitCode], ['after', 'stopped', 137])
  await other.remove('after')
  assert.equal(readdirSync(`${box.root}/names`), [])
  assert.equal(readdirSync(`${box.root}/run/changed`), [])
})

Living('names that cannot be one are refused', async () => {
  const container = await sleeper({ name: 'one' })
  assert.match((await failure(other.containers.rename('one', '-x'))).message, /^newName: "-x": a name has/)
  assert.match((await failure(other.containers.rename('one', 'one'))).message, /is its name already/)
  await end(container)
})

Living('what was renamed and is gone is forgotten by the next engine', async () => {
  const container = await sleeper()
  await other.containers.rename(container.id, 'passing')
  await end(container)
  await comeAndGo(box)
  assert.equal(readdirSync(`${box.root}/names`), [])
  assert.equal(readdirSync(`${box.root}/run/changed`), [])
})

Living('wait resolves with the exit code, also when it has ended before', async () => {
  const container = await start(['sh', '-c', 'read line; exit 3'], {
    stdin: 'pipe',
    keep: true,
    name: 'ends',
  })
  const waiting = other.containers.wait('ends')
  container.stdin?.end('go\n')
  assert.is(await waiting, 3)
  assert.is(await other.containers.wait('ends'), 3)
  await other.remove('ends')
})

const tellsStatus = lacking('linux:6.15') === undefined
for (const [words, code] of [
  ['read line; exit 5', 5],
  ['read line; kill -9 $$', 137],
] as const)
  Living(
    `of a container that goes with its end the code ${code} is known where the kernel tells it`,
    async () => {
      const container = await start(['sh', '-c', `sh -c '${words}'; exit $?`], { stdin: 'pipe' })
      const waiting = other.containers.wait(container.id)
      await sleep(20)
      container.stdin?.end('go\n')
      assert.is(await waiting, tellsStatus ? code : -1)
      await container.removed
    },
  )

Living('waiting ends with the engine', async () => {
  const container = await sleeper()
  const waiting = failure(other.containers.wait(container.id))
  await sleep(5)
  await other.close()
  assert.is((await waiting).message, 'wait: cancelled: the engine was closed')
  await end(container)
  const wrong = await failure(box.engine.containers.wait('x', 'soon' as never))
  assert.match(wrong.message, /^condition: "soon": expected one of not-running, next-exit, removed/)
})

const memoryGroup = async (id: string): Promise<string> =>
  (await statusOf(id))?.groups.find(
    (group) => existsSync(`${group}/memory.max`) || group.includes('/memory/'),
  ) ?? ''

Living('update changes the kernel’s limits, and the record tells them', async () => {
  const container = await sleeper({ memory: '64MiB', pids: 50 })
  await other.containers.update(container.id, { memory: '80MiB', memorySwap: '160MiB', pids: 60 })
  const group = await memoryGroup(container.id)
  const file = existsSync(`${group}/memory.max`) ? 'memory.max' : 'memory.limit_in_bytes'
  assert.is(readFileSync(`${group}/${file}`, 'utf8').trim(), String(80 * 2 ** 20))
  await other.containers.update(container.id, { memoryReservation: '10MiB' })
  assert.equal((await statusOf(container.id))?.resources, {
    memory: { limit: 80 * 2 ** 20, swap: 160 * 2 ** 20, reservation: 10 * 2 ** 20 },
    pids: { limit: 60 },
  })
  await end(container)
})

Living('a container that was started without any limit can get each of them', async () => {
  const container = await start(['sh', '-c', 'sleep 300 & sleep 301 & wait'])
  while ((await other.containers.top(container.id)).processes.length < 3) await sleep(5)
  await other.containers.update(container.id, { cpus: 0.5, pids: 20, cpusetCpus: '0', memory: '64MiB' })
  const groups = (await statusOf(container.id))?.groups ?? []
  const read = (...files: readonly string[]): string | undefined => {
    const file = groups.flatMap((group) => files.map((name) => `${group}/${name}`)).find(existsSync)
    return file === undefined ? undefined : readFileSync(file, 'utf8').trim()
  }
  assert.is(read('pids.max'), '20')
  assert.is(read('pids.current'), '3')
  assert.is(read('cpuset.cpus'), '0')
  assert.match(read('cpu.max', 'cpu.cfs_quota_us') ?? '', /^50000( 100000)?$/)
  for (const group of groups)
    assert.is(readFileSync(`${group}/cgroup.procs`, 'utf8').trim().split('\n').length, 3, group)
  await end(container)
  await other.close()
  assert.equal(groups.filter(existsSync), [])
  assert.equal(readdirSync(`${box.root}/run/changed`), [])
})

Living('a limit that the kernel refuses leaves no group', async () => {
  const container = await sleeper()
  const before = (await statusOf(container.id))?.groups
  const refused = await failure(other.containers.update(container.id, { cpusetCpus: '99999', pids: 5 }))
  assert.match(refused.message, /^set cgroup limit: cpuset.cpus = 99999: /)
  assert.equal((await statusOf(container.id))?.groups, before)
  assert.is((await statusOf(container.id))?.resources, undefined)
  await end(container)
})

Living('update refuses what says nothing, and what contradicts itself', async () => {
  const refused = async (options: object) => (await failure(other.containers.update('x', options))).message
  assert.match(await refused({}), /neither a limit nor a restart policy is given/)
  assert.match(await refused({ memory: '64m', memorySwap: '32m' }), /is memory plus swap/)
  assert.match(await refused({ memory: 'much' }), /^memory: "much"/)
  assert.match(await refused({ blkioWeight: 5 }), /^blkioWeight: "5": is not between 10 and 1000/)
  assert.match(await refused({ speed: 1 }), /^speed: .*no such option/)
})

Living('stats count what a container does', async () => {
  const container = await start(['sh', '-c', 'while :; do :; done & exec sleep 300'], { memory: '64MiB' })
  const [round] = await all(other.containers.stats([container.id], { intervalMs: 300 }))
  const [found] = round?.stats ?? []
  assert.is(found?.id, container.id)
  assert.is(found?.memoryLimitBytes, 64 * 2 ** 20)
  assert.ok((found?.memoryBytes ?? 0) > 0 && (found?.memoryBytes ?? 0) < 64 * 2 ** 20)
  assert.ok((found?.cpuPercent ?? 0) > 0, String(found?.cpuPercent))
  assert.is(found?.pids, 2)
  assert.equal([found?.networkRxBytes, found?.networkTxBytes], [0, 0])
  await end(container)
})

const all = async <A>(items: AsyncIterable<A>): Promise<A[]> => {
  const found: A[] = []
  for await (const item of items) found.push(item)
  return found
}

Living('a stream of stats ends with its containers', async () => {
  const container = await sleeper({ name: 'streamed' })
  const rounds = []
  for await (const round of other.containers.stats(['streamed'], { stream: true, intervalMs: 20 })) {
    rounds.push(round)
    if (rounds.length === 2) await end(container)
  }
  assert.ok(rounds.length >= 2)
  assert.is(rounds[0]?.stats[0]?.cpuPercent, undefined)
  assert.is(typeof rounds[1]?.stats[0]?.cpuPercent, 'number')
})

Living('stats of nobody are empty, of a stopped one say so, of a stranger fail', async () => {
  assert.equal(await all(other.containers.stats([], { intervalMs: 1 })), [{ stats: [], stopped: [] }])
  const kept = await start(['true'], { name: 'done', keep: true })
  await kept.removed
  const [round] = await all(other.containers.stats(['done'], { intervalMs: 1 }))
  assert.equal(
    round?.stopped.map(({ name }) => name),
    ['done'],
  )
  assert.equal((await all(other.containers.stats([], { intervalMs: 1 })))[0]?.stopped, [])
  assert.is((await all(other.containers.stats([], { intervalMs: 1, all: true })))[0]?.stopped.length, 1)
  assert.is((await failure(all(other.containers.stats(['who'])))).message, 'no such container: who')
  await other.remove('done')
})

Living('top shows the container’s processes and no others', async () => {
  const container = await start(['sh', '-c', 'sleep 300 & sleep 301 & wait'])
  while ((await other.containers.top(container.id)).processes.length < 3) await sleep(5)
  const { titles, processes } = await other.containers.top(container.id)
  assert.equal(titles, ['UID', 'PID', 'PPID', 'C', 'STIME', 'TTY', 'TIME', 'CMD'])
  assert.is(processes[0]?.[1], String(container.pid))
  assert.equal(processes.map((row) => row.at(-1)).sort(), [
    'sh -c sleep 300 & sleep 301 & wait',
    'sleep 300',
    'sleep 301',
  ])
  const own = await other.containers.top(container.id, ['-eo', 'pid,args'])
  assert.equal(own.titles, ['PID', 'COMMAND'])
  const path = process.env.PATH
  process.env.PATH = '/nowhere'
  try {
    const read = await other.containers.top(container.id)
    assert.equal(read.titles, titles)
    assert.equal(
      read.processes.map((row) => [row[0], row[1], row[2], row[7]]),
      processes.map((row) => [row[0], row[1], row[2], row[7]]),
    )
    assert.match(
      (await failure(other.containers.top(container.id, ['aux']))).message,
      /^ps aux: not available/,
    )
  } finally {
    process.env.PATH = path
  }
  assert.match((await failure(other.containers.top(container.id, ['-eo', 'comm']))).message, /no column PID/)
  assert.match((await failure(other.containers.top(container.id, ['--nonsense']))).message, /ps refuses it/)
  await end(container)
})

Living('an attached container keeps no log', async () => {
  const container = await sleeper()
  const error = await failure(all(other.containers.logs(container.id)))
  assert.match(error.message, /^logs of container [0-9a-f]{12}: not supported: it runs attached/)
  await end(container)
})

Living('nothing is left of any of it', async () => {
  const before = box.census()
  const container = await sleeper({ name: 'all', memory: '64MiB' })
  await other.containers.pause('all')
  await other.containers.unpause('all')
  await other.containers.update('all', { memory: '70MiB' })
  await other.containers.top('all')
  await all(other.containers.stats(['all'], { intervalMs: 1 }))
  const waiting = other.containers.wait('all')
  await other.containers.kill('all')
  await waiting
  await container.removed
  await other.close()
  await comeAndGo(box)
  assert.equal(await box.unchanged(before), [])
})

Living.run()
