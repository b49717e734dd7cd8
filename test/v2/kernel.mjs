// Debian's kernel and its modules, fetched once by apt into a cache, and unpacked without being installed.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import path from 'node:path'

const META = { x64: 'linux-image-amd64', arm64: 'linux-image-arm64' }

const output = (program, args, options = {}) =>
  execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], ...options })

/** The package the meta package stands for today, e.g. `linux-image-6.1.0-56-amd64`. */
const kernelPackage = () => {
  const found = /Depends: (linux-image-\S+)/.exec(output('apt-cache', ['depends', META[process.arch]]))
  if (found === null) throw new Error(`apt knows no kernel behind ${META[process.arch]}: apt-get update`)
  return found[1]
}

/** Folder of the unpacked kernel package, made when it is not there yet. */
export const fetchKernel = (cache) => {
  const name = kernelPackage()
  const folder = path.join(cache, name)
  if (existsSync(folder)) return folder
  const staging = path.join(cache, `${name}.${process.pid}`)
  mkdirSync(staging, { recursive: true })
  output('apt-get', ['download', '-q', name], { cwd: staging })
  const [archive] = readdirSync(staging)
  output('dpkg', ['-x', archive, 'root'], { cwd: staging })
  const root = path.join(staging, 'root')
  output('depmod', ['-b', root, releaseOf(root)])
  renameSync(root, folder)
  rmSync(staging, { recursive: true })
  return folder
}

export const releaseOf = (kernel) => readdirSync(path.join(kernel, 'lib', 'modules'))[0]

export const imageOf = (kernel) => path.join(kernel, 'boot', `vmlinuz-${releaseOf(kernel)}`)

/** Files of `names` and of all they need, in the order in which they can be loaded; built-in ones are left out. */
export const modulesOf = (kernel, names) => {
  const folder = path.join(kernel, 'lib', 'modules', releaseOf(kernel))
  const lines = readFileSync(path.join(folder, 'modules.dep'), 'utf8').split('\n')
  const needs = new Map(
    lines
      .filter(Boolean)
      .map((line) => line.split(':'))
      .map(([file, rest]) => [file, rest.split(' ').filter(Boolean)]),
  )
  const files = names.flatMap((name) =>
    [...needs.keys()].filter((file) => path.basename(file) === `${name}.ko`),
  )
  // modules.dep names what a module needs with the deepest last (depmod(8)).
  const ordered = files.flatMap((file) => [...needs.get(file).slice().reverse(), file])
  return [...new Set(ordered)].map((file) => path.join(folder, file))
}
