// What the security tests share: an engine, a root file system with a hostile program in it, and answers as a table.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { SlipwayError } from '../../src/index.ts'
import type { ImageSource, RunOptions } from '../../src/model/options.ts'
import { makeRootfs, openTestEngine, type TestEngine } from '../support/engine.ts'
import { lacking } from '../support/needs.ts'
import { assert, type Suite } from '../support/suite.ts'

export interface Box extends TestEngine {
  /** A folder of the test's own on the host. */
  readonly host: string
  readonly run: (argv: readonly string[], options?: RunOptions, image?: ImageSource) => Promise<Outcome>
  /** Standard output of a shell script that succeeds. */
  readonly sh: (script: string, options?: RunOptions, image?: ImageSource) => Promise<string>
  /** What the hostile program says to each of `words`. */
  readonly probe: (words: readonly string[], options?: RunOptions) => Promise<ReadonlyMap<string, string>>
  /** A fresh root file system; `change` spoils it. */
  readonly rootfsWith: (change: (rootfs: string) => void) => string
}

/** A start that failed and a program that failed are both answers of a container that held. */
export interface Outcome {
  readonly code: number
  readonly out: string
  /** Tag and text where there was no container at all. */
  readonly failed: string | undefined
}

export const securityNeeds = (): string | undefined =>
  lacking('root', 'program:busybox', 'program:cc', 'file:/usr/include/linux/keyctl.h')

export const compile = (source: string, target: string): void => {
  execFileSync('cc', ['-static', '-O1', '-w', '-o', target, path.join('test', 'security', source)])
}

export const openBox = (): Box => {
  const engine = openTestEngine()
  const host = mkdtempSync(path.join(tmpdir(), 'slipway-security-'))
  const program = path.join(host, 'probe')
  compile('probe.c', program)
  install(engine.rootfs, program)
  const run: Box['run'] = (argv, options = {}, image = { rootfs: engine.rootfs }) =>
    outcomeOf(engine.engine.run(image, argv, { timeout: '30s', ...options }))
  let made = 0
  return {
    ...engine,
    host,
    run,
    sh: async (script, options, image) => {
      const { code, out, failed } = await run(['sh', '-c', script], options, image)
      assert.is(failed, undefined)
      assert.is(code, 0, out)
      return out.trimEnd()
    },
    probe: async (words, options) => answers((await run(['/probe', ...words], options)).out),
    rootfsWith: (change) => {
      const rootfs = path.join(host, `rootfs-${made++}`)
      makeRootfs(rootfs)
      install(rootfs, program)
      change(rootfs)
      return rootfs
    },
    close: async () => {
      await engine.close()
      rmSync(host, { recursive: true, force: true })
    },
  }
}

const install = (rootfs: string, program: string): void => {
  execFileSync('cp', [program, path.join(rootfs, 'probe')])
  writeFileSync(path.join(rootfs, 'etc', 'hosts'), '')
  for (const name of ['mkfifo', 'setsid', 'dd', 'find', 'md5sum', 'mv', 'ln', 'cp', 'chroot']) {
    try {
      symlinkSync('busybox', path.join(rootfs, 'bin', name))
    } catch {
      // Already there.
    }
  }
}

const outcomeOf = async (
  attempt: Promise<{ exitCode: number; stdout: string | Buffer; stderr: string | Buffer }>,
): Promise<Outcome> => {
  try {
    const { exitCode, stdout, stderr } = await attempt
    return { code: exitCode, out: `${stdout}${stderr}`, failed: undefined }
  } catch (error) {
    if (!(error instanceof SlipwayError)) throw error
    return { code: -1, out: '', failed: `${error._tag}: ${error.message}` }
  }
}

/** `name result` lines as a table. */
export const answers = (text: string): ReadonlyMap<string, string> =>
  new Map(
    text
      .trim()
      .split('\n')
      .map((line) => {
        const at = line.indexOf(' ')
        return [line.slice(0, at), line.slice(at + 1)] as const
      }),
  )

/** Registers tests that are skipped, with the reason, where this machine cannot run them. */
export const security =
  (into: Suite, reason: string | undefined) =>
  (name: string, body: () => Promise<void>): void => {
    if (reason === undefined) into(name, body)
    else into.skip(name, reason)
  }
