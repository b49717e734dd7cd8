// slipway completion: what makes a shell complete commands, flags and names. `completion names KIND` is what those scripts call.
import { type Context, command } from '../command.ts'
import { NAMED, type Named } from '../completion/words.ts'
import { misuse } from '../report.ts'
import type { CommandGroup } from './index.ts'

const SHELLS = ['bash', 'zsh', 'fish'] as const
type Shell = (typeof SHELLS)[number]

/** Of these commands, its own among them. */
export const completion = (groups: readonly CommandGroup[]) =>
  command({
    name: 'completion',
    summary: 'Print a script that makes bash, zsh or fish complete slipway',
    usage: 'bash|zsh|fish',
    positionals: { min: 1, max: 2 },
    flags: {},
    run: async (context) => {
      const [word = '', kind] = context.args.positionals
      if (word === 'names') return names(context, kind ?? '')
      const shell = SHELLS.find((each) => each === word)
      if (shell === undefined)
        return misuse(context, 'completion', `${JSON.stringify(word)} is none of ${SHELLS.join(', ')}`)
      if (kind !== undefined)
        return misuse(context, 'completion', `unexpected argument ${JSON.stringify(kind)}`)
      context.stdout.write(await script(shell, groups))
      return 0
    },
  })

const script = async (shell: Shell, groups: readonly CommandGroup[]): Promise<string> => {
  const words = await (await import('../completion/words.ts')).commandWords(groups)
  switch (shell) {
    case 'bash':
      return (await import('../completion/bash.ts')).bashScript(words)
    case 'zsh':
      return (await import('../completion/zsh.ts')).zshScript(words)
    case 'fish':
      return (await import('../completion/fish.ts')).fishScript(words)
  }
}

const isNamed = (text: string): text is Named => NAMED.some((kind) => kind === text)

const names = async (context: Context, kind: string): Promise<number> => {
  if (!isNamed(kind))
    return misuse(context, 'completion', `names: ${JSON.stringify(kind)} is none of ${NAMED.join(', ')}`)
  const { namesOf } = await import('../completion/names.ts')
  context.stdout.write((await namesOf(kind, context)).map((name) => `${name}\n`).join(''))
  return 0
}
