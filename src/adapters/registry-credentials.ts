// Of Docker's config.json: the passwords and tokens it holds, the helpers it names, and how both are changed.
import { realpath, stat } from 'node:fs/promises'
import type { KeptLogin } from '../engine/ports/registry.ts'
import { isObject } from '../model/decode.ts'
import { HUB } from '../model/reference.ts'
import { dropUnfinished, replaceFile } from './content-store-files.ts'
import {
  type DockerConfig,
  dockerConfigFile,
  type Environment,
  invalidField,
  readDockerConfig,
} from './docker-config.ts'
import { type CredentialHelper, credentialHelper } from './registry-helpers.ts'

/** What opens a registry: a password, a token that its token server changes into others, or a token for the registry itself. */
export type Credential =
  | { readonly kind: 'password'; readonly username: string; readonly password: string }
  | { readonly kind: 'identity'; readonly username: string; readonly token: string }
  | { readonly kind: 'bearer'; readonly token: string }

/** Gives what is known for a registry, e.g. `docker.io`; undefined for nothing. */
export type Credentials = (registry: string, signal?: AbortSignal) => Promise<Credential | undefined>

export interface CredentialStore {
  readonly find: Credentials
  readonly save: (registry: string, credential: Exclude<Credential, { kind: 'bearer' }>) => Promise<KeptLogin>
  /** True when there was one. */
  readonly erase: (registry: string) => Promise<boolean>
}

/** Docker's name for the Hub in its own config file. */
const HUB_KEY = 'https://index.docker.io/v1/'
/** Under this user name a helper keeps an identity token (docker/cli, credentials/native_store.go). */
const TOKEN_USER = '<token>'

/** Reads the file anew for every question. Fails: InvalidSpec with the file and the field, HostUnfit for a helper, SyscallFailed. */
export const dockerCredentials = (env: Environment = process.env): CredentialStore => {
  const file = dockerConfigFile(env)
  return {
    find: async (registry, signal) => {
      const config = await readDockerConfig(file)
      const helper = helperFor(config, file, registry, env, signal)
      const kept = helper === undefined ? undefined : await fromHelper(helper, registry)
      return kept ?? credentialIn(config, file, registry)
    },
    save: async (registry, credential) => {
      const config = await readDockerConfig(file)
      const helper = helperFor(config, file, registry, env)
      const key = keysOf(registry)[0] ?? registry
      if (helper === undefined) await changeAuth(file, key, entryOf(credential))
      else {
        const [user, secret] =
          credential.kind === 'password'
            ? [credential.username, credential.password]
            : [TOKEN_USER, credential.token]
        await helper.program.store(key, user, secret)
        // Docker leaves an empty entry, by which it lists who is logged in.
        await changeAuth(file, key, {})
      }
      return { where: helper?.name ?? file, plain: helper === undefined }
    },
    erase: async (registry) => {
      const config = await readDockerConfig(file)
      const helper = helperFor(config, file, registry, env)
      let found = false
      for (const key of keysOf(registry)) {
        const inFile = Object.hasOwn(objectAt(config, 'auths', file), key)
        if (helper !== undefined && (await fromHelper(helper, registry, [key])) !== undefined)
          found = (await helper.program.erase(key)) || found
        if (inFile) await changeAuth(file, key, undefined)
        found ||= inFile
      }
      return found
    },
  }
}

/** Names under which a registry may be found; the first is the one it is kept under. */
const keysOf = (registry: string): readonly string[] =>
  registry === HUB
    ? [HUB_KEY, HUB, 'index.docker.io', 'https://index.docker.io', 'registry-1.docker.io']
    : [
        registry,
        `https://${registry}`,
        `https://${registry}/`,
        `https://${registry}/v1/`,
        `https://${registry}/v2/`,
        `http://${registry}`,
      ]

const objectAt = (config: DockerConfig, name: string, file: string): DockerConfig => {
  const found = config[name] ?? {}
  if (isObject(found)) return found
  throw invalidField(file, `$.${name}`, 'expected an object')
}

interface NamedHelper {
  readonly name: string
  readonly program: CredentialHelper
}

/** `credHelpers` by registry, else `credsStore` for all. */
const helperFor = (
  config: DockerConfig,
  file: string,
  registry: string,
  env: Environment,
  signal?: AbortSignal,
): NamedHelper | undefined => {
  const helpers = objectAt(config, 'credHelpers', file)
  const key = keysOf(registry).find((name) => Object.hasOwn(helpers, name))
  const name = key === undefined ? config.credsStore : helpers[key]
  if (name === undefined || name === '') return undefined
  const field = key === undefined ? '$.credsStore' : `$.credHelpers[${JSON.stringify(key)}]`
  if (typeof name !== 'string') throw invalidField(file, field, 'expected the name of a helper')
  return { name: `docker-credential-${name}`, program: credentialHelper(name, env, signal) }
}

const fromHelper = async (
  { program }: NamedHelper,
  registry: string,
  keys: readonly string[] = keysOf(registry).slice(0, 2),
): Promise<Credential | undefined> => {
  for (const key of keys) {
    const answer = await program.get(key)
    if (answer === undefined || answer.Secret === '') continue
    const { Username: username, Secret: secret } = answer
    return username === TOKEN_USER
      ? { kind: 'identity', username: '', token: secret }
      : { kind: 'password', username, password: secret }
  }
  return undefined
}

const credentialIn = (config: DockerConfig, file: string, registry: string): Credential | undefined => {
  const auths = objectAt(config, 'auths', file)
  for (const key of keysOf(registry)) {
    if (!Object.hasOwn(auths, key)) continue
    const where = `$.auths[${JSON.stringify(key)}]`
    const entry = auths[key]
    if (!isObject(entry)) throw invalidField(file, where, 'expected an object')
    const found = credentialOf(entry, file, where)
    if (found !== undefined) return found
  }
  return undefined
}

const credentialOf = (entry: DockerConfig, file: string, where: string): Credential | undefined => {
  const text = (name: string): string => {
    const value = entry[name] ?? ''
    if (typeof value === 'string') return value
    throw invalidField(file, `${where}.${name}`, 'expected text')
  }
  const [username, password] =
    text('auth') === '' ? [text('username'), text('password')] : split(text('auth'))
  if (username === undefined || password === undefined)
    throw invalidField(file, `${where}.auth`, 'expected user:password in base64')
  if (text('registrytoken') !== '') return { kind: 'bearer', token: text('registrytoken') }
  if (text('identitytoken') !== '') return { kind: 'identity', username, token: text('identitytoken') }
  return username === '' ? undefined : { kind: 'password', username, password }
}

/** Docker ends old entries with NUL bytes. */
const split = (auth: string): readonly [string?, string?] => {
  const plain = Buffer.from(auth, 'base64').toString('utf8').replace(/\0+$/, '')
  const colon = plain.indexOf(':')
  return colon < 0 ? [] : [plain.slice(0, colon), plain.slice(colon + 1)]
}

const entryOf = (credential: Exclude<Credential, { kind: 'bearer' }>): DockerConfig => {
  const base64 = (plain: string): string => Buffer.from(plain).toString('base64')
  if (credential.kind === 'password') return { auth: base64(`${credential.username}:${credential.password}`) }
  return { auth: base64(`${credential.username}:`), identitytoken: credential.token }
}

/** Changes one entry of `auths` and nothing else; readers see the old file or the new one, and nobody but its owner either. */
const changeAuth = async (file: string, key: string, entry: DockerConfig | undefined): Promise<void> => {
  const config = await readDockerConfig(file)
  const { [key]: _, ...others } = objectAt(config, 'auths', file)
  const auths = entry === undefined ? others : { ...others, [key]: entry }
  // Where the file is a link, what it leads to is replaced.
  const target = await realpath(file).catch(() => file)
  // With sudo and the user's own HOME the file must stay the user's.
  const owner = await stat(target).catch(() => undefined)
  await replaceFile(target, `${JSON.stringify({ ...config, auths }, undefined, '\t')}\n`, { owner })
  await dropUnfinished(target)
}
