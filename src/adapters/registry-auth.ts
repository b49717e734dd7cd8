// Who we are to a registry: challenges, and the tokens that answer them.
import type { IncomingMessage } from 'node:http'
import type { Credential } from './registry-credentials.ts'
import { failed, isLoopback } from './registry-errors.ts'
import { bodyOf, type HttpClient, readBody } from './registry-http.ts'

const MAX_TOKEN = 1024 * 1024
/** Seconds a token is good for when its server does not say (distribution, "Token Authentication Specification"). */
const DEFAULT_LIFE = 60
/** Part of its life after which a token is changed for a new one. */
const FRESH = 0.8
const CLIENT_ID = 'slipway'

/** One entry of WWW-Authenticate. RFC 9110 §11.6.1. */
export interface Challenge {
  /** Lower case: `bearer`, `basic`. */
  readonly scheme: string
  /** Names in lower case. */
  readonly parameters: Readonly<Record<string, string>>
}

/** What a request needs, e.g. `repository:library/debian:pull,push`. */
export type Scope = `${string}:${string}:${string}`

export const pullScope = (repository: string): Scope => `repository:${repository}:pull`
export const pushScope = (repository: string): Scope => `repository:${repository}:pull,push`

/** A header to send, and until when it is worth sending. */
export interface Authorization {
  readonly header: string
  /** Milliseconds since 1970. */
  readonly freshUntil: number
  /** The token server's, when we asked for one (login). */
  readonly refreshToken?: string
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

export interface TokenRequest {
  readonly scopes: readonly Scope[]
  readonly credential: Credential | undefined
  /** Ask for a token that outlives this session, too. */
  readonly offline?: boolean
  readonly signal?: AbortSignal | undefined
}

/** Answers a challenge: what to send from now on, or undefined when we have nothing to offer. */
export const authorize = async (
  client: HttpClient,
  url: URL,
  challenges: readonly Challenge[],
  request: TokenRequest,
): Promise<Authorization | undefined> => {
  const { credential } = request
  const bearer = challenges.find(({ scheme }) => scheme === 'bearer')
  if (credential?.kind === 'bearer') return forever(bearerHeader(url, credential.token))
  if (bearer !== undefined) return fetchToken(client, url, bearer, request)
  const basic = challenges.some(({ scheme }) => scheme === 'basic')
  return basic && credential?.kind === 'password' ? forever(basicHeader(credential)) : undefined
}

const forever = (header: string): Authorization => ({ header, freshUntil: Number.POSITIVE_INFINITY })

const basicHeader = ({ username, password }: { username: string; password: string }): string =>
  `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`

const bearerHeader = (url: URL, token: string): string => {
  if (/^[\x21-\x7e]+$/.test(token)) return `Bearer ${token}`
  throw failed(url, { why: 'the token for it has characters that no token has' })
}

/** distribution-spec leaves tokens to Docker's "Token Authentication Specification"; without credentials it is anonymous. */
const fetchToken = async (
  client: HttpClient,
  registryUrl: URL,
  { parameters }: Challenge,
  request: TokenRequest,
): Promise<Authorization> => {
  const url = realmOf(registryUrl, parameters.realm)
  const scopes = mergeScopes([...request.scopes, ...(parameters.scope?.split(/\s+/) ?? [])])
  const askedAt = Date.now()
  const response = await (request.credential?.kind === 'identity'
    ? exchangeToken(client, url, parameters.service, scopes, request.credential.token, request.signal)
    : askForToken(client, url, parameters.service, scopes, request))
  const body = await readBody(response, url, MAX_TOKEN)
  if (response.statusCode !== 200)
    throw failed(url, {
      status: response.statusCode ?? 0,
      why:
        scopes.length === 0
          ? 'it refuses these credentials'
          : `no token for ${scopes.map(nameIn).join(', ')}`,
      hint: request.credential === undefined ? loginHint(registryUrl.host) : WRONG,
    })
  const token = tokenIn(body)
  if (token === undefined) throw failed(url, { why: 'the token server gave no token' })
  return {
    header: `Bearer ${token.value}`,
    freshUntil: askedAt + token.life * 1000 * FRESH,
    ...(token.refresh === undefined ? {} : { refreshToken: token.refresh }),
  }
}

const nameIn = (scope: string): string => scope.replace(/^repository:(.*):[^:]*$/, '$1')

const askForToken = (
  client: HttpClient,
  realm: URL,
  service: string | undefined,
  scopes: readonly string[],
  { credential, offline, signal }: TokenRequest,
): Promise<IncomingMessage> => {
  const url = new URL(realm)
  if (service !== undefined) url.searchParams.set('service', service)
  for (const scope of scopes) url.searchParams.append('scope', scope)
  if (credential?.kind !== 'password') return client.send({ url, headers: {}, signal })
  url.searchParams.set('account', credential.username)
  if (offline === true) {
    url.searchParams.set('offline_token', 'true')
    url.searchParams.set('client_id', CLIENT_ID)
  }
  return client.send({ url, headers: { authorization: basicHeader(credential) }, signal })
}

/** RFC 6749 §6, as distribution's "OAuth2 Token Authentication" has it. */
const exchangeToken = (
  client: HttpClient,
  url: URL,
  service: string | undefined,
  scopes: readonly string[],
  token: string,
  signal: AbortSignal | undefined,
): Promise<IncomingMessage> => {
  const form = new URLSearchParams({
    grant_type: 'refresh_token',
    client_id: CLIENT_ID,
    refresh_token: token,
  })
  if (service !== undefined) form.set('service', service)
  if (scopes.length > 0) form.set('scope', scopes.join(' '))
  return client.send({
    url,
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: bodyOf(Buffer.from(form.toString())),
    signal,
  })
}

/** One per resource, with the actions of all. */
export const mergeScopes = (scopes: readonly string[]): readonly string[] => {
  const merged = new Map<string, Set<string>>()
  for (const scope of scopes) {
    const colon = scope.lastIndexOf(':')
    if (colon <= 0) continue
    const name = scope.slice(0, colon)
    const actions = merged.get(name) ?? new Set()
    for (const action of scope.slice(colon + 1).split(',')) if (action !== '') actions.add(action)
    merged.set(name, actions)
  }
  return [...merged].map(([name, actions]) => `${name}:${[...actions].join(',')}`)
}

/** What to do about a refusal. */
export const loginHint = (host: string): string =>
  `log in with slipway login ${host}; credentials are read from the file config.json in $DOCKER_CONFIG or ~/.docker`
const WRONG = 'wrong user name or password? They are in the file config.json in $DOCKER_CONFIG or ~/.docker'

/** Passwords go to a realm only over TLS, or within this machine when the registry is here, too. */
const realmOf = (registryUrl: URL, realm: string | undefined): URL => {
  const url = realm !== undefined && URL.canParse(realm) ? new URL(realm) : undefined
  if (url === undefined) throw failed(registryUrl, { why: 'it asks for a token and does not say where' })
  if (isLoopback(url.hostname) && !isLoopback(registryUrl.hostname))
    throw failed(registryUrl, { why: `it asks to fetch a token from ${url.host}, which is this machine` })
  return url
}

interface Token {
  readonly value: string
  /** Seconds. */
  readonly life: number
  readonly refresh?: string
}

const tokenIn = (body: Buffer): Token | undefined => {
  try {
    const answer = JSON.parse(body.toString('utf8')) as Record<string, unknown>
    const value = answer.token ?? answer.access_token
    const { expires_in: life, refresh_token: refresh } = answer
    // A token becomes a header line: nothing that could end it.
    if (typeof value !== 'string' || !/^[\x21-\x7e]+$/.test(value)) return undefined
    return {
      value,
      life: typeof life === 'number' && life > 0 ? life : DEFAULT_LIFE,
      ...(typeof refresh === 'string' && refresh !== '' ? { refresh } : {}),
    }
  } catch {
    return undefined
  }
}
