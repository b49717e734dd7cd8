// pull, load, images and rmi against an engine that only exists in memory.
import * as E from '#fp/Either'
import * as TE from '#fp/TaskEither'
import { humanBytes } from '../../../src/cli/human.ts'
import { layerLines, progressDisplay } from '../../../src/cli/progress.ts'
import { digestOf } from '../../../src/model/digest.ts'
import type { EngineError } from '../../../src/model/errors.ts'
import type { ImagePlatform, ImageSummary, LoadSource, PullOptions } from '../../../src/model/image-verbs.ts'
import { assert, suite } from '../../support/suite.ts'
import { call, outcomeOf } from '../fake-world.ts'

const Images = suite('cli/images')
const ID = digestOf('id')
const DIGEST = digestOf('digest')
const image = (over: Partial<ImageSummary> = {}): ImageSummary => ({
  id: ID,
  repository: 'debian',
  tag: 'bookworm',
  digest: DIGEST,
  platform: 'linux/amd64',
  createdMs: Date.now() - 3 * 86_400_000,
  sizeBytes: 123_456_789,
  labels: { a: 'b' },
  ...over,
})
const listing = (...list: readonly ImageSummary[]) => ({
  answers: { images: { list: () => TE.right(list) } },
})
const output = (argv: readonly string[], options: Parameters<typeof call>[1]) =>
  outcomeOf(call(argv, options))

Images("images prints Docker's columns", async () => {
  const { code, stdout } = await output(['images'], listing(image()))
  assert.is(code, 0)
  assert.equal(
    stdout.split('\n').map((line) => line.split(/ {2,}/)),
    [
      ['REPOSITORY', 'TAG', 'IMAGE ID', 'CREATED', 'SIZE'],
      ['debian', 'bookworm', ID.slice(7, 19), '3 days ago', '123MB'],
      [''],
    ],
  )
})
Images('a nameless image is shown as <none>, and only with dangling=true', async () => {
  const { repository: _r, tag: _t, ...nameless } = image({ id: digestOf('other') })
  const { stdout } = await output(['images', '-f', 'dangling=true'], listing(image(), nameless))
  assert.match(stdout, /<none> +<none>/)
  assert.not.match(stdout, /debian/)
})
Images('-q prints each id once, --no-trunc in full', async () => {
  const two = listing(image(), image({ tag: 'other' }))
  assert.is((await output(['images', '-q'], two)).stdout, `${ID.slice(7, 19)}\n`)
  assert.is((await output(['images', '-q', '--no-trunc'], two)).stdout, `${ID}\n`)
})
Images('--digests adds a column, --format is a template', async () => {
  assert.match(
    (await output(['images', '--digests'], listing(image()))).stdout,
    new RegExp(`DIGEST[^]*${DIGEST}`),
  )
  const named = await output(
    ['images', '--format', '{{.Repository}}:{{.Tag}} {{.Platform}}'],
    listing(image()),
  )
  assert.is(named.stdout, 'debian:bookworm linux/amd64\n')
  assert.is(
    JSON.parse((await output(['images', '--format', 'json'], listing(image()))).stdout).ID,
    ID.slice(7, 19),
  )
})
for (const [words, expected] of [
  [['debian'], true],
  [['debian:bookworm'], true],
  [['debian:x'], false],
  [['-f', 'reference=deb*'], true],
  [['-f', 'reference=d.bian'], false],
  [['-f', 'label=a'], true],
  [['-f', 'label=a=c'], false],
  [['-f', 'label=a', '-f', 'label=z'], false],
  [['-f', 'reference=x', '-f', 'reference=*:book*'], true],
] as const) {
  Images(`images ${words.join(' ')} ${expected ? 'shows' : 'hides'} debian:bookworm`, async () => {
    const { code, stdout } = await output(['images', '-q', ...words], listing(image()))
    assert.is(code, 0)
    assert.is(stdout !== '', expected)
  })
}
Images('before and since compare creation times', async () => {
  const old = image({ repository: 'old', createdMs: 1 })
  const both = listing(image(), old)
  const names = async (filter: string) =>
    (await output(['images', '-f', filter, '--format', '{{.Repository}}'], both)).stdout
  assert.is(await names('before=debian:bookworm'), 'old\n')
  assert.is(await names('since=old:bookworm'), 'debian\n')
})
for (const filter of ['nonsense=1', 'dangling', 'dangling=maybe', 'before=nobody', 'until=soon']) {
  Images(`--filter ${filter} is refused by name`, async () => {
    const { code, stderr } = await output(['images', '-f', filter], listing(image()))
    assert.is(code, 1)
    assert.match(stderr, new RegExp(`--filter "${filter}"`))
  })
}
Images('a failing store is one line and exit code 1', async () => {
  const broken = { _tag: 'StateDamaged', path: '/x/index.json', why: 'not JSON' } as const
  const { code, stderr } = await output(['images'], { answers: { images: { list: () => TE.left(broken) } } })
  assert.is(code, 1)
  assert.is(stderr, 'slipway: /x/index.json: damaged: not JSON\n')
})

const pulling = (seen: PullOptions[] = [], tty = false) => ({
  ...(tty ? { tty: { columns: 80, rows: 24 } } : {}),
  answers: {
    images: {
      pull: (reference: string, options: PullOptions = {}) => {
        seen.push(options)
        options.onProgress?.({ kind: 'layers', layers: [{ digest: DIGEST, sizeBytes: 100 }] })
        for (const status of ['downloading', 'done'] as const)
          options.onProgress?.({ kind: 'layer', digest: DIGEST, status, receivedBytes: 100, sizeBytes: 100 })
        return TE.right({ reference, digest: DIGEST, id: ID, status: 'downloaded' as const })
      },
    },
  },
})
Images('pull prints what Docker prints into a pipe', async () => {
  const { code, stdout } = await output(['pull', 'debian'], pulling())
  const short = DIGEST.slice(7, 19)
  assert.is(code, 0)
  assert.is(
    stdout,
    `Using default tag: latest\nlatest: Pulling from debian\n${short}: Pulling fs layer\n${short}: Pull complete\n` +
      `Digest: ${DIGEST}\nStatus: Downloaded newer image for debian\ndocker.io/library/debian:latest\n`,
  )
})
Images('pull -q prints the full name alone', async () => {
  assert.is((await output(['pull', '-q', 'localhost:5000/x:1'], pulling())).stdout, 'localhost:5000/x:1\n')
})
Images('pull on a terminal draws over its own lines', async () => {
  const { stdout } = await output(['pull', 'debian:x'], pulling([], true))
  assert.ok(stdout.includes('\x1b[1A\r\x1b[2K'))
  assert.not.match(stdout, /default tag/)
})
Images('pull --platform is passed on, and a wrong one refused', async () => {
  const seen: PullOptions[] = []
  await output(['pull', '--platform', 'linux/arm64', 'debian'], pulling(seen))
  assert.equal(seen[0]?.platform, { os: 'linux', architecture: 'arm64' })
  const { code, stderr } = await output(['pull', '--platform', 'a/b/c/d', 'debian'], pulling(seen))
  assert.is(code, 1)
  assert.match(stderr, /--platform: "a\/b\/c\/d"/)
  assert.is(seen.length, 1)
})
Images('pull of a bad reference or a missing image fails with exit code 1', async () => {
  assert.match((await output(['pull', 'Debian'], {})).stderr, /invalid reference "Debian"/)
  const { code, stderr } = await output(['pull', 'nope'], {})
  assert.is(code, 1)
  assert.is(stderr, 'slipway: no such image: nope\n')
})
Images('an interrupted pull says nothing and ends with 130', async () => {
  const waiting = call(['pull', '-q', 'x'], {
    answers: {
      images: {
        pull:
          (_, { signal } = {}) =>
          () =>
            new Promise((resolve) =>
              signal?.addEventListener('abort', () =>
                resolve(E.left({ _tag: 'Cancelled', what: 'pull', why: 'aborted' })),
              ),
            ),
      },
    },
  })
  await new Promise((resolve) => setImmediate(resolve))
  await new Promise((resolve) => setTimeout(resolve, 20))
  assert.ok(waiting.signal('SIGINT'))
  assert.is(await waiting.code, 130)
  assert.is(waiting.stderr(), '')
})

Images("load reads the file named, relative to the caller's directory", async () => {
  const seen: LoadSource[] = []
  const load = (source: LoadSource) => {
    seen.push(source)
    return TE.right([{ id: ID, reference: 'a:1' }, { id: ID }])
  }
  const { stdout } = await output(['load', '-i', 'x.tar'], { cwd: '/w', answers: { images: { load } } })
  assert.equal(seen, [{ path: '/w/x.tar' }])
  assert.is(stdout, `Loaded image: a:1\nLoaded image ID: ${ID}\n`)
})
Images('load without a file on a terminal asks for one', async () => {
  const { code, stderr } = await output(['load'], { tty: { columns: 80, rows: 24 } })
  assert.is(code, 1)
  assert.match(stderr, /name a file with -i/)
})
Images('rmi prints what went, and goes on after a failure', async () => {
  const remove = (name: string) =>
    name === 'a'
      ? TE.right({ untagged: ['a:latest'], deleted: [ID] })
      : TE.left({ _tag: 'ImageNotFound', reference: name } as const)
  const { code, stdout, stderr } = await output(['rmi', 'b', 'a'], { answers: { images: { remove } } })
  assert.is(code, 1)
  assert.is(stdout, `Untagged: a:latest\nDeleted: ${ID}\n`)
  assert.match(stderr, /no such image: b/)
  assert.is((await output(['rmi', '-f', 'b'], { answers: { images: { remove } } })).code, 0)
})
Images('rmi --all removes each name once, and the nameless by what they are', async () => {
  const { repository: _r, tag: _t, ...nameless } = image({ digest: digestOf('other') })
  const asked: string[] = []
  const remove = (name: string) => {
    asked.push(name)
    return TE.right({ untagged: [], deleted: [] })
  }
  const list = () => TE.right([image(), image({ platform: 'linux/arm64' }), nameless])
  assert.is((await output(['rmi', '-a'], { answers: { images: { list, remove } } })).code, 0)
  assert.equal(asked, ['debian:bookworm', digestOf('other')])
  const broken = () => TE.left<EngineError>({ _tag: 'StateDamaged', path: '/x', why: 'y' })
  const failed = await output(['rmi', '-a'], { answers: { images: { list: broken } } })
  assert.equal([failed.code, failed.stderr], [1, 'slipway: /x: damaged: y\n'])
})
for (const [words, text] of [
  [['rmi'], 'name an image, or use --all'],
  [['rmi', '-a', 'x'], '--all and names exclude each other'],
  [['rmi', '--platform', 'linux/arm64', 'x'], 'an image goes with all of its platforms'],
] as const)
  Images(`slipway ${words.join(' ')} is refused`, async () => {
    const { code, stderr } = await output(words, {})
    assert.is(code, 1)
    assert.ok(stderr.includes(text), stderr)
  })

for (const [bytes, text] of [
  [0, '0B'],
  [999, '999B'],
  [1000, '1kB'],
  [1234, '1.23kB'],
  [999_600, '1MB'],
  [123_456_789, '123MB'],
  [1.5e12, '1.5TB'],
] as const) {
  Images(`${bytes} bytes are ${text}`, () => {
    assert.is(humanBytes(bytes), text)
  })
}
Images('a line shows share, bytes, rate and the time that is left, and fits the terminal', () => {
  const layer = {
    name: 'abcdef123456',
    sizeBytes: 2_000_000,
    status: 'downloading',
    movedBytes: 1_000_000,
    startedMs: 0,
  } as const
  const [line = ''] = layerLines([layer], 80, 24, 500)
  assert.match(line, /^abcdef123456: \[=+> +\] 1MB\/2MB {2}2MB\/s {2}1s left$/)
  assert.ok(line.length <= 80)
  assert.ok(layerLines([layer], 20, 24, 500).every((text) => text.length <= 20))
})
for (const [receivedBytes, nowMs, left] of [
  [1_900_000, 10_000, '1s left'],
  [100_000, 10_000, '3m left'],
  [1000, 10_000, '6h left'],
  [2_000_000, 10_000, '/s'],
  [0, 10_000, '/s'],
  [1000, 0, '1kB/2MB'],
] as const)
  Images(`after ${nowMs} ms and ${receivedBytes} of two million bytes a line ends in ${left}`, () => {
    const layer = {
      name: 'l',
      sizeBytes: 2_000_000,
      status: 'downloading',
      movedBytes: receivedBytes,
      startedMs: 0,
    } as const
    const [line = ''] = layerLines([layer], 80, 24, nowMs)
    assert.ok(line.endsWith(left), line)
  })
Images('until shows what was made before a time, or so long ago', async () => {
  const day = 86_400_000
  const list = listing(
    image({ tag: 'old', createdMs: Date.now() - 3 * day }),
    image({ tag: 'new', createdMs: Date.now() }),
  )
  const tags = async (filter: string) =>
    (await output(['images', '-f', filter, '--format', '{{.Tag}}'], list)).stdout.trim().split('\n')
  assert.equal(await tags('until=48h'), ['old'])
  assert.equal(await tags(`until=${new Date(Date.now() - day).toISOString()}`), ['old'])
  assert.equal((await tags(`until=${Math.floor(Date.now() / 1000) + 60}`)).length, 2)
})
Images('times and the fields Docker leaves open are as Docker prints them', async () => {
  const { stdout } = await output(
    ['images', '--format', '{{.CreatedAt}} {{.SharedSize}} {{.UniqueSize}} {{.Containers}} {{.VirtualSize}}'],
    listing(image({ createdMs: Date.parse('2024-01-02T03:04:05.678Z'), sizeBytes: 1234 })),
  )
  assert.is(stdout, '2024-01-02 03:04:05 +0000 UTC N/A N/A N/A 1.23kB\n')
})
const platforms: readonly ImagePlatform[] = [
  {
    platform: 'linux/amd64',
    digest: digestOf('manifest'),
    isHere: true,
    id: ID,
    sizeBytes: 2_000_000,
    contentBytes: 1_000_000,
    containers: 2,
  },
  { platform: 'linux/arm64', digest: digestOf('arm'), isHere: false },
]
const asTree = (tty = false) => ({
  answers: {
    images: {
      list: () =>
        TE.right([
          image(),
          image({ platform: 'linux/arm64' }),
          image({ repository: 'gone', digest: digestOf('gone') }),
        ]),
      platforms: (reference: string) =>
        reference === DIGEST
          ? TE.right(platforms)
          : TE.left<EngineError>({ _tag: 'ImageNotFound', reference }),
    },
  },
  env: { LANG: 'C.UTF-8' },
  ...(tty ? { tty: { columns: 100, rows: 24 } } : {}),
})
Images('--noheading leaves the names of the columns out', async () => {
  const { stdout } = await output(
    ['images', '--noheading', '--format', 'table {{.Repository}}\\t{{.Tag}}'],
    listing(image()),
  )
  assert.is(stdout, 'debian    bookworm\n')
})
Images('--tree shows each name once with its platforms, and which of them are here', async () => {
  const { code, stdout } = await output(['images', '--tree'], asTree())
  assert.is(code, 0)
  assert.equal(
    stdout.split('\n').map((line) => line.split(/ {2,}/)),
    [
      ['IMAGE', 'ID', 'DISK USAGE', 'CONTENT SIZE', 'CONTAINERS'],
      ['debian:bookworm', DIGEST.slice(7, 19), '3MB', '1MB', '2'],
      ['├─ linux/amd64', ID.slice(7, 19), '3MB', '1MB', '2'],
      ['└─ linux/arm64', digestOf('arm').slice(7, 19), 'not here'],
      [''],
    ],
  )
  const coloured = await output(['image', 'ls', '--tree'], asTree(true))
  assert.ok(coloured.stdout.includes('\u001b[2m└─ linux/arm64'))
  const ascii = { ...asTree(), env: {} }
  assert.match((await output(['images', '--tree', 'deb*'], ascii)).stdout, /^\|- linux\/amd64.*\n`- linux/m)
})
Images('--tree goes with conditions, and not with other forms of output', async () => {
  assert.not.match((await output(['images', '--tree', '-f', 'label=no'], asTree())).stdout, /debian/)
  assert.is((await output(['images', '--tree', '-f', 'nope=1'], asTree())).code, 1)
  for (const flag of ['--digests', '--quiet', '--no-trunc', '--format=json']) {
    const { code, stderr } = await output(['images', '--tree', flag], asTree())
    assert.is(code, 1)
    assert.ok(stderr.includes(`--tree and ${flag.replace(/=.*/, '')} exclude each other`), stderr)
  }
  const broken = {
    answers: {
      images: {
        list: () => TE.right([image()]),
        platforms: () => TE.left<EngineError>({ _tag: 'StateDamaged', path: '/x', why: 'y' }),
      },
    },
  }
  assert.equal(await output(['images', '--tree'], broken), {
    code: 1,
    stdout: '',
    stderr: 'slipway: /x: damaged: y\n',
  })
})
Images('more layers than rows are summed up', () => {
  const layers = Array.from({ length: 30 }, (_, at) => ({
    name: `l${at}`,
    sizeBytes: 10,
    status: at < 20 ? ('done' as const) : ('downloading' as const),
    movedBytes: 5,
  }))
  const lines = layerLines(layers, 80, 5, 0)
  assert.is(lines.length, 5)
  assert.is(lines.at(-1), '20 of 30 layers complete')
})
Images('nothing is drawn for a pull that never came to its layers', () => {
  let text = ''
  const display = progressDisplay({
    fd: 1,
    isTTY: () => true,
    hungUp: () => false,
    columns: () => 80,
    rows: () => 24,
    write: (data) => {
      text += data
    },
  })
  display.finish()
  assert.is(text, '')
})
Images.run()
