// Network devices of a hand-written document move into the container with their addresses, and are up there.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { lacking } from '../support/needs.ts'
import { documentOf, openSpecLauncher, type SpecChange, type SpecLauncher } from '../support/spec-launcher.ts'
import { assert, suite } from '../support/suite.ts'

const SpecNetwork = suite('oci/spec-network')
const tag = process.pid.toString(36).slice(-5)
const [ours, peer] = [`sw${tag}a`, `sw${tag}b`]
const ip = (...args: readonly string[]) => spawnSync('ip', args, { encoding: 'utf8' })
/** A pair of devices of the test's own; whatever is left of it is removed. */
const makePair = (): boolean => ip('link', 'add', ours, 'type', 'veth', 'peer', 'name', peer).status === 0
const removePair = (): void => {
  for (const name of [ours, peer]) ip('link', 'del', name)
}
const reason =
  lacking('root', 'program:busybox', 'program:ip', 'program:unshare') ??
  (makePair() ? undefined : 'needs a kernel with veth')
removePair()

let launcher: SpecLauncher
SpecNetwork.before(() => {
  if (reason === undefined) launcher = openSpecLauncher()
})
SpecNetwork.after(() => (reason === undefined ? launcher.close() : undefined))

const test = (name: string, body: () => Promise<void>): void => {
  if (reason !== undefined) SpecNetwork.skip(name, reason)
  else
    SpecNetwork(name, async () => {
      assert.ok(makePair())
      try {
        ip('address', 'add', '10.123.45.6/24', 'brd', '+', 'dev', ours)
        ip('address', 'add', '169.254.1.1/16', 'scope', 'link', 'dev', ours)
        ip('address', 'add', 'fd12:3456::7/64', 'dev', ours, 'nodad')
        ip('link', 'set', ours, 'up')
        ip('link', 'set', peer, 'up')
        await body()
      } finally {
        removePair()
      }
    })
}

const NAMESPACES = ['pid', 'mount', 'ipc', 'uts', 'network'].map((type) => ({ type }))
const withDevices = (netDevices: object, namespaces: readonly object[] = NAMESPACES): SpecChange => ({
  linux: { namespaces, netDevices },
})
const failure = async (change: SpecChange): Promise<string> =>
  (await launcher.run(documentOf(launcher.rootfs, 'true', change))).failed ?? 'it started'
const isHere = (name: string): boolean => ip('link', 'show', name).status === 0

const ADDRESSES = (name: string): string =>
  `ip address show dev ${name} | awk '/inet/ {print $1, $2} /state|UP/ {print ($3 ~ /[<,]UP[,>]/) ? "up" : "down"}' | grep -v fe80 | sort`

test('a device has its new name and its permanent global addresses, and is up', async () => {
  const change = withDevices({ [ours]: { name: 'eth7' } })
  const out = await launcher.sh(`${ADDRESSES('eth7')}; ip link | grep -c '^[0-9]'`, change)
  assert.equal(out.split('\n'), ['inet 10.123.45.6/24', 'inet6 fd12:3456::7/64', 'up', '2'])
})

test('a device keeps its name where no other is given', async () => {
  assert.match(
    await launcher.sh('ip link', withDevices({ [ours]: {}, [peer]: { name: 'other' } })),
    new RegExp(`${ours}.*[^]*other`),
  )
})

test('a pattern becomes a name that is free', async () => {
  assert.match(await launcher.sh('ip link', withDevices({ [ours]: { name: 'net%d' } })), /net0/)
})

test('a device moves into a namespace that is joined', async () => {
  const holder = spawn('unshare', ['--net', 'sh', '-c', 'echo ready; exec sleep 1000'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  try {
    if (holder.stdout !== null) await once(holder.stdout, 'data')
    const joined = NAMESPACES.map((each) =>
      each.type === 'network' ? { ...each, path: `/proc/${holder.pid}/ns/net` } : each,
    )
    const out = await launcher.sh(ADDRESSES('eth7'), withDevices({ [ours]: { name: 'eth7' } }, joined))
    assert.equal(out.split('\n'), ['inet 10.123.45.6/24', 'inet6 fd12:3456::7/64', 'up'])
    const taken = withDevices({ [peer]: { name: 'eth7' } }, joined)
    assert.match(await failure(taken), /^SyscallFailed: look for network device: .* as eth7: EPROTO/)
    assert.ok(isHere(peer))
  } finally {
    const ended = once(holder, 'exit')
    holder.kill('SIGKILL')
    await ended
  }
})

test('after a start with devices the next one has an empty network namespace', async () => {
  await launcher.sh('true', withDevices({ [ours]: {} }))
  assert.is(await launcher.sh("ip link | grep -c '^[0-9]'"), '1')
})

test('what cannot be moved is refused by name', async () => {
  assert.match(await failure(withDevices({ nowhere0: {} })), /^HostUnfit: linux\.netDevices\["nowhere0"\]/)
  assert.match(await failure(withDevices({ lo: {} })), /^InvalidSpec: .*netDevices\["lo"\]/)
  assert.match(await failure(withDevices({ 'a/b': {} })), /^InvalidSpec: .*netDevices/)
  const mapped = {
    ...withDevices({ [ours]: {} }).linux,
    namespaces: [...NAMESPACES, { type: 'user' }],
    uidMappings: [{ containerID: 0, hostID: 0, size: 1000 }],
    gidMappings: [{ containerID: 0, hostID: 0, size: 1000 }],
  }
  assert.match(await failure({ linux: mapped }), /^Unsupported: linux\.netDevices with a user namespace/)
  assert.ok(isHere(ours))
})

SpecNetwork.run()
