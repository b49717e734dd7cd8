// Platforms: which of an image's variants runs on this machine. image-spec image-index.md, platform.

import { lookUp } from './look-up.ts'

/** GOOS and GOARCH values, as image documents use them. */
export interface Platform {
  readonly os: string
  readonly architecture: string
  /** e.g. `v7`, `v8` for arm. */
  readonly variant?: string
}

/** Node's process.arch (and uname's names) in Go's words. */
const ARCHITECTURES: Readonly<Record<string, string>> = {
  x64: 'amd64',
  x86_64: 'amd64',
  'x86-64': 'amd64',
  ia32: '386',
  i386: '386',
  aarch64: 'arm64',
  armhf: 'arm',
  ppc64: 'ppc64le',
}

/** The platform of a Linux machine whose Node reports this `process.arch`. */
export const platformOfNodeArch = (arch: string): Platform => normalize({ os: 'linux', architecture: arch })

/** `linux/arm64/v8`, `linux/amd64` or just `arm64`. Undefined when it is not of that form. */
export const parsePlatform = (text: string): Platform | undefined => {
  if (!/^[A-Za-z0-9_.-]+(?:\/[A-Za-z0-9_.-]+){0,2}$/.test(text)) return undefined
  const [first = '', second, third] = text.toLowerCase().split('/')
  if (second === undefined) return normalize({ os: 'linux', architecture: first })
  const variant = third === undefined ? {} : { variant: third }
  return normalize({ os: first, architecture: second, ...variant })
}

/** The inverse of {@link parsePlatform}, in normal form, e.g. `linux/amd64`. */
export const formatPlatform = (platform: Platform): string => {
  const { os, architecture, variant } = normalize(platform)
  return [os, architecture, ...(variant === undefined ? [] : [variant])].join('/')
}

/**
 * How well an offer suits: 0 not at all, higher is better. Same os and architecture are required. arm runs older variants
 * of itself; amd64's v2–v4 need features that are not probed, so they are taken only when asked for by name.
 */
export const matchScore = (wanted: Platform, offered: Platform): number => {
  const want = normalize(wanted)
  const offer = normalize(offered)
  if (want.os !== offer.os || want.architecture !== offer.architecture) return 0
  if (want.variant === offer.variant) return 100
  if (want.architecture !== 'arm') return 0
  const [wants, offers] = [armVersion(want), armVersion(offer)]
  return offers <= wants ? 90 - (wants - offers) : 0
}

/** True when an image built for `offered` runs where `wanted` is asked for. */
export const platformMatches = (wanted: Platform, offered: Platform): boolean =>
  matchScore(wanted, offered) > 0

/** The best of several offers; the first among equals. */
export const choosePlatform = <A>(
  wanted: Platform,
  offers: readonly A[],
  platformOf: (offer: A) => Platform | undefined,
): A | undefined => {
  let best: A | undefined
  let bestScore = 0
  for (const offer of offers) {
    const platform = platformOf(offer)
    const score = platform === undefined ? 0 : matchScore(wanted, platform)
    if (score > bestScore) [best, bestScore] = [offer, score]
  }
  return best
}

/** One spelling per platform: Go's architecture names; arm64's v8, arm's v7 and amd64's v1 are the defaults. */
const normalize = (platform: Platform): Platform => {
  const os = platform.os.toLowerCase()
  const name = platform.architecture.toLowerCase()
  const architecture = lookUp(ARCHITECTURES, name) ?? name
  const variant = normalVariant(architecture, platform.variant)
  return variant === undefined ? { os, architecture } : { os, architecture, variant }
}
const normalVariant = (architecture: string, variant: string | undefined): string | undefined => {
  if (architecture === 'arm') return variant === undefined || variant === '' ? 'v7' : dotless(variant)
  if (variant === undefined || variant === '') return undefined
  if (architecture === 'arm64') return variant === 'v8' || variant === '8' ? undefined : variant
  return architecture === 'amd64' && variant === 'v1' ? undefined : variant
}
const dotless = (variant: string): string => (variant.startsWith('v') ? variant : `v${variant}`)
const armVersion = ({ variant = 'v7' }: Platform): number => Number.parseInt(variant.slice(1), 10) || 0
