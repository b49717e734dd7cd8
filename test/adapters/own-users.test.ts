// The user namespace of an ordinary user where it cannot be made: what is told, and what is left.
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import path from 'node:path'
import { makeMappedUsers, makeOwnUsers, type UsersSource } from '../../src/adapters/own-users.ts'
import type { EngineError } from '../../src/model/errors.ts'
import type { Addon } from '../../src/native/addon.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('adapters/own-users')
let folder = ''
test.beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'slipway-users-'))
  mkdirSync(path.join(folder, 'bin'))
})
test.afterEach(() => rmSync(folder, { recursive: true, force: true }))

const euid = process.geteuid?.() ?? 0
const source = (): UsersSource => ({ euid, egid: 7, etc: folder, path: path.join(folder, 'bin') })

/** One whose clone is this very process's pid 2³¹: its files are not there. */
const fake = (cloned: number | readonly [number, number]) => {
  const ended: number[] = []
  const addon = {
    cloneIntoUserNamespace: () => cloned,
    endClone: (pidfd: number) => void ended.push(pidfd),
  } as unknown as Addon
  return { addon, ended }
}

const failureOf = (make: () => unknown): EngineError => {
  try {
    make()
  } catch (error) {
    return error as EngineError
  }
  throw new Error('it was to fail')
}

const ERRNOS: readonly (readonly [errno: number, why: RegExp, remedy: RegExp])[] = [
  [1, /does not let ordinary users/, /unprivileged_userns_clone=1 \(Debian\), kernel\.apparmor_restrict/],
  [28, /max_user_namespaces/, /sysctl -w user\.max_user_namespaces/],
  [87, /nested too deeply/, /max_user_namespaces/],
]
for (const [errno, why, remedy] of ERRNOS)
  test(`errno ${errno} of the clone is told with the switch that would help`, () => {
    const error = failureOf(() => makeOwnUsers(fake(-errno).addon, source()))
    assert.is(error._tag, 'HostUnfit')
    if (error._tag !== 'HostUnfit') return
    assert.match(error.why, why)
    assert.match(error.remedy ?? '', remedy)
  })

test('any other errno of the clone is the step’s', () => {
  assert.equal(
    failureOf(() => makeOwnUsers(fake(-12).addon, source())),
    { _tag: 'SyscallFailed', step: 'make user namespace', errno: 12 },
  )
})

test('a clone whose maps cannot be written is ended', () => {
  const { addon, ended } = fake([2 ** 31, 55])
  assert.match(String(failureOf(() => makeOwnUsers(addon, source()))), /ENOENT/)
  assert.equal(ended, [55])
})

const helper = (name: string, text: string): void => {
  const file = path.join(folder, 'bin', name)
  writeFileSync(file, `#!/bin/sh\n${text}\n`)
  chmodSync(file, 0o755)
}
const MAPS = {
  uidMappings: [{ containerID: 0, hostID: 100_000, size: 10 }],
  gidMappings: [{ containerID: 0, hostID: 100_000, size: 10 }],
}

test('the maps of a document need both helpers, and each is named where it is missing', () => {
  const { addon } = fake([2 ** 31, 55])
  const both = failureOf(() => makeMappedUsers(addon, source(), MAPS))
  assert.match(JSON.stringify(both), /newuidmap and newgidmap cannot be found.*package uidmap/)
  helper('newuidmap', 'exit 0')
  assert.match(
    JSON.stringify(failureOf(() => makeMappedUsers(addon, source(), MAPS))),
    /"newgidmap cannot be found/,
  )
})

test('what a helper says is told, with the file that must give the ids', () => {
  const { addon, ended } = fake([2 ** 31, 55])
  helper('newuidmap', `echo "$@" >${folder}/args`)
  helper('newgidmap', 'echo "newgidmap: no such range" >&2; exit 1')
  const text = JSON.stringify(failureOf(() => makeMappedUsers(addon, source(), MAPS)))
  assert.match(text, /newgidmap refused the map: newgidmap: no such range/)
  assert.match(text, /setuid root.*subgid gives this user all of 100000:10/)
  assert.equal(ended, [55])
})

test('other sources of nsswitch.conf are asked by getsubids', () => {
  writeFileSync(path.join(folder, 'nsswitch.conf'), 'passwd: files\nsubid: sss\n')
  helper('getsubids', `echo "$@" >>${folder}/asked; echo "0: $1 5000 10"`)
  helper('newuidmap', `echo "$@" >${folder}/uids; exit 1`)
  helper('newgidmap', 'exit 1')
  const { addon, ended } = fake([2 ** 31, 55])
  // The helper fails, then the one id cannot be written for the fake either.
  failureOf(() => makeOwnUsers(addon, source()))
  assert.is(ended.length, 2)
  assert.is(readFileSync(`${folder}/uids`, 'utf8'), `${2 ** 31} 0 ${euid} 1 1 5000 10\n`)
  const { username } = userInfo()
  assert.is(readFileSync(`${folder}/asked`, 'utf8'), `${username}\n-g ${username}\n`)
})

test.run()
