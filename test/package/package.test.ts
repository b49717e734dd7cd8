// From a fresh checkout to a tarball, and from the tarball to a container, on machines that have only what we say they need.
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { assert, suite } from '../support/suite.ts'
import { copyCheckout, inFolder, pathOf, programs, type Ran, runOn } from './machine.ts'

const succeed = (ran: Ran): Ran => {
  assert.is(ran.status, 0, `${ran.stdout}\n${ran.stderr}`)
  return ran
}

const test = suite('package')
test.requires('root', 'program:unshare', 'program:cmake', 'program:git')

test('a fresh checkout builds without python and without network, and its tarball runs on a bare machine', () => {
  inFolder((folder) => {
    const tarball = makeTarball(folder)
    const consumer = path.join(folder, 'consumer')
    const bin = pathOf(mkdirIn(folder, 'bare'), ['node', 'npm', 'npx', 'sh', 'env'])
    mkdirSync(consumer)
    // Without it npm would look for a project in the folders above.
    writeFileSync(path.join(consumer, 'package.json'), '{}')
    succeed(runOn(bin, consumer, ['npm', 'install', '--no-audit', '--no-fund', tarball]))
    checkInstalled(path.join(consumer, 'node_modules', 'slipway'))
    assert.match(succeed(runOn(bin, consumer, ['npx', 'slipway', 'version'])).stdout, /\d+\.\d+\.\d+/)
    const runtime = succeed(runOn(bin, consumer, ['npx', 'slipway-oci', '--version']))
    assert.match(runtime.stdout, /^slipway-oci version \d+\.\d+\.\d+\nspec: \d+\.\d+\.\d+\n$/)
    const hello = succeed(runOn(bin, consumer, ['npx', 'slipway', 'run', '--rm', 'host', 'echo', 'hello']))
    assert.is(hello.stdout, 'hello\n')
    runLibrary(bin, consumer)
  })
})

/** The packages come from the registry; everything after that must do without it. */
const makeTarball = (folder: string): string => {
  const checkout = mkdirIn(folder, 'checkout')
  copyCheckout(checkout)
  const bin = pathOf(
    mkdirIn(folder, 'builder'),
    programs((name) => !/^(python|pip|node-gyp)/.test(name)),
  )
  succeed(runOn(bin, checkout, ['npm', 'install', '--ignore-scripts', '--no-audit', '--no-fund']))
  const built = succeed(runOn(bin, checkout, ['unshare', '-n', 'npm', 'run', 'build']))
  assert.not.match(built.stdout + built.stderr, /warning|ninja|cmake/i)
  for (const file of [
    'build/Release/slipway.node',
    'build/Release/slipway-init',
    'dist/index.js',
    'dist/cli.cjs',
    'dist/oci.cjs',
    'dist/oci-main.cjs',
    'dist/oci-live.cjs',
  ]) {
    assert.ok(existsSync(path.join(checkout, file)), file)
  }
  succeed(runOn(bin, checkout, ['unshare', '-n', 'npm', 'pack', '--pack-destination', folder]))
  const [name] = readdirSync(folder).filter((file) => file.endsWith('.tgz'))
  return path.join(folder, name ?? 'no tarball')
}

const checkInstalled = (root: string): void => {
  const prebuilt = path.join(root, 'prebuilds', `linux-${process.arch}`)
  assert.ok(readdirSync(prebuilt).some((file) => file.endsWith('.node')))
  assert.is(statSync(path.join(prebuilt, 'slipway-init')).mode & 0o777, 0o755)
  assert.not(existsSync(path.join(root, 'build')), 'nothing was built on the bare machine')
  assert.not(existsSync(path.join(root, 'test')), 'tests are not shipped')
}

const runLibrary = (bin: string, consumer: string): void => {
  const program = `import { run } from 'slipway'
    const { stdout } = await run('host', ['echo', 'from the library'])
    process.stdout.write(stdout)`
  const { stdout } = succeed(runOn(bin, consumer, ['node', '--input-type=module', '-e', program]))
  assert.is(stdout, 'from the library\n')
}

const mkdirIn = (folder: string, name: string): string => {
  const made = path.join(folder, name)
  mkdirSync(made)
  return made
}

test.run()
