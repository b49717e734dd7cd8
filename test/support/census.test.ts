import { spawn } from 'node:child_process'
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { censusCounts, censusDifferences, settledDifferences, takeCensus } from './census.ts'
import { assert, suite } from './suite.ts'

const test = suite('support/census')
const directory = mkdtempSync(path.join(tmpdir(), 'census-'))
const scope = { directories: [directory], cgroup: 'slipway-census-test' }

test.after(() => rmSync(directory, { recursive: true, force: true }))

test('two censuses of an unchanged host are equal', () => {
  assert.equal(censusDifferences(takeCensus(scope), takeCensus(scope)), [])
})

test('a file and a directory that were left are named', () => {
  const before = takeCensus(scope)
  mkdirSync(path.join(directory, 'upper'))
  writeFileSync(path.join(directory, 'upper/left'), '')
  assert.equal(censusDifferences(before, takeCensus(scope)), [
    `files: left behind: ${directory}/upper/`,
    `files: left behind: ${directory}/upper/left`,
  ])
  rmSync(path.join(directory, 'upper'), { recursive: true })
  assert.equal(censusDifferences(before, takeCensus(scope)), [])
})

test('a descriptor left open is named, and one that was closed', () => {
  const before = takeCensus(scope)
  const fd = openSync(directory, 'r')
  const during = takeCensus(scope)
  assert.equal(censusDifferences(before, during), [`fds: left behind: ${fd} ${directory}`])
  closeSync(fd)
  assert.equal(censusDifferences(during, takeCensus(scope)), [`fds: gone: ${fd} ${directory}`])
})

test('a child process is counted with its network namespace, and waited for', async () => {
  const before = takeCensus(scope)
  const child = spawn('sleep', ['60'], { stdio: 'ignore' })
  const differences = censusDifferences(before, takeCensus(scope))
  assert.ok(differences.some((line) => line.startsWith(`processes: left behind: ${child.pid} `)))
  assert.is(takeCensus(scope).netNamespaces.length, before.netNamespaces.length + 1)
  setTimeout(() => child.kill('SIGKILL'), 50)
  assert.equal(
    (await settledDifferences(scope, before)).filter((line) => !line.startsWith('fds')),
    [],
  )
})

test('a difference that stays is reported when the time is up', async () => {
  const before = takeCensus(scope)
  writeFileSync(path.join(directory, 'stays'), '')
  assert.equal(await settledDifferences(scope, before, 60), [`files: left behind: ${directory}/stays`])
})

test('counts give the size of every kind', () => {
  const counts = censusCounts(takeCensus(scope))
  assert.equal(Object.keys(counts), ['mounts', 'cgroups', 'netNamespaces', 'processes', 'fds', 'files'])
  assert.is(counts.cgroups, 0)
})

test.run()
