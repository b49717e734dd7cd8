// Who a user string means, by the image's own files; the files are hostile in half of these.

import fc from 'fast-check'
import * as E from '#fp/Either'
import { MAX_ID, MAX_USER_DB_BYTES, parseGroup, parsePasswd, resolveUser } from '../../src/model/user-db.ts'
import { expectMessage, expectRight } from '../support/either.ts'
import { assert, suite } from '../support/suite.ts'

const Users = suite('model/user-db')

const PASSWD = `root:x:0:0:root:/root:/bin/bash
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
web:x:33:33::/var/www:
me:x:1000:1000:Me,,,:/home/me:/bin/sh
me:x:2000:2000:again:/home/again:/bin/sh
1234:x:77:77:a number for a name:/n:/bin/sh
`
const GROUP = `root:x:0:
daemon:x:1:
web:x:33:
staff:x:50:me,web
docker:x:999:me,root
me:x:1000:
`
const resolve = (user: string, extra: readonly string[] = []) =>
  expectRight(resolveUser(user, PASSWD, GROUP, extra))
const refuse = (user: string, extra: readonly string[] = []) =>
  expectMessage(resolveUser(user, PASSWD, GROUP, extra))

const accepted: readonly (readonly [
  user: string,
  uid: number,
  gid: number,
  groups: readonly number[],
  home: string,
])[] = [
  ['', 0, 0, [0, 999], '/root'],
  ['root', 0, 0, [0, 999], '/root'],
  ['0', 0, 0, [0, 999], '/root'],
  ['me', 1000, 1000, [1000, 50, 999], '/home/me'],
  ['1000', 1000, 1000, [1000, 50, 999], '/home/me'],
  ['me:', 1000, 1000, [1000, 50, 999], '/home/me'],
  ['me:staff', 1000, 50, [50], '/home/me'],
  ['me:50', 1000, 50, [50], '/home/me'],
  ['me:4242', 1000, 4242, [4242], '/home/me'],
  ['1000:1000', 1000, 1000, [1000], '/home/me'],
  ['5000', 5000, 0, [0], '/'],
  ['5000:6000', 5000, 6000, [6000], '/'],
  [':staff', 0, 50, [50], '/root'],
  ['1234', 1234, 0, [0], '/'],
  ['2000', 2000, 2000, [2000, 50, 999], '/home/again'],
  [' web ', 33, 33, [33, 50], '/var/www'],
  ['0005000', 5000, 0, [0], '/'],
  [String(MAX_ID), MAX_ID, 0, [0], '/'],
]
for (const [user, uid, gid, additionalGids, home] of accepted) {
  Users(`${JSON.stringify(user)} is uid ${uid}, gid ${gid}, groups ${additionalGids.join()}`, () => {
    assert.equal(resolve(user), { uid, gid, additionalGids, home })
  })
}

const refused: readonly (readonly [user: string, why: string])[] = [
  ['nobody', 'no such user in the image'],
  ['me:nogroup', 'no group "nogroup" in the image'],
  ['-1', `uids go from 0 to ${MAX_ID}`],
  ['+0', `uids go from 0 to ${MAX_ID}`],
  ['4294967295', `uids go from 0 to ${MAX_ID}`],
  ['2147483648', `uids go from 0 to ${MAX_ID}`],
  ['99999999999999999999', `uids go from 0 to ${MAX_ID}`],
  ['me:4294967295', `gids go from 0 to ${MAX_ID}`],
  ['me:-5', `gids go from 0 to ${MAX_ID}`],
  ['0x0', 'no such user in the image'],
  ['0 ; x', 'no such user in the image'],
  ['me:staff:x', 'expected user or user:group'],
]
for (const [user, why] of refused) {
  Users(`${JSON.stringify(user)} is refused: ${why}`, () => {
    assert.is(refuse(user), `user ${JSON.stringify(user)}: ${why}`)
  })
}

Users('an image without the files knows numbers only', () => {
  assert.equal(expectRight(resolveUser('', undefined, undefined)), {
    uid: 0,
    gid: 0,
    additionalGids: [0],
    home: '/',
  })
  assert.is(expectRight(resolveUser('7:8', undefined, undefined)).gid, 8)
  assert.is(
    expectMessage(resolveUser('root', undefined, undefined)),
    'user "root": no such user in the image',
  )
  assert.match(expectMessage(resolveUser('7:wheel', undefined, undefined)), 'no group "wheel" in the image')
})

Users('added groups come after the own ones, by name or number, each once', () => {
  assert.equal(resolve('me', ['daemon', '50', '4242', 'daemon']).additionalGids, [1000, 50, 999, 1, 4242])
  assert.equal(resolve('me:staff', ['docker']).additionalGids, [50, 999])
})

Users('an added group that does not exist is refused', () => {
  assert.is(refuse('me', ['wheel']), 'groups: "wheel": no group "wheel" in the image')
  assert.is(refuse('me', ['4294967295']), `groups: "4294967295": gids go from 0 to ${MAX_ID}`)
})

Users('a line whose numbers are none is skipped, and never becomes root', () => {
  const bad = [
    'a:x:zero:0',
    'b:x::0',
    'c:x:-1:0',
    'd:x:0x0:0',
    'e:x:4294967295:0',
    'f:x:1e3:0',
    'g:x:1',
    'h',
    ':x:0:0',
  ]
  assert.equal(parsePasswd(bad.join('\n')), [])
  for (const name of 'abcdefgh') {
    assert.match(expectMessage(resolveUser(name, bad.join('\n'), GROUP)), 'no such user in the image')
  }
})

Users('comments, empty lines and lines with NUL are skipped', () => {
  assert.equal(
    parsePasswd('\n#root:x:0:0::/:\n\nx\0y:x:1:1::/:\nok:x:5:5::/:\r\n').map(({ name }) => name),
    ['ok'],
  )
})

Users('a home that is not absolute becomes the root folder', () => {
  assert.is(parsePasswd('a:x:1:1::relative:')[0]?.home, '/')
  assert.is(parsePasswd('a:x:1:1')[0]?.home, '/')
})

Users('members of a group are split at commas and may be missing', () => {
  assert.equal(parseGroup('g:x:5:a,,b\nh:x:6\nbad:x:y:a'), [
    { name: 'g', gid: 5, members: ['a', 'b'] },
    { name: 'h', gid: 6, members: [] },
  ])
})

Users('a file past the size limit is refused whole', () => {
  const long = '#'.repeat(MAX_USER_DB_BYTES + 1)
  const want = 'user "0": the passwd or group file of the image is too long'
  assert.is(expectMessage(resolveUser('0', long, GROUP)), want)
  assert.is(expectMessage(resolveUser('0', PASSWD, long)), want)
})

Users('whatever the files and the user say, ids stay in range and nothing throws', () => {
  const line = fc.array(fc.oneof(fc.string({ maxLength: 6 }), fc.integer().map(String)), { maxLength: 8 })
  const file = fc
    .array(
      line.map((fields) => fields.join(':')),
      { maxLength: 6 },
    )
    .map((all) => all.join('\n'))
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.integer().map(String)), file, file, (user, passwd, group) => {
      const result = resolveUser(user, passwd, group)
      if (E.isLeft(result)) return
      for (const id of [result.right.uid, result.right.gid, ...result.right.additionalGids]) {
        assert.ok(Number.isInteger(id) && id >= 0 && id <= MAX_ID)
      }
    }),
    { numRuns: 500 },
  )
})

Users('a name never gives root unless an entry says so', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1 }), (name) => {
      fc.pre(!/^\s*\+?0*(?::.*)?\s*$/.test(name) && !/^\s*root\s*(?::.*)?$/.test(name) && name.trim() !== '')
      const result = resolveUser(name, PASSWD, GROUP)
      if (E.isRight(result)) assert.is.not(result.right.uid, 0)
    }),
  )
})

Users.run()
