// Which test files a run consists of.
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'

/** Pure tests need no privilege and no addon. */
const isUnit = (file) => /^test\/(model|plan|dbus|cli\/unit|oci\/command|scripts|support)\//.test(file)

/** What runs on the addon itself, and so is worth a run with sanitizers. */
export const isNative = (file) => /^test\/(native|launch|binding|layer|sys|init)\//.test(file)

/** What makes the helper do all it can. */
const isOfHelper = (file) => /^test\/monitor\//.test(file) || HELPERS.includes(file)
const HELPERS = [
  'test/engine/detached.test.ts',
  'test/engine/detached-races.test.ts',
  'test/engine/exec.test.ts',
  'test/engine/life.test.ts',
  'test/engine/replace.test.ts',
  'test/library/living-detached.test.ts',
  'test/library/limits.test.ts',
  'test/library/pool.test.ts',
  'test/library/run.test.ts',
]

/** A census counts the whole machine's mounts, cgroups and processes. */
export const isSerial = (file) => file.endsWith('.serial.test.ts')

const allTests = () =>
  readdirSync('test', { recursive: true })
    .map((file) => path.join('test', String(file)))
    .filter((file) => file.endsWith('.test.ts') && !file.includes('/fixtures/'))
    .sort()

const listed = (list) =>
  readFileSync(list, 'utf8')
    .split('\n')
    .map((line) => line.replace(/#.*/, '').trim())
    .filter((line) => line !== '')

const candidates = ({ files, list }) => {
  if (files.length > 0) return files
  return list === undefined ? allTests() : listed(list)
}

export const chooseFiles = (options) =>
  candidates(options)
    .filter((file) => !options.unit || isUnit(file))
    .filter((file) => options.sanitize || !file.endsWith('.sanitized.test.ts'))
    .filter((file) => !options.sanitize || isNative(file) || isOfHelper(file))
    .filter((file) => options.words.length === 0 || options.words.some((word) => file.includes(word)))
