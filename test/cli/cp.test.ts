// `slipway cp` as a command: with tar on both sides, ended by a signal in the middle, and killed.
import { type ChildProcess, execFileSync, spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { until } from '../support/library.ts'
import { assert, suite } from '../support/suite.ts'
import { tarOf } from '../support/tar-builder.ts'
import { openRealCli, type RealCli } from './real-cli.ts'

const Cp = suite('cli/cp (real)')
Cp.requires('root', 'program:busybox')

let cli: RealCli
let id = ''
const at = (...names: string[]): string => path.join(cli.folder, ...names)
Cp.before(async () => {
  cli = await openRealCli()
  mkdirSync(at('site', 'sub'), { recursive: true })
  writeFileSync(at('site', 'index'), 'hello\n')
  writeFileSync(at('site', 'sub', 'run'), '#!/bin/sh\n')
  chmodSync(at('site', 'sub', 'run'), 0o750)
  id = (await cli.run(['create', '--name', 'web', cli.image, 'cat', '/etc/site/index'])).stdout.trim()
})
Cp.after(async () => {
  await cli.run(['rm', '-f', 'web'])
  await cli.close()
})

const upper = (...names: string[]): string => path.join(cli.root, 'containers', id, 'upper', ...names)
const half = (): readonly string[] =>
  existsSync(upper('etc')) ? readdirSync(upper('etc')).filter((name) => name.startsWith('.slipway-')) : []

/** A copy that waits for more of a large file, which it has begun to write. */
const waiting = async (): Promise<ChildProcess> => {
  const child = cli.spawn(['cp', '-', 'web:/etc'], { stdio: ['pipe', 'pipe', 'pipe'] })
  child.stdin?.on('error', () => undefined)
  child.stdin?.write(
    tarOf([{ name: 'large', size: 2 ** 30, data: 'x'.repeat(300_000) }]).subarray(0, 200_000),
  )
  await until('the file is being written', () => hasNameless(child.pid ?? 0))
  return child
}
/** open(2), O_TMPFILE: shown as `/etc/#<inode> (deleted)`. */
const hasNameless = (pid: number): boolean =>
  readdirSync(`/proc/${pid}/fd`).some((fd) => {
    try {
      return /\/#\d+ \(deleted\)$/.test(readlinkSync(`/proc/${pid}/fd/${fd}`))
    } catch {
      return false
    }
  })
const ended = (child: ChildProcess): Promise<readonly [number | null, string | null]> =>
  new Promise((resolve) => child.on('close', (code, signal) => resolve([code, signal])))

Cp('a folder goes in by its path and comes out as a tar, and the container has it when it runs', async () => {
  const copied = await cli.run(['cp', 'site', 'web:/etc'], { cwd: cli.folder })
  assert.equal([copied.code, copied.stdout], [0, ''])
  assert.match(copied.stderr, /^Successfully copied [\d.]+k?B to web:\/etc\n$/)
  assert.is((await cli.run(['start', '-a', 'web'])).stdout, 'hello\n')
  const tar = spawnSync('sh', ['-c', `${process.execPath} -- ${cli.file} cp web:/etc/site - | tar tv`], {
    encoding: 'utf8',
    env: { ...process.env, ...cli.env },
  }).stdout
  assert.match(tar, /^drwxr-xr-x .* site\/\n.* site\/index\n.* site\/sub\/\n-rwxr-x--- .* site\/sub\/run\n$/)
  assert.is((await cli.run(['cp', '-q', 'web:/etc/site/.', at('again')])).code, 0)
  assert.is(readFileSync(at('again', 'index'), 'utf8'), 'hello\n')
})

Cp('a tar of tar(1) goes in from standard input, and one that is none is refused', async () => {
  const fed = (words: readonly string[], input: Buffer) => {
    const child = cli.spawn(words, { stdio: ['pipe', 'pipe', 'pipe'] })
    let stderr = ''
    child.stderr?.on('data', (chunk) => {
      stderr += String(chunk)
    })
    child.stdin?.on('error', () => undefined)
    child.stdin?.end(input)
    return ended(child).then(([code]) => ({ code, stderr }))
  }
  const tar = execFileSync('tar', ['cz', '-C', at('site'), 'sub'])
  assert.equal(await fed(['cp', '-', 'web:/etc/'], tar), { code: 0, stderr: '' })
  assert.is((await cli.run(['cp', 'web:/etc/sub/run', at('run')])).code, 0)
  const none = await fed(['cp', '-', 'web:/etc'], Buffer.from('this is no tar'.repeat(1000)))
  assert.is(none.code, 1)
  assert.match(none.stderr, /^slipway: copy: web:\/etc: /)
  const file = await fed(['cp', '-', 'web:/etc/passwd'], tar)
  assert.equal(file, {
    code: 1,
    stderr: 'slipway: copy: web:/etc/passwd: it is no directory, and an archive goes into one\n',
  })
})

Cp('what cannot be is told by container and path', async () => {
  for (const [words, text] of [
    [['web:/none', at('x')], 'copy_stat_path: web:/none: ENOENT (no such file or directory)'],
    [[at('none'), 'web:/etc'], `copy_stat_path: ${at('none')}: ENOENT (no such file or directory)`],
    [[at('site'), 'web:/etc/passwd'], 'copy: web:/etc/passwd: a directory cannot be copied onto a file'],
    [['nobody:/x', at('x')], 'no such container: nobody'],
  ] as const) {
    const { code, stderr } = await cli.run(['cp', ...words])
    assert.equal([code, stderr.split('\n')[0]], [1, `slipway: ${text}`])
  }
})

Cp('Ctrl-C ends it with 130, and leaves neither half a file nor anything that runs', async () => {
  await cli.leftovers()
  const child = await waiting()
  child.kill('SIGINT')
  assert.equal(await ended(child), [130, null])
  assert.equal(half(), [])
  assert.equal(await cli.leftovers(), [])
})

Cp(
  'killed in the middle it leaves nothing mounted and nothing that runs, and the container starts',
  async () => {
    await cli.leftovers()
    const child = await waiting()
    child.kill('SIGKILL')
    assert.equal(await ended(child), [null, 'SIGKILL'])
    // The next command clears away what a dead one was, once its guardian has ended, too.
    const engines = path.join(cli.root, 'run', 'engines')
    do await cli.run(['ps'])
    while (readdirSync(engines).length > 0)
    assert.equal([half(), await cli.leftovers()], [[], []])
    assert.not.match(readFileSync('/proc/self/mountinfo', 'utf8'), id)
    assert.is((await cli.run(['start', '-a', 'web'])).stdout, 'hello\n')
    assert.is((await cli.run(['cp', at('site', 'index'), 'web:/etc/new'])).code, 0)
  },
)

Cp.run()
