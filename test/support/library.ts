// What tests of the library share: an engine of their own, a scratch folder, and the names of what failed.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createEngine, type EngineEvent, SlipwayError } from '../../src/index.ts'
import { type Census, heldNetworks } from './census.ts'
import { engineNeeds, openTestEngine, type TestEngine } from './engine.ts'
import { lacking, type Need } from './needs.ts'
import { assert, type Suite, suite } from './suite.ts'

export interface LibrarySuite {
  /** `needs`: what this test needs besides an engine. */
  readonly test: (name: string, body: () => Promise<void>, ...needs: readonly Need[]) => void
  readonly box: () => TestEngine
  /** A folder of the suite's own on the host. */
  readonly scratch: (...names: string[]) => string
  readonly run: () => void
}

/** A suite with an engine, or one that is skipped where none can be had. */
export const librarySuite = (title: string): LibrarySuite => {
  const Tests: Suite = suite(title)
  const reason = engineNeeds()
  let box: TestEngine | undefined
  let scratch = ''
  Tests.before(() => {
    if (reason !== undefined) return
    box = openTestEngine()
    scratch = mkdtempSync(path.join(tmpdir(), 'slipway-library-'))
  })
  Tests.after(async () => {
    await box?.close()
    if (scratch !== '') rmSync(scratch, { recursive: true, force: true })
  })
  return {
    test: (name, body, ...needs) => {
      const why = reason ?? lacking(...needs)
      if (why === undefined) Tests(name, body)
      else Tests.skip(name, why)
    },
    box: () => {
      if (box === undefined) throw new Error('no engine is open')
      return box
    },
    scratch: (...names) => path.join(scratch, ...names),
    run: () => Tests.run(),
  }
}

/** The failure an attempt must have. */
export const failure = async (attempt: Promise<unknown>, what = 'a failure'): Promise<SlipwayError> => {
  try {
    await attempt
  } catch (error) {
    if (error instanceof SlipwayError) return error
    throw error
  }
  throw new Error(`expected ${what}`)
}

/** As the next command on this root: it clears away what died, and is gone. */
export const comeAndGo = async ({ root }: TestEngine): Promise<void> => {
  const next = createEngine({ root, networksAhead: 0 })
  await next.list()
  await next.close()
}

/**
 * A detached container that sleeps, while `use` runs. Whoever clears away the last of it, nothing is left then: it by its own end, or the
 * next command.
 */
export const withContainer = async (
  box: TestEngine,
  options: object,
  clearedBy: 'itself' | 'next command',
  use: (id: string) => Promise<void>,
): Promise<void> => {
  const before = box.census()
  const { containers } = box.engine
  const { id } = await containers.create({ rootfs: box.rootfs }, ['sleep', '1000'], options)
  try {
    await containers.start(id)
    await use(id)
  } finally {
    await box.engine.remove(id, { force: true })
  }
  if (clearedBy === 'next command') await comeAndGo(box)
  assert.equal(await box.unchanged(before), [])
}

/** Processes of the host that were started with this word; it is part of no other command line. */
export const processesWith = (word: string): readonly number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0').includes(word)
      } catch {
        return false
      }
    })
    .map(Number)
    .filter(isAlive)

/** Groups of attached programs of `exec`. */
export const execGroupsOf = (box: TestEngine): readonly string[] =>
  box.census().cgroups.filter((name) => /\/exec-[^/]*$/.test(name))

/** What the journal tells of one container, as another process reads it. */
export const eventsOf = async (root: string, id: string): Promise<readonly EngineEvent[]> => {
  const other = createEngine({ root, networksAhead: 0 })
  const found: EngineEvent[] = []
  try {
    for await (const event of other.events({ since: 0, follow: false })) {
      const { Actor } = event
      if (Actor.ID === id || Actor.Attributes.container === id) found.push(event)
    }
  } finally {
    await other.close()
  }
  return found
}

/** A zombie is dead: whoever adopted it may be slow to reap it. */
export const isAlive = (pid: number): boolean => {
  try {
    return !/^\d+ \(.*\) [ZX]/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

/**
 * A census once the threads of the addon have what they keep, and the containers of earlier tests are gone: removal goes on for a
 * moment after their end.
 */
export const restingCensus = async (box: TestEngine): Promise<Census> => {
  threadsReady ??= readyThreads(box)
  await threadsReady
  const containers = ({ cgroups, files }: Census): number =>
    cgroups.filter((name) => /\/[0-9a-f]{64}/.test(name)).length +
    files.filter((name) => /\/(records|containers|trash)\/[0-9a-f]{64}/.test(name)).length
  await until('earlier containers are gone', () => containers(box.census()) === 0)
  return box.census()
}

let threadsReady: Promise<void> | undefined

/**
 * A thread that makes network namespaces keeps a descriptor of its own from the first one on. There are two in a process: one makes that
 * of a first start, the other one those of the starts to come, as soon as it gets to run.
 */
const readyThreads = async ({ root, rootfs }: TestEngine): Promise<void> => {
  await using engine = createEngine({ root: path.join(root, '..', 'threads'), networksAhead: 1 })
  await engine.run({ rootfs }, ['true'])
  await until('a network namespace is made ahead', () => heldNetworks().length > 0)
}

/** Waits until something holds; fails with what it is called after ten seconds, or as many as are given. */
export const until = async (
  what: string,
  holds: () => boolean | Promise<boolean>,
  seconds = 10,
): Promise<void> => {
  for (const deadline = performance.now() + seconds * 1000; !(await holds()); await pause(2)) {
    if (performance.now() > deadline) throw new Error(`not within ${seconds} seconds: ${what}`)
  }
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
