// Docker's config.json, the settings of its client: where it lies, and what of it is read here besides logins.
import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import path from 'node:path'
import type { TaskEither } from '#fp/TaskEither'
import { isObject } from '../model/decode.ts'
import type { EngineError } from '../model/errors.ts'
import { attempt, located, thrown } from './attempt.ts'

export type Environment = Readonly<Record<string, string | undefined>>
export type DockerConfig = Readonly<Record<string, unknown>>

/** What a client of Docker's keeps for its verbs. */
export interface ClientSettings {
  readonly file: string
  /** As it is written there, e.g. `ctrl-a,d`; docker-attach(1), --detach-keys. */
  readonly detachKeys?: string
}

/** `$DOCKER_CONFIG`, else `~/.docker`. */
export const dockerConfigFile = (env: Environment): string => {
  const folder = (env.DOCKER_CONFIG ?? '') === '' ? undefined : env.DOCKER_CONFIG
  return path.join(folder ?? path.join(env.HOME ?? homedir(), '.docker'), 'config.json')
}

/** Nothing where there is no file. Throws InvalidSpec with the file and the field, and what Node throws. */
export const readDockerConfig = async (file: string): Promise<DockerConfig> => {
  const content = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return '{}'
    return located(file)(error)
  })
  let config: unknown
  try {
    config = JSON.parse(content.trim() === '' ? '{}' : content)
  } catch {
    throw invalidField(file, '$', 'it is not JSON')
  }
  if (isObject(config)) return config
  throw invalidField(file, '$', 'expected an object')
}

/** Fails: InvalidSpec with the file and the field, SyscallFailed. */
export const readClientSettings = (env: Environment = process.env): TaskEither<EngineError, ClientSettings> =>
  attempt('read client settings', async () => {
    const file = dockerConfigFile(env)
    const { detachKeys } = await readDockerConfig(file)
    if (detachKeys === undefined || detachKeys === null) return { file }
    if (typeof detachKeys !== 'string') throw invalidField(file, '$.detachKeys', 'expected text')
    return { file, detachKeys }
  })

export const invalidField = (document: string, where: string, why: string): Error =>
  thrown({ _tag: 'InvalidSpec', document, where, why })
