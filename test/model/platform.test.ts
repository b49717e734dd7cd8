// Which variant of an image suits which machine.
import {
  choosePlatform,
  formatPlatform,
  matchScore,
  parsePlatform,
  platformOfNodeArch,
} from '../../src/model/platform.ts'
import { assert, suite } from '../support/suite.ts'

const PlatformSuite = suite('model/platform')
const p = (text: string) => {
  const platform = parsePlatform(text)
  if (platform === undefined) throw new Error(`not a platform: ${text}`)
  return platform
}

for (const [arch, expected] of [
  ['x64', 'linux/amd64'],
  ['arm64', 'linux/arm64'],
  ['ia32', 'linux/386'],
  ['arm', 'linux/arm/v7'],
  ['ppc64', 'linux/ppc64le'],
  ['s390x', 'linux/s390x'],
  ['riscv64', 'linux/riscv64'],
] as const) {
  PlatformSuite(`node on ${arch} runs ${expected}`, () => {
    assert.is(formatPlatform(platformOfNodeArch(arch)), expected)
  })
}
for (const [text, expected] of [
  ['arm64', 'linux/arm64'],
  ['linux/aarch64', 'linux/arm64'],
  ['linux/x86_64', 'linux/amd64'],
  ['Linux/AMD64', 'linux/amd64'],
  ['linux/arm64/v8', 'linux/arm64'],
  ['linux/arm/6', 'linux/arm/v6'],
  ['windows/amd64', 'windows/amd64'],
  ['linux/amd64/v3', 'linux/amd64/v3'],
] as const) {
  PlatformSuite(`${text} is written ${expected}`, () => {
    assert.is(formatPlatform(p(text)), expected)
  })
}
for (const text of ['', '/', 'linux/', 'a/b/c/d', 'li nux/amd64']) {
  PlatformSuite(`${JSON.stringify(text)} is no platform`, () => {
    assert.is(parsePlatform(text), undefined)
  })
}
PlatformSuite('another os or architecture never matches', () => {
  assert.is(matchScore(p('linux/amd64'), p('linux/arm64')), 0)
  assert.is(matchScore(p('linux/amd64'), p('windows/amd64')), 0)
})
PlatformSuite('arm64 with and without v8 are the same machine', () => {
  assert.is(matchScore(p('linux/arm64'), { os: 'linux', architecture: 'arm64', variant: 'v8' }), 100)
})
PlatformSuite('arm v7 takes v6 when there is no v7, and never v8', () => {
  const offers = ['linux/arm/v5', 'linux/arm/v6', 'linux/arm/v8'].map(p)
  assert.equal(
    choosePlatform(p('linux/arm/v7'), offers, (offer) => offer),
    p('linux/arm/v6'),
  )
})
PlatformSuite('amd64/v3 is taken only when asked for', () => {
  const offers = ['linux/amd64/v3', 'linux/amd64'].map(p)
  assert.is(
    choosePlatform(p('amd64'), offers, (offer) => offer),
    offers[1],
  )
  assert.is(
    choosePlatform(p('linux/amd64/v3'), offers, (offer) => offer),
    offers[0],
  )
})
PlatformSuite('the first of equal offers wins, and an offer without a platform never does', () => {
  const offers = [{ n: 0 }, { n: 1, is: p('amd64') }, { n: 2, is: p('amd64') }]
  assert.is(choosePlatform(p('amd64'), offers, (offer) => offer.is)?.n, 1)
  assert.is(
    choosePlatform(p('riscv64'), offers, (offer) => offer.is),
    undefined,
  )
})
PlatformSuite.run()
