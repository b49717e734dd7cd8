// Image commands on the real engine: a pull that is interrupted and goes on later, and what stays of each command.
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { buildImage } from '../support/image-builder.ts'
import { assert, suite } from '../support/suite.ts'
import { baseFiles, OWN_ARCH, openRealCli, outcomeOf, type RealCli } from './real-cli.ts'

const test = suite('cli/real-images')
test.requires('root', 'program:busybox')
const two = buildImage({
  architecture: OWN_ARCH,
  layers: [baseFiles(), [{ name: 'late', data: 'x'.repeat(500_000) }]],
  config: { Cmd: ['true'], Env: ['PATH=/bin'], Labels: { a: 'b' } },
  compression: 'none',
})
let cli: RealCli
test.before(async () => {
  cli = await openRealCli({ 'two:1': two })
})
test.after(() => cli.close())

const image = () => `${cli.registry.host}/two:1`

/** Resolves when the child has written `text`. */
const said = (child: ChildProcess, text: string): Promise<void> =>
  new Promise((resolve) => {
    let all = ''
    child.stdout?.on('data', (chunk: Buffer) => {
      all += chunk.toString()
      if (all.includes(text)) resolve()
    })
    child.on('close', () => resolve())
  })

test('a pull that Ctrl-C ended goes on later: layers that were complete are not moved again', async () => {
  const [base, late] = two.layers.map(({ digest }) => digest)
  const bytes = two.blobs.get(two.layers[1]?.digest ?? two.config.digest) ?? Buffer.alloc(0)
  // The second layer begins, and its rest does not come.
  cli.registry.fault = (request, response) => {
    if (request.url?.endsWith(`/blobs/${late}`) !== true) return false
    response.writeHead(200, { 'content-length': bytes.length })
    response.write(bytes.subarray(0, 1000))
    return true
  }
  const child = cli.spawn(['pull', image()])
  const outcome = outcomeOf(child)
  await said(child, `${base?.slice(7, 19)}: Pull complete`)
  child.kill('SIGINT')
  const { code, stderr } = await outcome
  assert.equal([code, stderr], [130, ''])
  assert.is((await cli.run(['image', 'exists', image()])).code, 1)

  cli.registry.fault = () => false
  const before = cli.registry.count(new RegExp(`/blobs/${base}`))
  const again = await cli.run(['pull', image()])
  assert.is(again.code, 0, again.stderr)
  assert.ok(again.stdout.includes(`${base?.slice(7, 19)}: Already exists`), again.stdout)
  assert.is(cli.registry.count(new RegExp(`/blobs/${base}`)), before)
  assert.is((await cli.run(['run', '--rm', image(), 'wc', '-c', '/late'])).stdout, '500000 /late\n')
})

test('a pull on a terminal draws bars with a rate and the time that is left', async () => {
  await cli.run(['rmi', image()])
  const late = two.layers[1]?.digest
  const bytes = two.blobs.get(late ?? two.config.digest) ?? Buffer.alloc(0)
  cli.registry.fault = (request, response) => {
    if (request.url?.endsWith(`/blobs/${late}`) !== true) return false
    response.writeHead(200, { 'content-length': bytes.length })
    let at = 0
    const next = (): void => {
      response.write(bytes.subarray(at, at + 50_000))
      at += 50_000
      if (at < bytes.length) setTimeout(next, 100)
      else response.end()
    }
    next()
    return true
  }
  const words = [process.execPath, '--', cli.file, 'pull', image()].map((word) => `'${word}'`).join(' ')
  const child = spawn('script', ['-qec', `stty cols 100 rows 20; ${words}`, '/dev/null'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...cli.env },
  })
  const { code, stdout } = await outcomeOf(child)
  cli.registry.fault = () => false
  assert.is(code, 0, stdout)
  assert.match(
    stdout,
    new RegExp(`${late?.slice(7, 19)}: \\[=+> +\\] \\d+kB/50\\dkB  [\\d.]+[kM]B/s  \\d+s left`),
  )
  assert.match(stdout, new RegExp(`${late?.slice(7, 19)}: Pull complete`))
})

test('a kept container is inspected by its name, and its image by either command', async () => {
  await cli.run(['run', '--name', 'kept', '-l', 'x=y', image(), 'sh', '-c', 'echo new >/file; exit 4'])
  const row = '{{.Name}} {{.State.Status}} {{.State.ExitCode}} {{.Config.Labels.x}} {{join .Args ","}}'
  assert.is(
    (await cli.run(['inspect', '-f', row, 'kept'])).stdout,
    '/kept exited 4 y -c,echo new >/file; exit 4\n',
  )
  const [ids, id] = await Promise.all([
    cli.run(['inspect', '-f', '{{.Image}}', 'kept']),
    cli.run(['image', 'inspect', '-f', '{{.ID}}', image()]),
  ])
  assert.is(ids.stdout, id.stdout)
  assert.is((await cli.run(['container', 'exists', 'kept'])).code, 0)
  const sized = await cli.run(['inspect', '-s', '-f', '{{gt .SizeRw 0}} {{gt .SizeRootFs .SizeRw}}', 'kept'])
  assert.is(sized.stdout, 'true true\n')
})

test('completion knows the names there are', async () => {
  assert.is((await cli.run(['completion', 'names', 'container'])).stdout, 'kept\n')
  assert.is((await cli.run(['completion', 'names', 'image'])).stdout, `${cli.image}\n${image()}\n`)
  assert.is((await cli.run(['completion', 'names', 'registry'])).stdout, `${cli.registry.host}\n`)
})

test('a file that cannot be made is told by the name it was given, and nothing stays', async () => {
  for (const words of [
    ['save', '-o', 'nowhere/x.tar', image()],
    ['export', '-o', 'nowhere/x.tar', 'kept'],
  ]) {
    const { code, stderr } = await cli.run(words, { cwd: cli.folder })
    assert.is(code, 1)
    assert.match(stderr, new RegExp(`^slipway: open: ${path.join(cli.folder, 'nowhere/x.tar')}: ENOENT`))
  }
  assert.not(existsSync(path.join(cli.folder, 'nowhere')))
})

test('system prune removes the container, and with --all every image', async () => {
  const { code, stdout } = await cli.run(['system', 'prune', '-af'])
  assert.is(code, 0)
  assert.match(stdout, /^Deleted Containers:\n[0-9a-f]{64}\n\nDeleted Images:\n(untagged|deleted): /)
  assert.is((await cli.run(['ps', '-aq'])).stdout + (await cli.run(['images', '-q'])).stdout, '')
})

test('rmi --all removes every image, named or not', async () => {
  await cli.run(['pull', cli.image])
  await cli.run(['pull', image()])
  await cli.run(['tag', cli.image, image()])
  assert.is((await cli.run(['images', '-f', 'dangling=true', '-q'])).stdout.split('\n').length, 2)
  const { code, stderr } = await cli.run(['rmi', '--all'])
  assert.equal([code, stderr], [0, ''])
  assert.is((await cli.run(['images', '-q'])).stdout, '')
  assert.is((await cli.run(['rmi', '--all', 'x'])).code, 1)
  assert.is((await cli.run(['rmi'])).code, 1)
})
test.run()
