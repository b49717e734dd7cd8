// push, tag, tags, referrers, search, login and logout against an engine that only exists in memory.
import * as TE from '#fp/TaskEither'
import { digestOf } from '../../../src/model/digest.ts'
import type { LoginOptions, PullOptions, PushOptions, SearchOptions } from '../../../src/model/image-verbs.ts'
import { assert, suite } from '../../support/suite.ts'
import { call, outcomeOf, settle } from '../fake-world.ts'

const Registries = suite('cli/registries')
const DIGEST = digestOf('digest')
const LAYER = digestOf('layer')
const output = (argv: readonly string[], options: Parameters<typeof call>[1]) =>
  outcomeOf(call(argv, options))

Registries("push prints Docker's lines", async () => {
  const push = (reference: string, { onProgress, allTags, platform }: PushOptions = {}) => {
    assert.equal([reference, allTags, platform], ['reg.lan/app', false, undefined])
    onProgress?.({ kind: 'layers', layers: [{ digest: LAYER, sizeBytes: 10 }] })
    const layer = { kind: 'layer', digest: LAYER, sizeBytes: 10 } as const
    onProgress?.({ ...layer, status: 'uploading', sentBytes: 5 })
    onProgress?.({ ...layer, status: 'done', sentBytes: 10 })
    onProgress?.({ ...layer, digest: DIGEST, status: 'exists', sentBytes: 10 })
    onProgress?.({ ...layer, digest: digestOf('m'), status: 'mounted', sentBytes: 10, from: 'other/app' })
    return TE.right([{ reference, tag: 'latest', digest: DIGEST, sizeBytes: 528 }])
  }
  const { code, stdout } = await output(['push', 'reg.lan/app'], { answers: { images: { push } } })
  assert.is(code, 0)
  const short = (digest: string): string => digest.slice(7, 19)
  assert.equal(stdout.split('\n'), [
    'Using default tag: latest',
    'The push refers to repository [reg.lan/app]',
    `${short(LAYER)}: Pushing`,
    `${short(LAYER)}: Pushed`,
    `${short(DIGEST)}: Layer already exists`,
    `${short(digestOf('m'))}: Mounted from other/app`,
    `latest: digest: ${DIGEST} size: 528`,
    '',
  ])
})
Registries('push -q prints the name; --platform and -a are passed on', async () => {
  const seen: PushOptions[] = []
  const push = (reference: string, options: PushOptions = {}) => {
    seen.push(options)
    const one = { reference, digest: DIGEST, sizeBytes: 1 }
    return TE.right([
      { ...one, tag: '1' },
      { ...one, tag: '2' },
    ])
  }
  const { stdout } = await output(['push', '-q', '-a', '--platform', 'linux/arm64', 'app'], {
    answers: { images: { push } },
  })
  assert.is(stdout, 'app:1\napp:2\n')
  assert.is(seen[0]?.allTags, true)
  assert.equal(seen[0]?.platform, { os: 'linux', architecture: 'arm64' })
})
Registries('what cannot be pushed is one line and code 1', async () => {
  assert.match((await output(['push', 'UPPER/app'], {})).stderr, /UPPER/)
  const push = () =>
    TE.left({
      _tag: 'ImageIncomplete',
      reference: 'a:1',
      missing: ['linux/arm64 (manifest x)'],
      hint: 'h',
    } as const)
  const { code, stderr } = await output(['push', 'a:1'], { answers: { images: { push } } })
  assert.is(code, 1)
  assert.is(stderr, 'slipway: a:1: not here: linux/arm64 (manifest x)\n  hint: h\n')
})
Registries('pull --all-tags pulls each tag there is', async () => {
  const pulled: string[] = []
  const images = {
    tags: () => TE.right(['1', '2']),
    pull: (reference: string, _: PullOptions = {}) => {
      pulled.push(reference)
      return TE.right({ reference, digest: DIGEST, id: DIGEST, status: 'downloaded' as const })
    },
  }
  const { code, stdout } = await output(['pull', '-a', '-q', 'app'], { answers: { images } })
  assert.is(code, 0)
  assert.equal(pulled, ['app:1', 'app:2'])
  assert.is(stdout, 'docker.io/library/app:1\ndocker.io/library/app:2\n')
  const refused = await output(['pull', '-a', 'app:1'], { answers: { images } })
  assert.is(refused.code, 1)
  assert.match(refused.stderr, /with --all-tags it must name no tag/)
})
Registries('tag, tags and logout say what was done', async () => {
  const images = {
    tag: (source: string, name: string) => {
      assert.equal([source, name], ['a', 'b:2'])
      return TE.right(undefined)
    },
    tags: () => TE.right(['1', 'latest']),
    logout: (registry: string) => TE.right(registry === 'reg.lan'),
  }
  assert.equal(await output(['tag', 'a', 'b:2'], { answers: { images } }), {
    code: 0,
    stdout: '',
    stderr: '',
  })
  assert.is((await output(['tags', 'a'], { answers: { images } })).stdout, '1\nlatest\n')
  assert.is(
    (await output(['logout', 'reg.lan'], { answers: { images } })).stdout,
    'Removing login credentials for reg.lan\n',
  )
  assert.is((await output(['logout'], { answers: { images } })).stdout, 'Not logged in to docker.io\n')
})
Registries('referrers are a table, or a template', async () => {
  const referrers = () =>
    TE.right([
      {
        digest: DIGEST,
        mediaType: 'm',
        artifactType: 'application/sbom',
        sizeBytes: 5,
        annotations: { a: 'b' },
      },
    ])
  const { stdout } = await output(['referrers', 'a'], { answers: { images: { referrers } } })
  assert.match(stdout, new RegExp(`DIGEST +ARTIFACT TYPE +SIZE\n${DIGEST} +application/sbom +5\n`))
  const named = await output(['referrers', '--format', '{{.Annotations}}', 'a'], {
    answers: { images: { referrers } },
  })
  assert.is(named.stdout, 'a=b\n')
})
Registries(
  'search shows a table, shortens descriptions, and says where a list of names is all there is',
  async () => {
    const seen: SearchOptions[] = []
    const search =
      (by: 'search' | 'catalog') =>
      (_: string, options: SearchOptions = {}) => {
        seen.push(options)
        return TE.right({
          by,
          repositories: [
            { name: 'debian', description: `x\u001b${'y'.repeat(60)}`, stars: 9, official: true },
          ],
        })
      }
    const { stdout, stderr } = await output(['search', '--limit', '3', 'deb'], {
      answers: { images: { search: search('search') } },
    })
    assert.match(stdout, /NAME +DESCRIPTION +STARS +OFFICIAL\ndebian +x\\u001by{37}… +9 +\[OK\]\n/)
    assert.is(stderr, '')
    assert.is(seen[0]?.limit, 3)
    const listed = await output(['search', 'reg.lan/deb'], {
      answers: { images: { search: search('catalog') } },
    })
    assert.match(listed.stderr, /has no search/)
  },
)
Registries("podman's flags for registries are answered with what to do", async () => {
  for (const words of [
    ['pull', 'a'],
    ['push', 'a'],
    ['search', 'a'],
    ['login', 'a'],
  ]) {
    const { code, stderr } = await output([...words, '--tls-verify=false'], {})
    assert.is(code, 1)
    assert.match(stderr, /a registry is called insecure in \/etc\/slipway\/registries\.json/)
    assert.match((await output([...words, '--authfile', 'x'], {})).stderr, /slipway --config DIR/)
  }
  assert.match((await output(['pull', '--creds', 'a:b', 'x'], {})).stderr, /slipway login keeps a login/)
  const pulled = await output(['pull', '--tls-verify', 'a'], {})
  assert.match(pulled.stderr, /no such image: a/)
})
Registries('search shows what its conditions let through', async () => {
  const search = () =>
    TE.right({
      by: 'search' as const,
      repositories: [
        { name: 'debian', stars: 9, official: true },
        { name: 'me/debian', stars: 3, official: false },
        { name: 'reg.lan/debian' },
      ],
    })
  const answers = { images: { search } }
  const names = async (...filters: string[]) => {
    const words = filters.flatMap((filter) => ['--filter', filter])
    return (await output(['search', '--format', '{{.Name}}', ...words, 'deb'], { answers })).stdout.split(
      '\n',
    )
  }
  assert.equal(await names('is-official=true'), ['debian', ''])
  assert.equal(await names('is-official=false', 'stars=3'), ['me/debian', ''])
  assert.equal(await names('stars=0', 'is-automated=false'), ['debian', 'me/debian', 'reg.lan/debian', ''])
  assert.equal(await names('is-automated=true'), [''])
  for (const [filter, why] of [
    ['stars=many', 'not a number of stars'],
    ['is-official=maybe', 'neither true nor false'],
    ['color=red', 'the keys are is-official, is-automated, stars'],
  ] as const) {
    const refused = await output(['search', '-f', filter, 'deb'], { answers })
    assert.is(refused.code, 1)
    assert.ok(refused.stderr.includes(why), refused.stderr)
  }
})

const logins: { registry: string; options: LoginOptions }[] = []
const images = {
  login: (registry: string, options: LoginOptions) => {
    logins.push({ registry, options })
    return TE.right({ registry, where: '/home/me/.docker/config.json', plain: true })
  },
}
Registries.beforeEach(() => {
  logins.length = 0
})
Registries('login takes a password from standard input, without the end of its line', async () => {
  const done = call(['login', '-u', 'me', '--password-stdin', 'reg.lan'], { answers: { images } })
  done.keys.end('se cret\n')
  assert.is(await done.code, 0)
  assert.is(logins[0]?.registry, 'reg.lan')
  assert.is(logins[0]?.options.username, 'me')
  assert.is(logins[0]?.options.password, 'se cret')
  assert.is(done.stdout(), 'Login Succeeded\n')
  assert.match(done.stderr(), /whoever can read \/home\/me\/\.docker\/config\.json/)
})
Registries('login asks on a terminal, and the password is typed without an echo', async () => {
  const done = call(['login'], { answers: { images }, tty: { columns: 80, rows: 24 } })
  await settle()
  assert.is(done.stderr(), 'Username: ')
  assert.equal(done.raw, [])
  done.keys.write('me\n')
  await settle()
  assert.equal(done.raw, [true])
  done.keys.write('wrong\x15secreX\x7ft\r')
  assert.is(await done.code, 0)
  assert.equal(done.raw, [true, false])
  assert.equal(
    [logins[0]?.registry, logins[0]?.options.username, logins[0]?.options.password],
    ['docker.io', 'me', 'secret'],
  )
  assert.not.match(done.stdout() + done.stderr(), /secret/)
})
for (const [what, keys] of [
  ['Ctrl-C at the password', ['me\n', 'x\x03']],
  ['Ctrl-D at the password', ['me\n', '\x04']],
] as const) {
  Registries(`${what} ends a login with 130, and the terminal is as it was`, async () => {
    const done = call(['login', 'reg.lan'], { answers: { images }, tty: { columns: 80, rows: 24 } })
    for (const each of keys) {
      await settle()
      done.keys.write(each)
    }
    assert.is(await done.code, 130)
    assert.equal(done.raw, [true, false])
    assert.is(logins.length, 0)
  })
}
for (const [argv, why, input] of [
  [['login', '--password-stdin'], /--password-stdin needs --username/, ''],
  [['login', '-u', 'a', '-p', 'b', '--password-stdin'], /exclude each other/, ''],
  [['login'], /no terminal to ask on/, ''],
  [['login', '-u', 'a', '--password-stdin'], /holds no password/, '\n'],
] as const) {
  Registries(`${argv.join(' ')} is refused`, async () => {
    const done = call(argv, { answers: { images } })
    done.keys.end(input)
    assert.is(await done.code, 1)
    assert.match(done.stderr(), why)
    assert.is(logins.length, 0)
  })
}
Registries('a password on the command line works, with a warning', async () => {
  const { code, stderr } = await output(['login', '-u', 'a', '-p', 'b', 'reg.lan'], { answers: { images } })
  assert.is(code, 0)
  assert.match(stderr, /--password can be seen by others/)
})

Registries.run()
