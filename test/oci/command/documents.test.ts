// The documents that `spec` and `features` print, and the state directory.
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import * as E from '#fp/Either'
import { parseOciId } from '../../../src/model/oci-container-id.ts'
import { decodeSpec } from '../../../src/model/oci-spec-decode.ts'
import { hooks as decodeHooks, HOOK_NAMES } from '../../../src/model/oci-spec-decode-process.ts'
import type { LinuxSeccomp } from '../../../src/model/oci-spec-seccomp.ts'
import { exampleSpec } from '../../../src/oci/example-spec.ts'
import { openStateDir, replaceFile } from '../../../src/oci/state-dir.ts'
import { planDocument } from '../../../src/plan/launch/checked.ts'
import type { LaunchInput } from '../../../src/plan/launch/index.ts'
import { compileSeccomp } from '../../../src/plan/seccomp/index.ts'
import { documentInput } from '../../plan/launch/inputs.ts'
import { expectLeft, expectRight } from '../../support/either.ts'
import { assert, suite } from '../../support/suite.ts'
import { inFolder, place, reason, slipwayOci, someRecord } from './fake-world.ts'

const test = suite('oci/command/documents')
const id = expectRight(parseOciId('web'))

test('spec writes a document that is understood', () =>
  inFolder(async (folder) => {
    const bundle = path.join(folder, 'b')
    mkdirSync(bundle)
    const ran = await slipwayOci({ root: folder }, 'spec', '--bundle', 'b')
    assert.equal([ran.code, ran.stdout, ran.stderr], [0, '', ''])
    const text = readFileSync(path.join(bundle, 'config.json'), 'utf8')
    assert.match(text, /^\{\n\t"ociVersion": "1\.3\.0",\n/)
    const spec = expectRight(decodeSpec(JSON.parse(text)))
    assert.equal([spec.process?.args, spec.root], [['sh'], { path: 'rootfs', readonly: true }])
    assert.match(reason(await slipwayOci({ root: folder }, 'spec', '-b', 'b')), /exists: remove it first/)
    assert.is((await slipwayOci({ root: folder }, 'spec', '-b', 'b', '-f', 'other.json')).code, 0)
  }))

test('the rootless document maps the caller alone, and needs no cgroup and no network', () => {
  const spec = exampleSpec({ rootless: true, euid: 1000, egid: 100, cgroup2: false })
  expectRight(decodeSpec(spec))
  assert.equal(spec.linux?.uidMappings, [{ containerID: 0, hostID: 1000, size: 1 }])
  assert.equal(spec.linux?.gidMappings, [{ containerID: 0, hostID: 100, size: 1 }])
  assert.is(spec.linux?.resources, undefined)
  assert.equal(
    spec.linux?.namespaces?.map(({ type }) => type),
    ['pid', 'ipc', 'uts', 'mount', 'user'],
  )
  assert.not.match(JSON.stringify(spec.mounts), /[ug]id=/)
  assert.ok(spec.mounts?.some(({ destination, source }) => destination === '/sys' && source === '/sys'))
})

interface Flag {
  readonly enabled: boolean
}

interface Features {
  readonly hooks: readonly string[]
  readonly mountOptions: readonly string[]
  readonly potentiallyUnsafeConfigAnnotations: readonly string[]
  readonly linux: {
    readonly namespaces: readonly string[]
    readonly capabilities: readonly string[]
    readonly cgroup: Readonly<Record<string, boolean>>
    readonly seccomp: Readonly<Record<string, readonly string[]>>
    readonly mountExtensions: { readonly idmap: Flag }
    readonly apparmor: Flag
    readonly selinux: Flag
    readonly intelRdt: Flag
    readonly netDevices: Flag
  }
}

const featuresOf = async (root: string): Promise<Features> =>
  JSON.parse((await slipwayOci({ root }, 'features')).stdout) as Features

test('features are those that the decoders take', () =>
  inFolder(async (root) => {
    const { hooks, linux } = await featuresOf(root)
    const plain = exampleSpec({ rootless: false, euid: 0, egid: 0, cgroup2: true })
    for (const type of linux.namespaces) {
      const maps = type === 'user' ? [{ containerID: 0, hostID: 0, size: 1 }] : undefined
      const own = { namespaces: [{ type }], uidMappings: maps, gidMappings: maps }
      const document = { ociVersion: '1.3.0', root: { path: 'r' }, process: plain.process, linux: own }
      expectRight(decodeSpec(document))
    }
    for (const action of linux.seccomp.actions ?? [])
      for (const op of linux.seccomp.operators ?? []) {
        const syscalls = [{ names: ['read'], action, args: [{ index: 0, value: 0, op }] }]
        const seccomp = { defaultAction: 'SCMP_ACT_ALLOW', flags: linux.seccomp.knownFlags, syscalls }
        expectRight(decodeSpec({ ...plain, linux: { ...plain.linux, seccomp } }))
      }
    assert.equal(hooks, HOOK_NAMES)
    const every = Object.fromEntries(hooks.map((name) => [name, [{ path: '/hook' }]]))
    const decoded = decodeHooks(every)
    assert.equal(decoded._tag === 'Right' ? Object.keys(decoded.right) : decoded.left, hooks)
    assert.is(hooks.length, 6)
  }))

test('features say no to what nothing does', () =>
  inFolder(async (root) => {
    const { mountOptions, linux, potentiallyUnsafeConfigAnnotations } = await featuresOf(root)
    for (const option of [
      'ro',
      'rro',
      'rbind',
      'rslave',
      'nosymfollow',
      'unbindable',
      'relatime',
      'idmap',
      'remount',
      'tmpcopyup',
    ])
      assert.ok(mountOptions.includes(option), option)
    assert.not(mountOptions.includes('no-such-option'))
    assert.equal(mountOptions, [...mountOptions].sort())
    assert.is(linux.cgroup.systemd, true)
    assert.ok(linux.seccomp.archs?.includes('SCMP_ARCH_X86_64'))
    assert.equal(potentiallyUnsafeConfigAnnotations, ['org.systemd.property.'])
  }))

const IDMAPPED = {
  destination: '/m',
  type: 'bind',
  source: '/srv',
  options: ['rbind', 'idmap'],
  uidMappings: [{ containerID: 0, hostID: 1, size: 1 }],
  gidMappings: [{ containerID: 0, hostID: 1, size: 1 }],
}
const CAPABLE = { facts: { apparmor: true, selinux: true } }

test('features say of each part what becomes of a document with it where the host has it', () =>
  inFolder(async (root) => {
    const { linux } = await featuresOf(root)
    const taken = (laid: Parameters<typeof documentInput>[0], own: Partial<LaunchInput> = {}): boolean =>
      E.isRight(planDocument({ ...documentInput(laid, CAPABLE), ...own }))
    const device = { name: 'eth9', index: 9, addresses: [] }
    assert.equal(
      {
        apparmor: linux.apparmor.enabled,
        selinux: linux.selinux.enabled,
        mountLabel: linux.selinux.enabled,
        intelRdt: linux.intelRdt.enabled,
        idmap: linux.mountExtensions.idmap.enabled,
        netDevices: linux.netDevices.enabled,
      },
      {
        apparmor: taken({ process: { apparmorProfile: 'p' } }),
        selinux: taken({ process: { selinuxLabel: 'system_u:system_r:container_t:s0' } }),
        mountLabel: taken({ linux: { mountLabel: 'system_u:object_r:container_file_t:s0' } }),
        intelRdt: taken({ linux: { intelRdt: { closID: 'a' } } }),
        idmap: taken({ spec: { mounts: [IDMAPPED] } }),
        netDevices: taken({ linux: { netDevices: { eth9: {} } } }, { netDevices: [device] }),
      },
    )
    // They are no constants: a host that lacks them is told apart.
    assert.not(E.isRight(planDocument(documentInput({ process: { apparmorProfile: 'p' } }))))
    assert.not(E.isRight(planDocument(documentInput({ process: { selinuxLabel: 'l' } }))))
  }))

test('every action and flag that features name makes a filter', () =>
  inFolder(async (root) => {
    const { actions = [], supportedFlags = [] } = (await featuresOf(root)).linux.seccomp
    assert.ok(actions.includes('SCMP_ACT_NOTIFY') && supportedFlags.length === 4)
    for (const action of actions) {
      const profile = { defaultAction: 'SCMP_ACT_ALLOW', syscalls: [{ names: ['mkdir'], action }] }
      expectRight(compileSeccomp({ ...profile, flags: supportedFlags } as LinuxSeccomp, 'x64'))
    }
  }))

test('an id is reserved once, in directories nobody else may enter', () =>
  inFolder((folder) => {
    const root = path.join(folder, 'a', 'b')
    const state = openStateDir(root)
    assert.is(expectRight(state.reserve(id)), path.join(root, 'web'))
    assert.equal(expectLeft(state.reserve(id)), { _tag: 'ContainerExists', container: 'web' })
    for (const made of [root, path.join(root, 'web')]) assert.is(statSync(made).mode & 0o777, 0o700)
    assert.ok(statSync(root).mode & 0o1000)
    assert.is(expectLeft(state.load(id))._tag, 'ContainerNotFound')
    expectRight(state.save(someRecord('web')))
    expectRight(state.saveConfig(id, '{}'))
    assert.is(expectRight(state.load(id)).status, 'stopped')
    assert.equal(readdirSync(path.join(root, 'web')).sort(), ['config.json', 'state.json'])
    assert.is(statSync(path.join(root, 'web', 'state.json')).mode & 0o777, 0o600)
    expectRight(state.remove(id))
    expectRight(state.remove(id))
    assert.equal(expectRight(state.list()), { found: [], bad: [] })
  }))

test('a write that fails leaves the old file, and nothing beside it', () =>
  inFolder((folder) => {
    replaceFile(folder, 'a', 'old')
    mkdirSync(path.join(folder, 'b'))
    assert.throws(() => replaceFile(folder, 'b', 'new'), /EISDIR|ENOTDIR|EEXIST/)
    assert.throws(() => replaceFile(path.join(folder, 'nope'), 'a', 'new'), /ENOENT/)
    assert.equal(readdirSync(folder).sort(), ['a', 'b'])
    assert.is(readFileSync(path.join(folder, 'a'), 'utf8'), 'old')
  }))

test('a damaged state is told, and does not hide the others', () =>
  inFolder(async (root) => {
    place(root, 'web', 'running')
    place(root, 'moved', 'running', { id })
    mkdirSync(path.join(root, 'torn'))
    writeFileSync(path.join(root, 'torn', 'state.json'), '{"version":1,')
    const ran = await slipwayOci({ root }, 'list', '-q')
    assert.equal([ran.code, ran.stdout], [0, 'web\n'])
    assert.match(ran.stderr, /load container moved: .*is that of web\n/)
    assert.match(ran.stderr, /load container torn: .*state\.json: damaged: not JSON/)
    assert.match(reason(await slipwayOci({ root }, 'state', 'torn')), /state\.json: damaged: not JSON/)
  }))

test.run()
