// The public types as a consumer's compiler sees them: in the built package, under nodenext and strict.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { compile, consumerNeeds, makeConsumer, STRICT } from '../support/consumer.ts'
import { assert, suite } from '../support/suite.ts'

const Types = suite('library/types')
const reason = consumerNeeds()
let folder = ''
const test = (name: string, body: () => void): void =>
  reason === undefined ? Types(name, body) : Types.skip(name, reason)

/** `same<A, B>()` compiles only for the same type. */
const RIGHT = `
import {
  Container, createEngine, run, SlipwayError, start,
  type Ended, type Engine, type Exit, type ImageSource, type ResultFor, type OutputOf, type OutputStream, type ResultOf,
  type RunOptions, type RunResult, type StartOptions, type Usage,
} from 'slipway'
import * as fp from 'slipway/fp'
import { createReadStream, createWriteStream } from 'node:fs'
import type { Writable } from 'node:stream'

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const same = <A, B>(_: Same<A, B>): void => {}

same<OutputOf<{}>, string>(true)
same<OutputOf<{ memory: '64MiB' }>, string>(true)
same<OutputOf<{ encoding: 'utf8' }>, string>(true)
same<OutputOf<{ readonly encoding: 'buffer' }>, Buffer>(true)
same<OutputOf<{ encoding: 'utf8' | 'buffer' }>, string | Buffer>(true)
same<OutputOf<RunOptions>, string | Buffer>(true)
same<ResultOf<{ all: true }>['all'], string>(true)

const text = await run('host', ['true'])
same<typeof text.stdout, string>(true)
same<typeof text.all, string | undefined>(true)
same<typeof text.exitCode, number>(true)
same<typeof text.exit, Exit>(true)
same<typeof text.usage, Usage>(true)
same<typeof text.usage.peakMemoryBytes, number | undefined>(true)
const bytes = await run('host', ['true'], { encoding: 'buffer', memory: '64MiB' })
same<typeof bytes.stdout, Buffer>(true)
same<typeof bytes.stderr, Buffer>(true)
const merged = await run('host', ['true'], { all: true })
const both: string = merged.all
const mergedBytes: Buffer = (await run('host', ['true'], { all: true, encoding: 'buffer' })).all
const given: RunOptions = {}
const either: string | Buffer = (await run('host', ['true'], given)).stdout
const result: RunResult = text
const widest: ResultFor<'buffer' | 'utf8', boolean> = await run('host', [], given)
await run('debian:bookworm')
await run({ rootfs: '/srv/root' }, [], {
  network: 'none', memory: 2 ** 26, cpus: 0.5, pids: 32, timeout: 500, signal: AbortSignal.timeout(5000),
  env: { A: 'b' }, cwd: '/', user: '1000:1000', stdin: 'x', readonly: true, hostname: 'box',
  mounts: [{ type: 'bind', source: '/a', target: '/b', readonly: true }, { type: 'tmpfs', target: '/tmp', size: '16MiB' }],
  security: { capDrop: ['ALL'], noNewPrivileges: true }, grace: '1s', maxOutput: '1MiB', stderr: 'stdout',
})
for (const stdin of ['x', new Uint8Array(1), createReadStream('/x'), { file: '/x' }, { fd: 0 }, 'inherit', 'ignore'] as const)
  await run('host', ['cat'], { stdin })
for (const stdout of [createWriteStream('/x'), { file: '/x', append: true }, { fd: 1 }, 'pipe', 'ignore', 'inherit'] as const)
  await run('host', ['cat'], { stdout })

const label = (exit: Exit): string => {
  switch (exit._tag) {
    case 'Exited': return String(exit.code)
    case 'Signaled': return exit.signalName + exit.signal
    case 'OomKilled': return 'oom'
    case 'TimedOut': return String(exit.afterMs)
    case 'Aborted': return String(exit.reason)
    case 'OutputLimit': return exit.stream + exit.limitBytes
  }
}

{
  await using box = await start('host', ['cat'], { stdin: 'pipe', keep: true })
  same<typeof box, Container>(true)
  same<typeof box.stdin, Writable | null>(true)
  same<typeof box.stdout, OutputStream | null>(true)
  same<typeof box.all, OutputStream | null>(true)
  for await (const line of box.stdout?.lines({ maxLength: 100 }) ?? []) same<typeof line, string>(true)
  for await (const chunk of box.stderr ?? []) void chunk
  box.kill('SIGHUP')
  box.kill(15)
  const ended: Ended = await box.exit
  label(ended.exit)
  await box.removed
}
{
  await using engine: Engine = createEngine({ root: '/tmp/x', runtime: '/tmp/y' })
  const image: ImageSource = 'host'
  const options: StartOptions = { tty: { columns: 80, rows: 24 } }
  await engine.start(image, ['sh'], options)
  const pulled = await engine.pull('debian', { onProgress: (progress) => progress.kind, signal: AbortSignal.timeout(1) })
  pulled.status satisfies 'downloaded' | 'current'
  await engine.load({ path: '/x.tar' }, { name: 'x:1' })
  const [summary] = await engine.images()
  summary?.platform.toUpperCase()
  const [container] = await engine.list()
  container?.status satisfies 'created' | 'running' | 'paused' | 'restarting' | 'stopped' | 'damaged' | undefined
  const plan = await engine.plan('host', ['true'])
  plan.spec.process?.args satisfies readonly string[] | undefined
}

try {
  await run('host', ['nope'])
} catch (error) {
  if (error instanceof SlipwayError) {
    const { message, hint, cause, code, exitCode, _tag } = error
    const advice: string | undefined = hint
    if (error.error._tag === 'SyscallFailed') error.error.step.toUpperCase()
    void [message, advice, cause, code, exitCode satisfies number, _tag === 'CommandNotFound']
  }
}

const engine = fp.createEngine()
const outcome = await engine.run('host', ['true'], { encoding: 'buffer' })()
if (outcome._tag === 'Right') same<typeof outcome.right.stdout, Buffer>(true)
else fp.message(outcome.left).toUpperCase()
void [both, mergedBytes, either, result, widest]
`

/** Each line after a comment is a mistake: were it none, the comment would be one. */
const WRONG = `
import { run, start, createEngine } from 'slipway'
import * as fp from 'slipway/fp'

// @ts-expect-error no such option
await run('host', ['true'], { timeuot: 1 })
// @ts-expect-error no such option beside one that exists
await run('host', ['true'], { memory: '64MiB', timeuot: 1 })
// @ts-expect-error no such network
await run('host', ['true'], { network: 'bridge' })
// @ts-expect-error not a number of CPUs
await run('host', ['true'], { cpus: '2' })
// @ts-expect-error a command is a list
await run('host', 'true')
// @ts-expect-error no image
await run({ root: '/x' }, ['true'])
// @ts-expect-error standard output cannot go to itself
await run('host', ['true'], { stdout: 'stdout' })
// @ts-expect-error no such encoding
await run('host', ['true'], { encoding: 'latin1' })
// @ts-expect-error only start keeps
await run('host', ['true'], { keep: true })
// @ts-expect-error only run collects
await start('host', ['true'], { all: true })
// @ts-expect-error a field of a mount
await run('host', ['true'], { mounts: [{ type: 'bind', source: '/a', target: '/b', readOnly: true }] })
// @ts-expect-error a field of a tmpfs is none of a bind mount
await run('host', ['true'], { mounts: [{ type: 'tmpfs', target: '/b', source: '/a' }] })
// @ts-expect-error no such directory
createEngine({ roots: '/x' })
// @ts-expect-error bytes are no text
const text: string = (await run('host', ['true'], { encoding: 'buffer' })).stdout
// @ts-expect-error all may be absent when it was not asked for
const all: string = (await run('host', ['true'])).all
// @ts-expect-error no such option
await fp.createEngine().run('host', ['true'], { timeuot: 1 })()
void [text, all]
`

Types.before(() => {
  if (reason !== undefined) return
  folder = mkdtempSync(path.join(tmpdir(), 'slipway-types-'))
  makeConsumer(folder, { 'right.ts': RIGHT, 'wrong.ts': WRONG })
})
Types.after(() => {
  if (folder !== '') rmSync(folder, { recursive: true })
})

test('a strict consumer under nodenext compiles what is right and only that, declarations checked too', () => {
  assert.is(compile(folder, { ...STRICT, skipLibCheck: false }), '')
})

test('so does one with exact optional properties and unchecked indexes', () => {
  const options = {
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    verbatimModuleSyntax: true,
  }
  assert.is(compile(folder, { ...STRICT, ...options }), '')
})

test('so does one behind a bundler', () => {
  assert.is(compile(folder, { ...STRICT, module: 'preserve', moduleResolution: 'bundler' }), '')
})

test('a mistake is found: the check itself can fail', () => {
  const other = path.join(folder, 'other')
  makeConsumer(other, {
    'mistake.ts': "import { run } from 'slipway'\nconst n: number = (await run('host')).stdout\n",
  })
  assert.match(compile(other), /mistake\.ts\(2,7\): error TS2322/)
  rmSync(other, { recursive: true })
})

Types.run()
