// An ordinary user of this machine, for as long as a test file runs: passwd, subuid and subgid know it in a mount namespace of its
// processes alone, and the package is copied to where it can be read.
import { type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { lacking } from './needs.ts'

export interface OrdinaryUser {
  readonly uid: number
  /** First of its 65,536 uids and gids. */
  readonly firstId: number
  readonly home: string
  readonly data: string
  readonly runtime: string
  /** The package's command lines, where the user can read them. */
  readonly cli: string
  readonly oci: string
  /** Runs a program as the user, to its end. */
  readonly run: (argv: readonly string[], options?: RunAs) => Ran
  /** `slipway` with these arguments. */
  readonly slipway: (argv: readonly string[], options?: RunAs) => Ran
  /** A module that has `lib`, the package, and `told`, which prints its argument as JSON. Gives what was told. */
  readonly module: (source: string, options?: RunAs) => unknown
  /** The same, without waiting for its end. */
  readonly startModule: (source: string, options?: RunAs) => ReturnType<typeof spawn>
  /** A folder the user owns. */
  readonly folder: (name: string) => string
  /** Files at and below what slipway keeps, but what is there for every engine. */
  readonly left: () => readonly string[]
  readonly close: () => void
}

export interface RunAs {
  readonly env?: Readonly<Record<string, string>>
  readonly input?: string
  /** What is started outlives the command, so its output goes nowhere. */
  readonly mute?: boolean
  /** Without its lines in subuid and subgid. */
  readonly ranges?: boolean
  /** Shell commands root runs first, in the mount namespace. */
  readonly before?: string
  /** The user belongs to these groups besides. */
  readonly groups?: readonly number[]
}

export interface Ran {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Why such tests cannot run here; undefined = they can. */
export const ordinaryUserNeeds = (): string | undefined =>
  lacking('root', 'program:busybox', 'program:newuidmap', 'program:newgidmap', 'program:setpriv')

const NAME = 'slipway-test'
const IDS = 65_536
/** No ids of a usual system: 61184–65519 and 524288–1879048191 are systemd's, 100000–600100000 useradd's. */
const FIRST_UID = 2_000_000_000

export const makeOrdinaryUser = (): OrdinaryUser => {
  const uid = FIRST_UID + process.pid
  const firstId = FIRST_UID + (1 << 23) + (process.pid % 256) * IDS
  const base = mkdtempSync(path.join(publicFolder(), 'slipway-user-'))
  chmodSync(base, 0o755)
  const home = path.join(base, 'home')
  const runtime = path.join(base, 'runtime')
  for (const folder of [home, runtime]) {
    mkdirSync(folder, { mode: 0o700 })
    chownSync(folder, uid, uid)
  }
  const data = path.join(home, '.local', 'share', 'slipway')
  const program = copyPackage(path.join(base, 'package'))
  const etc = path.join(base, 'etc')
  mkdirSync(etc)
  writeFileSync(
    path.join(etc, 'passwd'),
    `${readFileSync('/etc/passwd', 'utf8')}${NAME}:x:${uid}:${uid}::${home}:/bin/sh\n`,
  )
  for (const file of ['subuid', 'subgid'])
    writeFileSync(path.join(etc, file), `somebody:1:1\n${NAME}:${firstId}:${IDS}\n`)
  writeFileSync(path.join(etc, 'none'), '')

  const command = (argv: readonly string[], { ranges = true, before = '', groups = [] }: RunAs): string[] => {
    const put = (file: string, as: string): string => `mount --bind ${etc}/${file} /etc/${as}`
    const sub = ['subuid', 'subgid'].map(
      (file) => `{ [ -e /etc/${file} ] || touch /etc/${file}; } && ${put(ranges ? file : 'none', file)}`,
    )
    const script = [put('passwd', 'passwd'), ...sub, before || 'true', 'exec "$@"'].join(' && ')
    const extra = groups.length === 0 ? ['--clear-groups'] : ['--groups', groups.join()]
    const user = ['setpriv', '--reuid', String(uid), '--regid', String(uid), ...extra]
    return ['unshare', '-m', '--propagation', 'private', 'sh', '-c', script, 'sh', ...user, '--', ...argv]
  }
  const environment = (env: RunAs['env'] = {}): Record<string, string | undefined> => {
    const { SLIPWAY_ROOT: _root, XDG_DATA_HOME: _data, ...inherited } = process.env
    return { ...inherited, HOME: home, XDG_RUNTIME_DIR: runtime, TMPDIR: home, USER: NAME, ...env }
  }
  const run: OrdinaryUser['run'] = (argv, options = {}) => {
    const [file = '', ...args] = command(argv, options)
    const ran: SpawnSyncReturns<string> = spawnSync(file, args, {
      encoding: 'utf8',
      cwd: home,
      env: environment(options.env),
      stdio: [
        'pipe',
        ...(options.mute === true ? (['ignore', 'ignore'] as const) : (['pipe', 'pipe'] as const)),
      ],
      input: options.input ?? '',
      timeout: 120_000,
    })
    return { status: ran.status, stdout: ran.stdout ?? '', stderr: ran.stderr ?? '' }
  }
  let modules = 0
  const write = (source: string): string => {
    const file = path.join(base, `module-${++modules}.mjs`)
    const head = `import * as lib from ${JSON.stringify(path.join(program, 'dist', 'index.js'))}
const told = (value) => process.stdout.write(JSON.stringify(value) + '\\n')
`
    writeFileSync(file, head + source)
    return file
  }
  const module: OrdinaryUser['module'] = (source, options) => {
    const ran = run([process.execPath, write(source)], options)
    if (ran.status !== 0) throw new Error(`the module ended with ${ran.status}: ${ran.stderr}${ran.stdout}`)
    const lines = ran.stdout.trim().split('\n')
    return lines.length === 1 ? JSON.parse(lines[0] ?? '') : lines.map((line) => JSON.parse(line))
  }
  return {
    uid,
    firstId,
    home,
    data,
    runtime,
    cli: path.join(program, 'dist', 'cli.cjs'),
    oci: path.join(program, 'dist', 'oci.cjs'),
    run,
    slipway: (argv, options) =>
      run([process.execPath, path.join(program, 'dist', 'cli.cjs'), ...argv], options),
    module,
    startModule: (source, options = {}) => {
      const [file = '', ...args] = command([process.execPath, write(source)], options)
      return spawn(file, args, {
        cwd: home,
        env: environment(options.env) as NodeJS.ProcessEnv,
        stdio: ['ignore', 'pipe', 'inherit'],
      })
    },
    folder: (name) => {
      const folder = path.join(base, name)
      mkdirSync(folder, { recursive: true })
      chownSync(folder, uid, uid)
      return folder
    },
    left: () => {
      const folders = ['containers', 'trash', 'names', 'staging'].map((name) => path.join(data, name))
      const found = spawnSync(
        'find',
        [...folders, path.join(runtime, 'slipway', 'records'), '-mindepth', '1'],
        {
          encoding: 'utf8',
        },
      )
      return found.stdout.split('\n').filter((line) => line !== '')
    },
    close: () => rmSync(base, { recursive: true, force: true }),
  }
}

/** The folder of this test file's temporary files, which is made to let others pass through. */
const publicFolder = (): string => {
  const place = ['/tmp', '/var/tmp'].find((each) => tmpdir() === each || tmpdir().startsWith(`${each}/`))
  if (place === undefined) return '/tmp'
  for (let folder = tmpdir(); folder !== place; folder = path.dirname(folder))
    chmodSync(folder, statSync(folder).mode | 0o011)
  return tmpdir()
}

const copyPackage = (to: string): string => {
  mkdirSync(path.join(to, 'build', 'Release'), { recursive: true })
  for (const file of ['package.json', 'CMakeLists.txt']) copyFileSync(path.resolve(file), path.join(to, file))
  for (const file of ['slipway.node', 'slipway-init'])
    copyFileSync(path.resolve('build/Release', file), path.join(to, 'build', 'Release', file))
  const isKept = (file: string): boolean => path.basename(file) !== 'types'
  cpSync(path.resolve('dist'), path.join(to, 'dist'), { recursive: true, filter: isKept })
  return to
}
