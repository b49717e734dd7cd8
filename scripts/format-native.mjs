// Checks the C++ code's form, or with --write sets it right. Exit code 3: no clang-format here, nothing was checked.
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

/** One version only: another one formats differently. */
const PROGRAM = 'clang-format-19'
export const NOT_CHECKED = 3

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const FOLDERS = ['native', 'bench/native/counted']
const given = process.argv.slice(2).filter((word) => !word.startsWith('--'))
const folders = given.length > 0 ? given : FOLDERS.map((folder) => path.join(root, folder))
const files = folders
  .flatMap((folder) =>
    readdirSync(folder, { recursive: true }).map((file) => path.join(folder, String(file))),
  )
  .filter((file) => /\.(cc|h)$/.test(file))
const mode = process.argv.includes('--write') ? ['-i'] : ['--dry-run', '--Werror', '--ferror-limit=3']

const style = `--style=file:${path.join(root, '.clang-format')}`
const { error, status } = spawnSync(PROGRAM, [style, ...mode, ...files], {
  stdio: ['ignore', 'inherit', 'inherit'],
})
if (error?.code === 'ENOENT') {
  console.log(`${PROGRAM} is not installed`)
  process.exit(NOT_CHECKED)
}
if (error !== undefined) throw error
process.exit(status === 0 ? 0 : 1)
