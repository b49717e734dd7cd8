// A throwaway project tree for tests of the scripts that check one.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'

export interface Outcome {
  readonly status: number | null
  readonly lines: readonly string[]
}

/** Writes `files` (path → content) into a new folder, hands it to `use`, and removes it. */
export const withProject = <A>(files: Readonly<Record<string, string>>, use: (root: string) => A): A => {
  const root = mkdtempSync(path.join(tmpdir(), 'project-'))
  try {
    for (const [file, content] of Object.entries(files)) {
      mkdirSync(path.dirname(path.join(root, file)), { recursive: true })
      writeFileSync(path.join(root, file), content)
    }
    return use(root)
  } finally {
    rmSync(root, { recursive: true })
  }
}

/** Runs one of scripts/ and gives its exit code and what it says. */
export const runScript = (name: string, ...args: readonly string[]): Outcome => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [path.join('scripts', name), ...args], {
    encoding: 'utf8',
  })
  return { status, lines: `${stdout}${stderr}`.split('\n').filter((line) => line !== '') }
}
