// The manager of a user: root of that user's namespace has its containers in the user's own slices, as under rootless podman.
import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { assert, suite } from '../../support/suite.ts'
import { makeFolder, until } from '../life-cycle/support.ts'
import { MANAGER, MB, openScopes, SCOPE_NEEDS, type Scopes, systemctl } from './support.ts'

const test = suite('oci/systemd/user')
test.requires(...SCOPE_NEEDS, 'program:setpriv', 'program:systemd-run')

/** Of www-data, whom every Debian has. */
const UID = 33
const UNIT = `slipway-user-${process.pid}.service`
const RUNTIME_DIR = `/run/slipway-user-${process.pid}`
const COMMAND = path.resolve('dist/oci.cjs')
let box: Scopes
let folder = ''

const asUser = (...argv: readonly string[]): readonly string[] => [
  ...['setpriv', '--reuid', String(UID), '--regid', String(UID), '--clear-groups'],
  ...['env', `XDG_RUNTIME_DIR=${RUNTIME_DIR}`, ...argv],
]
const output = ([program = '', ...args]: readonly string[]): string => {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' })
  assert.is(status, 0, stderr)
  return stdout.trim()
}

test.before(() => {
  box = openScopes()
  for (const each of [RUNTIME_DIR, path.join(RUNTIME_DIR, 'units')]) {
    mkdirSync(each, { mode: 0o700 })
    chownSync(each, UID, UID)
  }
  writeFileSync(path.join(RUNTIME_DIR, 'units/default.target'), '[Unit]\nDefaultDependencies=no\n')
  folder = makeFolder(box.folder, 'user')
  chownSync(folder, UID, UID)
  chmodSync(folder, 0o755)
  const settings = [
    'User=www-data',
    'Delegate=yes',
    'Type=notify',
    'DefaultDependencies=no',
    'KillSignal=SIGKILL',
  ]
  output([
    ...['systemd-run', '--quiet', `--unit=${UNIT}`, ...settings.map((each) => `--property=${each}`)],
    ...[`--setenv=XDG_RUNTIME_DIR=${RUNTIME_DIR}`, `--setenv=SYSTEMD_UNIT_PATH=${RUNTIME_DIR}/units`],
    ...['/lib/systemd/systemd', '--user', '--unit=default.target'],
  ])
})
test.after(async () => {
  systemctl('stop', UNIT)
  await box.close()
  rmSync(RUNTIME_DIR, { recursive: true, force: true })
})

/** What the command says and its exit code, as root of a user namespace whose root is the user, in a service of the user's manager. */
const runtime = async (...words: readonly string[]): Promise<string> => {
  const at = (name: string): string => path.join(folder, name)
  const read = (name: string) => () =>
    existsSync(at(name)) ? readFileSync(at(name), 'utf8').trim() || undefined : undefined
  for (const name of ['pid', 'go', 'said', 'code']) rmSync(at(name), { force: true })
  const script = `cd ${folder}; echo $$ > pid; until [ -e go ]; do sleep 0.1; done; "$@" > said 2>&1; echo $? > code`
  // In a file: systemd has a use of its own for dollars.
  writeFileSync(at('script'), script)
  const command = [process.execPath, COMMAND, '--root', at('root'), ...words]
  // It waits for no end: for that a bus would have to be there.
  output(
    asUser(
      ...['systemd-run', '--user', '--quiet', '--collect', '--no-block', '--property=DefaultDependencies=no'],
      ...[`--setenv=XDG_RUNTIME_DIR=${RUNTIME_DIR}`, `--setenv=PATH=${process.env.PATH}`],
      ...['unshare', '--user', 'sh', at('script'), ...command],
    ),
  )
  const pid = await until('it is in its namespace', read('pid'), 30_000)
  for (const map of ['uid_map', 'gid_map'])
    writeFileSync(`/proc/${pid}/${map}`, `0 ${UID} 1\n1 100000 65535\n`)
  writeFileSync(at('go'), '')
  const code = await until('it has ended', read('code'), 60_000)
  return `${read('said')() ?? ''}code ${code}`
}

test('a container is a scope of the user with its limits, and is gone with it', async () => {
  const id = box.newId()
  const bundle = box.bundle(id, {
    args: ['sleep', '1000'],
    // In a user namespace no device can be made.
    more: {
      mounts: [
        { destination: '/proc', type: 'proc', source: 'proc' },
        { destination: '/dev', type: 'bind', source: '/dev', options: ['rbind'] },
      ],
    },
    linux: {
      cgroupsPath: `:life:${id}`,
      namespaces: ['pid', 'mount', 'ipc', 'uts'].map((type) => ({ type })),
      resources: { memory: { limit: 64 * MB }, pids: { limit: 20 } },
    },
  })
  assert.is(await runtime(...MANAGER, 'create', '--bundle', bundle, id), 'code 0')
  const unit = `life-${id}.scope`
  const group = output(asUser('systemctl', '--user', 'show', '--property=ControlGroup', '--value', unit))
  assert.match(group, new RegExp(`/${UNIT}/user\\.slice/${unit}$`))
  assert.is(readFileSync(`/sys/fs/cgroup${group}/memory.max`, 'utf8'), `${64 * MB}\n`)
  assert.is(readFileSync(`/sys/fs/cgroup${group}/pids.max`, 'utf8'), '20\n')
  assert.match(readFileSync(`/sys/fs/cgroup${group}/cgroup.procs`, 'utf8'), /^\d+\n$/)
  assert.is(await runtime('update', '--pids-limit', '30', id), 'code 0')
  assert.is(readFileSync(`/sys/fs/cgroup${group}/pids.max`, 'utf8'), '30\n')
  assert.is(await runtime('delete', '--force', id), 'code 0')
  assert.not(existsSync(`/sys/fs/cgroup${group}`))
})

test.run()
