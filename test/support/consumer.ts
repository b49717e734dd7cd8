// A project of somebody else's that has slipway installed: what its compiler sees is the built package, nothing of src/.
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'

/** Why there is none; undefined = there can be one. */
export const consumerNeeds = (): string | undefined =>
  existsSync('dist/types/index.d.ts') ? undefined : 'needs the built package: node scripts/build.mjs'

/** Makes `folder` such a project, with these files. */
export const makeConsumer = (folder: string, files: Readonly<Record<string, string>>): void => {
  const modules = path.join(folder, 'node_modules')
  mkdirSync(path.join(modules, '@types'), { recursive: true })
  const own = path.join(modules, 'slipway')
  mkdirSync(own)
  for (const name of ['package.json', 'dist']) cpSync(name, path.join(own, name), { recursive: true })
  for (const name of ['fp-ts', '@types/node', 'undici-types'])
    symlinkSync(path.resolve('node_modules', name), path.join(modules, name))
  writeFileSync(path.join(folder, 'package.json'), '{ "type": "module" }')
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(folder, name)), { recursive: true })
    writeFileSync(path.join(folder, name), text)
  }
}

export const STRICT = {
  module: 'nodenext',
  target: 'es2022',
  lib: ['es2023', 'esnext.disposable'],
  types: ['node'],
  strict: true,
  noEmit: true,
}

/** What the compiler says of all its .ts files; nothing when it is content. */
export const compile = (folder: string, options: object = STRICT): string => {
  writeFileSync(
    path.join(folder, 'tsconfig.json'),
    JSON.stringify({ compilerOptions: options, include: ['**/*.ts'], exclude: ['node_modules'] }),
  )
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [path.resolve('node_modules/typescript/bin/tsc'), '-p', folder, '--pretty', 'false'],
    { encoding: 'utf8' },
  )
  return `${stdout}${stderr}`
}
