// slipway rmi: takes names of images away, and the images with their last ones.
import * as E from '#fp/Either'
import { command } from '../command.ts'
import { reportError } from '../report.ts'

export const rmi = command({
  name: 'rmi',
  summary: 'Remove images',
  usage: '[OPTIONS] IMAGE [IMAGE...]',
  positionals: { min: 1 },
  flags: {
    force: {
      kind: 'boolean',
      short: 'f',
      help: 'All names of an id; names in use; and a missing image is no failure',
    },
    'no-prune': { kind: 'boolean', help: 'Changes nothing: images have no nameless parents that could stay' },
  },
  run: async ({ args, stdout, stderr, engine }) => {
    const { force } = args.flags
    const { images } = await engine()
    let code = 0
    for (const name of args.positionals) {
      const removed = await images.remove(name, { force })()
      if (E.isRight(removed)) {
        for (const untagged of removed.right.untagged) stdout.write(`Untagged: ${untagged}\n`)
        for (const deleted of removed.right.deleted) stdout.write(`Deleted: ${deleted}\n`)
      } else {
        reportError(stderr, removed.left)
        if (!(force && removed.left._tag === 'ImageNotFound')) code = 1
      }
    }
    return code
  },
})
