// What a host with cgroup v2 alone offers. Runs in the virtual machine; elsewhere it is skipped.
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { assert, suite } from '../support/suite.ts'

const ROOT = '/sys/fs/cgroup'
const read = (file: string): string => readFileSync(`${ROOT}/${file}`, 'utf8').trim()

const test = suite('v2/cgroup2')
test.requires('root', 'cgroup2')
test('the unified hierarchy is the only one mounted', () => {
  const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n')
  assert.equal(
    mounts.map((line) => line.split(' ')[2]).filter((type) => type === 'cgroup' || type === 'cgroup2'),
    ['cgroup2'],
  )
})
for (const controller of ['cpu', 'memory', 'pids', 'cpuset', 'io']) {
  test(`the controller ${controller} is there and handed down`, () => {
    assert.ok(read('cgroup.controllers').split(' ').includes(controller))
    assert.ok(read('cgroup.subtree_control').split(' ').includes(controller))
  })
}
test('a limit that is written can be read back', () => {
  mkdirSync(`${ROOT}/limited`)
  try {
    writeFileSync(`${ROOT}/limited/memory.max`, String(64 << 20))
    assert.is(read('limited/memory.max'), String(64 << 20))
  } finally {
    rmdirSync(`${ROOT}/limited`)
  }
})
test('cgroup.kill is there', () => {
  mkdirSync(`${ROOT}/killed`)
  try {
    writeFileSync(`${ROOT}/killed/cgroup.kill`, '1')
  } finally {
    rmdirSync(`${ROOT}/killed`)
  }
})
test.run()
