// The files that say who a user is belong to the image: they are read by the engine, so they must not be able to stop, fill or
// trick it (CVE-2024-9676, CVE-2026-30892; rules 12 and 15).
import { execFileSync } from 'node:child_process'
import {
  closeSync,
  constants,
  mkdirSync,
  openSync,
  rmSync,
  symlinkSync,
  truncateSync,
  watch,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import path from 'node:path'
import { pause, until } from '../support/library.ts'
import { assert, suite } from '../support/suite.ts'
import { type Box, openBox, security, securityNeeds } from './box.ts'

const Users = suite('security/users')
const reason = securityNeeds()
const test = security(Users, reason)
let box: Box

Users.before(() => {
  if (reason === undefined) box = openBox()
})
Users.after(async () => {
  if (reason === undefined) await box.close()
})

const WHO = ['/probe', 'uid']

type Spoil = (file: string) => void
const HOSTILE: Readonly<Record<string, Spoil>> = {
  'a FIFO': (file) => execFileSync('mkfifo', [file]),
  'a link to /dev/zero': (file) => symlinkSync('/dev/zero', file),
  'a link to a FIFO': (file) => {
    execFileSync('mkfifo', [`${file}.fifo`])
    symlinkSync(path.basename(`${file}.fifo`), file)
  },
  'a zero device': (file) => execFileSync('mknod', [file, 'c', '1', '5']),
  'a device without a driver': (file) => execFileSync('mknod', [file, 'c', '222', '222']),
  'a disk': (file) => execFileSync('mknod', [file, 'b', '7', '7']),
  'a folder': (file) => mkdirSync(file),
  'a link to itself': (file) => symlinkSync(path.basename(file), file),
  "a link to the host's": (file) => symlinkSync(`${'../'.repeat(20)}etc/shadow`, file),
  'a magic link': (file) => symlinkSync('/proc/self/fd/0', file),
  '10 GB of nothing': (file) => {
    writeFileSync(file, '')
    truncateSync(file, 10 * 2 ** 30)
  },
}

for (const [what, spoil] of Object.entries(HOSTILE)) {
  test(`passwd and group as ${what}: numbers work, names are unknown, nobody waits`, async () => {
    const rootfs = box.rootfsWith((folder) => {
      for (const name of ['passwd', 'group']) {
        const file = path.join(folder, 'etc', name)
        rmSync(file)
        spoil(file)
      }
    })
    const numbers = await box.run(WHO, { user: '1234:5' }, { rootfs })
    if (what === '10 GB of nothing')
      assert.match(numbers.failed ?? numbers.out, /UnknownUser|StateDamaged|uid 1234 1234/)
    else assert.is(numbers.out, 'uid 1234 1234\n', numbers.failed)
    const named = await box.run(WHO, { user: 'app' }, { rootfs })
    assert.match(named.failed ?? 'it started', /^UnknownUser: /)
  })
}

test('a socket of a running server is not connected to', async () => {
  let connections = 0
  const rootfs = box.rootfsWith((folder) => rmSync(path.join(folder, 'etc/passwd')))
  const server = createServer(() => connections++).listen(path.join(rootfs, 'etc/passwd'))
  await new Promise((resolve) => server.once('listening', resolve))
  assert.match((await box.run(WHO, { user: 'app' }, { rootfs })).failed ?? 'it started', /^UnknownUser: /)
  server.close()
  assert.is(connections, 0)
})

test('a device in an image is looked at, never opened: opening a watchdog arms it', async () => {
  const rootfs = box.rootfsWith((folder) => {
    rmSync(path.join(folder, 'etc/passwd'))
    execFileSync('mknod', [path.join(folder, 'etc/passwd'), 'c', '5', '2'])
  })
  const device = path.join(rootfs, 'etc/passwd')
  // c 5:2 is ptmx: every opening of it makes a terminal in the devpts beside it, `pts`, which is this test's own.
  const pts = path.join(rootfs, 'etc/pts')
  mkdirSync(pts)
  execFileSync('mount', ['-t', 'devpts', 'devpts', pts])
  const made: (string | null)[] = []
  const watcher = watch(pts, (_, name) => made.push(name))
  try {
    const { failed } = await box.run(WHO, { user: 'app' }, { rootfs })
    assert.match(failed ?? 'it started', /^UnknownUser: /)
    await pause(50)
    assert.equal(made, [])
    // So that is how it would be seen.
    closeSync(openSync(device, constants.O_RDWR | constants.O_NOCTTY))
    await until('a terminal was made', () => made.length > 0)
  } finally {
    watcher.close()
    execFileSync('umount', [pts])
  }
})

test('a user is who it says or nobody: no text of any form becomes root by accident', async () => {
  const rootfs = box.rootfsWith((folder) =>
    writeFileSync(
      path.join(folder, 'etc/passwd'),
      'root:x:0:0::/:/bin/sh\n:x:0:0::/:\n1000:x:0:0::/:\napp:x:1000:1000::/:\n\0:x:0:0::/:\nx:y\nbig:x:4294967296:0::/:\nneg:x:-1:0::/:\n',
    ),
  )
  for (const user of [
    'app ',
    ' app',
    '-1',
    '4294967295',
    '4294967296',
    '0x0',
    '1e0',
    '٠',
    'app:root:x',
    ':0:',
    'x',
    'big',
    'neg',
    'root\n',
    '%',
    '../root',
  ]) {
    const { failed, out } = await box.run(WHO, { user }, { rootfs })
    assert.ok(failed !== undefined, `${JSON.stringify(user)} ran as ${out}`)
    assert.match(failed, /^(UnknownUser|InvalidOption): /)
  }
  assert.is((await box.run(WHO, { user: 'app' }, { rootfs })).out, 'uid 1000 1000\n')
})

Users.run()
