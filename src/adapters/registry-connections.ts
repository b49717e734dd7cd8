// How a URL is reached: which agent, with which certificates, directly or through a proxy.
import * as http from 'node:http'
import * as https from 'node:https'
import * as tls from 'node:tls'
import { HUB } from '../model/reference.ts'
import { type RegistriesRules, rulesOf } from '../model/registry-settings.ts'
import { secureContext } from './registry-certificates.ts'
import { isLoopback } from './registry-errors.ts'
import { openTunnel, proxyFor, proxyHeaders } from './registry-proxy.ts'

/** docker.io is the name; this is the machine (distribution/reference leaves it to the client). */
export const HUB_HOST = 'registry-1.docker.io'
const HUB_HOSTS = new Set([HUB_HOST, 'index.docker.io', 'auth.docker.io'])

export interface Route {
  readonly agent: http.Agent
  /** A plain request through a proxy goes to the proxy, with the whole URL as its path. */
  readonly options: http.RequestOptions
}
export interface Connections {
  readonly routeTo: (url: URL) => Promise<Route>
  /** Plain HTTP may be spoken with it, and its certificate need not be trusted. */
  readonly isInsecure: (host: string) => boolean
  readonly rules: RegistriesRules
  readonly close: () => void
}
export interface ConnectionOptions {
  readonly idleMs: number
  readonly rules: RegistriesRules
  readonly certificateFolders: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
}

export const openConnections = ({
  idleMs,
  rules,
  certificateFolders,
  env,
}: ConnectionOptions): Connections => {
  const routes = new Map<string, Promise<Route>>()
  const agents: http.Agent[] = []
  const keep = <A extends http.Agent>(agent: A): A => {
    agents.push(agent)
    return agent
  }
  const insecure = (host: string): boolean => rulesOf(rules, registryName(host)).insecure === true

  const plain = (proxy: URL | undefined): Route => {
    if (proxy === undefined) return { agent: keep(new http.Agent({ keepAlive: true })), options: {} }
    const agent = proxy.protocol === 'https:' ? new https.Agent({ keepAlive: true }) : undefined
    return {
      agent: keep(agent ?? new http.Agent({ keepAlive: true })),
      options: {
        protocol: proxy.protocol,
        hostname: proxy.hostname,
        port: proxy.port,
        headers: proxyHeaders(proxy),
      },
    }
  }

  const secure = async (url: URL, proxy: URL | undefined): Promise<Route> => {
    const registry = registryName(url.host)
    const names = [...new Set([url.host, registry, ...(url.port === '' ? [`${url.host}:443`] : [])])]
    const context = await secureContext(names, rulesOf(rules, registry), certificateFolders, env)
    const agent = new https.Agent({
      keepAlive: true,
      ...(context === undefined ? {} : { secureContext: context }),
      ...(insecure(url.host) ? { rejectUnauthorized: false } : {}),
    } as https.AgentOptions)
    if (proxy !== undefined) tunnel(agent, proxy, idleMs)
    return { agent: keep(agent), options: {} }
  }

  return {
    rules,
    isInsecure: insecure,
    routeTo: (url) => {
      const known = routes.get(url.origin)
      if (known !== undefined) return known
      const proxy = proxyFor(url, env)
      const route = url.protocol === 'http:' ? Promise.resolve(plain(proxy)) : secure(url, proxy)
      routes.set(url.origin, route)
      // What a file says may be put right.
      route.catch(() => routes.delete(url.origin))
      return route
    },
    close: () => {
      for (const agent of agents.splice(0)) agent.destroy()
      routes.clear()
    },
  }
}

/** The name by which settings and credentials know the host of a URL. */
export const registryName = (host: string): string => (HUB_HOSTS.has(host) ? HUB : host)

export const mayBePlain = (url: URL, { isInsecure }: Connections): boolean =>
  isLoopback(url.hostname) || isInsecure(url.host)

type Connected = (error: Error | null, socket?: tls.TLSSocket) => void

/** An agent may give its connection later, through the callback (Node's http.Agent, createConnection). */
const tunnel = (agent: https.Agent, proxy: URL, idleMs: number): void => {
  const createConnection = (options: tls.ConnectionOptions, connected: Connected): undefined => {
    openTunnel(proxy, `${options.host}:${options.port}`, idleMs).then(
      (socket) => connected(null, tls.connect({ ...options, socket })),
      (error: Error) => connected(error),
    )
    return undefined
  }
  Object.assign(agent, { createConnection })
}
