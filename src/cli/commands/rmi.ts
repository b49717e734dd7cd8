// slipway rmi: takes names of images away, and the images with their last ones.
import * as E from '#fp/Either'
import { type Context, command, type FlagTable } from '../command.ts'
import { imageName } from '../image-name.ts'
import { misuse, refuse, reportError } from '../report.ts'

const flags = {
  force: {
    kind: 'boolean',
    short: 'f',
    help: 'All names of an id; names in use; and a missing image is no failure',
  },
  all: { kind: 'boolean', short: 'a', help: 'Every image there is' },
  'no-prune': { kind: 'boolean', help: 'Changes nothing: images have no nameless parents that could stay' },
  platform: {
    kind: 'text',
    value: 'OS/ARCH',
    help: '',
    unsupported: { yet: true, why: 'an image goes with all of its platforms' },
  },
} as const satisfies FlagTable

export const rmi = command({
  name: 'rmi',
  summary: 'Remove images',
  usage: '[OPTIONS] IMAGE [IMAGE...]',
  positionals: { min: 0 },
  flags,
  run: async (context) => {
    const { args, stderr } = context
    const { force, all } = args.flags
    if (all === args.positionals.length > 0)
      return misuse(
        context,
        'rmi',
        all ? '--all and names exclude each other' : 'name an image, or use --all',
      )
    const names = all ? await everyImage(context) : E.right(args.positionals)
    if (E.isLeft(names)) return names.left
    let code = 0
    for (const name of names.right) {
      const problem = await removeOne(context, name)
      if (problem === undefined) continue
      reportError(stderr, problem)
      if (!(force && problem._tag === 'ImageNotFound')) code = 1
    }
    return code
  },
})

const removeOne = async ({ args, stdout, engine }: Context<typeof flags>, name: string) => {
  const { images } = await engine()
  const removed = await images.remove(name, { force: args.flags.force })()
  if (E.isLeft(removed)) return removed.left
  for (const untagged of removed.right.untagged) stdout.write(`Untagged: ${untagged}\n`)
  for (const deleted of removed.right.deleted) stdout.write(`Deleted: ${deleted}\n`)
  return undefined
}

/** By their names, and those without any by what they are. Left: the exit code. */
const everyImage = async (context: Context<typeof flags>): Promise<E.Either<number, readonly string[]>> => {
  const listed = await (await context.engine()).images.list()()
  if (E.isLeft(listed)) return E.left(refuse(context, listed.left))
  return E.right([...new Set(listed.right.map((image) => imageName(image) ?? image.digest))])
}
