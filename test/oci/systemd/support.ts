// Containers as scopes of systemd, and what systemd says of them.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import type { Need } from '../../support/needs.ts'
import { assert } from '../../support/suite.ts'
import { type Box, type Change, NEEDS, openBox, type Ran } from '../life-cycle/support.ts'

export const SCOPE_NEEDS: readonly Need[] = [
  ...NEEDS,
  'cgroup2',
  'file:/run/systemd/system',
  'program:systemctl',
]
export const MANAGER = ['--cgroup-manager', 'systemd']
export const MB = 2 ** 20

const TREE = '/sys/fs/cgroup'
export const unitOf = (id: string): string => `life-${id}.scope`
export const groupOf = (id: string): string => `/slipway.slice/slipway-test.slice/${unitOf(id)}`
export const fileOf = (id: string, file: string): string =>
  readFileSync(path.join(TREE, groupOf(id), file), 'utf8').trim()

export const systemctl = (...args: readonly string[]): string => {
  const { status, stdout, stderr } = spawnSync('systemctl', args, { encoding: 'utf8' })
  assert.is(status, 0, stderr)
  return stdout.trim()
}

/** Properties of a unit by name, whether it is there or not. */
export const show = (unit: string, ...names: readonly string[]): Record<string, string> =>
  Object.fromEntries(
    systemctl('show', '--property', names.join(), unit)
      .split('\n')
      .map((line) => line.split(/=(.*)/s) as [string, string]),
  )
export const isThere = (unit: string): boolean => show(unit, 'LoadState').LoadState === 'loaded'

export interface Scopes extends Box {
  /** Its bundle, in a slice of two levels. */
  readonly bundleOf: (id: string, change?: Change) => string
  readonly create: (id: string, change?: Change, env?: Record<string, string>) => Promise<Ran>
  readonly scope: (change?: Change, env?: Record<string, string>) => Promise<string>
  readonly nothingLeft: (id: string) => void
  /** Deletes it by force; neither it nor its unit may be left. */
  readonly removed: (id: string) => Promise<void>
}

export const openScopes = (): Scopes => {
  const box = openBox()
  const bundleOf: Scopes['bundleOf'] = (id, change = {}) =>
    box.bundle(id, {
      ...change,
      linux: { cgroupsPath: `slipway-test.slice:life:${id}`, ...change.linux },
    })
  const create: Scopes['create'] = (id, change, env = {}) =>
    box.call([...MANAGER, 'create', '--bundle', bundleOf(id, change), id], { env })
  const nothingLeft: Scopes['nothingLeft'] = (id) => {
    assert.equal(box.left(id), [])
    assert.not(isThere(unitOf(id)), `${unitOf(id)} is there`)
  }
  return {
    ...box,
    bundleOf,
    create,
    nothingLeft,
    scope: async (change, env) => {
      const id = box.newId()
      const { code, err } = await create(id, change, env)
      assert.is(code, 0, err)
      return id
    },
    removed: async (id) => {
      await box.gone(id)
      nothingLeft(id)
    },
  }
}
