// The tests of files.txt and systemd.txt on a host with cgroup v2 alone: Debian's kernel in an emulated machine over this host's files.
import { execFileSync, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { chooseFiles } from '../runner/files.mjs'
import { packInitramfs } from './initramfs.mjs'
import { fetchKernel, imageOf, modulesOf } from './kernel.mjs'

const LIMIT_MS = Number(process.env.SLIPWAY_V2_SECONDS ?? 2100) * 1000
const MEMORY_MIB = 2048
const DISK_BYTES = 4 * 1024 ** 3
const MODULES = [
  ...[
    'virtio_pci',
    'virtio_blk',
    'crc32c_generic',
    'ext4',
    '9pnet_virtio',
    '9p',
    'overlay',
    'fuse',
    'veth',
    'bridge',
    'nf_tables',
    'nft_nat',
    'nft_masq',
  ],
  ...['nft_chain_nat', 'nft_ct', 'br_netfilter', 'erofs', 'loop', 'isofs', 'tun'],
]

const root = path.dirname(path.dirname(path.dirname(fileURLToPath(import.meta.url))))
process.chdir(root)
const words = process.argv.slice(2)
/** Without systemd, and with it as the first process. */
const phases = ['files', 'systemd'].filter(
  (name) => chooseFiles({ words, files: [], list: `test/v2/${name}.txt` }).length > 0,
)

/** Kernel, initramfs and bundle: all that is made on this side. */
const prepare = (folder) => {
  const cache = process.env.SLIPWAY_TEST_CACHE ?? '/var/tmp/slipway-test-cache'
  mkdirSync(cache, { recursive: true })
  const kernel = fetchKernel(cache)
  const modules = modulesOf(kernel, MODULES)
  const initramfs = path.join(folder, 'initramfs')
  const inPlace = (files) =>
    Object.fromEntries(files.map((file) => [`modules/${path.basename(file)}`, readFileSync(file)]))
  writeFileSync(
    initramfs,
    packInitramfs(
      {
        init: readFileSync('test/v2/guest-init.sh'),
        'bin/busybox': readFileSync('/bin/busybox'),
        'modules/order': modules.map((file) => path.basename(file)).join('\n'),
        ...inPlace(modules),
        // Mount points.
        ...Object.fromEntries(['proc', 'sys', 'dev', 'root'].map((name) => [`${name}/.keep`, ''])),
      },
      {},
    ),
  )
  rmSync('build/test-v2', { recursive: true, force: true })
  for (const name of phases)
    execFileSync(
      process.execPath,
      ['test/run.mjs', `--list=test/v2/${name}.txt`, `--bundle-to=build/test-v2/${name}`],
      { stdio: 'inherit' },
    )
  return { kernel: imageOf(kernel), initramfs, disk: makeDisk(path.join(folder, 'disk')) }
}

/** What tests write goes to a file system as hosts have it: tmpfs lacks attributes and id maps on older kernels. */
const makeDisk = (file) => {
  writeFileSync(file, '')
  truncateSync(file, DISK_BYTES)
  execFileSync('mkfs.ext4', ['-q', '-O', '^has_journal', file])
  return file
}

const share = (tag, folder, readonly) => [
  '-virtfs',
  `local,path=${folder},mount_tag=${tag},security_model=none,multidevs=remap${readonly ? ',readonly=on' : ''}`,
]

const machine = ({ kernel, initramfs, disk }, result) => {
  const environment = {
    SLIPWAY_REPO: root,
    SLIPWAY_NODE: process.execPath,
    SLIPWAY_WORDS: words.join(','),
    SLIPWAY_PHASES: phases.join(','),
  }
  const settings = Object.entries(environment).map(([name, value]) => `${name}=${value}`)
  return [
    ...['-accel', 'tcg,thread=multi', '-cpu', 'max', '-m', String(MEMORY_MIB), '-smp', '2'],
    ...['-nographic', '-no-reboot', '-nic', 'none', '-kernel', kernel, '-initrd', initramfs],
    ...['-append', `console=ttyS0 quiet panic=-1 ${settings.join(' ')}`],
    ...['-drive', `file=${disk},if=virtio,format=raw,cache=unsafe`],
    ...share('host', '/', true),
    ...share('repo', root, true),
    ...share('result', result, false),
  ]
}

/** Runs the machine to its end, or to the limit; its console is kept for the case that there is no result. */
const boot = (args) =>
  new Promise((resolve, reject) => {
    const qemu = spawn('qemu-system-x86_64', args, { stdio: ['ignore', 'pipe', 'pipe'] })
    let screen = ''
    for (const stream of [qemu.stdout, qemu.stderr]) stream.on('data', (chunk) => (screen += chunk))
    const timer = setTimeout(() => qemu.kill('SIGKILL'), LIMIT_MS)
    process.on('exit', () => qemu.kill('SIGKILL'))
    qemu.on('error', reject)
    qemu.on('close', () => {
      clearTimeout(timer)
      resolve(screen)
    })
  })

const readResult = (folder, name) => {
  try {
    return readFileSync(path.join(folder, name), 'utf8')
  } catch {
    return undefined
  }
}

const main = async (folder) => {
  if (phases.length === 0) throw new Error(`no test file matches ${words.join(' ')}`)
  const result = path.join(folder, 'result')
  mkdirSync(result)
  const started = Date.now()
  const screen = await boot(machine(prepare(folder), result))
  const seconds = ((Date.now() - started) / 1000).toFixed(0)
  const counts = phases.map((name) => {
    const output = readResult(result, `output-${name}`) ?? ''
    process.stdout.write(output)
    return readResult(result, `status-${name}`) === undefined ? undefined : countsOf(output)
  })
  const missing = phases.filter((_, index) => counts[index] === undefined)
  if (missing.length > 0)
    console.log(
      `${screen}\nthe virtual machine ended after ${seconds} s without a result of ${missing.join(', ')}`,
    )
  const sum = (index) => counts.reduce((total, each) => total + (each?.[index] ?? 0), 0)
  const failed = sum(1) + missing.length
  console.log(`the virtual machine took ${seconds} s`)
  console.log(`${sum(0)} passed, ${failed} failed${sum(2) > 0 ? `, ${sum(2)} skipped` : ''}`)
  return failed === 0 && phases.every((name) => Number(readResult(result, `status-${name}`)) === 0) ? 0 : 1
}

/** The runner's last line. Undefined where it came to none. */
const countsOf = (output) => {
  const line = output.trimEnd().split('\n').at(-1)
  const counts = /^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$/.exec(line)
  return counts?.slice(1).map((count) => Number(count ?? 0))
}

const folder = mkdtempSync(path.join(tmpdir(), 'slipway-v2-'))
const code = await main(folder).catch((error) => {
  console.log(`${error.stderr ?? ''}${error.stack}\n0 passed, 1 failed`)
  return 1
})
rmSync(folder, { recursive: true })
process.exit(code)
