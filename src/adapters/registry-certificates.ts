// Certificates for a registry: files of the caller's, and the folders that Docker and the containers tools read.
import { X509Certificate } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import path from 'node:path'
import { createSecureContext, rootCertificates, type SecureContext } from 'node:tls'
import type { RegistryRules } from '../model/registry-settings.ts'
import { thrown } from './attempt.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** Each has a folder `HOST` or `HOST:PORT` with `*.crt` (authorities), `*.cert` and `*.key` (a certificate to show). */
export const certificateFolders = (env: Environment): readonly string[] => [
  path.join(env.HOME ?? homedir(), '.config/containers/certs.d'),
  path.join(env.HOME ?? homedir(), '.config/docker/certs.d'),
  '/etc/containers/certs.d',
  '/etc/docker/certs.d',
]

interface Found {
  /** PEM files of authorities. */
  readonly authorities: readonly string[]
  readonly pair?: { readonly certificate: string; readonly key: string }
}

/**
 * The TLS side of connections to `hosts`, names of one registry; undefined where there is nothing but the defaults. Throws
 * InvalidSpec with the name of a file that is none of its kind or lacks its partner, SyscallFailed for one that cannot be read.
 */
export const secureContext = async (
  hosts: readonly string[],
  rules: RegistryRules,
  folders: readonly string[],
  env: Environment,
): Promise<SecureContext | undefined> => {
  const { authorities, pair } = await findFiles(hosts, rules, folders)
  if (authorities.length === 0 && pair === undefined) return undefined
  const ca =
    authorities.length === 0 ? undefined : [...(await ownRoots(env)), ...(await readAll(authorities))]
  const keys =
    pair === undefined ? {} : { cert: await readPem(pair.certificate), key: await readFile(pair.key) }
  try {
    return createSecureContext({ ...(ca === undefined ? {} : { ca }), ...keys })
  } catch (error) {
    throw invalid(pair?.key ?? authorities[0] ?? '', `it cannot be used: ${(error as Error).message}`)
  }
}

const findFiles = async (
  hosts: readonly string[],
  rules: RegistryRules,
  folders: readonly string[],
): Promise<Found> => {
  const found: Found[] = []
  const { ca, clientCertificate: certificate, clientKey: key } = rules
  const own = certificate !== undefined && key !== undefined ? { pair: { certificate, key } } : {}
  found.push({ authorities: ca === undefined ? [] : [ca], ...own })
  for (const folder of folders) for (const host of hosts) found.push(await filesIn(path.join(folder, host)))
  const pair = found.find((each) => each.pair !== undefined)?.pair
  return {
    authorities: found.flatMap(({ authorities }) => authorities),
    ...(pair === undefined ? {} : { pair }),
  }
}

/** Of several certificates to show the first by name is taken. */
const filesIn = async (folder: string): Promise<Found> => {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return []
    throw error
  })
  const at = (name: string): string => path.join(folder, name)
  const ending = (end: string): string[] =>
    names.filter((name) => name.endsWith(end)).map((name) => name.slice(0, -end.length))
  const [certificates, keys] = [ending('.cert').sort(), ending('.key')]
  const alone = certificates.find((name) => !keys.includes(name))
  if (alone !== undefined) throw invalid(at(`${alone}.cert`), `its key ${alone}.key is missing beside it`)
  const orphan = keys.find((name) => !certificates.includes(name))
  if (orphan !== undefined)
    throw invalid(at(`${orphan}.key`), `its certificate ${orphan}.cert is missing beside it`)
  const [first] = certificates
  return {
    authorities: ending('.crt')
      .sort()
      .map((name) => at(`${name}.crt`)),
    ...(first === undefined ? {} : { pair: { certificate: at(`${first}.cert`), key: at(`${first}.key`) } }),
  }
}

/** A list of authorities takes the place of Node's, so these have to be on it. */
const ownRoots = async ({ NODE_EXTRA_CA_CERTS: extra = '' }: Environment): Promise<readonly string[]> => {
  if (extra === '') return rootCertificates
  const more = await readFile(extra, 'utf8').catch(() => '')
  return more === '' ? rootCertificates : [...rootCertificates, more]
}

const readAll = (files: readonly string[]): Promise<readonly string[]> => Promise.all(files.map(readPem))

const readPem = async (file: string): Promise<string> => {
  const pem = await readFile(file, 'utf8')
  try {
    new X509Certificate(pem)
    return pem
  } catch {
    throw invalid(file, 'it is no certificate in PEM form')
  }
}

const invalid = (document: string, why: string): Error =>
  thrown({ _tag: 'InvalidSpec', document, where: '$', why })
