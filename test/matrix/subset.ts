// What every JavaScript runtime must be able to do with the library, through the package's own entry.
import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { createEngine, type ImageSource, type RunOptions, SlipwayError } from '../../src/index.ts'
import { type Census, censusDifferences } from '../support/census.ts'
import { buildImage, layoutFiles } from '../support/image-builder.ts'
import { failure, isAlive, librarySuite, pause, restingCensus, until } from '../support/library.ts'
import { findProgram } from '../support/needs.ts'
import { assert } from '../support/suite.ts'
import { tarOf } from '../support/tar-builder.ts'
import { CASES, exceptionFor } from './table.mjs'

const { test, box, scratch, run } = librarySuite('matrix')
const runtime = process.env.SLIPWAY_MATRIX_RUNTIME ?? ''
/** How this runtime runs a script of its own: program and arguments. */
const COMMAND = JSON.parse(process.env.SLIPWAY_MATRIX_COMMAND ?? '[]') as readonly string[]
/** The same as a process that may not make containers. */
const WITHOUT_RIGHTS = JSON.parse(process.env.SLIPWAY_MATRIX_WITHOUT_RIGHTS ?? '[]') as readonly string[]
const PROGRAM = fileURLToPath(new URL('program.mjs', import.meta.url))

const image = (): ImageSource => ({ rootfs: box().rootfs })
const sh = (script: string, options: RunOptions = {}) =>
  box().engine.run(image(), ['sh', '-c', script], { timeout: '20s', ...options })
const program = (what: string, command = COMMAND) => {
  const [runs = '', ...args] = command
  const task = JSON.stringify({ what, root: box().root, rootfs: box().rootfs })
  const child = spawn(runs, [...args, PROGRAM, task], { stdio: ['ignore', 'pipe', 'inherit'] })
  return { child, said: once(child.stdout, 'data').then(([text]) => JSON.parse(String(text))) }
}
/** What the next command of a root does for engines of it that died; a thread's end may come later than its `exit`. */
const untilSwept = async (before: Census): Promise<void> => {
  const left = (): readonly string[] =>
    censusDifferences(before, box().census()).filter((line) => !line.startsWith('fds:'))
  for (const deadline = performance.now() + 10_000; left().length > 0 && performance.now() < deadline; ) {
    await using next = createEngine({ root: box().root })
    await next.run(image(), ['true'])
    await next.close()
    await pause(20)
  }
  assert.equal(left(), [])
}

const loaded = async (compression: 'gzip' | 'zstd'): Promise<string> => {
  const busybox = readFileSync(findProgram('busybox') ?? '/bin/busybox')
  const built = buildImage({
    architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
    layers: [[{ name: 'bin/busybox', data: busybox }], [{ name: 'hello', data: 'from the image' }]],
    config: { Cmd: ['/bin/busybox', 'cat', '/hello'] },
    compression,
  })
  writeFileSync(scratch(`${compression}.tar`), tarOf(layoutFiles([[built, `example.org/${compression}:1`]])))
  await box().engine.load({ path: scratch(`${compression}.tar`) })
  return (await box().engine.run(`example.org/${compression}:1`)).stdout
}

const BODIES: Readonly<Record<string, () => Promise<void>>> = {
  'output, exit code and usage come back': async () => {
    const result = await box().engine.run('host', ['sh', '-c', 'echo out; echo err >&2; exit 3'])
    assert.equal([result.stdout, result.stderr, result.exitCode], ['out\n', 'err\n', 3])
    assert.equal(result.exit, { _tag: 'Exited', code: 3 })
    assert.ok(result.usage.wallMs > 0 && result.timings.steps.length > 20)
    const whole = await sh('echo err >&2; sleep 0.1; echo out', { stderr: 'stdout', encoding: 'buffer' })
    assert.equal(String(whole.stdout), 'err\nout\n')
  },

  'input goes in and output comes out while it runs': async () => {
    await using talking = await box().engine.start(
      image(),
      ['sh', '-c', 'while read x; do echo "got $x"; done'],
      {
        stdin: 'pipe',
      },
    )
    const lines = talking.stdout?.lines()
    for (const word of ['one', 'two']) {
      talking.stdin?.write(`${word}\n`)
      assert.is((await lines?.next())?.value, `got ${word}`)
    }
    talking.stdin?.end()
    assert.is((await talking.exit).exitCode, 0)
    assert.is((await sh('cat', { stdin: 'short' })).stdout, 'short')
    assert.is((await sh('cat', { stdin: Readable.from(['a', 'b', 'c']) })).stdout, 'abc')
    const endless = await box().engine.start(image(), ['yes'])
    for await (const line of endless.stdout?.lines() ?? []) {
      assert.is(line, 'y')
      break
    }
    assert.is.not((await endless.exit).exitCode, 0)
  },

  'eight megabytes pass through byte for byte': async () => {
    const bytes = randomBytes(8 << 20)
    const { stdout } = await sh('cat', { stdin: bytes, encoding: 'buffer' })
    const digest = (of: unknown): string =>
      createHash('sha256')
        .update(of as Buffer)
        .digest('hex')
    assert.is(digest(stdout), digest(bytes))
  },

  'a payload has a terminal': async () => {
    await using seen = await box().engine.start(
      image(),
      ['sh', '-c', 'test -t 0 && test -t 1 && read x && echo "tty $x"'],
      { tty: { columns: 50, rows: 20 }, stdin: 'pipe' },
    )
    let text = ''
    seen.stdout?.on('data', (chunk) => {
      text += chunk
    })
    seen.stdin?.write('typed\n')
    assert.is((await seen.exit).exitCode, 0)
    await until('what it wrote has come', () => /tty typed\r\n/.test(text))
  },

  'signals, an abort and a time limit end a container': async () => {
    await using trapped = await box().engine.start(image(), [
      'sh',
      '-c',
      'trap "echo term; exit 9" TERM; echo up; while :; do sleep 0.02; done',
    ])
    const lines = trapped.stdout?.lines()
    assert.is((await lines?.next())?.value, 'up')
    assert.ok(trapped.kill())
    assert.is((await lines?.next())?.value, 'term')
    assert.is((await trapped.exit).exitCode, 9)
    const controller = new AbortController()
    const aborted = await box().engine.start(image(), ['sleep', '600'], { signal: controller.signal })
    controller.abort('enough')
    assert.equal((await aborted.exit).exit, { _tag: 'Aborted', reason: 'enough' })
    assert.not(isAlive(aborted.pid))
    assert.equal((await sh('sleep 600 & sleep 600', { timeout: '100ms' })).exit, {
      _tag: 'TimedOut',
      afterMs: 100,
    })
    assert.is((await sh('yes', { maxOutput: '1KiB' })).exit._tag, 'OutputLimit')
  },

  'limits of memory and processes hold': async () => {
    assert.is((await sh('exec tail /dev/zero', { memory: '16MiB' })).exit._tag, 'OomKilled')
    const fork = await sh('for i in 1 2 3 4 5 6 7 8; do sleep 1 & done', { pids: 4 })
    assert.match(String(fork.stderr), /fork/)
    const seen = await sh(
      'cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null; true',
      { memory: '64MiB' },
    )
    assert.is(String(seen.stdout).trim(), `${64 << 20}`)
  },

  'eight containers run side by side': async () => {
    const all = Array.from({ length: 8 }, (_, i) => sh(`sleep 0.2; echo ${i}; exit ${i}`))
    assert.equal(
      (await Promise.all(all)).map(({ stdout, exitCode }) => [stdout, exitCode]),
      all.map((_, i) => [`${i}\n`, i]),
    )
  },

  'a pool serves starts': async () => {
    const pool = await box().engine.pool({ image: image(), memory: '64MiB', pids: 20 }, { min: 2, max: 4 })
    const echo = async (i: number): Promise<string> =>
      (await pool.run(['sh', '-c', `echo ${i} $WHO`], { env: { WHO: 'you' } })).stdout
    assert.equal(await Promise.all([0, 1, 2, 3].map(echo)), ['0 you\n', '1 you\n', '2 you\n', '3 you\n'])
    assert.ok(pool.stats.hits > 0)
    await using cat = await pool.start(['cat'], { stdin: 'pipe' })
    cat.stdin?.end('typed')
    assert.is((await cat.stdout?.toArray())?.join(''), 'typed')
    await pool.close()
  },

  'an image is loaded from an archive and run': async () => {
    assert.is(await loaded('gzip'), 'from the image')
    const [listed] = await box().engine.images()
    assert.equal([listed?.repository, listed?.tag], ['example.org/gzip', '1'])
    await restingCensus(box())
    await box().engine.removeImage('example.org/gzip:1')
    assert.equal(await box().engine.images(), [])
  },

  'a layer compressed with zstd is unpacked': async () => {
    assert.is(await loaded('zstd'), 'from the image')
  },

  'wrong input is refused by its name': async () => {
    const { engine } = box()
    const refusal = async (attempt: Promise<unknown>) => {
      const error = await failure(attempt)
      assert.ok(error instanceof SlipwayError && error instanceof Error)
      return [error._tag, error.message]
    }
    assert.equal(await refusal(sh('true', { timeuot: 1 } as RunOptions)), [
      'InvalidOption',
      'timeuot: "1": no such option; did you mean timeout?',
    ])
    assert.equal(await refusal(sh('true', { memory: '1MiB' })), [
      'InvalidOption',
      'memory: "1MiB": the smallest memory limit is 6MiB',
    ])
    assert.equal(await refusal(engine.run('no-such:1', ['true'])), [
      'ImageNotFound',
      'no such image: no-such:1',
    ])
    assert.equal(await refusal(sh('true', { user: 'nobody-here' })), [
      'UnknownUser',
      'user "nobody-here": no such user in the image',
    ])
  },

  'a start that fails says at which step': async () => {
    const before = await restingCensus(box())
    const missing = await failure(box().engine.run(image(), ['no-such-program']))
    assert.equal([missing._tag, missing.exitCode], ['CommandNotFound', 127])
    const mounts = [{ type: 'bind', source: '/no/such/source', target: '/x' }] as const
    const unbound = await failure(sh('true', { mounts }))
    assert.is(unbound.message, 'open bind source: /no/such/source: ENOENT (no such file or directory)')
    assert.match(unbound.hint ?? '', /createSource/)
    const aborted = await failure(sh('true', { signal: AbortSignal.abort(new Error('never')) }))
    assert.is(aborted._tag, 'Cancelled')
    assert.equal(await box().unchanged(before), [])
  },

  'nothing is left of a container, nor of its engine': async () => {
    const root = path.join(box().root, '..', 'other')
    const before = await restingCensus(box())
    for (const options of [{}, { user: 'app', stdin: 'in' }, { pid: 'host' }, { init: true }] as const)
      await sh('sleep 600 & (setsid sleep 600) & sleep 0.05', options)
    assert.equal(await box().unchanged(before), [])
    const other = createEngine({ root })
    await using left = await other.start(image(), ['sleep', '600'])
    await other.close()
    assert.is((await left.exit).exit._tag, 'Aborted')
    assert.not(isAlive(left.pid))
    assert.is((await failure(other.run(image(), ['true'])))._tag, 'Cancelled')
    assert.equal(await box().unchanged(before), [])
  },

  'a process without the rights says what it lacks': async () => {
    const { child, said } = program('lack', WITHOUT_RIGHTS)
    const end = once(child, 'exit')
    const answer = await said
    await end
    const { _tag, message, hint } = answer as Readonly<Record<'_tag' | 'message' | 'hint', string>>
    assert.is(_tag, 'HostUnfit', JSON.stringify(answer))
    assert.match(
      message,
      /^(the right to make containers|all permissions of Deno): not available on this host: /,
    )
    assert.match(hint, /run it as root|deno run --allow-all/)
  },

  'a process that closes nothing ends by itself': async () => {
    const before = await restingCensus(box())
    const { child, said } = program('forget')
    const end = once(child, 'exit')
    assert.equal(await said, { stdout: 'hi\n', exitCode: 7 })
    assert.equal(await end, [0, null])
    assert.equal(await box().unchanged(before), [])
  },

  'a process that is killed takes its container along': async () => {
    const before = await restingCensus(box())
    const { child, said } = program('hold')
    const { pid } = (await said) as { pid: number }
    assert.ok(isAlive(pid))
    child.kill('SIGKILL')
    await until('the container is dead', () => !isAlive(pid))
    await untilSwept(before)
  },

  'a worker thread that is terminated takes its container along': async () => {
    const before = await restingCensus(box())
    const workerData = { what: 'hold', root: box().root, rootfs: box().rootfs }
    const worker = new Worker(PROGRAM, { workerData })
    const [{ pid }] = (await once(worker, 'message')) as [{ pid: number }]
    assert.ok(isAlive(pid))
    await worker.terminate()
    await until('the container is dead', () => !isAlive(pid))
    await untilSwept(before)
  },
}

/** What cannot work here must say so: as this very error. */
const refused =
  (body: () => Promise<void>, tag: string, message: RegExp): (() => Promise<void>) =>
  async () => {
    const error = await failure(body())
    assert.is(error._tag, tag)
    assert.match(error.message, message)
  }

assert.equal(Object.keys(BODIES), CASES)
for (const [name, body] of Object.entries(BODIES)) {
  const exception = exceptionFor(runtime, name)
  test(name, exception === undefined ? body : refused(body, exception.tag, exception.message))
}

run()
