// The same copies by docker and by slipway, into a container and out of it: the same paths afterwards, and what one refuses the other does.
import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { assert } from '../../support/suite.ts'
import { besideDocker, type Run } from './beside-docker.ts'
import { said } from './common.ts'

/** A folder that copies begin in, or go to: inside of a container and on the host alike. */
const fill = (top: string): void => {
  mkdirSync(path.join(top, 'dir', 'sub'), { recursive: true })
  mkdirSync(path.join(top, 'have'))
  for (const [name, text] of [
    ['file', 'file\n'],
    ['old', 'old\n'],
    ['dir/one', 'one\n'],
    ['dir/sub/two', 'two\n'],
  ] as const)
    writeFileSync(path.join(top, name), text)
  symlinkSync('dir', path.join(top, 'to-dir'))
  symlinkSync('file', path.join(top, 'to-file'))
  symlinkSync('have', path.join(top, 'to-have'))
  symlinkSync('old', path.join(top, 'to-old'))
  symlinkSync('later', path.join(top, 'to-later'))
}

const { test, fact, at, docker, slipway } = besideDocker(
  'docker-cp',
  () => {
    fill(at('from'))
    for (const run of [docker, slipway]) said(run('import', at('rootfs.tar'), 'base:1'))
  },
  {
    fill: (rootfs) => {
      for (const name of ['from', 'to']) fill(path.join(rootfs, 'work', name))
    },
  },
)
const BOTH: readonly (readonly [string, Run])[] = [
  ['docker', docker],
  ['slipway', slipway],
]

const SOURCES = ['file', 'dir', 'dir/', 'dir/.', 'to-dir', 'to-dir/', 'to-file', 'none', 'file/']
const TARGETS = ['have', 'have/', 'old', 'new', 'new/', 'no/new', 'to-have', 'to-old', 'to-later', 'old/x']

/** Kind, link target, size and path of everything. */
const listed = (top: string): string =>
  execFileSync('find', ['.', '-printf', '%y %l %m %P\n'], { cwd: top, encoding: 'utf8' })
    .split('\n')
    .sort()
    .join('\n')

interface Pair {
  readonly flags: readonly string[]
  readonly source: string
  readonly target: string
}
const PAIRS: readonly Pair[] = [
  ...SOURCES.flatMap((source) => TARGETS.map((target) => ({ flags: [], source, target }))),
  ...['to-dir', 'to-file'].flatMap((source) =>
    ['have', 'old', 'new'].map((target) => ({ flags: ['-L'], source, target })),
  ),
]

/** `made`: by one of both for each pair, what is in the target afterwards, or that it was refused. */
const compare = (made: (run: Run, name: string) => readonly string[]): void => {
  const [theirs = [], ours = []] = BOTH.map(([name, run]) => made(run, name))
  const differences = PAIRS.flatMap(({ flags, source, target }, index) =>
    theirs[index] === ours[index]
      ? []
      : [`${[...flags, source, target].join(' ')}\n docker: ${theirs[index]}\n slipway: ${ours[index]}`],
  )
  assert.is(differences.join('\n'), '')
}

fact(`into a container: ${PAIRS.length} pairs of paths`, () => {
  compare((run) => {
    said(run('run', '-d', '--name', 'into', '--network', 'none', 'base:1', '/bin/sleep', '1000'))
    const inside = (script: string): string => said(run('exec', 'into', '/bin/sh', '-c', script))
    inside(`for n in $(seq 0 ${PAIRS.length - 1}); do /bin/busybox cp -a /work/to /to-$n; done`)
    const codes = PAIRS.map(
      ({ flags, source, target }, index) =>
        run('cp', ...flags, `${at('from')}/${source}`, `into:/to-${index}/${target}`).code,
    )
    const lists = inside(
      `for n in $(seq 0 ${PAIRS.length - 1}); do echo :; cd /to-$n; find . | sort | while read -r name; do stat -c "%A %N" "$name"; done; done`,
    ).split(/^:\n/m)
    said(run('rm', '-f', 'into'))
    return codes.map((code, index) => (code === 0 ? (lists[index + 1] ?? '') : 'refused'))
  })
})

fact(`out of a container: ${PAIRS.length} pairs of paths`, () => {
  compare((run, name) => {
    said(run('create', '--name', 'out', '--network', 'none', 'base:1', '/bin/true'))
    const made = PAIRS.map(({ flags, source, target }) => {
      const to = at(`to-${name}`)
      rmSync(to, { recursive: true, force: true })
      fill(to)
      const { code } = run('cp', ...flags, `out:/work/from/${source}`, `${to}/${target}`)
      return code === 0 ? listed(to) : 'refused'
    })
    said(run('rm', 'out'))
    return made
  })
})

fact('a tar has the same entries, whatever its path ends with', () => {
  for (const [, run] of BOTH) said(run('create', '--name', 'tar', '--network', 'none', 'base:1', '/bin/true'))
  for (const source of ['dir', 'dir/', 'to-dir', 'file', 'to-file'])
    for (const flags of [[], ['-L']]) {
      const [theirs, ours] = BOTH.map(([, run]) => {
        const { code, stdout } = run('cp', ...flags, `tar:/work/from/${source}`, '-')
        assert.is(code, 0)
        return execFileSync('tar', ['t'], { input: Buffer.from(stdout), encoding: 'utf8' })
          .split('\n')
          .map((name) => name.replace(/\/$/, ''))
          .sort()
      })
      assert.equal(ours, theirs, `${source} ${flags}`)
    }
  for (const [, run] of BOTH) said(run('rm', 'tar'))
})

test.run()
