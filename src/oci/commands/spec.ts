// slipway-oci spec: a config.json to begin with.
import { existsSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import * as E from '#fp/Either'
import { usage } from '../args.ts'
import { attempt } from '../attempt.ts'
import { command } from '../command.ts'
import { exampleSpec } from '../example-spec.ts'

export const spec = command({
  name: 'spec',
  summary: 'Write a config.json to begin with',
  usage: '[OPTION...]',
  flags: {
    bundle: { kind: 'text', short: 'b', value: 'DIR', help: 'Where to (default: the current directory)' },
    file: { kind: 'text', short: 'f', value: 'FILE', help: 'Another name than config.json' },
    rootless: { kind: 'boolean', help: 'For a user without privileges' },
  },
  positionals: { min: 0, max: 0 },
  run: async ({ flags, world }) => {
    const file = resolve(world.cwd, flags.bundle || '.', flags.file || 'config.json')
    if (existsSync(file)) return E.left(usage(`file ${file} exists: remove it first`))
    const { euid, egid } = world
    const text = JSON.stringify(
      exampleSpec({ rootless: flags.rootless === true, euid, egid, cgroup2: isCgroup2Alone() }),
      null,
      '\t',
    )
    return E.map(() => 0)(attempt(() => writeFileSync(file, text, { flag: 'wx' })))
  },
})

/** In a hybrid tree it lies in a directory below. cgroups(7), Cgroups v2. */
const isCgroup2Alone = (): boolean => existsSync('/sys/fs/cgroup/cgroup.controllers')
