// Commands of other runtimes that are refused by name, whatever their arguments are.
import * as E from '#fp/Either'
import { type Command, command } from '../command.ts'

const refused = (name: string, summary: string, why: string): Command =>
  command({
    name,
    summary: `${summary}: not supported`,
    usage: 'ID',
    flags: {},
    anyArguments: true,
    positionals: { min: 0 },
    run: async () => E.left({ _tag: 'Unsupported', feature: name, why }),
  })

const NO_CRIU = 'a container cannot be written to a file and read back'

export const checkpoint = refused('checkpoint', 'Write a running container to a file', NO_CRIU)
export const restore = refused('restore', 'Make a container of such a file', NO_CRIU)
export const mounts = refused(
  'mounts',
  'Add or remove mounts of a running container',
  'mounts are made before its program runs',
)
