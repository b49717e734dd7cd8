// Writing to descriptors that are full, closed or slow.
import { execFileSync, spawn } from 'node:child_process'
import { closeSync, constants, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { PassThrough } from 'node:stream'
import tty from 'node:tty'
import { ReaderGone, WriteFailed } from '../../src/cli/output-failures.ts'
import { input, output, writeAll } from '../../src/cli/streams.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('cli/streams')

const folder = mkdtempSync(path.join(tmpdir(), 'slipway-streams-'))
test.after(() => rmSync(folder, { recursive: true, force: true }))

const noTerminal = (): never => {
  throw new Error('nothing here is a terminal')
}

const fifo = (name: string): string => {
  const file = path.join(folder, name)
  execFileSync('mkfifo', [file])
  return file
}

test('a megabyte passes a pipe that is full most of the time and does not block', async () => {
  const pipe = fifo('slow')
  const copy = path.join(folder, 'copy')
  const reader = spawn('sh', ['-c', 'exec < "$1"; sleep 0.1; cat > "$2"', 'sh', pipe, copy])
  const done = new Promise<number | null>((resolve) => reader.on('exit', resolve))
  // O_RDWR: opening must not wait for the reader, and a FIFO opened for writing alone would refuse.
  const fd = openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK)
  const text = 'überlang\n'.repeat(100_000)
  writeAll(fd, text)
  closeSync(fd)
  assert.is(await done, 0)
  assert.is(readFileSync(copy, 'utf8'), text)
})

test('a reader that went away is told apart from other failures', () => {
  const pipe = fifo('closed')
  const reader = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK)
  const fd = openSync(pipe, constants.O_WRONLY | constants.O_NONBLOCK)
  closeSync(reader)
  assert.throws(
    () => writeAll(fd, 'x'),
    (error: unknown) => error instanceof ReaderGone,
  )
  closeSync(fd)
})

test('another failure carries its errno', () => {
  const fd = openSync('/dev/full', constants.O_WRONLY)
  assert.throws(
    () => writeAll(fd, 'x'),
    (error: unknown) => error instanceof WriteFailed && error.message === 'ENOSPC (no space left on device)',
  )
  closeSync(fd)
})

test('a file is no terminal and 80 columns wide', () => {
  const fd = openSync('/dev/null', constants.O_WRONLY)
  const sink = output(fd, () => tty, noTerminal)
  assert.equal([sink.isTTY(), sink.columns(), sink.rows()], [false, 80, 24])
  sink.write('')
  sink.write(new Uint8Array([120]))
  closeSync(fd)
})

test('what is no terminal is told without loading the terminal', () => {
  const load = (): never => {
    throw new Error('loaded')
  }
  for (const file of ['/dev/null', 'package.json', '.']) {
    const fd = openSync(file, constants.O_RDONLY)
    assert.is(output(fd, load, noTerminal).isTTY(), false, file)
    closeSync(fd)
    assert.is(input(fd, load, () => new PassThrough()).isTTY(), false, 'a closed descriptor')
  }
})

test('an unusual character device is left to isatty(3)', () => {
  const fd = openSync('/dev/zero', constants.O_RDONLY)
  assert.is(output(fd, () => tty, noTerminal).isTTY(), false)
  closeSync(fd)
})

test('a terminal is one', () => {
  const fd = openSync('/dev/ptmx', constants.O_RDWR | constants.O_NOCTTY)
  assert.is(output(fd, () => tty, noTerminal).isTTY(), tty.isatty(fd))
  closeSync(fd)
})

test('raw mode of an input that is no terminal does nothing', () => {
  const source = input(
    0,
    () => tty,
    () => new PassThrough(),
  )
  source.setRaw(true)
  source.setRaw(false)
  assert.ok(source.stream())
})

test.run()
