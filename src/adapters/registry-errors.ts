// Failures of an HTTP exchange in plain words, and which of them may pass.
import { isIP } from 'node:net'
import { type EngineError, type RegistryFailed, SlipwayError } from '../model/errors.ts'
import { thrown } from './attempt.ts'

/** Errors that mean "not now": worth another try. */
const TRANSIENT = new Set(['ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'EAI_AGAIN', 'ECONNABORTED', 'EHOSTUNREACH'])

/** 127.0.0.0/8, ::1 and localhost: where plain HTTP is allowed. */
export const isLoopback = (hostname: string): boolean => {
  const bare = hostname.replace(/^\[|\]$/g, '').toLowerCase()
  if (bare === 'localhost' || bare === '::1') return true
  return isIP(bare) === 4 && bare.startsWith('127.')
}

export const failed = (url: URL, what: Omit<RegistryFailed, '_tag' | 'registry'>) =>
  thrown({ _tag: 'RegistryFailed', registry: url.host, ...what })

/** Marks failures after which the same request may succeed. */
export class Transient extends Error {
  override readonly name = 'Transient'
  readonly error: EngineError
  /** Pause the server asked for, in milliseconds. */
  readonly afterMs: number | undefined
  constructor(error: EngineError, afterMs?: number) {
    super('transient')
    this.error = error
    this.afterMs = afterMs
  }
}

/** What a registry failed with, whether it may pass or not; undefined for any other failure. */
export const failureIn = (error: unknown): RegistryFailed | undefined => {
  const found = error instanceof SlipwayError || error instanceof Transient ? error.error : undefined
  return found?._tag === 'RegistryFailed' ? found : undefined
}

/** True for an answer with one of these statuses that stays what it is. */
export const isRefused = (error: unknown, statuses: readonly number[]): boolean =>
  !(error instanceof Transient) && statuses.includes(failureIn(error)?.status ?? 0)

export const UNTRUSTED = 'its certificate is not trusted'

export const cancelledTransfer = (host: string): Error =>
  thrown({ _tag: 'Cancelled', what: `transfer with ${host}`, why: 'aborted' })

/** Of a connection on which nothing came for so long. */
export const silence = (idleMs: number): Error =>
  Object.assign(new Error(`silent for ${idleMs / 1000} s`), { code: 'ETIMEDOUT' })

/** What a broken connection, a failed lookup or an abort is called. */
export const networkError = (url: URL, error: unknown): Error => {
  if (!(error instanceof Error) || error.name === 'SlipwayError' || error instanceof Transient)
    return error as Error
  if (error.name === 'AbortError') return cancelledTransfer(url.host)
  const code = (error as NodeJS.ErrnoException).code ?? ''
  const problem = failed(url, explain(url, code, error))
  return TRANSIENT.has(code) ? new Transient(problem.error) : problem
}

const CERTIFICATES = 'put the authority as *.crt into /etc/docker/certs.d'

const explain = (url: URL, code: string, error: Error): { why: string; hint?: string } => {
  switch (code) {
    case 'ECONNREFUSED':
      return { why: 'connection refused', hint: `nothing listens on ${url.host}` }
    case 'ENOTFOUND':
      return {
        why: 'no such host',
        hint: `check the name ${url.hostname}, and that this machine has a network`,
      }
    case 'ECONNRESET':
      return { why: 'the connection was closed' }
    case 'ETIMEDOUT':
      return { why: error.message.includes('silent') ? error.message : 'timed out' }
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
      return { why: UNTRUSTED, hint: `${CERTIFICATES}/${url.host}, or name it in NODE_EXTRA_CA_CERTS` }
    case 'CERT_HAS_EXPIRED':
      return { why: 'its certificate has expired' }
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return { why: `its certificate is for another name: ${error.message.replace(/^.*?: /, '')}` }
    default:
      if (
        /certificate.?required|handshake.?failure|bad.?certificate|unknown.?ca/i.test(
          `${code} ${error.message}`,
        )
      )
        return {
          why: 'it refuses our side of the TLS handshake',
          hint: `a certificate to show is NAME.cert and NAME.key in /etc/docker/certs.d/${url.host}`,
        }
      return { why: error.message === '' ? code : error.message }
  }
}
