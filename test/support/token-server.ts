// A token server for docker-registry: signs what it is asked for, for who knows the password.
import { execFileSync } from 'node:child_process'
import { createPrivateKey, randomUUID, sign, X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { listen, stopListening } from './loopback.ts'

export interface TokenServer {
  readonly realm: string
  /** For the registry's configuration. */
  readonly auth: object
  /** Every question, with what was granted. */
  readonly asked: {
    readonly method: string
    readonly url: URL
    readonly authorization: string | undefined
    readonly form: URLSearchParams
  }[]
  /** Seconds a token is good for; what the answer says of it, when it is to lie. */
  life: number
  toldLife: number | undefined
  /** Given as a refresh token to who asks for an offline one, and taken in exchange for a token. */
  identity: string | undefined
  /** What nobody is given. */
  denied: (scope: string) => boolean
  readonly stop: () => Promise<void>
}

const SERVICE = 'registry.test'
const ISSUER = 'issuer.test'

/** `me:secret` may do everything; others may pull. */
export const startTokenServer = async (): Promise<TokenServer> => {
  const folder = mkdtempSync(path.join(tmpdir(), 'slipway-token-'))
  const [keyFile, certificate] = [path.join(folder, 'key'), path.join(folder, 'cert')]
  const words = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=${ISSUER} -keyout ${keyFile} -out ${certificate}`
  execFileSync('openssl', words.split(' '), { stdio: 'ignore' })
  const key = createPrivateKey(readFileSync(keyFile))
  const x5c = [new X509Certificate(readFileSync(certificate)).raw.toString('base64')]
  const base64 = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const tokenFor = (access: readonly object[]): string => {
    const now = Math.floor(Date.now() / 1000)
    const claims = {
      iss: ISSUER,
      sub: 'me',
      aud: SERVICE,
      exp: now + server.life,
      nbf: now - 60,
      iat: now,
      jti: randomUUID(),
      access,
    }
    const text = `${base64({ typ: 'JWT', alg: 'ES256', x5c })}.${base64(claims)}`
    const signature = sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' })
    return `${text}.${signature.toString('base64url')}`
  }
  const http = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    const url = new URL(request.url ?? '/', 'http://token')
    const form = new URLSearchParams(body)
    const { authorization } = request.headers
    server.asked.push({ method: request.method ?? '', url, authorization, form })
    const isMe =
      authorization === `Basic ${Buffer.from('me:secret').toString('base64')}` ||
      (server.identity !== undefined && form.get('refresh_token') === server.identity)
    if ((authorization !== undefined || form.has('refresh_token')) && !isMe)
      return response.writeHead(401).end('{}')
    const scopes = [...url.searchParams.getAll('scope'), ...(form.get('scope')?.split(' ') ?? [])]
    const access = scopes.flatMap((scope) => {
      const [type, name, actions = ''] = scope.split(':')
      const granted = actions.split(',').filter((action) => isMe || action === 'pull')
      return server.denied(scope) ? [] : [{ type, name, actions: granted }]
    })
    const offline = url.searchParams.get('offline_token') === 'true' && isMe
    const answer = {
      token: tokenFor(access),
      expires_in: server.toldLife ?? server.life,
      ...(offline && server.identity !== undefined ? { refresh_token: server.identity } : {}),
    }
    return response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer))
  })
  const realm = `http://${await listen(http)}/token`
  const server: TokenServer = {
    realm,
    auth: { token: { realm, service: SERVICE, issuer: ISSUER, rootcertbundle: certificate } },
    asked: [],
    life: 300,
    toldLife: undefined,
    identity: undefined,
    denied: () => false,
    stop: async () => {
      rmSync(folder, { recursive: true, force: true })
      await stopListening(http)
    },
  }
  return server
}
