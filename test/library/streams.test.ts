// Standard streams in the hands of a caller: lines, both outputs as one, slow and absent readers, and streams that fail.
import { execFileSync } from 'node:child_process'
import { createWriteStream, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { PassThrough, Readable, Writable } from 'node:stream'
import type { RunOptions, StartOptions } from '../../src/index.ts'
import { failure, isAlive, librarySuite, pause, restingCensus, until } from '../support/library.ts'
import { assert } from '../support/suite.ts'

const { test, box, scratch, run } = librarySuite('library/streams')

const start = (script: string, options: StartOptions = {}) =>
  box().engine.start({ rootfs: box().rootfs }, ['sh', '-c', script], options)
const sh = (script: string, options: RunOptions = {}) =>
  box().engine.run({ rootfs: box().rootfs }, ['sh', '-c', script], options)
const linesOf = async (lines: AsyncIterable<string> | undefined): Promise<string[]> => {
  const all: string[] = []
  for await (const line of lines ?? []) all.push(line)
  return all
}
const unfinished = () => new Readable({ read() {} })

test('lines come one by one while the container runs', async () => {
  await using running = await start('read a; echo "got $a"; read b; echo "got $b"; printf end', {
    stdin: 'pipe',
  })
  const seen: string[] = []
  running.stdin?.write('1\n')
  for await (const line of running.stdout?.lines() ?? []) {
    seen.push(line)
    if (line === 'got 1') running.stdin?.write('2\n')
  }
  assert.equal(seen, ['got 1', 'got 2', 'end'])
  assert.is((await running.exit).exitCode, 0)
})

test('a line may be empty, end in CR LF, hold any character, and be split anywhere', async () => {
  await using running = await start(
    'printf "a\\r\\n\\n"; printf "\\303"; sleep 0.05; printf "\\244\\357\\273\\277|\\n"; printf "\\377\\n"',
  )
  assert.equal(await linesOf(running.stdout?.lines()), ['a', '', 'ä\uFEFF|', '\uFFFD'])
})

test('a line without end comes in pieces, in bounded memory', async () => {
  await using running = await start('head -c 3000000 /dev/zero | tr "\\\\0" x; echo; echo next')
  const lines = await linesOf(running.stdout?.lines({ maxLength: 1_000_000 }))
  assert.equal(
    lines.map(({ length }) => length),
    [1_000_000, 1_000_000, 1_000_000, 4],
  )
})

test('standard error has lines of its own', async () => {
  await using running = await start('echo out; echo err >&2')
  const [out, err] = await Promise.all([linesOf(running.stdout?.lines()), linesOf(running.stderr?.lines())])
  assert.equal([out, err], [['out'], ['err']])
})

test('leaving the loop over the lines early ends a payload that goes on writing', async () => {
  // PID 1 of a pid namespace is spared SIGPIPE: it gets EPIPE and ends by itself. A program below it dies by the signal.
  await using running = await start('yes 2> /dev/null; echo status $? >&2; yes 2> /dev/null')
  for await (const line of running.stdout?.lines() ?? []) {
    assert.is(line, 'y')
    break
  }
  assert.equal(await linesOf(running.stderr?.lines()), ['status 141'])
  assert.equal((await running.exit).exit, { _tag: 'Exited', code: 1 })
})

test('both outputs can be read as one, lines included', async () => {
  await using running = await start('echo 1; sleep 0.1; echo 2 >&2; sleep 0.1; echo 3')
  assert.equal(await linesOf(running.all?.lines()), ['1', '2', '3'])
  assert.is(running.all, running.all)
})

test('both outputs as one hold both payload streams back while nobody reads', async () => {
  await using running = await start('head -c 5000000 /dev/zero & head -c 5000000 /dev/zero >&2; wait')
  const all = running.all
  await pause(200)
  assert.ok((all?.readableLength ?? 0) < 1_000_000, `${all?.readableLength} bytes waiting`)
  assert.ok(isAlive(running.pid))
  let total = 0
  for await (const chunk of all ?? []) total += (chunk as Buffer).length
  assert.is(total, 10_000_000)
})

test('nothing is merged where neither output is a pipe', async () => {
  await using running = await start('true', { stdout: 'ignore', stderr: 'ignore' })
  assert.is(running.all, null)
})

test('standard error can go where standard output goes, in the order of the payload', async () => {
  const script = 'for i in 1 2 3 4 5 6 7 8 9; do echo o$i; echo e$i >&2; done'
  const want = [1, 2, 3, 4, 5, 6, 7, 8, 9].flatMap((i) => [`o${i}`, `e${i}`]).join('\n')
  const result = await sh(script, { stderr: 'stdout' })
  assert.is(String(result.stdout).trim(), want)
  assert.is(result.stderr, '')
  await sh(script, { stdout: { file: scratch('both.txt') }, stderr: 'stdout' })
  assert.is(readFileSync(scratch('both.txt'), 'utf8').trim(), want)
  assert.is((await sh('echo x > /dev/stderr', { stderr: 'stdout', user: 'app' })).stdout, 'x\n')
})

test('a payload that nobody reads from waits, and does not fill the memory', async () => {
  await using running = await start('head -c 200000000 /dev/zero; echo done >&2')
  await pause(300)
  assert.ok((running.stdout?.readableLength ?? 0) <= 128 * 1024, `${running.stdout?.readableLength}`)
  assert.ok(isAlive(running.pid))
  assert.is(running.stderr?.readableLength, 0)
})

test('a slow writable holds the payload back, and gets everything', async () => {
  let most = 0
  let total = 0
  const sink = new Writable({
    highWaterMark: 65_536,
    write(chunk: Buffer, _, done) {
      total += chunk.length
      most = Math.max(most, this.writableLength)
      setImmediate(done)
    },
  })
  await sh('head -c 20000000 /dev/zero', { stdout: sink })
  assert.is(total, 20_000_000)
  assert.ok(most <= 4 * 65_536, `${most} bytes waited`)
  assert.ok(sink.writableEnded)
})

test('what was written before the end is there after it', async () => {
  await using running = await start('printf before')
  assert.is((await running.exit).exitCode, 0)
  await running.removed
  assert.equal(await linesOf(running.stdout?.lines()), ['before'])
})

test("the first process's end ends the output, though another one still holds it", async () => {
  const before = performance.now()
  const result = await sh('sleep 600 & echo $!; exit 4')
  assert.is(result.exitCode, 4)
  assert.match(String(result.stdout), /^\d+\n$/)
  assert.ok(performance.now() - before < 60_000)
})

test('an output destroyed by its reader is a closed pipe to the payload', async () => {
  await using running = await start('yes; echo status $? >&2')
  running.stdout?.destroy()
  assert.equal(await linesOf(running.stderr?.lines()), ['status 141'])
})

test('a writable closed on purpose is a reader that left', async () => {
  const sink = new PassThrough()
  const result = sh('yes; echo status $? >&2', { stdout: sink })
  sink.once('data', () => sink.destroy())
  const { exit, stderr } = await result
  assert.equal(exit, { _tag: 'Exited', code: 0 })
  assert.is(stderr, 'status 141\n')
})

test('a writable that fails ends the container with its error', async () => {
  const full = new Error('no space left')
  const sink = new Writable({ write: (_chunk, _encoding, done) => done(full) })
  const { exit, exitCode } = await sh('echo x; sleep 600', { stdout: sink })
  assert.equal(exit, { _tag: 'Aborted', reason: full })
  assert.is(exitCode, 137)
})

test('a source that fails ends the container with its error: half an input is none', async () => {
  const broken = new Error('disk on fire')
  const failing = async function* () {
    yield 'half'
    throw broken
  }
  const { exit } = await sh('cat; sleep 600', { stdin: failing() })
  assert.equal(exit, { _tag: 'Aborted', reason: broken })
  const wrong = await sh('cat; sleep 600', { stdin: Readable.from([{ not: 'bytes' }]) })
  assert.is(wrong.exit._tag, 'Aborted')
  assert.instance((wrong.exit as { reason?: unknown }).reason, Error)
})

test('a source that is destroyed before its end ends the container, too', async () => {
  const source = unfinished()
  source.push('half')
  const result = sh('cat; sleep 600', { stdin: source })
  await pause(100)
  source.destroy()
  assert.is((await result).exit._tag, 'Aborted')
})

test('input that the payload does not want is no error, and its source is let go', async () => {
  const source = unfinished()
  source.push('x'.repeat(1000))
  assert.equal((await sh('exit 3', { stdin: source })).exit, { _tag: 'Exited', code: 3 })
  await until('the source is destroyed', () => source.destroyed)
  const endless = async function* () {
    try {
      for (;;) yield Buffer.alloc(65_536)
    } finally {
      returned = true
    }
  }
  let returned = false
  assert.is((await sh('head -c 3 | wc -c', { stdin: endless() })).stdout, '3\n')
  await until('the generator is left', () => returned)
})

test('writing to a payload that has closed its input, or has ended, harms nobody', async () => {
  await using running = await start('exec <&-; echo closed; sleep 0.2', { stdin: 'pipe' })
  await new Promise((resolve) => running.stdout?.once('data', resolve))
  await new Promise((resolve) => running.stdin?.write('x'.repeat(100_000), resolve))
  assert.is((await running.exit).exitCode, 0)
  assert.ok(running.stdin?.destroyed)
  await new Promise((resolve) => running.stdin?.write('late', resolve))
  running.stdin?.end()
})

test('a whole input ends, and the payload sees it', async () => {
  await using running = await start('wc -c', { stdin: 'pipe' })
  running.stdin?.end('x'.repeat(1_000_000))
  assert.equal(await linesOf(running.stdout?.lines()), ['1000000'])
})

test('a file stream serves as input, a file stream as output', async () => {
  writeFileSync(scratch('in.bin'), Buffer.alloc(3_000_000, 7))
  const sink = createWriteStream(scratch('out.bin'))
  const { createReadStream } = await import('node:fs')
  await sh('cat', { stdin: createReadStream(scratch('in.bin')), stdout: sink })
  assert.ok(readFileSync(scratch('out.bin')).equals(readFileSync(scratch('in.bin'))))
})

test('a web stream and a plain iterable of bytes serve as input', async () => {
  const web = new Blob(['from the web']).stream()
  assert.is((await sh('cat', { stdin: web as unknown as AsyncIterable<Uint8Array> })).stdout, 'from the web')
  assert.is((await sh('cat', { stdin: new Uint8Array([104, 105]) })).stdout, 'hi')
  assert.is((await sh('cat', { stdin: '' })).stdout, '')
})

test('a named pipe is refused, since opening it could wait for ever', async () => {
  const fifo = scratch('fifo')
  execFileSync('mkfifo', [fifo])
  for (const options of [{ stdin: { file: fifo } }, { stdout: { file: fifo } }, { stderr: { file: fifo } }]) {
    const { message } = await failure(sh('true', options))
    assert.is(
      message,
      `${Object.keys(options)[0]}.file: "${fifo}": is a named pipe, and opening one may wait for ever: open it yourself and give { fd }`,
    )
  }
})

test('a stream that cannot be opened is an error with its path, and leaves no name taken', async () => {
  const names = () => readdirSync(`${box().root}/names`)
  const missing = await failure(sh('true', { stdin: { file: '/no/such/file' }, name: 'unlucky' }))
  assert.is(missing.message, 'open standard stream: /no/such/file: ENOENT (no such file or directory)')
  assert.is(missing.code, 'ENOENT')
  mkdirSync(scratch('folder'))
  const folder = await failure(sh('true', { stdout: { file: scratch('folder') }, name: 'unlucky' }))
  assert.match(folder.message, /folder: EISDIR/)
  assert.equal(names(), [])
  const closed = await failure(sh('true', { stdin: { fd: 999_999 }, name: 'unlucky' }))
  assert.match(closed.message, /EBADF/)
  assert.equal(names(), [])
})

test('streams of every kind leave no descriptor and no process behind', async () => {
  const running = await start('true')
  await running[Symbol.asyncDispose]()
  const before = await restingCensus(box())
  await sh('cat', { stdin: 'x'.repeat(100_000) })
  await sh('exit 1', { stdin: unfinished() })
  await sh('yes', { maxOutput: 10 })
  await sh('yes', { stdout: new Writable({ write: (_c, _e, done) => done(new Error('full')) }) })
  await failure(
    sh('true', { stdin: unfinished(), mounts: [{ type: 'bind', source: '/nowhere', target: '/x' }] }),
  )
  await failure(sh('true', { stdout: { file: '/no/such/file' } }))
  {
    await using unread = await start('yes', { stdin: 'pipe' })
    assert.ok(unread.all !== null)
  }
  assert.equal(await box().unchanged(before), [])
})

test('what a terminal was last told is never lost', async () => {
  const last = async (): Promise<string> => {
    const running = await box().engine.start(
      { rootfs: box().rootfs },
      ['sh', '-c', 'read x; echo "last $x"'],
      {
        tty: true,
      },
    )
    const chunks = running.stdout?.toArray()
    running.stdin?.write('word\n')
    return ((await chunks) ?? []).join('')
  }
  for (let round = 0; round < 30; round++)
    for (const text of await Promise.all([last(), last(), last(), last(), last()]))
      assert.match(text, /last word\r\n$/)
})

test('a terminal whose program reads nothing does not stop the event loop', async () => {
  const running = await box().engine.start(
    { rootfs: box().rootfs },
    ['sh', '-c', 'busybox stty raw -echo; echo ready; exec sleep 60'],
    { tty: true },
  )
  const { stdin, stdout } = running
  assert.ok(stdin && stdout)
  const seen = stdout.setEncoding('utf8')[Symbol.asyncIterator]()
  while (!String((await seen.next()).value).includes('ready')) {}
  // More than the kernel keeps for a terminal (N_TTY_BUF_SIZE, and what waits behind it).
  let taken = false
  stdin.write(Buffer.alloc(1 << 20, 'x'), () => {
    taken = true
  })
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setTimeout(resolve, 5))
  assert.not(taken)
  running.kill('SIGKILL')
  assert.is((await running.exit).exitCode, 137)
  // What nobody will read is lost, and keeps nothing open.
  await until('the terminal is closed', () => stdin.destroyed)
})

run()
