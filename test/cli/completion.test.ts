// slipway completion in real shells: what a Tab makes of a line, and which words are offered.
import { execFileSync, spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { commandGroups } from '../../src/cli/commands/index.ts'
import { bashScript } from '../../src/cli/completion/bash.ts'
import { fishScript } from '../../src/cli/completion/fish.ts'
import { type CommandWords, commandWords } from '../../src/cli/completion/words.ts'
import { zshScript } from '../../src/cli/completion/zsh.ts'
import { lacking } from '../support/needs.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('cli/completion')

/** Answers what the real one would, and notes what it was asked. */
const PROGRAM = `#!/bin/sh
echo "$@" >> "\${0%/*}/asked"
while [ "$1" != names ]; do shift; done
case $2 in
image) printf '%s\\n' debian:12 debian:13 127.0.0.1:5000/me/app:2 ;;
container) printf '%s\\n' web-1 db ;;
place) printf '%s\\n' web-1: db: ;;
any) printf '%s\\n' web-1 debian:12 ;;
volume) printf '%s\\n' data-1 logs ;;
registry) printf '%s\\n' docker.io reg.lan:5000 ;;
esac
`
const folder = mkdtempSync(path.join(tmpdir(), 'slipway-completion-'))
const at = (name: string): string => path.join(folder, name)
const asked = (): string => execFileSync('cat', [at('asked')], { encoding: 'utf8' })
let words: readonly CommandWords[] = []
test.before(async () => {
  words = await commandWords(commandGroups)
  writeFileSync(at('slipway'), PROGRAM)
  chmodSync(at('slipway'), 0o755)
  writeFileSync(at('some-file.tar'), '')
  writeFileSync(at('bash'), bashScript(words))
  writeFileSync(at('zsh'), zshScript(words))
  writeFileSync(at('fish'), fishScript(words))
})
test.after(() => rmSync(folder, { recursive: true, force: true }))

/** What is typed before the Tab, and the line after it. */
const LINES: readonly (readonly [string, string])[] = [
  ['slipway ima', 'slipway image'],
  ['slipway hist', 'slipway history '],
  ['slipway image ins', 'slipway image inspect '],
  ['slipway container pr', 'slipway container prune '],
  ['slipway --roo', 'slipway --root '],
  ['slipway run --rea', 'slipway run --read-only '],
  ['slipway run --pull a', 'slipway run --pull always '],
  ['slipway run --pull=mis', 'slipway run --pull=missing '],
  ['slipway pull --platform linux/s', 'slipway pull --platform linux/s390x '],
  ['slipway run deb', 'slipway run debian:1'],
  ['slipway rmi debian:13 127', 'slipway rmi debian:13 127.0.0.1:5000/me/app:2 '],
  ['slipway rmi 127.0.0.1:50', 'slipway rmi 127.0.0.1:5000/me/app:2 '],
  ['slipway rm we', 'slipway rm web-1 '],
  ['slipway inspect web', 'slipway inspect web-1 '],
  ['slipway commit -m why web', 'slipway commit -m why web-1 '],
  ['slipway commit web-1 127', 'slipway commit web-1 127.0.0.1:5000/me/app:2 '],
  ['slipway stats we', 'slipway stats web-1 '],
  ['slipway volume rm logs dat', 'slipway volume rm logs data-1 '],
  ['slipway volume export -o x dat', 'slipway volume export -o x data-1 '],
  ['slipway volume create deb', 'slipway volume create deb'],
  ['slipway rename web-1 deb', 'slipway rename web-1 deb'],
  ['slipway update --restart unl', 'slipway update --restart unless-stopped '],
  ['slipway run --volumes-from we', 'slipway run --volumes-from web-1 '],
  ['slipway kill -s US', 'slipway kill -s USR'],
  ['slipway cp -a web', 'slipway cp -a web-1:'],
  ['slipway cp some', 'slipway cp some-file.tar '],
  ['slipway cp web-1:/x som', 'slipway cp web-1:/x some-file.tar '],
  ['slipway login reg', 'slipway login reg.lan:5000 '],
  ['slipway load -i some', 'slipway load -i some-file.tar '],
  ['slipway import some', 'slipway import some-file.tar '],
  ['slipway save --format oci-a', 'slipway save --format oci-archive '],
  ['slipway completion fi', 'slipway completion fish '],
  // Nothing is ours here.
  ['slipway run --rm debian:12 deb', 'slipway run --rm debian:12 deb'],
  ['slipway tag a b deb', 'slipway tag a b deb'],
  ['slipway history --format deb', 'slipway history --format deb'],
  ['slipway nonsense deb', 'slipway nonsense deb'],
]

const START = {
  bash: {
    argv: 'bash --norc --noprofile -i',
    set: "PS1='$ '; bind 'set enable-bracketed-paste off'; bind 'set completion-query-items 0'; bind 'set bell-style none'",
  },
  zsh: { argv: 'zsh -f -i', set: 'bindkey -e; unsetopt beep; autoload -Uz compinit && compinit -D -u' },
  fish: { argv: 'fish --no-config -i', set: 'set -g fish_greeting; set -g fish_autosuggestion_enabled 0' },
} as const

/** Types each line and a Tab into an interactive shell, and lets the shell print what the line has become. */
const typed = async (shell: keyof typeof START): Promise<readonly string[]> => {
  const { argv, set } = START[shell]
  const child = spawn('script', ['-qec', argv, '/dev/null'], {
    cwd: folder,
    env: { PATH: `${folder}:${process.env.PATH}`, HOME: folder, TERM: 'dumb', LANG: 'C.UTF-8' },
  })
  let seen = ''
  child.stdout.on('data', (chunk: Buffer) => {
    seen += chunk.toString()
  })
  const closed = new Promise((resolve) => child.on('close', resolve))
  const until = async (cue: string): Promise<void> => {
    while (!seen.includes(cue) && child.exitCode === null) await new Promise((done) => setTimeout(done, 20))
  }
  child.stdin.write(`${set}; source ./${shell}; echo rea''dy\n`)
  await until('ready\r')
  const lines: string[] = []
  for (const [at, [line]] of LINES.entries()) {
    // To the front of the line and to its end: it becomes the argument of an echo.
    child.stdin.write(`${line}\t\x01echo '<\x05>'${at}done\n`)
    await until(`>${at}done\r`)
    lines.push(
      seen
        .slice(0, seen.indexOf(`>${at}done\r`))
        .split('<')
        .at(-1) ?? '',
    )
  }
  child.stdin.write('exit\n')
  await closed
  return lines
}

for (const shell of ['bash', 'zsh', 'fish'] as const) {
  const why = lacking('program:script', `program:${shell}`)
  const name = `a Tab in ${shell} completes commands, flags, names with colons, and files`
  if (why !== undefined) test.skip(name, why)
  else
    test(name, async () => {
      const lines = await typed(shell)
      for (const [at, [line, after]] of LINES.entries()) {
        // zsh takes the blank back when the cursor leaves.
        const expected = shell === 'zsh' ? after.trimEnd() : after
        assert.is(lines[at], expected, `${line} in ${shell}`)
      }
    })
}

/** What bash is offered for a line. */
const offered = (line: string): readonly string[] => {
  const script = `source ./bash; COMP_LINE=$1; COMP_POINT=\${#1}; _slipway slipway; printf '%s\\n' "\${COMPREPLY[@]}"`
  return execFileSync('bash', ['--norc', '-c', script, 'bash', line], {
    cwd: folder,
    encoding: 'utf8',
    env: { PATH: `${folder}:${process.env.PATH}` },
  })
    .split('\n')
    .filter((word) => word !== '')
}

const bash = lacking('program:bash')
const inBash = (name: string, body: () => void): void =>
  bash === undefined ? test(name, body) : test.skip(name, bash)

inBash('every command is offered by each of its names', () => {
  const first = offered('slipway ')
  for (const { names } of words)
    for (const name of names) {
      const [noun = '', verb] = name.split(' ')
      assert.ok(first.includes(noun), noun)
      if (verb !== undefined) assert.ok(offered(`slipway ${noun} `).includes(verb), name)
    }
})
inBash('every flag of every command is offered, and none that is refused', () => {
  for (const { names, flags } of words) {
    const given = offered(`slipway ${names[0]} -`)
    for (const { names: long, short } of flags) {
      assert.ok(given.includes(`--${long[0]}`), `${names[0]} --${long[0]}`)
      if (short !== undefined) assert.ok(given.includes(`-${short}`), `${names[0]} -${short}`)
    }
  }
  assert.not(offered('slipway run --').includes('--publish'))
})
inBash('flags may come between, and end at --', () => {
  // Bash puts in what comes after the colon.
  assert.equal(offered('slipway tag --help debian:12 debian:1'), ['12', '13'])
  assert.equal(offered('slipway rmi -- -'), [])
  assert.equal(offered('slipway --root=/x ps --f'), ['--format', '--filter'])
})
inBash('names are asked of the root that the line names', () => {
  offered('slipway --root /some/where rm w')
  assert.ok(asked().endsWith('--root /some/where completion names container\n'))
})

test.run()
