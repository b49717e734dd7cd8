// slipway tags: the tags of a repository in its registry, one a line.
import * as E from '#fp/Either'
import { command } from '../command.ts'
import { transfer } from '../image-flags.ts'

export const tags = command({
  name: 'tags',
  summary: 'List the tags of a repository in its registry',
  usage: 'NAME',
  positionals: { min: 1, max: 1 },
  flags: {},
  run: async (context) => {
    const [name = ''] = context.args.positionals
    const listed = await transfer(context, { quiet: true, platform: undefined }, async ({ signal }) =>
      (await context.engine()).images.tags(name, { signal }),
    )
    if (E.isLeft(listed)) return listed.left
    context.stdout.write(listed.right.map((tag) => `${tag}\n`).join(''))
    return 0
  },
})
