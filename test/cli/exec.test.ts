// slipway exec on the real engine, in terminals: what is typed, what leaves, and what goes on.
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { lacking } from '../support/needs.ts'
import { assert, suite } from '../support/suite.ts'
import { openRealCli, type RealCli, realCliNeeds } from './real-cli.ts'
import { inTerminal } from './real-terminal.ts'

const Exec = suite('cli/exec')
const why = realCliNeeds() ?? lacking('program:script')
let cli: RealCli
Exec.before(async () => {
  cli = await openRealCli()
})
Exec.after(() => cli.close())
const test = (name: string, body: () => Promise<void>): void =>
  why === undefined ? Exec(name, body) : Exec.skip(name, why)

const ok = async (words: string): Promise<string> => {
  const { code, stdout, stderr } = await cli.run(words.split(' '))
  assert.is(code, 0, `${words}: ${stderr}`)
  return stdout
}
const detached = async (name: string): Promise<void> => {
  await ok(`run -d --name ${name} ${cli.image} sleep 1000`)
}
const remove = (name: string): Promise<string> => ok(`rm -f ${name}`)
/** Of programs that were executed in it, without their ids. */
const told = async (name: string): Promise<readonly string[]> => {
  const text = await ok(`events --since 10m --until 0s --filter container=${name} --format {{.Action}}`)
  return text.split('\n').flatMap((action) => /^exec_\w+/.exec(action) ?? [])
}

const LEAVE = '\u0010\u0011'

for (const [name, what, flags, keys] of [
  ['left', 'the usual keys', '', LEAVE],
  ['right', 'keys of one’s own', '--detach-keys ctrl-a,x', '\u0001x'],
] as const)
  test(`a shell is left by ${what}, goes on, and everything is as before`, async () => {
    await detached(name)
    const session = inTerminal(
      cli,
      `exec -it ${flags} ${name} sh -c "read x; echo got \\$x; sleep 1234; exit 4"`,
    )
    session.type('word\n')
    await session.shows('got word')
    session.type(keys)
    const { code, isRestored } = await session.over
    assert.is(code, 0)
    assert.is(isRestored, true)
    assert.match(await ok(`top ${name} -eo pid,args`), /sleep 1234/)
    const begun = ['exec_create', 'exec_start', 'exec_detach']
    assert.equal(await told(name), begun)
    await remove(name)
    assert.equal(await told(name), [...begun, 'exec_die'])
  })

test('keys of Docker’s config.json leave what exec, run, attach and start have, unless the flag has others', async () => {
  const folder = path.join(cli.folder, 'docker')
  mkdirSync(folder)
  const kept = (detachKeys: unknown): void =>
    writeFileSync(path.join(folder, 'config.json'), JSON.stringify({ detachKeys }))
  kept('ctrl-b,q')
  await detached('kept')
  for (const [flag, keys] of [
    ['', '\u0002q'],
    ['--detach-keys z', 'z'],
  ] as const) {
    const session = inTerminal(
      cli,
      `--config ${folder} exec -it ${flag} kept sh -c "echo up; exec sleep 1234"`,
    )
    await session.shows('up')
    session.type(keys)
    assert.is((await session.over).code, 0)
  }
  for (const [words, shown] of [
    [`run -it --log-driver json-file --name shell ${cli.image} sh -c "echo up; exec sleep 1000"`, 'up'],
    ['attach shell', undefined],
    ['start -ai shell', 'up'],
  ] as const) {
    if (words.startsWith('start')) await ok('stop -t 1 shell')
    const session = inTerminal(cli, `--config ${folder} ${words}`)
    if (shown !== undefined) await session.shows(shown)
    session.type('\u0002q')
    assert.is((await session.over).code, 0, words)
    assert.is(await ok('inspect --format {{.State.Running}} shell'), 'true\n')
  }
  kept('ctrl-%')
  const refused = /docker\/config.json: \$\.detachKeys: "ctrl-%": expected single characters/
  for (const words of ['exec -it kept sh', 'attach shell', 'start -ai kept']) {
    const { code, stderr } = await cli.run(['--config', folder, ...words.split(' ')])
    assert.is.not(code, 0, words)
    assert.match(stderr, refused)
  }
  for (const words of ['exec kept true', 'exec -i kept true', 'exec -dit kept true'])
    assert.is((await cli.run(['--config', folder, ...words.split(' ')])).code, 0, words)
  await remove('kept')
  await remove('shell')
})

test('keys that only begin the sequence reach the program', async () => {
  await detached('keys')
  const session = inTerminal(cli, "exec -it keys sh -c 'stty raw -echo; echo up; head -c 3 | od -An -tx1'")
  await session.shows('up')
  session.type('\u0010\u0010x')
  await session.shows('10 10 78')
  assert.is((await session.over).code, 0)
  await remove('keys')
})

for (const [name, words] of [
  ['alone', '-dt'],
  ['input', '-dit'],
] as const)
  test(`a program of exec ${words} has a terminal, goes on, and is told of without a word of leaving`, async () => {
    await detached(name)
    const script = 'for f in 0 1 2; do [ -t $f ] && echo $f >>/told; done; echo not seen; exec sleep 1234'
    const { code, stdout, stderr } = await cli.run(['exec', words, name, 'sh', '-c', script])
    assert.equal([code, stdout, stderr], [0, '', ''])
    while (!(await ok(`top ${name} -eo pid,args`)).includes('sleep 1234'));
    assert.is(await ok(`exec ${name} cat /told`), '0\n1\n2\n')
    const shown = ['exec_create', 'exec_start', 'exec_die']
    assert.equal(await told(name), ['exec_create', 'exec_start', ...shown])
    await remove(name)
    assert.is((await told(name)).at(-1), 'exec_die')
  })

test('without a terminal, or without input, no keys leave it', async () => {
  await detached('plain')
  const child = cli.spawn(['exec', '-i', 'plain', 'wc', '-c'], { stdio: ['pipe', 'pipe', 'inherit'] })
  let text = ''
  child.stdout?.on('data', (chunk) => {
    text += String(chunk)
  })
  child.stdin?.end(LEAVE)
  await new Promise((resolve) => child.once('close', resolve))
  assert.is(text.trim(), '2')
  await remove('plain')
})

test('keys that are none are refused before anything is executed', async () => {
  await detached('bad')
  const { code, stderr } = await cli.run(['exec', '-it', '--detach-keys', 'ctrl-%', 'bad', 'sh'])
  assert.is(code, 1)
  assert.match(stderr, /--detach-keys: "ctrl-%": expected single characters/)
  assert.equal(await told('bad'), [])
  await remove('bad')
})

test('a container of a command in another terminal has programs executed in it, and is stopped', async () => {
  const first = inTerminal(
    cli,
    `run -it --rm --name shown ${cli.image} sh -c "trap \\"exit 5\\" TERM; echo up; while :; do sleep 0.05; done"`,
  )
  await first.shows('up')
  assert.match(await ok('ps --format {{.Names}}'), /^shown$/m)
  const second = inTerminal(cli, 'exec -it shown sh -c "tty; read x; echo got \\$x; exit 4"')
  await second.shows('/dev/pts/')
  second.type('word\n')
  await second.shows('got word')
  assert.is((await second.over).code, 4)
  assert.match(await ok('top shown'), /sleep 0.05|sh -c/)
  // Nobody would hold its terminal, so that the keys are the program's.
  const third = inTerminal(cli, 'exec -it shown sh -c "stty raw -echo; echo up; head -c 2 | od -An -tx1"')
  await third.shows('up')
  third.type(LEAVE)
  await third.shows('10 11')
  assert.is((await third.over).code, 0)
  const fourth = inTerminal(cli, 'exec -it --detach-keys ctrl-a shown sh')
  await fourth.shows('shown is attached: nobody would hold the terminal')
  assert.is((await fourth.over).code, 1)
  for (const [words, says] of [
    ['attach shown', /attach of container shown: not supported: it is attached/],
    ['restart shown', /restart of container shown: not supported: it is attached/],
    ['logs shown', /it runs attached/],
  ] as const) {
    const { code, stderr } = await cli.run(words.split(' '))
    assert.is(code, 1, words)
    assert.match(stderr, says)
  }
  assert.is(await ok('stop shown'), 'shown\n')
  const { code, isRestored } = await first.over
  assert.is(code, 5)
  assert.is(isRestored, true)
})

Exec.run()
