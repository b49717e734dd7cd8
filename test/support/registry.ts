// A real registry (the program docker-registry) on a free loopback port, with a directory of its own.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

export interface RunningRegistry {
  /** `127.0.0.1:<port>` */
  readonly host: string
  /** Where it keeps what it has. */
  readonly folder: string
  /** Uploads that were begun and neither finished nor taken back. The registry itself leaves an empty state of the latter. */
  readonly unfinished: () => readonly string[]
  /** Removes all it has. */
  readonly clear: () => void
  /** Copies an image into it, e.g. `oci:/dir:latest` to `debian:bookworm`. */
  readonly push: (from: string, to: string, ...flags: readonly string[]) => void
  readonly stop: () => Promise<void>
}

const TRIES = 200

/** Further parts of its configuration: `http` and `auth` (distribution, docs/configuration.md). */
export interface RegistryConfig {
  readonly http?: object
  readonly auth?: object
  readonly storage?: object
}

export const startRegistry = async (extra: RegistryConfig = {}): Promise<RunningRegistry> => {
  const folder = mkdtempSync(path.join(tmpdir(), 'slipway-registry-'))
  const host = `127.0.0.1:${await freePort()}`
  const config = path.join(folder, 'config.yml')
  // JSON is YAML, too.
  const settings = {
    version: '0.1',
    log: { level: 'error' },
    ...extra,
    storage: { filesystem: { rootdirectory: `${folder}/data` }, ...extra.storage },
    http: { addr: host, ...extra.http },
  }
  writeFileSync(config, JSON.stringify(settings))
  const child = spawn('docker-registry', ['serve', config], { stdio: 'ignore' })
  await listening(host, child)
  return {
    host,
    folder,
    unfinished: () =>
      existsSync(`${folder}/data`)
        ? readdirSync(`${folder}/data`, { recursive: true })
            .map(String)
            .filter((file) => /\/_uploads\/[^/]+\/(startedat|data)$/.test(file))
        : [],
    clear: () => rmSync(`${folder}/data`, { recursive: true, force: true }),
    push: (from, to, ...flags) => {
      execFileSync(
        'skopeo',
        ['copy', '-q', '--dest-tls-verify=false', ...flags, from, `docker://${host}/${to}`],
        {
          stdio: ['ignore', 'ignore', 'inherit'],
        },
      )
    },
    stop: async () => {
      const gone = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGKILL')
      await gone
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })

const listening = async (host: string, child: ChildProcess): Promise<void> => {
  const [address = '', port] = host.split(':')
  for (let tries = 0; tries < TRIES && child.exitCode === null; tries++) {
    const isUp = await new Promise<boolean>((resolve) => {
      const socket = connect(Number(port), address)
      socket.on('connect', () => {
        socket.destroy()
        resolve(true)
      })
      socket.on('error', () => resolve(false))
    })
    if (isUp) return
    await sleep(25)
  }
  throw new Error(`docker-registry does not listen on ${host}`)
}
