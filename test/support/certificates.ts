// An authority for one test, and certificates it vouches for.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'

export interface Authority {
  readonly folder: string
  /** PEM file of the authority. */
  readonly ca: string
  /** Files of a certificate with these names and addresses. */
  readonly issue: (
    name: string,
    ...subjects: readonly string[]
  ) => { readonly cert: string; readonly key: string }
}

export const makeAuthority = (): Authority => {
  const folder = mkdtempSync(path.join(tmpdir(), 'slipway-ca-'))
  const at = (name: string): string => path.join(folder, name)
  const openssl = (words: string): void => {
    execFileSync('openssl', words.split(' '), { stdio: ['ignore', 'ignore', 'pipe'] })
  }
  const key = '-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes'
  openssl(`req -x509 ${key} -days 2 -subj /CN=authority -keyout ${at('ca.key')} -out ${at('ca.pem')}`)
  return {
    folder,
    ca: at('ca.pem'),
    issue: (name, ...subjects) => {
      openssl(`req ${key} -subj /CN=${name} -keyout ${at(`${name}.key`)} -out ${at(`${name}.csr`)}`)
      writeFileSync(at(`${name}.ext`), subjects.length === 0 ? '' : `subjectAltName=${subjects.join(',')}\n`)
      openssl(
        `x509 -req -in ${at(`${name}.csr`)} -CA ${at('ca.pem')} -CAkey ${at('ca.key')} -CAcreateserial -days 2 -extfile ${at(`${name}.ext`)} -out ${at(`${name}.pem`)}`,
      )
      return { cert: at(`${name}.pem`), key: at(`${name}.key`) }
    },
  }
}
