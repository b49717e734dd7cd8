// slipway push: brings an image to the registry of its name.
import * as E from '#fp/Either'
import { familiarRepository, parseReference } from '../../model/reference.ts'
import { command } from '../command.ts'
import { registryFlags, transfer } from '../image-flags.ts'
import { refuse } from '../report.ts'

export const push = command({
  name: 'push',
  summary: 'Send an image to a registry',
  usage: '[OPTIONS] NAME[:TAG]',
  positionals: { min: 1, max: 1 },
  flags: {
    quiet: { kind: 'boolean', short: 'q', help: 'Print only the name of the image' },
    platform: {
      kind: 'text',
      value: 'OS/ARCH',
      help: 'Push this platform of the image alone. Default: all of it, which has to be here',
    },
    'all-tags': { kind: 'boolean', short: 'a', help: 'Push every tag of the repository that is here' },
    'disable-content-trust': {
      kind: 'boolean',
      on: true,
      help: 'Images are not signed',
    },
    ...registryFlags,
  },
  run: async (context) => {
    const [name = ''] = context.args.positionals
    const { quiet, platform, 'all-tags': allTags } = context.args.flags
    const reference = parseReference(name)
    if (E.isLeft(reference)) return refuse(context, reference.left)
    const { registry, repository, tag } = reference.right
    const say = (line: string): void => (quiet ? undefined : context.stdout.write(`${line}\n`))
    if (!allTags && !name.endsWith(`:${tag}`)) say('Using default tag: latest')
    say(`The push refers to repository [${registry}/${repository}]`)
    const pushed = await transfer(context, { quiet, platform }, async (options) =>
      (await context.engine()).images.push(name, { ...options, allTags }),
    )
    if (E.isLeft(pushed)) return pushed.left
    for (const { tag: done, digest, sizeBytes } of pushed.right)
      if (quiet) context.stdout.write(`${familiarRepository(reference.right)}:${done}\n`)
      else say(`${done}: digest: ${digest} size: ${sizeBytes}`)
    return 0
  },
})
