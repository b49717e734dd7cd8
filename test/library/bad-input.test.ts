// What a caller can get wrong: each gives one line that names the thing, a remedy where one is known, and leaves nothing.
import { spawnSync } from 'node:child_process'
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { ImageSource, RunOptions, SlipwayError } from '../../src/index.ts'
import { buildImage, layoutFiles, writeFiles } from '../support/image-builder.ts'
import { failure, librarySuite, restingCensus } from '../support/library.ts'
import { assert } from '../support/suite.ts'
import { buildProgram } from './build-program.ts'

const { test, box, scratch, run } = librarySuite('library/bad-input')

interface Case {
  readonly what: string
  readonly image?: () => ImageSource
  readonly argv?: readonly string[]
  readonly options?: () => RunOptions
  readonly tag: SlipwayError['_tag']
  readonly code?: number
  readonly message: RegExp
  readonly hint?: RegExp
}

const bind = (source: string, target: string, more: object = {}): RunOptions => ({
  mounts: [{ type: 'bind', source, target, ...more }],
})
const programs = () => bind(scratch('programs'), '/programs')

const CASES: readonly Case[] = [
  {
    what: 'an image that is not there',
    image: () => 'no-such-image:1',
    tag: 'ImageNotFound',
    message: /^no such image: no-such-image:1$/,
    hint: /pull or load/,
  },
  {
    what: 'a filter that asks somebody',
    options: () => ({ security: { seccomp: { defaultAction: 'SCMP_ACT_NOTIFY' } } }),
    tag: 'Unsupported',
    message: /^SCMP_ACT_NOTIFY: not supported: no agent is told/,
  },
  {
    what: 'a name no image can have',
    image: () => 'Bad Name!',
    tag: 'InvalidReference',
    message: /^invalid reference "Bad Name!": /,
  },
  {
    what: 'a root that is not there',
    image: () => ({ rootfs: '/no/such/root' }),
    tag: 'SyscallFailed',
    message: /^open root: \/no\/such\/root: ENOENT \(no such file or directory\)$/,
    hint: /directory/,
  },
  {
    what: 'a root that is a file',
    image: () => ({ rootfs: '/etc/passwd' }),
    tag: 'SyscallFailed',
    message: /^open root: \/etc\/passwd: ENOTDIR/,
    hint: /directory/,
  },
  {
    what: 'a command that is not on the PATH',
    argv: ['no-such-program'],
    tag: 'CommandNotFound',
    code: 127,
    message: /^no-such-program: command not found in the container$/,
    hint: /PATH/,
  },
  {
    what: 'a path without a program',
    argv: ['/bin/nope'],
    tag: 'CommandNotFound',
    code: 127,
    message: /^\/bin\/nope: command not found/,
    hint: /PATH/,
  },
  {
    what: 'an empty command',
    argv: [''],
    tag: 'CommandNotFound',
    code: 127,
    message: /^"": command not found/,
  },
  {
    what: 'no command at all',
    argv: [],
    tag: 'InvalidOption',
    message: /command/,
  },
  {
    what: 'a script whose interpreter is missing',
    argv: ['/programs/script'],
    options: programs,
    tag: 'CommandNotFound',
    code: 127,
    message: /^\/programs\/script: /,
    hint: /first line/,
  },
  {
    what: 'a file without an x bit',
    argv: ['/etc/passwd'],
    tag: 'CommandNotExecutable',
    code: 126,
    message: /^\/etc\/passwd: cannot execute: EACCES \(permission denied\)$/,
    hint: /chmod \+x/,
  },
  {
    what: 'a directory as a command',
    argv: ['/etc'],
    tag: 'CommandNotExecutable',
    code: 126,
    message: /^\/etc: cannot execute: EACCES/,
    hint: /file/,
  },
  {
    what: 'a program of another machine',
    argv: ['/programs/foreign'],
    options: programs,
    tag: 'CommandNotExecutable',
    code: 126,
    message: /^\/programs\/foreign: cannot execute: ENOEXEC \(exec format error\)$/,
    hint: /another machine/,
  },
  {
    what: 'a user nobody knows',
    options: () => ({ user: 'nobody-here' }),
    tag: 'UnknownUser',
    message: /^user "nobody-here": no such user/,
    hint: /1000:1000/,
  },
  {
    what: 'a group nobody knows',
    options: () => ({ user: 'root:no-group' }),
    tag: 'UnknownUser',
    message: /no group "no-group"/,
    hint: /\/etc\/group/,
  },
  {
    what: 'a mount source that is not there',
    options: () => bind('/no/such/source', '/x'),
    tag: 'SyscallFailed',
    message: /^open bind source: \/no\/such\/source: ENOENT/,
    hint: /createSource/,
  },
  {
    what: 'a mount source that cannot be made',
    options: () => bind('/proc/no/such/source', '/x', { createSource: true }),
    tag: 'SyscallFailed',
    message: /^make bind source: \/proc\/no: ENOENT/,
    hint: /another place/,
  },
  {
    what: 'a mount source below a file',
    options: () => bind('/etc/passwd/x', '/x', { createSource: true }),
    tag: 'SyscallFailed',
    message: /^make bind source: \/etc\/passwd\/x: ENOTDIR/,
    hint: /another place/,
  },
  {
    what: 'a directory mounted over a file',
    options: () => bind('/tmp', '/etc/passwd'),
    tag: 'SyscallFailed',
    message: /: \/.*\/?etc\/passwd.*ENOTDIR/,
  },
  {
    what: 'a mount over /proc',
    options: () => bind('/tmp', '/proc/sys'),
    tag: 'InvalidOption',
    message: /^mounts\[0\]\.target: "\/proc\/sys": nothing may be mounted over \/proc$/,
  },
  {
    what: 'less memory than a start needs',
    options: () => ({ memory: '1MiB' }),
    tag: 'InvalidOption',
    message: /^memory: "1MiB": the smallest memory limit is 6MiB$/,
  },
  {
    what: 'more CPUs than there are',
    options: () => ({ cpus: 4096 }),
    tag: 'InvalidOption',
    message: /^cpus: "4096": the host has only \d+$/,
  },
  {
    what: 'swap below the memory',
    options: () => ({ memory: '64m', memorySwap: '32m' }),
    tag: 'InvalidOption',
    message: /^memorySwap: "32MiB": is memory plus swap, and memory alone is 64MiB$/,
  },
  {
    what: 'one process with an init beside it',
    options: () => ({ pids: 1, init: true }),
    tag: 'SyscallFailed',
    message: /^fork from init: EAGAIN/,
    hint: /raise pids/,
  },
  {
    what: 'a working directory that is a file',
    options: () => ({ cwd: '/etc/passwd' }),
    tag: 'SyscallFailed',
    message: /^open working directory: \/etc\/passwd: ENOTDIR/,
    hint: /directory/,
  },
  {
    what: 'a device that is none',
    options: () => ({ devices: [{ source: '/dev/no-such-device' }] }),
    tag: 'InvalidOption',
    message: /^devices: "\/dev\/no-such-device": is not a device$/,
  },
  {
    what: 'a kernel parameter that does not exist',
    options: () => ({ sysctls: { 'net.no.such': '1' } }),
    tag: 'SyscallFailed',
    message: /^open sysctl: .*net\/no\/such.*: ENOENT/,
    hint: /no such parameter/,
  },
  {
    what: 'an option that does not exist',
    options: () => ({ timeuot: 1 }) as RunOptions,
    tag: 'InvalidOption',
    message: /^timeuot: "1": no such option; did you mean timeout\?$/,
  },
]

test('what the cases need is made', async () => {
  mkdirSync(scratch('programs'))
  const program = (name: string, bytes: string | Buffer): void => {
    writeFileSync(scratch('programs', name), bytes)
    chmodSync(scratch('programs', name), 0o755)
  }
  program('script', '#!/no/such/interpreter\n')
  // The header of an ELF file for SPARC (elf(5), e_machine 2), big-endian.
  const foreign = Buffer.alloc(64)
  foreign.set([0x7f, 0x45, 0x4c, 0x46, 1, 2, 1])
  foreign.set([0, 2, 0, 2], 16)
  program('foreign', foreign)
  // Opens what an engine keeps open.
  await box().engine.run({ rootfs: box().rootfs }, ['true'], { pids: 5, cpus: 1, memory: '64m' })
})

for (const { what, image, argv = ['true'], options, tag, code = 125, message, hint } of CASES) {
  test(`${what} is ${tag}`, async () => {
    const before = await restingCensus(box())
    const attempt = box().engine.run(image?.() ?? { rootfs: box().rootfs }, argv, {
      ...options?.(),
      name: 'bad-input',
    })
    const error = await failure(attempt)
    assert.is(error._tag, tag, error.message)
    assert.is(error.exitCode, code)
    assert.match(error.message, message)
    assert.not.match(error.message, /\n/)
    if (hint === undefined) assert.ok(!error.hint?.includes('\n'))
    else assert.match(error.hint ?? '', hint)
    assert.equal(await box().unchanged(before), [])
  })
}

test('an image for another machine is refused by its platform', async () => {
  const image = buildImage({ architecture: 'sparc64' })
  writeFiles(scratch('foreign'), layoutFiles([[image, 'foreign:1']]))
  const error = await failure(box().engine.load({ path: scratch('foreign') }))
  assert.is(error._tag, 'PlatformMismatch')
  assert.match(error.message, /no image for linux\/\w+; it has linux\/sparc64$/)
  assert.match(error.hint ?? '', /this machine/)
})

test('image verbs refuse what is no reference, no source and no option', async () => {
  const { engine } = box()
  const wrong = (attempt: Promise<unknown>) => failure(attempt).then(({ message }) => message)
  const any = <A>(value: unknown): A => value as A
  assert.is(await wrong(engine.pull(any(5))), 'reference: "5": expected a string')
  assert.is(
    await wrong(engine.pull('x', any({ progress: 1 }))),
    'progress: "1": no such option; did you mean onProgress?',
  )
  assert.is(await wrong(engine.pull('x', any({ onProgress: 1 }))), 'onProgress: "1": expected a function')
  assert.is(await wrong(engine.load(any('/x'))), 'source: "/x": expected { path } or { stream }')
  assert.match(await wrong(engine.load({ path: '/no/such/file' })), /\/no\/such\/file: ENOENT/)
  assert.is(await wrong(engine.removeImage(any(undefined))), 'reference: "": expected a string')
  assert.is(await wrong(engine.removeImage('x', any({ force: 1 }))), 'force: "1": expected true or false')
  assert.is(await wrong(engine.remove(any(undefined))), 'no such container: undefined')
})

test('a failure can be printed like a result, and as JSON', async () => {
  const error = await failure(box().engine.run({ rootfs: box().rootfs }, ['nope']))
  const { exitCode, stdout, stderr } = error
  assert.equal([exitCode, stdout, stderr], [127, '', ''])
  assert.is(String(error), 'SlipwayError: nope: command not found in the container')
  assert.equal(JSON.parse(JSON.stringify(error)), {
    name: 'SlipwayError',
    message: error.message,
    exitCode: 127,
    hint: error.hint,
    _tag: 'CommandNotFound',
    command: 'nope',
  })
  assert.equal(error.error, { _tag: 'CommandNotFound', command: 'nope' })
  assert.instance(error, Error)
})

test(
  'an ordinary user whose state cannot be where it is wanted is told which folder, and where else',
  async () => {
    // Where the other user may read; the test's own TMPDIR is closed to it.
    const open = mkdtempSync('/tmp/slipway-unfit-')
    const script = path.join(open, 'program.mjs')
    copyFileSync(await buildProgram(), script)
    chmodSync(open, 0o755)
    for (const root of [path.join(open, 'new'), '/root/state']) {
      const task = JSON.stringify({ what: 'run', root, rootfs: box().rootfs })
      const { status, stderr } = spawnSync(
        'setpriv',
        ['--reuid=65534', '--regid=65534', '--clear-groups', process.execPath, script, task],
        { encoding: 'utf8' },
      )
      assert.is(status, 1)
      assert.match(stderr, `SlipwayError: mkdir: ${root}`)
      assert.match(stderr, /EACCES/)
      assert.match(
        stderr,
        /hint: 'put the state elsewhere: createEngine\(\{ root \}\), --root or SLIPWAY_ROOT'/,
      )
    }
    rmSync(open, { recursive: true })
  },
  'program:setpriv',
)

run()
