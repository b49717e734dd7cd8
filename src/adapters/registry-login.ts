// Proving a password to a registry before it is kept.
import type { KeptLogin, Password } from '../engine/ports/registry.ts'
import { thrown } from './attempt.ts'
import type { CredentialStore } from './registry-credentials.ts'
import { failureIn } from './registry-errors.ts'
import type { Session } from './registry-session.ts'

/**
 * Asks for the root of the API, as Docker does: the answer is a challenge, and the password has to meet it. A token server may
 * give an identity token in its place, which is then what is kept.
 */
export const login = async (
  session: Session,
  credentials: CredentialStore,
  registry: string,
  password: Password,
  signal: AbortSignal | undefined,
): Promise<KeptLogin> => {
  session.forget(registry)
  const answer = await session
    .send(registry, {
      to: '',
      scopes: [],
      credential: { kind: 'password', ...password },
      offline: true,
      signal,
    })
    .catch((error: unknown) => Promise.reject(inWords(error)))
  answer.response.resume()
  const { refreshToken: token } = answer
  const { username } = password
  const kept = await credentials.save(
    registry,
    token === undefined ? { kind: 'password', ...password } : { kind: 'identity', username, token },
  )
  session.forget(registry)
  return kept
}

/** The hint to log in is of no use here. */
const inWords = (error: unknown): unknown => {
  const failure = failureIn(error)
  if (failure?.status !== 401 && failure?.status !== 403) return error
  return thrown({
    ...failure,
    why: 'it refuses this user name and password',
    hint: 'check both; some registries want a token in place of the password',
  })
}
