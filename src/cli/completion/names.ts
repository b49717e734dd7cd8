// Names that are offered for a Tab: images, containers, volumes, registries. Nothing here fails: who presses Tab gets what there is.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import * as E from '#fp/Either'
import type { TaskEither } from '#fp/TaskEither'
import { parseReference } from '../../model/reference.ts'
import type { Context } from '../command.ts'
import type { EngineForCli } from '../engine.ts'
import { imageName } from '../image-name.ts'
import type { Named } from './words.ts'

/** Each once, in order. */
export const namesOf = async (
  kind: Named,
  { engine, env }: Pick<Context, 'engine' | 'env'>,
): Promise<readonly string[]> => {
  const live = await engine()
  switch (kind) {
    case 'image':
      return unique(await images(live))
    case 'container':
      return unique(await containers(live))
    case 'any':
      return unique([...(await containers(live)), ...(await images(live))])
    case 'place':
      return unique((await containers(live)).map((name) => `${name}:`))
    case 'volume':
      return unique(await volumes(live))
    case 'registry':
      return unique([...loggedIn(env), ...(await images(live)).flatMap(registryIn)])
  }
}

const unique = (names: readonly string[]): readonly string[] => [...new Set(names)].sort()

const orNone = async <A>(task: TaskEither<unknown, readonly A[]>): Promise<readonly A[]> => {
  const result = await task()
  return E.isRight(result) ? result.right : []
}

const images = async (engine: EngineForCli): Promise<readonly string[]> =>
  (await orNone(engine.images.list())).flatMap((image) => imageName(image) ?? [])

/** Those that nobody named are no words anybody types. */
const volumes = async (engine: EngineForCli): Promise<readonly string[]> =>
  (await orNone(engine.volumes.list())).flatMap(({ name, anonymous }) => (anonymous ? [] : [name]))

const containers = async (engine: EngineForCli): Promise<readonly string[]> =>
  (await orNone(engine.list())).map(({ name }) => name)

const registryIn = (image: string): readonly string[] => {
  const reference = parseReference(image)
  return E.isRight(reference) ? [reference.right.registry] : []
}

/** Hosts that Docker's config.json has something for; the Hub has an address of old there. */
const loggedIn = (env: Context['env']): readonly string[] => {
  const folder = env.DOCKER_CONFIG || path.join(env.HOME ?? '/', '.docker')
  try {
    const config = JSON.parse(readFileSync(path.join(folder, 'config.json'), 'utf8')) as Record<
      string,
      unknown
    >
    return ['auths', 'credHelpers']
      .flatMap((field) => Object.keys((config[field] ?? {}) as object))
      .map((key) => key.replace(/^https?:\/\//, '').replace(/\/.*$/, ''))
      .map((host) => (host === 'index.docker.io' ? 'docker.io' : host))
  } catch {
    return []
  }
}
