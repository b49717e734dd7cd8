// Whatever bytes come in, a decoder answers: it never throws, and it does not take long. Documents that are nearly right are the
// ones that find mistakes, so each starts from a good one and is damaged.
import fc from 'fast-check'
import { hint, message } from '../../src/model/errors.ts'
import { decodeConfig, decodeIndex, decodeLayout, decodeManifest } from '../../src/model/image.ts'
import { decodeSpec, decodeSpecText } from '../../src/model/oci-spec-decode.ts'
import { decodeRunOptions } from '../../src/model/options-decode.ts'
import { formatPlatform } from '../../src/model/platform.ts'
import { parseRecord } from '../../src/model/record.ts'
import { parseReference } from '../../src/model/reference.ts'
import { parseGroup, parsePasswd, resolveUser } from '../../src/model/user-db.ts'
import { parseMountOptions } from '../../src/plan/launch/mount-options.ts'
import { flagValue } from '../../src/plan/seccomp/actions.ts'
import { isKnownArchitecture } from '../../src/plan/seccomp/architectures.ts'
import { dockerProfileToOci } from '../../src/plan/seccomp/docker-profile.ts'
import { facts, specOf } from '../plan/spec/support.ts'
import { assert, suite } from '../support/suite.ts'

const Hostile = suite('model/hostile input')

const DIGEST = `sha256:${'ab'.repeat(32)}`
const descriptor = { mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest: DIGEST, size: 10 }
const GOOD: readonly object[] = [
  {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: descriptor,
    layers: [descriptor],
  },
  {
    schemaVersion: 2,
    manifests: [
      {
        ...descriptor,
        platform: { os: 'linux', architecture: 'amd64', variant: 'v2' },
        annotations: { a: 'b' },
      },
    ],
  },
  {
    os: 'linux',
    architecture: 'amd64',
    config: { Env: ['A=b'], Cmd: ['sh'], User: 'x', WorkingDir: '/', Volumes: { '/v': {} } },
    rootfs: { type: 'layers', diff_ids: [DIGEST] },
  },
  { imageLayoutVersion: '1.0.0' },
  JSON.parse(JSON.stringify(specOf(), (_, value) => (typeof value === 'bigint' ? Number(value) : value))),
]

/** Values no document has in good faith. */
const odd: fc.Arbitrary<unknown> = fc.oneof(
  fc.anything({ maxDepth: 3, withNullPrototype: true }),
  fc.constantFrom<unknown>(
    '__proto__',
    { __proto__: { a: 1 } },
    -0,
    2 ** 53,
    1e308,
    Number.NaN,
    '\0',
    '\ud800',
    [[[[]]]],
    'a'.repeat(10_000),
    '../../etc/shadow',
  ),
)

/** `json` with one value, at a random place, replaced or added. */
const damaged = (json: unknown, path: readonly number[], value: unknown): unknown => {
  const [first, ...rest] = path
  if (first === undefined || typeof json !== 'object' || json === null) return value
  const entries = Object.entries(json)
  const at = first % (entries.length + 1)
  const [key] = entries[at] ?? [String(first)]
  const changed = damaged((json as Record<string, unknown>)[key], rest, value)
  return Array.isArray(json)
    ? json.map((each, index) => (String(index) === key ? changed : each))
    : { ...json, [key]: changed }
}
const document = fc
  .tuple(fc.constantFrom(...GOOD), fc.array(fc.nat(20), { maxLength: 6 }), odd)
  .map(([good, path, value]) => damaged(good, path, value))

const textOf = (value: unknown): string => {
  try {
    return JSON.stringify(value, (_, each) => (typeof each === 'bigint' ? Number(each) : each)) ?? ''
  } catch {
    return ''
  }
}
/** Cut short, with bytes that are no text, or nested past any stack. */
const bytes = fc.oneof(
  document.map((value) => Buffer.from(textOf(value))),
  fc.tuple(document, fc.nat(4000)).map(([value, at]) => Buffer.from(textOf(value)).subarray(0, at)),
  fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array)),
  fc.constantFrom('[', '{"a":', '[[{"a":').map((part) => Buffer.from(part.repeat(20_000))),
)

type Answer = { readonly _tag: string; readonly left?: unknown }
/** An error must have a line for people, of bounded length, without control characters. */
const answered = (answer: Answer): void => {
  if (answer._tag === 'Right') return
  const error = answer.left as Parameters<typeof message>[0]
  const line = message(error)
  assert.ok(line.length > 0 && line.length < 25_000, `${line.length} characters`)
  hint(error)
}
const runs = { numRuns: Number(process.env.SLIPWAY_FUZZ_RUNS ?? 400) }

Hostile('image documents', () => {
  fc.assert(
    fc.property(bytes, (input) => {
      for (const decode of [decodeManifest, decodeIndex, decodeConfig, decodeLayout])
        answered(decode(input, 'fuzz'))
    }),
    runs,
  )
})

Hostile('runtime specs, as values and as text', () => {
  fc.assert(
    fc.property(document, bytes, (value, input) => {
      answered(decodeSpec(value))
      answered(decodeSpecText(input.toString('utf8')))
    }),
    runs,
  )
})

Hostile('options and seccomp profiles', () => {
  const profile = {
    defaultAction: 'SCMP_ACT_ERRNO',
    syscalls: [
      {
        names: ['read'],
        action: 'SCMP_ACT_ALLOW',
        args: [{ index: 0, value: 1, op: 'SCMP_CMP_EQ' }],
        includes: { caps: ['CAP_SYS_ADMIN'] },
      },
    ],
  }
  const options = {
    env: { A: 'b' },
    mounts: [{ type: 'bind', source: '/a', target: '/b' }],
    memory: '64MiB',
    security: { capAdd: ['ALL'], seccomp: profile },
  }
  const change = fc.tuple(fc.array(fc.nat(8), { maxLength: 6 }), odd)
  fc.assert(
    fc.property(change, ([path, value]) => {
      answered(decodeRunOptions(damaged(options, path, value) as never, facts))
      answered(dockerProfileToOci(damaged(profile, path, value), { arch: 'x64', caps: [], kernel: [6, 1] }))
    }),
    runs,
  )
})

const nearly = (alphabet: string): fc.Arbitrary<string> =>
  fc.array(fc.constantFrom(...alphabet.split(' '), ''), { maxLength: 12 }).map((parts) => parts.join(''))

Hostile('names of Object.prototype are names like any other', () => {
  for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf', 'rconstructor']) {
    answered(decodeRunOptions({ mounts: [{ type: name, target: '/x' }] } as never, facts))
    answered(decodeRunOptions({ ulimits: [{ name, soft: 1 }], [name]: 1 } as never, facts))
    const kept = parseMountOptions([name])
    assert.equal([kept.set, kept.clear, kept.data], [0, 0, [[name]]])
    assert.is(flagValue(name), undefined)
    assert.not(isKnownArchitecture(name))
    assert.is(
      formatPlatform({ os: 'linux', architecture: name }).toLowerCase(),
      `linux/${name.toLowerCase()}`,
    )
  }
})

Hostile('image references', () => {
  const text = fc.oneof(
    fc.string(),
    nearly(
      `: / @ sha256: ${DIGEST} localhost 127.0.0.1 [::1] .. . - _ A a library latest ${'a'.repeat(300)} \n \0 %2f`,
    ),
  )
  fc.assert(
    fc.property(text, (reference) => {
      const parsed = parseReference(reference)
      answered(parsed)
      if (parsed._tag === 'Right') assert.not.match(parsed.right.repository, /\.\.|\/\/|^\/|\0|\n/)
    }),
    { numRuns: 2000 },
  )
})

Hostile('user databases, records', () => {
  const line = nearly(': root app 0 1000 -1 +1 4294967296 \0 \n : : x')
  fc.assert(
    fc.property(
      line,
      fc.array(line).map((lines) => lines.join('\n')),
      bytes,
      (user, file, input) => {
        parsePasswd(file)
        parseGroup(input.toString('latin1'))
        answered(resolveUser(user, file, file))
        parseRecord(input.toString('utf8'))
      },
    ),
    { numRuns: 1000 },
  )
})

/** Printed, not judged; what grows with the square of the size does not end within the runner's time limit. */
Hostile('large inputs end', () => {
  const timed = (work: () => void): number => {
    const before = process.hrtime.bigint()
    work()
    return Number(process.hrtime.bigint() - before) / 1e6
  }
  const cases: Readonly<Record<string, (size: number) => void>> = {
    reference: (size) => parseReference(`${'a/'.repeat(size)}:`),
    dashes: (size) => parseReference(`${'a-'.repeat(size)}@`),
    passwd: (size) => resolveUser('nobody', ':'.repeat(size), `${'x:'.repeat(size)}`),
    lines: (size) => parsePasswd('a\n'.repeat(size)),
    spaces: (size) => parseReference(' '.repeat(size)),
    manifest: (size) => decodeManifest(Buffer.from(`{"layers":[${'1,'.repeat(size)}1]}`), 'x'),
  }
  for (const [name, work] of Object.entries(cases)) {
    const [small, large] = [timed(() => work(20_000)), timed(() => work(200_000))]
    console.log(`${name}: ${small.toFixed(1)} ms, ten times as much: ${large.toFixed(1)} ms`)
  }
})

Hostile.run()
