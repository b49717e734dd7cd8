import { spawnSync } from 'node:child_process'
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
// @ts-expect-error: plain JavaScript, run as it is by the benchmarks
import { CompareError, makeSide } from '../../bench/sides.mjs'
import { assert, suite } from '../support/suite.ts'

const test = suite('bench/sides')
test.requires('program:git')

interface Side {
  readonly folder: string
  readonly commit: string
  readonly label: string
}

/** A small project whose build says what it was built from, under git. */
class Project {
  readonly root = mkdtempSync(path.join(tmpdir(), 'slipway-sides-'))

  constructor() {
    this.git('init', '--quiet', '--initial-branch=main')
    this.write('.gitignore', 'built\nnode_modules\n.cache/\n')
    this.write('package-lock.json', '{}')
    this.write('bench/drivers/node.mjs', '')
    this.write('node_modules/here', '')
    this.build('one')
  }

  write(file: string, text: string): void {
    mkdirSync(path.dirname(path.join(this.root, file)), { recursive: true })
    writeFileSync(path.join(this.root, file), text)
  }

  build(text: string): void {
    const script = `import { appendFileSync } from 'node:fs'\nappendFileSync('built', '${text} ')\n`
    this.write('scripts/build.mjs', script)
    this.commit()
  }

  git(...args: string[]): string {
    const identity = ['-c', 'user.name=t', '-c', 'user.email=t@example.org', '-c', 'commit.gpgsign=false']
    const { status, stdout, stderr } = spawnSync('git', ['-C', this.root, ...identity, ...args], {
      encoding: 'utf8',
    })
    if (status !== 0) throw new Error(stderr)
    return stdout.trim()
  }

  commit(): void {
    this.git('add', '--all')
    this.git('commit', '--quiet', '--message=change')
  }

  side(revision: string): Side {
    return makeSide(this.root, revision)
  }

  /** The message of the CompareError that `revision` is refused with. */
  refusal(revision: string): string {
    try {
      this.side(revision)
    } catch (error) {
      if (error instanceof CompareError) return (error as Error).message
      throw error
    }
    throw new Error(`${revision} was not refused`)
  }
}

const inProject = (use: (project: Project) => void): void => {
  const project = new Project()
  try {
    use(project)
  } finally {
    rmSync(project.root, { recursive: true })
  }
}
const builtIn = ({ folder }: Pick<Side, 'folder'>): string => readFileSync(path.join(folder, 'built'), 'utf8')

test('each commit is built in a checkout of its own, and the working tree where it is', () =>
  inProject((project) => {
    project.build('two')
    const [before, here] = [project.side('HEAD~1'), project.side('.')]
    assert.is(builtIn(before), 'one ')
    assert.is(before.folder, path.join(project.root, '.cache/compare', before.commit))
    assert.is(builtIn(here), 'two ')
    assert.is(here.folder, project.root)
    assert.match(before.label, `HEAD~1 (${before.commit.slice(0, 12)})`)
  }))

test('a checkout that was built is used again', () =>
  inProject((project) => {
    const first = project.side('HEAD')
    assert.equal(project.side('main').folder, first.folder)
    assert.is(builtIn(first), 'one ')
  }))

test('a checkout whose folder was removed by hand is made anew', () =>
  inProject((project) => {
    project.side('HEAD')
    rmSync(path.join(project.root, '.cache'), { recursive: true })
    assert.is(builtIn(project.side('HEAD')), 'one ')
  }))

test('the packages are shared where the lock file is the same', () =>
  inProject((project) => {
    const { folder } = project.side('HEAD')
    assert.ok(lstatSync(path.join(folder, 'node_modules')).isSymbolicLink())
    assert.ok(existsSync(path.join(folder, 'node_modules/here')))
  }))

test('other packages are installed where the lock file is another one', () =>
  inProject((project) => {
    const write = (version: string): void => {
      const root = { name: 'sample', version }
      project.write('package.json', JSON.stringify(root))
      project.write(
        'package-lock.json',
        JSON.stringify({ ...root, lockfileVersion: 3, requires: true, packages: { '': root } }),
      )
      project.commit()
    }
    write('1.0.0')
    write('2.0.0')
    const { folder } = project.side('HEAD~1')
    assert.not.ok(existsSync(path.join(folder, 'node_modules/here')))
    assert.is(builtIn({ folder }), 'one ')
    project.write('package-lock.json', 'broken')
    project.commit()
    write('3.0.0')
    assert.match(project.refusal('HEAD~1'), /^compare: install packages: .+ci .+ ended with/)
  }))

test('the working tree says whether it has changes', () =>
  inProject((project) => {
    assert.not.match(project.side('.').label, 'with changes')
    project.write('package-lock.json', '{ }')
    assert.match(project.side('.').label, /^working tree \(\w{12} with changes\)$/)
  }))

test('a revision that is none is refused by its name', () =>
  inProject((project) => {
    assert.is(
      project.refusal('no-such-branch'),
      'compare: resolve revision: no-such-branch: git knows no such commit here',
    )
    assert.match(project.refusal('--all'), 'resolve revision: --all')
    assert.match(project.refusal('HEAD:package-lock.json'), 'resolve revision')
  }))

test('a checkout that was changed is refused, with the command that removes it', () =>
  inProject((project) => {
    const { folder } = project.side('HEAD')
    writeFileSync(path.join(folder, 'package-lock.json'), 'changed')
    assert.match(project.refusal('HEAD'), `it has been changed; git worktree remove --force ${folder}`)
  }))

test('a build that fails is told with what it said, and tried again the next time', () =>
  inProject((project) => {
    project.write('scripts/build.mjs', "console.error('no such header'); process.exit(3)\n")
    project.commit()
    for (const _ of [1, 2])
      assert.match(
        project.refusal('HEAD'),
        /^compare: build: .+: scripts\/build\.mjs ended with 3\nno such header$/,
      )
  }))

test('a commit without the drivers of today is refused', () =>
  inProject((project) => {
    rmSync(path.join(project.root, 'bench/drivers/node.mjs'))
    project.commit()
    assert.match(project.refusal('HEAD'), 'it has no bench/drivers/node.mjs, so it cannot be compared')
  }))

test.run()
