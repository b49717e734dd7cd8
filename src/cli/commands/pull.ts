// slipway pull: fetches an image from a registry and makes it ready to run.
import * as E from '#fp/Either'
import { familiarRepository, fullName, type ImageReference, parseReference } from '../../model/reference.ts'
import { command } from '../command.ts'
import { refuse, transfer } from '../image-flags.ts'

export const pull = command({
  name: 'pull',
  summary: 'Fetch an image from a registry',
  usage: '[OPTIONS] NAME[:TAG|@DIGEST]',
  positionals: { min: 1, max: 1 },
  flags: {
    quiet: { kind: 'boolean', short: 'q', help: 'Print only the name of the image' },
    platform: {
      kind: 'text',
      value: 'OS/ARCH',
      help: "Which of an image's platforms to pull. Default: this machine's",
    },
    'all-tags': {
      kind: 'boolean',
      short: 'a',
      help: '',
      unsupported: { yet: true, why: 'tags are pulled one by one so far' },
    },
  },
  run: async (context) => {
    const [name = ''] = context.args.positionals
    const { quiet, platform } = context.args.flags
    const reference = parseReference(name)
    if (E.isLeft(reference)) return refuse(context, reference.left)
    const say = (line: string): void => (quiet ? undefined : context.stdout.write(`${line}\n`))
    for (const line of opening(name, reference.right)) say(line)
    const pulled = await transfer(context, { quiet, platform }, async (options) =>
      (await context.engine()).images.pull(name, options),
    )
    if (E.isLeft(pulled)) return pulled.left
    say(`Digest: ${pulled.right.digest}`)
    say(`Status: ${STATUS[pulled.right.status]} ${pulled.right.reference}`)
    context.stdout.write(`${fullName(reference.right)}\n`)
    return 0
  },
})

const opening = (name: string, reference: ImageReference): readonly string[] => {
  const { tag, digest } = reference
  const hasTag = name.endsWith(`:${tag}`) || digest !== undefined
  const from = `${digest ?? tag}: Pulling from ${familiarRepository(reference)}`
  return hasTag ? [from] : ['Using default tag: latest', from]
}

const STATUS = { downloaded: 'Downloaded newer image for', current: 'Image is up to date for' } as const
