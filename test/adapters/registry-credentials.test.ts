// Docker's config.json and its credential helpers: what is read, what is kept, and what is left alone.
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type CredentialStore, dockerCredentials } from '../../src/adapters/registry-credentials.ts'
import { type EngineError, message, SlipwayError } from '../../src/model/errors.ts'
import { assert, suite } from '../support/suite.ts'

const Credentials = suite('adapters/registry-credentials')

let folder = ''
let file = ''
Credentials.beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'slipway-docker-'))
  file = path.join(folder, 'config.json')
})
Credentials.afterEach(() => rmSync(folder, { recursive: true, force: true }))

const store = (): CredentialStore =>
  dockerCredentials({ DOCKER_CONFIG: folder, PATH: `${folder}/bin:${process.env.PATH}` })
const write = (config: unknown): void =>
  writeFileSync(file, typeof config === 'string' ? config : JSON.stringify(config))
const base64 = (text: string): string => Buffer.from(text).toString('base64')
const failure = async (promise: Promise<unknown>): Promise<EngineError> => {
  try {
    await promise
  } catch (error) {
    if (error instanceof SlipwayError) return error.error
    throw error
  }
  throw new Error('it succeeded')
}

Credentials('passwords are found by registry, under every name Docker gives it', async () => {
  write({
    auths: {
      'reg.example:5000': { auth: base64('a:b') },
      'https://other.example': { auth: base64('c:d:e') },
      'https://index.docker.io/v1/': { auth: `${base64('e:f')}` },
      'old.example': { username: 'g', password: 'h' },
      'empty.example': {},
    },
  })
  const password = (username: string, word: string) => ({ kind: 'password', username, password: word })
  assert.equal(await store().find('reg.example:5000'), password('a', 'b'))
  assert.equal(await store().find('other.example'), password('c', 'd:e'))
  assert.equal(await store().find('docker.io'), password('e', 'f'))
  assert.equal(await store().find('old.example'), password('g', 'h'))
  assert.is(await store().find('empty.example'), undefined)
  assert.is(await store().find('unknown.example'), undefined)
  assert.is(await dockerCredentials({ DOCKER_CONFIG: `${folder}/nope` }).find('x.example'), undefined)
})
Credentials('identity tokens and registry tokens are told apart from passwords', async () => {
  write({
    auths: {
      'a.example': { auth: base64('me:'), identitytoken: 'long' },
      'b.example': { auth: base64('me:x'), registrytoken: 'ready' },
    },
  })
  assert.equal(await store().find('a.example'), { kind: 'identity', username: 'me', token: 'long' })
  assert.equal(await store().find('b.example'), { kind: 'bearer', token: 'ready' })
})
for (const [what, config, where] of [
  ['no JSON', '{', '$: it is not JSON'],
  ['no object', '[]', '$: expected an object'],
  ['odd auths', { auths: 1 }, '$.auths: expected an object'],
  ['an odd entry', { auths: { 'a.b': 'x' } }, '$.auths["a.b"]: expected an object'],
  [
    'an auth without a colon',
    { auths: { 'a.b': { auth: base64('x') } } },
    '$.auths["a.b"].auth: expected user:password in base64',
  ],
  ['an odd token', { auths: { 'a.b': { identitytoken: 5 } } }, '$.auths["a.b"].identitytoken: expected text'],
  ['an odd helper', { credHelpers: { 'a.b': 5 } }, '$.credHelpers["a.b"]: expected the name of a helper'],
  ['an odd store', { credsStore: {} }, '$.credsStore: expected the name of a helper'],
] as const) {
  Credentials(`a file with ${what} is an error that names the file and the field`, async () => {
    write(config)
    assert.is(message(await failure(store().find('a.b'))), `${file}: ${where}`)
    // An entry of its own takes the place of an odd one; nothing else is touched.
    if (where.startsWith('$.auths[')) return
    const saved = failure(store().save('a.b', { kind: 'password', username: 'a', password: 'b' }))
    assert.is(message(await saved), `${file}: ${where}`)
    assert.is(readFileSync(file, 'utf8'), typeof config === 'string' ? config : JSON.stringify(config))
  })
}

Credentials('a login is kept for its owner alone, and changes nothing else', async () => {
  write({ auths: { 'other.example': { auth: 'eA==' } }, HttpHeaders: { A: 'b' }, psFormat: 'x' })
  chmodSync(file, 0o644)
  const kept = await store().save('reg.example', { kind: 'password', username: 'me', password: 'pä:ss' })
  assert.equal(kept, { where: file, plain: true })
  assert.equal(JSON.parse(readFileSync(file, 'utf8')), {
    auths: { 'other.example': { auth: 'eA==' }, 'reg.example': { auth: base64('me:pä:ss') } },
    HttpHeaders: { A: 'b' },
    psFormat: 'x',
  })
  assert.is(statSync(file).mode & 0o777, 0o600)
  assert.equal(readdirSync(folder), ['config.json'])
  assert.equal(await store().find('reg.example'), { kind: 'password', username: 'me', password: 'pä:ss' })
})
Credentials(
  'what a login that was killed has left goes with a later one, and nothing else does',
  async () => {
    write({})
    const [old, young, other] = ['0123456789ab', 'ba9876543210', 'other'].map(
      (word) => `config.json.${word}.new`,
    )
    for (const name of [old, young, other]) writeFileSync(path.join(folder, name ?? ''), 'x')
    for (const name of [old, other]) utimesSync(path.join(folder, name ?? ''), 1000, 1000)
    await store().save('reg.example', { kind: 'password', username: 'a', password: 'b' })
    assert.equal(readdirSync(folder).sort(), ['config.json', young, other].sort())
  },
)
Credentials('a login makes the folder and the file where there are none', async () => {
  const home = path.join(folder, 'home')
  const own = dockerCredentials({ HOME: home })
  await own.save('docker.io', { kind: 'identity', username: 'me', token: 't' })
  assert.is(statSync(path.join(home, '.docker')).mode & 0o777, 0o700)
  assert.equal(JSON.parse(readFileSync(path.join(home, '.docker/config.json'), 'utf8')), {
    auths: { 'https://index.docker.io/v1/': { auth: base64('me:'), identitytoken: 't' } },
  })
})
if (process.getuid?.() === 0)
  Credentials('the file of another user stays theirs when root logs in with their HOME', async () => {
    write({})
    chownSync(file, 12_345, 12_346)
    await store().save('reg.example', { kind: 'password', username: 'a', password: 'b' })
    const { uid, gid, mode } = statSync(file)
    assert.equal([uid, gid, mode & 0o777], [12_345, 12_346, 0o600])
  })
else Credentials.skip('the file of another user stays theirs when root logs in with their HOME', 'needs root')
Credentials('a file that is a link stays one', async () => {
  mkdirSync(path.join(folder, 'real'))
  writeFileSync(path.join(folder, 'real/x'), '{}')
  symlinkSync('real/x', file)
  await store().save('reg.example', { kind: 'password', username: 'a', password: 'b' })
  assert.match(readFileSync(path.join(folder, 'real/x'), 'utf8'), /reg\.example/)
  assert.equal(readdirSync(path.join(folder, 'real')), ['x'])
})
Credentials('a logout takes the entry and nothing else; a second one finds none', async () => {
  write({ auths: { 'a.example': { auth: base64('x:y') }, 'b.example': { auth: base64('x:y') } }, k: 1 })
  assert.is(await store().erase('a.example'), true)
  assert.equal(JSON.parse(readFileSync(file, 'utf8')), {
    auths: { 'b.example': { auth: base64('x:y') } },
    k: 1,
  })
  assert.is(await store().erase('a.example'), false)
})
Credentials('what is kept is what skopeo finds, and the other way round', async () => {
  try {
    execFileSync('skopeo', ['--version'], { stdio: 'ignore' })
  } catch {
    return assert.unreachable('skopeo is not installed')
  }
  await store().save('reg.example', { kind: 'password', username: 'me', password: 'secret' })
  const found = execFileSync('skopeo', ['login', '--get-login', '--authfile', file, 'reg.example'], {
    encoding: 'utf8',
  })
  assert.is(found, 'me\n')
})

/** A helper that keeps what it is told in a file, and notes every call. */
const helper = (name: string, body?: string): void => {
  mkdirSync(`${folder}/bin`, { recursive: true })
  const script =
    body ??
    `input=$(cat); echo "$1 $input" >>${folder}/calls
case $1 in
  store) echo "$input" >${folder}/kept ;;
  get) if [ -e ${folder}/kept ]; then cat ${folder}/kept; else echo 'credentials not found in native keychain'; exit 1; fi ;;
  erase) rm ${folder}/kept ;;
esac`
  writeFileSync(`${folder}/bin/docker-credential-${name}`, `#!/bin/sh\n${script}\n`, { mode: 0o755 })
}

Credentials('a helper keeps, gives and forgets a password; the file has none of it', async () => {
  helper('box')
  write({ credsStore: 'box' })
  assert.is(await store().find('reg.example'), undefined)
  const kept = await store().save('reg.example', { kind: 'password', username: 'me', password: 'secret' })
  assert.equal(kept, { where: 'docker-credential-box', plain: false })
  assert.equal(JSON.parse(readFileSync(file, 'utf8')), { credsStore: 'box', auths: { 'reg.example': {} } })
  assert.equal(JSON.parse(readFileSync(`${folder}/kept`, 'utf8')), {
    ServerURL: 'reg.example',
    Username: 'me',
    Secret: 'secret',
  })
  assert.equal(await store().find('reg.example'), { kind: 'password', username: 'me', password: 'secret' })
  assert.is(await store().erase('reg.example'), true)
  assert.not(existsSync(`${folder}/kept`))
  assert.equal(JSON.parse(readFileSync(file, 'utf8')), { credsStore: 'box', auths: {} })
})
Credentials('an identity token is kept under the name <token>', async () => {
  helper('box')
  write({ credHelpers: { 'reg.example': 'box' }, credsStore: 'missing' })
  await store().save('reg.example', { kind: 'identity', username: 'me', token: 'long' })
  assert.match(readFileSync(`${folder}/kept`, 'utf8'), /"Username":"<token>","Secret":"long"/)
  assert.equal(await store().find('reg.example'), { kind: 'identity', username: '', token: 'long' })
})
for (const [what, body, why] of [
  ['fails', 'echo "keychain is locked" >&2; exit 2', /get failed with code 2: keychain is locked/],
  ['answers nonsense', 'cat >/dev/null; echo hi', /its answer lacks Username or Secret/],
  ['answers without reading', 'echo "{}"', /its answer lacks Username or Secret/],
] as const) {
  Credentials(`a helper that ${what} is an error that names it`, async () => {
    helper('box', body)
    write({ credsStore: 'box' })
    const error = await failure(store().find('reg.example'))
    assert.is(error._tag, 'HostUnfit')
    assert.match(message(error), /^docker-credential-box: /)
    assert.match(message(error), why)
  })
}
Credentials('a helper that is not there, or no name of one, is an error', async () => {
  write({ credsStore: 'nowhere' })
  assert.match(
    message(await failure(store().find('a.example'))),
    /docker-credential-nowhere: .*not on the PATH/,
  )
  write({ credsStore: '../../bin/sh' })
  assert.match(message(await failure(store().find('a.example'))), /must be letters/)
})

Credentials.run()
