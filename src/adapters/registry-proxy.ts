// Proxies between us and a registry: which one the environment names for a host, and a tunnel through it.
import * as http from 'node:http'
import * as https from 'node:https'
import { BlockList, isIP, type Socket } from 'node:net'
import { thrown } from './attempt.ts'
import { failureIn, isLoopback, networkError, silence } from './registry-errors.ts'

type Environment = Readonly<Record<string, string | undefined>>

/**
 * The proxy for a URL, as curl and Go's tools choose it: `https_proxy` or `http_proxy` by the URL's scheme, small letters first,
 * unless `no_proxy` names its host. This machine is never asked through a proxy. Throws InvalidOption for what is no proxy.
 */
export const proxyFor = (url: URL, env: Environment): URL | undefined => {
  const name = url.protocol === 'https:' ? 'https_proxy' : 'http_proxy'
  const [variable, value] = pick(env, name)
  if (value === undefined || isLoopback(url.hostname) || isExempt(url, pick(env, 'no_proxy')[1] ?? ''))
    return undefined
  const text = /^[a-z][a-z0-9+.-]*:\/\//i.test(value) ? value : `http://${value}`
  const proxy = URL.canParse(text) ? new URL(text) : undefined
  if (proxy?.protocol === 'http:' || proxy?.protocol === 'https:') return proxy
  const why =
    proxy === undefined ? 'it is no URL' : `a proxy of the kind ${proxy.protocol}// is not supported`
  throw thrown({ _tag: 'InvalidOption', option: variable, value: withoutPassword(value), why })
}

const pick = (env: Environment, name: string): readonly [string, string | undefined] => {
  const found = [name, name.toUpperCase()].find((variable) => (env[variable] ?? '') !== '') ?? name
  return [found, env[found]]
}

/** A list of `*`, `host`, `.domain`, `domain`, `address`, `address/bits`, each but the first and last with an optional port. */
const isExempt = (url: URL, list: string): boolean => {
  const host = url.hostname.replace(/^\[|\]$/g, '').toLowerCase()
  const port = url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port
  return list.split(/[\s,]+/).some((word) => word !== '' && (word === '*' || covers(word, host, port)))
}

const covers = (word: string, host: string, port: string): boolean => {
  const [, network, bits] = /^([0-9a-f.:]+)\/(\d{1,3})$/i.exec(word) ?? []
  if (network !== undefined) return isWithin(host, network, Number(bits))
  const [, name = '', wantedPort] =
    /^\[?(.*?)\]?(?::(\d+))?$/.exec(isIP(word) === 6 ? `[${word}]` : word) ?? []
  if (wantedPort !== undefined && wantedPort !== port) return false
  const domain = name.toLowerCase().replace(/^\*/, '')
  return domain.startsWith('.') ? host.endsWith(domain) : host === domain || host.endsWith(`.${domain}`)
}

const isWithin = (host: string, network: string, bits: number): boolean => {
  const family = isIP(network) === 6 ? 'ipv6' : 'ipv4'
  if (isIP(host) !== isIP(network) || isIP(host) === 0 || bits > (family === 'ipv6' ? 128 : 32)) return false
  const list = new BlockList()
  list.addSubnet(network, bits, family)
  return list.check(host, family)
}

/** Proxy-Authorization for the user and password in a proxy's URL. */
export const proxyHeaders = ({ username, password }: URL): Readonly<Record<string, string>> => {
  if (username === '') return {}
  const plain = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  return { 'proxy-authorization': `Basic ${Buffer.from(plain).toString('base64')}` }
}

/** A connection to `host:port` through the proxy (RFC 9110 §9.3.6, CONNECT). Throws RegistryFailed that names the proxy. */
export const openTunnel = (proxy: URL, target: string, idleMs: number): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const { request } = proxy.protocol === 'https:' ? https : http
    const outgoing = request(new URL('/', proxy.origin), {
      method: 'CONNECT',
      path: target,
      headers: { host: target, ...proxyHeaders(proxy) },
      agent: false,
    })
    outgoing.setTimeout(idleMs, () => outgoing.destroy(silence(idleMs)))
    outgoing.on('error', (error) => reject(named(proxy, networkError(proxy, error))))
    outgoing.on('connect', ({ statusCode = 0 }, socket) => {
      socket.setTimeout(0)
      if (statusCode >= 200 && statusCode < 300) return resolve(socket)
      socket.destroy()
      reject(refusal(proxy, target, statusCode))
    })
    outgoing.on('response', ({ statusCode = 0 }) => {
      outgoing.destroy()
      reject(refusal(proxy, target, statusCode))
    })
    outgoing.end()
  })

const refusal = (proxy: URL, target: string, status: number): Error =>
  thrown({
    _tag: 'RegistryFailed',
    registry: `proxy ${proxy.host}`,
    status,
    why: status === 407 ? 'it demands a user and a password' : `it does not connect to ${target}`,
    hint: 'proxies come from HTTPS_PROXY, HTTP_PROXY and NO_PROXY',
  })

/** The host in an error is the registry's otherwise, and the proxy would look like one. */
const named = (proxy: URL, error: Error): Error => {
  const inner = failureIn(error) as { registry: string } | undefined
  if (inner !== undefined) inner.registry = `proxy ${proxy.host}`
  return error
}

const withoutPassword = (value: string): string => value.replace(/\/\/[^/@]*@/, '//***@')
