// Containers of an ordinary user that outlive the command that starts them.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { until } from '../support/library.ts'
import type { OrdinaryUser } from '../support/ordinary-user.ts'
import { assert } from '../support/suite.ts'
import type { Archives } from './images.ts'
import { rootlessSuite } from './suite.ts'

let user: OrdinaryUser
let archives: Archives
const { test, run } = rootlessSuite('rootless/detached', (hands) => {
  ;({ user, archives } = hands)
  output('load', '-i', archives.many)
})
const output = (...argv: readonly string[]): string => {
  const { status, stdout, stderr } = user.slipway(argv)
  if (status !== 0) throw new Error(`slipway ${argv.join(' ')}: ${status}: ${stderr}`)
  return stdout.trim()
}
const statusOf = (name: string): string =>
  output('ps', '-a', '--filter', `name=^${name}$`, '--format', '{{.Status}}')
const UNTIL_TERM = 'trap "exit 3" TERM; while :; do sleep 0.1; done'

test('one runs on, is looked into, stopped and started again, and leaves nothing', () => {
  const id = output('run', '-d', '--name', 'life', 'host', 'sh', '-c', `id -u; ${UNTIL_TERM}`)
  assert.match(statusOf('life'), /^Up/)
  assert.is(output('exec', 'life', 'id', '-u'), '0')
  assert.match(output('top', 'life'), 'sleep 0.1')
  output('stop', 'life')
  assert.is(output('wait', 'life'), '3')
  output('start', 'life')
  output('restart', 'life')
  assert.is(output('logs', 'life'), '0\n0\n0')
  const copy = path.join(user.folder('copies'), 'hostname')
  output('cp', 'life:/etc/hostname', copy)
  assert.is(readFileSync(copy, 'utf8').trim(), id.slice(0, 12))
  output('rm', '-f', 'life')
  assert.equal(user.left(), [])
})

test('its streams belong to the user of the container, and so does its volume’s data', () => {
  const script = 'id -u; echo again > /dev/stdout; echo kept > /home/app/file; sleep 100'
  output('run', '-d', '--name', 'other', '-u', '1000', '-v', 'data:/home/app', 'many:1', 'sh', '-c', script)
  assert.is(output('exec', 'other', 'cat', '/home/app/file'), 'kept')
  assert.is(output('logs', 'other'), '1000\nagain')
  output('rm', '-f', 'other')
  assert.is(output('run', '--rm', '-v', 'data:/data', 'many:1', 'stat', '-c', '%u', '/data/file'), '1000')
  output('volume', 'rm', 'data')
  assert.equal(user.left(), [])
})

test('its monitor starts it again, with the ids it had', async () => {
  const script = 'cat /proc/self/uid_map; touch /home/tried; exit 2'
  const run = ['run', '-d', '--name', 'again', '--restart', 'on-failure:2', 'many:1', 'sh', '-c', script]
  const id = output(...run)
  await until('it has been tried three times', () => statusOf('again').startsWith('Exited (2)'), 60)
  const runs = output('logs', 'again')
    .split('\n')
    .map((line) => line.trim().replace(/\s+/g, ' '))
  const maps = [`0 ${user.uid} 1`, `1 ${user.firstId} 65536`]
  assert.equal(runs, [...maps, ...maps, ...maps], id)
  assert.match(output('diff', 'again'), 'A /home/tried')
  output('rm', 'again')
  assert.equal(user.left(), [])
})

test('what another of its ids has written goes with one that removes itself', async () => {
  const script = 'mkdir /tmp/own; touch /tmp/own/file; exit 0'
  output('run', '-d', '--rm', '--name', 'passing', '-u', '1000', 'many:1', 'sh', '-c', script)
  await until('it is gone', () => statusOf('passing') === '', 60)
  assert.equal(user.left(), [])
})

test('its health is looked at, a terminal is held, and another image takes its place', async () => {
  const health = ['--health-cmd', 'test "$(id -u)" = 0', '--health-interval', '100ms']
  output('run', '-dt', '--name', 'well', ...health, 'many:1', 'sh', '-c', 'tty; sleep 100')
  await until('it is healthy', () => statusOf('well').includes('(healthy)'), 60)
  assert.is(output('logs', 'well'), '/dev/pts/0')
  const before = output('inspect', '--format', '{{.Id}}', 'well')
  output('replace', 'well', 'many:1')
  assert.is.not(output('inspect', '--format', '{{.Id}}', 'well'), before)
  output('rm', '-f', 'well')
  assert.equal(user.left(), [])
})

test('one whose monitor was killed is taken over, in a user namespace of whoever does', async () => {
  output('run', '-d', '--name', 'orphan', '--restart', 'always', 'host', 'sh', '-c', `echo up; ${UNTIL_TERM}`)
  const first = output('inspect', '--format', '{{.State.Pid}}', 'orphan')
  const monitor = /^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${first}/status`, 'utf8'))?.[1]
  process.kill(Number(monitor), 'SIGKILL')
  assert.is(output('exec', 'orphan', 'echo', 'in'), 'in')
  output('restart', 'orphan')
  await until('it is up again', () => output('logs', 'orphan') === 'up\nup', 60)
  output('rm', '-f', 'orphan')
  assert.equal(user.left(), [])
})

run()
