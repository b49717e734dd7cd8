// Registry credentials: challenges, bearer tokens, and the part of Docker's config file that holds passwords.
import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import path from 'node:path'
import type { ImageReference } from '../model/reference.ts'
import { failed, type HttpClient, isLoopback, readBody } from './registry-http.ts'

/** Gives the Authorization header of a registry's credentials, e.g. `Basic dTpw`, or undefined for none. */
export type Credentials = (registry: string) => Promise<string | undefined>

const MAX_TOKEN = 1024 * 1024

/** One entry of WWW-Authenticate. RFC 9110 §11.6.1. */
export interface Challenge {
  /** Lower case: `bearer`, `basic`. */
  readonly scheme: string
  /** Names in lower case. */
  readonly parameters: Readonly<Record<string, string>>
}

/** Reads a header such as `Bearer realm="https://auth.example/token",service="x",scope="repository:a:pull"`. */
export const parseChallenges = (header: string): readonly Challenge[] => {
  const challenges: { scheme: string; parameters: Record<string, string> }[] = []
  // A parameter (name=value or name="quoted"), or else the name of the next scheme.
  const token = /([!#$%&'*+.^_`|~\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))|([!#$%&'*+.^_`|~\w-]+)/g
  for (const [, name, quoted, bare, scheme] of header.matchAll(token)) {
    if (scheme !== undefined)
      challenges.push({ scheme: scheme.toLowerCase(), parameters: Object.create(null) })
    const current = challenges.at(-1)
    if (name !== undefined && current !== undefined)
      current.parameters[name.toLowerCase()] = quoted?.replace(/\\(.)/g, '$1') ?? bare ?? ''
  }
  return challenges
}

/** Answers a challenge: the Authorization header to send, or undefined when we have nothing to offer. */
export const authorize = async (
  client: HttpClient,
  url: URL,
  challenges: readonly Challenge[],
  reference: ImageReference,
  credentials: Credentials,
  signal?: AbortSignal,
): Promise<string | undefined> => {
  const basic = await credentials(reference.registry)
  const bearer = challenges.find(({ scheme }) => scheme === 'bearer')
  if (bearer !== undefined) return `Bearer ${await fetchToken(client, url, bearer, reference, basic, signal)}`
  return challenges.some(({ scheme }) => scheme === 'basic') ? basic : undefined
}

/** distribution-spec leaves tokens to Docker's "Token Authentication Specification"; without credentials it is anonymous. */
const fetchToken = async (
  client: HttpClient,
  registryUrl: URL,
  { parameters }: Challenge,
  reference: ImageReference,
  basic: string | undefined,
  signal: AbortSignal | undefined,
): Promise<string> => {
  const url = realmOf(registryUrl, parameters.realm)
  if (parameters.service !== undefined) url.searchParams.set('service', parameters.service)
  url.searchParams.set('scope', parameters.scope ?? `repository:${reference.repository}:pull`)
  const headers = basic === undefined ? {} : { authorization: basic }
  const response = await client.get({ url, headers, signal })
  const body = await readBody(response, url, MAX_TOKEN)
  if (response.statusCode !== 200)
    throw failed(url, {
      status: response.statusCode ?? 0,
      why: `no token for ${reference.repository}`,
      ...(basic === undefined ? { hint: LOGIN } : {}),
    })
  const token = tokenIn(body)
  if (token === undefined) throw failed(url, { why: 'the token server gave no token' })
  return token
}

/** What to do about a refusal. */
export const LOGIN =
  'credentials are read from the file config.json in $DOCKER_CONFIG or ~/.docker; is the repository private?'

/** Passwords go to a realm only over TLS, or within this machine when the registry is here, too. */
const realmOf = (registryUrl: URL, realm: string | undefined): URL => {
  const url = realm !== undefined && URL.canParse(realm) ? new URL(realm) : undefined
  if (url === undefined) throw failed(registryUrl, { why: 'it asks for a token and does not say where' })
  if (isLoopback(url.hostname) && !isLoopback(registryUrl.hostname))
    throw failed(registryUrl, { why: `it asks to fetch a token from ${url.host}, which is this machine` })
  return url
}

const tokenIn = (body: Buffer): string | undefined => {
  try {
    const { token, access_token } = JSON.parse(body.toString('utf8')) as Record<string, unknown>
    const found = token ?? access_token
    // A token becomes a header line: nothing that could end it.
    return typeof found === 'string' && /^[\x21-\x7e]+$/.test(found) ? found : undefined
  } catch {
    return undefined
  }
}

/** Docker's name for the Hub in its own config file. */
const HUB_KEY = 'https://index.docker.io/v1/'

/** Reads `auths` of Docker's config.json anew for every registry asked; credential helpers are not run. */
export const dockerCredentials =
  (env: Readonly<Record<string, string | undefined>> = process.env): Credentials =>
  async (registry) => {
    const folder = env.DOCKER_CONFIG ?? path.join(env.HOME ?? homedir(), '.docker')
    const text = await readFile(path.join(folder, 'config.json'), 'utf8').catch(() => undefined)
    if (text === undefined) return undefined
    return credentialIn(text, registry)
  }

const credentialIn = (text: string, registry: string): string | undefined => {
  try {
    const { auths = {} } = JSON.parse(text) as { auths?: Record<string, { auth?: unknown }> }
    const keys = registry === 'docker.io' ? [HUB_KEY, registry] : [registry, `https://${registry}`]
    const auth = keys
      .map((key) => auths[key]?.auth)
      .find((value) => typeof value === 'string' && value !== '')
    return auth === undefined ? undefined : `Basic ${String(auth).trim()}`
  } catch {
    return undefined
  }
}
