// Builds the addon, the helper and the TypeScript. Not `npm run build`, which npm precedes with the script named prebuild.
import { spawnSync } from 'node:child_process'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

for (const script of ['native-build.mjs', 'ts-build.mjs']) {
  const { status } = spawnSync(
    process.execPath,
    [path.join(path.dirname(fileURLToPath(import.meta.url)), script)],
    {
      stdio: ['ignore', 'inherit', 'inherit'],
    },
  )
  if (status !== 0) process.exit(status ?? 1)
}
