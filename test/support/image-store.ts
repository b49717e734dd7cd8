// An image store in a directory of its own, for one test.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import * as E from '#fp/Either'
import type { TaskEither } from '#fp/TaskEither'
import { type ImagesConfig, imagePorts } from '../../src/adapters/images-live.ts'
import type { RegistryOptions } from '../../src/adapters/registry.ts'
import { type Images, imageVerbs } from '../../src/engine/images-verbs.ts'
import type { EngineError } from '../../src/model/errors.ts'
import { message } from '../../src/model/errors.ts'
import { loadAddon } from '../../src/native/load.ts'
import { type MemorySnapshotter, memorySnapshotter } from './memory-snapshotter.ts'

export interface TestStore {
  readonly root: string
  readonly images: Images
  readonly snapshotter: MemorySnapshotter
  /** Another engine on the same directory, with the same unpacked layers. */
  readonly other: (config?: Partial<ImagesConfig>) => Images
  /** Every file below the root but locks, relative to it. */
  readonly files: () => readonly string[]
  readonly remove: () => void
}

/** Nothing of this machine: no credentials, no settings, no proxies. Pauses between tries are short. */
export const OWN_REGISTRY: RegistryOptions = {
  retryMs: 1,
  idleMs: 2000,
  credentials: async () => undefined,
  registries: {},
  env: {},
}

/** For linux/amd64 on any machine. */
export const testStore = (config: Partial<ImagesConfig> = {}): TestStore => {
  const root = mkdtempSync(path.join(tmpdir(), 'slipway-store-'))
  const snapshotter = memorySnapshotter()
  const opened: { readonly close: () => void }[] = []
  const open = (more: Partial<ImagesConfig> = {}): Images => {
    const ports = imagePorts({
      root,
      snapshotter,
      flock: (fd, operation) => loadAddon().flock(fd, operation),
      platform: { os: 'linux', architecture: 'amd64' },
      registry: OWN_REGISTRY,
      ...config,
      ...more,
    })
    opened.push(ports.registry)
    return imageVerbs(ports)
  }
  return {
    root,
    images: open(),
    snapshotter,
    other: open,
    files: () =>
      readdirSync(root, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile() && !entry.parentPath.endsWith('/locks'))
        .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)))
        .sort(),
    remove: () => {
      for (const ports of opened) ports.close()
      rmSync(root, { recursive: true, force: true })
    },
  }
}

/** The result, or the test's failure with the error's own words. */
export const right = async <A>(program: TaskEither<EngineError, A>): Promise<A> => {
  const result = await program()
  if (E.isLeft(result)) throw new Error(`${result.left._tag}: ${message(result.left)}`)
  return result.right
}

/** The error of this kind, or the test's failure. */
export const left = async <T extends EngineError['_tag']>(
  tag: T,
  program: TaskEither<EngineError, unknown>,
): Promise<Extract<EngineError, { readonly _tag: T }>> => {
  const result = await program()
  if (E.isRight(result)) throw new Error(`it succeeded with ${JSON.stringify(result.right)}`)
  if (result.left._tag !== tag) throw new Error(`${result.left._tag}: ${message(result.left)}`)
  return result.left as Extract<EngineError, { readonly _tag: T }>
}
