// The helper is in every container for a moment, and for good where it is PID 1: nobody may change or stop it (rule 1).
import { chmodSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { assert, suite } from '../support/suite.ts'
import { type Box, openBox, security, securityNeeds } from './box.ts'

const Entry = suite('security/entry')
const reason = securityNeeds()
const test = security(Entry, reason)
let box: Box

Entry.before(() => {
  if (reason === undefined) box = openBox()
})
Entry.after(async () => {
  if (reason === undefined) await box.close()
})

const stillStarts = async (): Promise<void> => assert.is(await box.sh('echo fine'), 'fine')

test('an image whose command is the engine helper itself gets nowhere', async () => {
  const rootfs = box.rootfsWith((folder) => {
    writeFileSync(path.join(folder, 'entry'), '#!/proc/self/exe\n')
    chmodSync(path.join(folder, 'entry'), 0o755)
  })
  for (const argv of [['/proc/self/exe'], ['/proc/self/exe', '0'], ['/entry'], ['/proc/self/exe', '3']]) {
    for (const init of [false, true]) {
      const { code, out } = await box.run(argv, { init, timeout: '5s' }, { rootfs })
      assert.is(out, '')
      assert.ok(code >= 0 && code < 128, `${argv.join(' ')}: ${code}`)
    }
  }
  await stillStarts()
})

/** From a second process: the first one executes the helper and waits on its standard input. */
const ATTACK =
  'for f in /proc/[0-9]*/exe /proc/self/exe; do (echo x > $f); chmod 0 $f; chmod 4777 $f; chown 1 $f; done 2>/dev/null; true'

test('neither its bytes nor its mode can be changed through /proc/1/exe', async () => {
  await box.run(['sh', '-c', ATTACK], { init: true })
  await stillStarts()
  // Even with the right to trace every process, and with no filter.
  const security = { capAdd: ['SYS_PTRACE'], seccomp: 'unconfined' as const }
  const words = ['chmod=/proc/1/exe', 'write=/proc/1/exe', 'seals=/proc/1/exe']
  const { out } = await box.run(['/probe', ...words], { init: true, security })
  // F_SEAL_SEAL, SHRINK, GROW, WRITE; from Linux 6.3 on EXEC, which brings FUTURE_WRITE.
  const [major, minor] = (await box.engine.facts()).kernel
  const sealed =
    major > 6 || (major === 6 && minor >= 3) ? /^chmod -1\nwrite -\d+\nseals 63\n$/ : /\nseals 15\n$/
  assert.match(out, sealed)
  await stillStarts()
})

test('a helper that runs as the payload cannot be stopped for others', async () => {
  const running = await box.engine.start(
    { rootfs: box.rootfs },
    ['sh', '-c', `exec 3<&0; (sleep 0.3; ${ATTACK}) & exec /proc/self/exe`],
    {
      stdin: 'pipe',
    },
  )
  await running.exit
  await running.removed
  // A link to what the launch child executes, kept open by a tracer, is the same file.
  const { out } = await box.run(
    ['sh', '-c', '/proc/1/exe 0 < /dev/zero & sleep 0.1; chmod 0 /proc/$!/exe; kill $!'],
    {},
  )
  assert.type(out, 'string')
  await stillStarts()
})

test('with an init nobody takes a descriptor or a memory page of PID 1', async () => {
  const { out } = await box.run(['/probe', 'ptrace=1', 'read=/proc/1/mem', 'read=/proc/1/maps'], {
    init: true,
  })
  assert.is(out, 'ptrace -1\nread -13\nread -13\n')
})

Entry.run()
