// tag, inspect, history, and nouns before verbs: what is asked of the engine, and what is printed.
import * as TE from '#fp/TaskEither'
import type { ContainerInspect } from '../../../src/model/container-inspect.ts'
import { digestOf } from '../../../src/model/digest.ts'
import type { EngineError } from '../../../src/model/errors.ts'
import type { ImageHistoryEntry, ImageInspect } from '../../../src/model/image-verbs.ts'
import { assert, suite } from '../../support/suite.ts'
import { type Answers, call, outcomeOf } from '../fake-world.ts'

const test = suite('cli/image-words')
const id = digestOf('config')
const image: ImageInspect = {
  Id: id,
  RepoTags: ['app:1'],
  RepoDigests: [],
  Parent: '',
  Comment: '',
  Created: '2024-01-02T03:04:05Z',
  Author: '',
  Config: { Cmd: ['a', 'b'], User: '' },
  Architecture: 'amd64',
  Variant: '',
  Os: 'linux',
  Size: 3,
  GraphDriver: { Name: 'overlay2', Data: null },
  RootFS: { Type: 'layers', Layers: [] },
  Metadata: { LastTagTime: '0001-01-01T00:00:00Z' },
  Descriptor: { mediaType: 'm', digest: id, size: 1 },
}
const missing = (reference: string) => TE.left<EngineError>({ _tag: 'ImageNotFound', reference })
const images: NonNullable<Answers['images']> = {
  inspect: (name) => (name === 'app:1' ? TE.right(image) : missing(name)),
}
const said = (words: readonly string[], answers: Answers = { images }) => outcomeOf(call(words, { answers }))

test('tag hands both names on, and says nothing', async () => {
  const asked: string[][] = []
  const tag = (...names: string[]) => TE.fromIO<void, EngineError>(() => void asked.push(names))
  assert.equal(await said(['tag', 'a', 'b'], { images: { tag } }), { code: 0, stdout: '', stderr: '' })
  assert.equal(await said(['image', 'tag', 'c', 'd'], { images: { tag } }), {
    code: 0,
    stdout: '',
    stderr: '',
  })
  assert.equal(asked, [
    ['a', 'b'],
    ['c', 'd'],
  ])
})
test('tag needs two names, and a failure is told', async () => {
  assert.is((await said(['tag', 'a'])).code, 1)
  const { code, stderr } = await said(['tag', 'a', 'b'])
  assert.is(code, 1)
  assert.match(stderr, /^slipway: no such image: a\n/)
})

test('inspect prints a list as Docker does, by both names of the verb', async () => {
  for (const words of [['inspect'], ['image', 'inspect'], ['inspect', '--type', 'image']]) {
    const { code, stdout } = await said([...words, 'app:1'])
    assert.is(code, 0)
    assert.equal(JSON.parse(stdout), [image])
    assert.match(stdout, /^\[\n {4}\{\n {8}"Id"/)
  }
})
const container: ContainerInspect = {
  Id: 'c'.repeat(64),
  Created: '2024-01-02T03:04:05Z',
  Path: 'sh',
  Args: ['-c', 'x'],
  State: {
    Status: 'running',
    Running: true,
    Paused: false,
    Restarting: false,
    Dead: false,
    Pid: 7,
    ExitCode: 0,
    Error: '',
    StartedAt: '2024-01-02T03:04:05Z',
    FinishedAt: '0001-01-01T00:00:00Z',
  },
  Image: id,
  Name: '/web',
  RestartCount: 0,
  LogPath: '',
  Driver: 'overlay2',
  Platform: 'linux',
  AppArmorProfile: '',
  MountLabel: '',
  ProcessLabel: '',
  Config: { Image: 'app:1', Labels: { a: 'b' } },
  GraphDriver: { Name: 'overlay2', Data: null },
}
test('inspect finds containers before images, and either alone where it is told to', async () => {
  const asked: unknown[] = []
  const answers: Answers = {
    images,
    containers: {
      inspect: (name, options) => {
        asked.push([name, options])
        return name === 'web' || (name === 'app:1' && options?.size === true)
          ? TE.right(container)
          : TE.left({ _tag: 'ContainerNotFound', container: name })
      },
    },
  }
  const ids = async (...words: string[]) => (await said([...words, '-f', '{{.Id}}'], answers)).stdout
  assert.is(await ids('inspect', 'web', 'app:1'), `${container.Id}\n${id}\n`)
  assert.is(await ids('inspect', '-s', 'app:1'), `${container.Id}\n`)
  assert.is(await ids('inspect', '-s', '--type', 'image', 'app:1'), `${id}\n`)
  assert.is(await ids('container', 'inspect', 'web'), `${container.Id}\n`)
  assert.equal(asked, [
    ['web', { size: false }],
    ['app:1', { size: false }],
    ['app:1', { size: true }],
    ['web', { size: false }],
  ])
  const pid = await said(['inspect', '-f', '{{.State.Pid}} {{index .Config.Labels "a"}}', 'web'], answers)
  assert.is(pid.stdout, '7 b\n')
})
test('inspect does not look for an image when containers cannot be looked at', async () => {
  const broken: EngineError = { _tag: 'StateDamaged', path: '/x', why: 'y' }
  const { stderr } = await said(['inspect', 'app:1'], {
    images,
    containers: { inspect: () => TE.left(broken) },
  })
  assert.match(stderr, /^slipway: \/x: damaged: y\n/)
})
test('inspect with a template prints one line for each image, and json is compact', async () => {
  const format = '{{.Id}} {{join .Config.Cmd ","}}'
  assert.is((await said(['inspect', '-f', format, 'app:1', 'app:1'])).stdout, `${id} a,b\n${id} a,b\n`)
  assert.is((await said(['inspect', '-f', 'json', 'app:1'])).stdout, `${JSON.stringify([image])}\n`)
})
test('inspect shows what it found and fails for what it did not', async () => {
  const { code, stdout, stderr } = await said(['image', 'inspect', 'nope', 'app:1'])
  assert.is(code, 1)
  assert.equal(JSON.parse(stdout), [image])
  assert.match(stderr, /no such image: nope/)
  assert.is((await said(['image', 'inspect', 'nope'])).stdout, '[]\n')
})
for (const [words, text] of [
  [['inspect', '-f', '{{.Nope}}', 'app:1'], 'there is no field .Nope'],
  [['inspect', '-f', '{{', 'app:1'], 'a {{ is not closed'],
  [['inspect', '--type', 'volume', 'app:1'], 'only container and image can be inspected so far'],
  [['inspect', 'nope'], 'no container is called that either'],
  [['inspect', '--type', 'container', 'app:1'], 'no such container: app:1'],
  [['container', 'inspect', 'app:1'], 'no such container: app:1'],
  [['inspect', '--platform', 'a/b/c/d', 'app:1'], 'a/b/c/d'],
  [['image', 'inspect'], 'too few arguments'],
] as const)
  test(`slipway ${words.join(' ')} is refused`, async () => {
    const { code, stderr } = await said(words)
    assert.is(code, 1)
    assert.ok(stderr.includes(text), stderr)
  })

const now = Date.now()
const steps: readonly ImageHistoryEntry[] = [
  { id, createdMs: now - 3 * 60_000, createdBy: `RUN ${'x'.repeat(60)}`, comment: 'c', sizeBytes: 1234 },
  { createdBy: 'ADD base', comment: '', sizeBytes: 0 },
]
const history = { images: { history: () => TE.right(steps) } }
test('history has Docker columns, short commands, and <missing> for what is in between', async () => {
  const { stdout } = await said(['history', 'app'], history)
  const [head = '', first = '', second = ''] = stdout.split('\n')
  assert.match(head, /^IMAGE +CREATED +CREATED BY +SIZE +COMMENT$/)
  assert.ok(
    first.startsWith(id.slice(7, 19)) && first.includes('3 minutes ago') && first.includes('…'),
    first,
  )
  assert.ok(first.includes('1.23kB'), first)
  assert.match(second, /^<missing> +N\/A +ADD base +0B$/)
})
test('history --no-trunc, --quiet, --human=false and --format say it in other ways', async () => {
  assert.ok((await said(['history', '--no-trunc', 'app'], history)).stdout.includes('x'.repeat(60)))
  assert.is((await said(['history', '-q', 'app'], history)).stdout, `${id.slice(7, 19)}\n<missing>\n`)
  assert.is(
    (await said(['image', 'history', '-q', '--no-trunc', 'app'], history)).stdout,
    `${id}\n<missing>\n`,
  )
  const exact = (await said(['history', '--human=false', 'app'], history)).stdout
  assert.ok(exact.includes('1234') && exact.includes('CREATED AT'), exact)
  assert.is((await said(['history', '--format', '{{.Size}}', 'app'], history)).stdout, '1.23kB\n0B\n')
  assert.is((await said(['history', '--format', '{{.Nope}}', 'app'], history)).code, 1)
  assert.is((await said(['history', 'app'], { images: { history: missing } })).code, 1)
})

test('a noun alone lists its verbs, and its help is no failure', async () => {
  const alone = await said(['image'])
  assert.equal([alone.code, alone.stdout], [1, ''])
  const help = await said(['image', '--help'])
  assert.is(help.code, 0)
  assert.match(help.stdout, /\n {2}ls +List images\n(.*\n)* {2}inspect +Show/)
  assert.is((await said(['help', 'image'])).stdout, help.stdout)
  assert.ok((await said(['help', 'image', 'inspect'])).stdout.startsWith('Usage: slipway image inspect'))
})
test('exists tells by its exit code alone, and what went wrong is neither', async () => {
  const broken: EngineError = { _tag: 'StateDamaged', path: '/x', why: 'y' }
  const exit = async (words: readonly string[], found: EngineError | undefined) =>
    said(words, {
      images: { platforms: () => (found === undefined ? TE.right([]) : TE.left(found)) },
      containers: { inspect: () => (found === undefined ? TE.right(container) : TE.left(found)) },
    })
  for (const words of [
    ['image', 'exists', 'a'],
    ['container', 'exists', 'a'],
  ]) {
    assert.equal(await exit(words, undefined), { code: 0, stdout: '', stderr: '' })
    const absent: EngineError =
      words[0] === 'image'
        ? { _tag: 'ImageNotFound', reference: 'a' }
        : { _tag: 'ContainerNotFound', container: 'a' }
    assert.equal(await exit(words, absent), { code: 1, stdout: '', stderr: '' })
    assert.equal(await exit(words, broken), { code: 125, stdout: '', stderr: 'slipway: /x: damaged: y\n' })
  }
})
test('a wrong verb behind a noun gets the nearest one as a hint', async () => {
  const { code, stderr } = await said(['image', 'inspct', 'x'])
  assert.is(code, 1)
  assert.match(stderr, /unknown command "image inspct"\n {2}hint: did you mean 'image inspect'\?/)
})
test('image ls and container ls are images and ps', async () => {
  assert.match((await said(['image', 'ls'])).stdout, /^REPOSITORY/)
  assert.match((await said(['container', 'ls'])).stdout, /^CONTAINER ID/)
})

const saving = (asked: unknown[]): Answers => ({
  images: {
    save: (references, target, { signal: _, ...options } = {}) => {
      asked.push([references, target, options])
      if ('stream' in target) target.stream.write('bytes')
      return TE.right(undefined)
    },
  },
})
test('save writes to standard output, or to a file relative to the caller', async () => {
  const asked: unknown[] = []
  assert.equal(await said(['save', 'a', 'b'], saving(asked)), { code: 0, stdout: 'bytes', stderr: '' })
  await said(
    ['image', 'save', '-o', 'x.tar', '--format=oci-archive', '--platform', 'linux/arm64', 'a'],
    saving(asked),
  )
  assert.equal(asked[1], [
    ['a'],
    { path: '/work/x.tar' },
    { platform: { os: 'linux', architecture: 'arm64' }, format: 'oci-archive' },
  ])
})
test('save refuses a terminal, an unknown format, and a directory on standard output', async () => {
  const made = call(['save', 'a'], { answers: saving([]), tty: { columns: 80, rows: 24 } })
  assert.is(await made.code, 1)
  assert.match(made.stderr(), /standard output is a terminal/)
  for (const [words, text] of [
    [['--format', 'zip'], 'is none of docker-archive, oci-archive, oci-dir'],
    [['--format', 'oci-dir'], 'needs a directory'],
  ] as const) {
    const { code, stderr } = await said(['save', ...words, 'a'], saving([]))
    assert.ok(code === 1 && stderr.includes(text), stderr)
  }
  assert.is((await said(['save', 'a'], { images: { save: () => missing('a') } })).code, 1)
})
test.run()
