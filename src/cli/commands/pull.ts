// slipway pull: fetches an image from a registry and makes it ready to run.
import * as E from '#fp/Either'
import { familiarRepository, fullName, type ImageReference, parseReference } from '../../model/reference.ts'
import { type Context, command, type FlagTable } from '../command.ts'
import { registryFlags, transfer } from '../image-flags.ts'
import { refuse } from '../report.ts'

const pullFlags = {
  quiet: { kind: 'boolean', short: 'q', help: 'Print only the name of the image' },
  platform: {
    kind: 'text',
    value: 'OS/ARCH',
    help: "Which of an image's platforms to pull. Default: this machine's",
  },
  'all-tags': { kind: 'boolean', short: 'a', help: 'Pull every tag of the repository' },
  'disable-content-trust': { kind: 'boolean', on: true, help: 'Images are not verified by signature' },
  ...registryFlags,
} as const satisfies FlagTable

export const pull = command({
  name: 'pull',
  summary: 'Fetch an image from a registry',
  usage: '[OPTIONS] NAME[:TAG|@DIGEST]',
  positionals: { min: 1, max: 1 },
  flags: pullFlags,
  run: async (context) => {
    const [name = ''] = context.args.positionals
    const { quiet, 'all-tags': all } = context.args.flags
    const reference = parseReference(name)
    if (E.isLeft(reference)) return refuse(context, reference.left)
    if (!all) return pullOne(context, name, reference.right)
    if (name.endsWith(`:${reference.right.tag}`) || reference.right.digest !== undefined)
      return refuse(context, {
        _tag: 'InvalidReference',
        reference: name,
        why: 'with --all-tags it must name no tag and no digest',
      })
    const listed = await transfer(context, { quiet: true, platform: undefined }, async ({ signal }) =>
      (await context.engine()).images.tags(name, { signal }),
    )
    if (E.isLeft(listed)) return listed.left
    if (!quiet && listed.right.length === 0) context.stdout.write(`${name} has no tags\n`)
    for (const tag of listed.right) {
      const code = await pullOne(context, `${name}:${tag}`, { ...reference.right, tag })
      if (code !== 0) return code
    }
    return 0
  },
})

const pullOne = async (
  context: Context<typeof pullFlags>,
  name: string,
  reference: ImageReference,
): Promise<number> => {
  const { quiet, platform } = context.args.flags
  const say = (line: string): void => (quiet ? undefined : context.stdout.write(`${line}\n`))
  for (const line of opening(name, reference)) say(line)
  const pulled = await transfer(context, { quiet, platform }, async (options) =>
    (await context.engine()).images.pull(name, options),
  )
  if (E.isLeft(pulled)) return pulled.left
  say(`Digest: ${pulled.right.digest}`)
  say(`Status: ${STATUS[pulled.right.status]} ${pulled.right.reference}`)
  context.stdout.write(`${fullName(reference)}\n`)
  return 0
}

const opening = (name: string, reference: ImageReference): readonly string[] => {
  const { tag, digest } = reference
  const hasTag = name.endsWith(`:${tag}`) || digest !== undefined
  const from = `${digest ?? tag}: Pulling from ${familiarRepository(reference)}`
  return hasTag ? [from] : ['Using default tag: latest', from]
}

const STATUS = { downloaded: 'Downloaded newer image for', current: 'Image is up to date for' } as const
