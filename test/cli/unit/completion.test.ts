// The names that a completion asks for, and what the command refuses.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import * as TE from '#fp/TaskEither'
import { digestOf } from '../../../src/model/digest.ts'
import type { EngineError } from '../../../src/model/errors.ts'
import { assert, suite } from '../../support/suite.ts'
import { type Answers, call, outcomeOf } from '../fake-world.ts'

const test = suite('cli/unit/completion')
const id = digestOf('config')
const image = (repository?: string, tag?: string) => ({
  id,
  digest: id,
  platform: 'linux/amd64',
  sizeBytes: 1,
  labels: {},
  ...(repository === undefined ? {} : { repository }),
  ...(tag === undefined ? {} : { tag }),
})
const answers: Answers = {
  images: {
    list: () =>
      TE.right([image('debian', '12'), image('reg.lan:5000/app', '1'), image(), image('debian', '12')]),
  },
  list: [
    {
      id: 'c',
      name: 'web',
      image: 'a',
      imageId: 'sha256:1',
      command: [],
      status: 'stopped',
      createdMs: 0,
      labels: {},
    },
    {
      id: 'd',
      name: 'db',
      image: 'a',
      imageId: 'sha256:1',
      command: [],
      status: 'running',
      createdMs: 0,
      labels: {},
    },
  ],
}
const said = (words: readonly string[], given: Answers = answers, env: Record<string, string> = {}) =>
  outcomeOf(call(['completion', ...words], { answers: given, env }))

test('names are those of images, of containers, of either, each once', async () => {
  for (const [kind, lines] of [
    ['image', 'debian:12\nreg.lan:5000/app:1\n'],
    ['container', 'db\nweb\n'],
    ['place', 'db:\nweb:\n'],
    ['any', 'db\ndebian:12\nreg.lan:5000/app:1\nweb\n'],
  ] as const)
    assert.equal(await said(['names', kind]), { code: 0, stdout: lines, stderr: '' })
})
test('names of volumes are those that somebody gave', async () => {
  const volume = {
    driver: 'local' as const,
    labels: {},
    driverOptions: {},
    createdMs: 0,
    mountpoint: '/x',
    usedBy: [],
  }
  const list = () =>
    TE.right([
      { ...volume, name: 'data', anonymous: false },
      { ...volume, name: 'f'.repeat(64), anonymous: true },
    ])
  assert.is((await said(['names', 'volume'], { volumes: { list } })).stdout, 'data\n')
})
test('registries are those of images and of logins', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'slipway-names-'))
  const file = path.join(folder, 'config.json')
  const registries = async () =>
    (await said(['names', 'registry'], answers, { DOCKER_CONFIG: folder })).stdout
  assert.is(await registries(), 'docker.io\nreg.lan:5000\n')
  const auths = { 'https://index.docker.io/v1/': {}, 'quay.example': {}, 'http://a.lan/x': {} }
  writeFileSync(file, JSON.stringify({ auths, credHelpers: { 'b.lan': 'pass' } }))
  assert.is(await registries(), 'a.lan\nb.lan\ndocker.io\nquay.example\nreg.lan:5000\n')
  for (const odd of ['no json', '[]', '{"auths":3}']) {
    writeFileSync(file, odd)
    assert.is(await registries(), 'docker.io\nreg.lan:5000\n', odd)
  }
  rmSync(folder, { recursive: true })
})
test('where nothing can be read there are no names, and nothing is said', async () => {
  const broken = TE.left<EngineError>({ _tag: 'StateDamaged', path: '/x', why: 'y' })
  const given: Answers = {
    images: { list: () => broken },
    list: { _tag: 'StateDamaged', path: '/x', why: 'y' },
  }
  for (const kind of ['image', 'container', 'any', 'registry', 'place'])
    assert.equal(await said(['names', kind], given), { code: 0, stdout: '', stderr: '' })
})
test('each shell has a script, and others are refused by name', async () => {
  for (const shell of ['bash', 'zsh', 'fish']) {
    const { code, stdout } = await said([shell])
    assert.is(code, 0)
    assert.match(stdout, new RegExp(`^#.*\\n?#? ?.*made by: slipway completion ${shell}\\n`))
  }
  for (const [words, text] of [
    [['tcsh'], '"tcsh" is none of bash, zsh, fish'],
    [['bash', 'x'], 'unexpected argument "x"'],
    [['names'], 'names: "" is none of image, container, any, registry'],
    [[], 'too few arguments'],
  ] as const) {
    const { code, stderr } = await said(words)
    assert.is(code, 1)
    assert.ok(stderr.includes(text), stderr)
  }
})
test.run()
