// The lock of a container, with the kernel's own flock.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import * as E from '#fp/Either'
import { parseOciId } from '../../src/model/oci-container-id.ts'
import { loadAddon } from '../../src/native/load.ts'
import { openStateDir } from '../../src/oci/state-dir.ts'
import { withLock } from '../../src/oci/state-lock.ts'
import { expectLeft, expectRight } from '../support/either.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('oci/state-lock')
const id = expectRight(parseOciId('web'))
const { flock } = loadAddon()

let folder = ''
test.beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'slipway-oci-'))
})
test.afterEach(() => rmSync(folder, { recursive: true, force: true }))

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

test('operations on one container come one after another', async () => {
  const state = openStateDir(folder)
  expectRight(state.reserve(id))
  let [inside, most] = [0, 0]
  const one = () =>
    withLock(
      state,
      flock,
      id,
      () => E.right(undefined),
      async () => {
        inside++
        most = Math.max(most, inside)
        await pause(5)
        inside--
        return E.right(undefined)
      },
    )
  for (const result of await Promise.all(Array.from({ length: 8 }, one))) expectRight(result)
  assert.is(most, 1)
})

test('who waited for a container that was deleted is told so', async () => {
  const state = openStateDir(folder)
  expectRight(state.reserve(id))
  const deleting = withLock(
    state,
    flock,
    id,
    () => E.right(undefined),
    async () => {
      await pause(20)
      return state.remove(id)
    },
  )
  const late = withLock(
    state,
    flock,
    id,
    () => E.right(undefined),
    async () => E.right('too late'),
  )
  expectRight(await deleting)
  assert.equal(expectLeft(await late), { _tag: 'ContainerNotFound', container: 'web' })
})

test('nobody waits for a lock to hear that it was in vain', async () => {
  const state = openStateDir(folder)
  expectRight(state.reserve(id))
  let isHeld = true
  const holding = withLock(
    state,
    flock,
    id,
    () => E.right(undefined),
    async () => {
      await pause(30)
      isHeld = false
      return E.right(undefined)
    },
  )
  const wrong = { _tag: 'WrongStatus', container: id, status: 'running', wanted: 'created' } as const
  const vain = await withLock(
    state,
    flock,
    id,
    () => E.left(wrong),
    async () => E.right(undefined),
  )
  assert.equal([expectLeft(vain), isHeld], [wrong, true])
  expectRight(await holding)
})

test('there is no lock where there is no container, and none is made', async () => {
  const state = openStateDir(folder)
  const never = await withLock(
    state,
    flock,
    id,
    () => E.right(undefined),
    async () => E.right(undefined),
  )
  assert.equal(expectLeft(never), { _tag: 'ContainerNotFound', container: 'web' })
  mkdirSync(state.directoryOf(id))
  const failing = () =>
    withLock(
      state,
      flock,
      id,
      () => E.right(undefined),
      async () => E.left({ _tag: 'ContainerNotFound', container: 'x' }),
    )
  assert.equal(expectLeft(await failing()), { _tag: 'ContainerNotFound', container: 'x' })
  // The lock was given back.
  assert.equal(expectLeft(await failing()), { _tag: 'ContainerNotFound', container: 'x' })
})

test.run()
