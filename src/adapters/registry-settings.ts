// Where the settings of registries come from when the caller gives none: one JSON file of the machine.
import { readFile } from 'node:fs/promises'
import * as E from '#fp/Either'
import { decodeRegistriesFile, type RegistriesRules } from '../model/registry-settings.ts'
import { thrown } from './attempt.ts'

/** Names another file. One that is named has to be there. */
const VARIABLE = 'SLIPWAY_REGISTRIES'
const DEFAULT_FILE = '/etc/slipway/registries.json'

type Environment = Readonly<Record<string, string | undefined>>

/** Throws InvalidSpec with the file and the field, SyscallFailed for a file that cannot be read. */
export const readRegistries = async (env: Environment): Promise<RegistriesRules> => {
  const named = env[VARIABLE] === '' ? undefined : env[VARIABLE]
  const file = named ?? DEFAULT_FILE
  const content = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' && named === undefined) return undefined
    throw error
  })
  if (content === undefined) return {}
  const decoded = decodeRegistriesFile(content, file)
  if (E.isLeft(decoded)) throw thrown(decoded.left)
  return decoded.right
}
