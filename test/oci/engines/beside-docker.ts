// docker, with a daemon of its own, and slipway side by side: for files that ask both the same.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type Bundle, bundle } from '../../cli/bundle.ts'
import { makeRootfs } from '../../support/engine.ts'
import { assert, suite } from '../../support/suite.ts'
import { dockerIn, engineNeeds, openStage, type Ran, type Stage, slipwayIn, startDockerd } from './stage.ts'

export type Run = (...argv: readonly string[]) => Ran

export interface BesideDocker {
  readonly test: ReturnType<typeof suite>
  /** A test, or one that is skipped with the reason. */
  readonly fact: (name: string, body: () => void | Promise<void>) => void
  /** In a folder of the file's own. */
  readonly at: (...names: readonly string[]) => string
  readonly docker: Run
  readonly slipway: Run
  /** The same words come out, with the same code; every difference of a fact is told at its end. */
  readonly same: (...words: readonly string[]) => void
  readonly sameCode: (...words: readonly string[]) => void
}

/** `prepare` finds `rootfs` made, and what `fill` puts into it, as `rootfs.tar`. `clear` comes first of what ends it. */
export const besideDocker = (
  name: string,
  prepare: () => void | Promise<void>,
  { fill = () => {}, clear = () => {} }: { fill?: (rootfs: string) => void; clear?: () => void } = {},
): BesideDocker => {
  const test = suite(`oci/engines/${name}`)
  const reason = engineNeeds('docker', 'dockerd')
  let stage: Stage | undefined
  let cli: Bundle
  let folder = ''
  const at = (...names: readonly string[]): string => path.join(folder, ...names)
  test.before(async () => {
    if (reason !== undefined) return
    folder = mkdtempSync(path.join(tmpdir(), `slipway-${name}-`))
    cli = await bundle()
    stage = await openStage()
    await startDockerd(stage)
    makeRootfs(at('rootfs'))
    fill(at('rootfs'))
    execFileSync('tar', ['c', '-C', at('rootfs'), '-f', at('rootfs.tar'), '.'])
    await prepare()
  })
  test.after(async () => {
    if (reason !== undefined) return
    if (stage !== undefined) clear()
    await stage?.close(`slipway-none-${process.pid}`)
    cli.remove()
    rmSync(folder, { recursive: true, force: true })
  })
  const docker: Run = (...argv) => dockerIn(stage as Stage, argv)
  const slipway: Run = (...argv) => slipwayIn(cli, at('root'), argv)
  let different: string[] = []
  const compare = (words: readonly string[], outputs: boolean): void => {
    const [theirs, ours] = [docker(...words), slipway(...words)]
    const isSame = ours.code === theirs.code && (!outputs || ours.stdout === theirs.stdout)
    const shown = ({ code, stdout, stderr }: Ran) => `${code} ${outputs ? stdout : ''}${stderr}`
    if (!isSame) different.push(`${words.join(' ')}\n  docker ${shown(theirs)}\n  slipway ${shown(ours)}`)
  }
  test.afterEach(() => {
    const found = different
    different = []
    assert.is(found.join('\n'), '')
  })
  return {
    test,
    fact: (title, body) => (reason === undefined ? test(title, body) : test.skip(title, reason)),
    at,
    docker,
    slipway,
    same: (...words) => compare(words, true),
    sameCode: (...words) => compare(words, false),
  }
}
