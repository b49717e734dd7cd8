// slipway tag: one more name for an image.
import * as E from '#fp/Either'
import { command } from '../command.ts'
import { refuse } from '../report.ts'

export const tag = command({
  name: 'tag',
  summary: 'Give an image one more name',
  usage: 'SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]',
  positionals: { min: 2, max: 2 },
  flags: {},
  run: async (context) => {
    const [source = '', name = ''] = context.args.positionals
    const { images } = await context.engine()
    const tagged = await images.tag(source, name)()
    return E.isLeft(tagged) ? refuse(context, tagged.left) : 0
  },
})
