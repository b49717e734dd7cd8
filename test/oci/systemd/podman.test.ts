// podman with systemd's groups and slipway-oci as its runtime, where systemd is the first process.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { assert, suite } from '../../support/suite.ts'
import { said } from '../engines/common.ts'
import { packRootfs, type Ran, RUNTIME } from '../engines/stage.ts'

const test = suite('oci/systemd/podman')
test.requires(
  'root',
  'cgroup2',
  'file:/run/systemd/system',
  'program:podman',
  'program:conmon',
  'program:busybox',
)

/** With its registry: nothing is looked up in /var/cache, which is read-only there. */
const IMAGE = 'localhost/box:latest'
let folder = ''
const TIMEOUT_MS = 120_000

const ran = (program: string, ...argv: readonly string[]): Ran => {
  const { status, stdout, stderr } = spawnSync(program, argv, { encoding: 'utf8', timeout: TIMEOUT_MS })
  return { code: status, stdout, stderr }
}
const podman = (...argv: readonly string[]): Ran => {
  const at = (name: string): string => path.join(folder, name)
  const flags = ['--cgroup-manager', 'systemd', '--events-backend', 'none', '--storage-driver', 'vfs']
  const places = ['--root', at('store'), '--runroot', at('run'), '--tmpdir', at('tmp'), '--runtime', RUNTIME]
  return ran('podman', ...flags, ...places, ...argv)
}
const unitsOf = (id: string): string =>
  said(ran('systemctl', 'list-units', '--all', '--no-legend', `*${id}*`))

test.before(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'podman-'))
  const { tar, remove } = packRootfs()
  said(podman('import', tar, IMAGE))
  remove()
})
test.after(() => {
  podman('rm', '--all', '--force', '--time', '0')
  rmSync(folder, { recursive: true, force: true })
})

test('a container is a scope of machine.slice with the limits podman was given', () => {
  const flags = ['--network', 'none', '--memory', '64m', '--pids-limit', '50', '--cpus', '0.5']
  const id = said(
    podman('run', '-d', '--name', 'one', '--stop-signal', 'KILL', ...flags, IMAGE, 'sleep', '1000'),
  )
  const unit = `libpod-${id}.scope`
  const properties = ['ControlGroup', 'MemoryMax', 'TasksMax', 'CPUQuotaPerSecUSec']
  assert.equal(
    said(ran('systemctl', 'show', '--property', properties.join(), unit))
      .split('\n')
      .sort(),
    [
      'CPUQuotaPerSecUSec=500ms',
      `ControlGroup=/machine.slice/${unit}`,
      `MemoryMax=${64 * 2 ** 20}`,
      'TasksMax=50',
    ],
  )
  assert.match(said(podman('exec', 'one', 'cat', '/proc/self/cgroup')), /^0::\//)
  said(podman('rm', '--force', '--time', '0', 'one'))
  assert.not.match(unitsOf(id), new RegExp(`^\\W*libpod-${id}`, 'm'))
})

test.run()
