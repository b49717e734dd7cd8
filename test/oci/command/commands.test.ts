// Each command from its argument list to what the life cycle is asked, and to what the caller sees.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import * as E from '#fp/Either'
import { exampleSpec } from '../../../src/oci/example-spec.ts'
import { assert, suite } from '../../support/suite.ts'
import {
  fakeRuntime,
  inFolder,
  living,
  place,
  type Ran,
  reason,
  slipwayOci,
  type Wanted,
} from './fake-world.ts'

const test = suite('oci/command/commands')

const plain = exampleSpec({ rootless: false, euid: 0, egid: 0, cgroup2: true })
const bundle = (folder: string, over: object = {}, name = 'config.json'): string => {
  const made = path.join(folder, 'bundle')
  mkdirSync(made, { recursive: true })
  const process = { ...plain.process, terminal: false }
  writeFileSync(path.join(made, name), JSON.stringify({ ...plain, process, ...over }))
  return made
}

const request = (ran: Ran, verb: string): Record<string, unknown> => {
  assert.is(ran.code === 1 ? reason(ran) : '', '')
  assert.equal(
    ran.asked.map((each) => each.verb),
    [verb, 'close'],
  )
  return ran.asked[0]?.request as Record<string, unknown>
}

test('create hands over a decoded bundle, with every path absolute', () =>
  inFolder(async (folder) => {
    const made = bundle(folder)
    const words = [
      '--bundle',
      'bundle',
      '--pid-file',
      'p',
      '--preserve-fds=2',
      '--no-pivot',
      '--pidfd-socket',
      '/s',
    ]
    const ran = await slipwayOci(
      { root: folder, world: { env: { NOTIFY_SOCKET: '/n' } } },
      'create',
      ...words,
      'web',
    )
    const { spec, config, ...rest } = request(ran, 'create')
    assert.equal(rest, {
      id: 'web',
      bundle: made,
      pidFile: path.join(folder, 'p'),
      pidfdSocket: '/s',
      streams: { stdin: 0, stdout: 1, stderr: 2 },
      extraFds: 2,
      listenFds: 0,
      noPivot: true,
      noNewKeyring: false,
      notifySocket: '/n',
    })
    assert.is(config, readFileSync(path.join(made, 'config.json'), 'utf8'))
    assert.is((spec as { hostname: string }).hostname, 'slipway')
    assert.is(ran.code, 0)
    assert.is(ran.stdout + ran.stderr, '')
  }))

test('sockets of systemd come before the preserved descriptors, when they are ours', () =>
  inFolder(async (folder) => {
    const made = bundle(folder)
    const fds = async (LISTEN_PID: string) => {
      const world = { env: { LISTEN_FDS: '3', LISTEN_PID } }
      const ran = await slipwayOci(
        { root: folder, world },
        'create',
        '-b',
        made,
        '--preserve-fds',
        '1',
        'web',
      )
      const { extraFds, listenFds } = request(ran, 'create')
      return [extraFds, listenFds]
    }
    assert.equal(await fds('100'), [4, 3])
    assert.equal(await fds('101'), [1, 0])
  }))

test('another file can be the configuration', () =>
  inFolder(async (folder) => {
    const made = bundle(folder, { hostname: 'other' }, 'other.json')
    const ran = await slipwayOci({ root: folder }, 'create', '-b', made, '--config', 'other.json', 'web')
    assert.is((request(ran, 'create').spec as { hostname: string }).hostname, 'other')
  }))

test('a terminal needs a console socket exactly where nobody stays', () =>
  inFolder(async (folder) => {
    const made = bundle(folder, { process: plain.process })
    const why = async (...words: string[]) =>
      reason(await slipwayOci({ root: folder }, ...words, '-b', made, 'web'))
    assert.match(await why('create'), /^create failed: --console-socket: "": a terminal needs one/)
    assert.match(await why('run', '-d'), /^run failed: --console-socket: "": a terminal needs one/)
    assert.match(
      await why('run', '--console-socket', '/s'),
      /is for a process with a terminal that nobody waits for/,
    )
    const ran = await slipwayOci({ root: folder }, 'create', '--console-socket', 's', '-b', made, 'web')
    assert.is(request(ran, 'create').consoleSocket, path.join(folder, 's'))
    bundle(folder)
    assert.match(await why('create', '--console-socket', '/s'), /is for a process with a terminal/)
  }))

/** containerd's client of runc (go-runc, runc.go) and conmon (runtime_args.c) write these; BUNDLE and FILE stand for paths. */
const CALLERS: readonly (readonly [line: string, verb: string])[] = [
  ['--log FILE --log-format json create --bundle BUNDLE --pid-file /p --console-socket /s tty', 'create'],
  [
    '--log FILE --log-format json --systemd-cgroup --rootless=false create --bundle BUNDLE --pid-file /p new',
    'create',
  ],
  ['--debug --log FILE run --bundle BUNDLE --detach -no-subreaper new', 'run'],
  ['--log FILE --log-format json start created', 'start'],
  ['--log FILE --log-format json kill --all web 9', 'kill'],
  ['--log FILE --log-format json kill web 15', 'kill'],
  ['--log FILE --log-format json delete --force web', 'delete'],
  [
    '--log FILE --log-format json exec --process PROCESS --console-socket /s --detach --pid-file /p web',
    'exec',
  ],
  ['--log FILE --log-format json update --resources=- web', 'update'],
  ['--log FILE --log-format json ps --format json web', 'ps'],
  ['events --stats web', 'events'],
  ['events --interval=5s web', 'events'],
  ['pause web', 'pause'],
  [
    '--log-format=json --log FILE create --bundle BUNDLE --pid-file /p --no-pivot --no-new-keyring --preserve-fds 2 new',
    'create',
  ],
  [
    '--cgroup-manager disabled --log-format=json --log FILE create --bundle BUNDLE --pid-file /p new',
    'create',
  ],
  ['exec --pid-file /p --process PROCESS --detach --console-socket /s web', 'exec'],
]
for (const [line, verb] of CALLERS) {
  test(`${line} is understood`, () =>
    inFolder(async (root) => {
      for (const status of ['running', 'created'] as const)
        place(root, status === 'running' ? 'web' : status, status)
      const made = bundle(root, line.includes('tty') ? { process: plain.process } : {})
      const whole = { user: { uid: 0, gid: 0 }, cwd: '/', args: ['id'], terminal: true }
      writeFileSync(path.join(root, 'process.json'), JSON.stringify(whole))
      const words = line
        .replace('BUNDLE', made)
        .replace('FILE', path.join(root, 'log'))
        .replace('PROCESS', path.join(root, 'process.json'))
        .split(' ')
      const ran = await slipwayOci({ root, world: { readStdin: () => '{}' } }, ...words)
      assert.is(ran.stderr, '')
      request(ran, verb)
    }))
}

test('run exits with the exit code of the program', () =>
  inFolder(async (folder) => {
    const made = bundle(folder)
    const ran = await slipwayOci({ root: folder }, 'run', '--keep', '--no-subreaper', '-b', made, 'web')
    const { detach, keep, noSubreaper } = request(ran, 'run')
    assert.equal([ran.code, detach, keep, noSubreaper], [7, false, true, true])
  }))

const BAD_BUNDLES: readonly (readonly [what: string, text: string | undefined, why: RegExp])[] = [
  ['no file', undefined, /config\.json: ENOENT \(no such file or directory\)/],
  ['no JSON', '{', /config\.json: \$: not JSON/],
  [
    'a wrong value',
    JSON.stringify({ ...plain, hostname: 1 }),
    /config\.json: \$\.hostname: expected a string, got 1/,
  ],
  [
    'no process',
    JSON.stringify({ ...plain, process: undefined }),
    /config\.json: \$\.process\.args: is required/,
  ],
]
for (const [what, text, why] of BAD_BUNDLES) {
  test(`a bundle with ${what} is refused before the life cycle is loaded`, () =>
    inFolder(async (folder) => {
      if (text !== undefined) writeFileSync(path.join(folder, 'config.json'), text)
      const ran = await slipwayOci({ root: folder }, 'create', 'web')
      assert.match(reason(ran), why)
      assert.equal([ran.code, ran.settings], [1, undefined])
    }))
}

test('what the life cycle fails with is the reason, behind the name of the command', () =>
  inFolder(async (folder) => {
    const made = bundle(folder)
    const runtime = () => fakeRuntime({ create: E.left({ _tag: 'CommandNotFound', command: 'sh' }) })
    const ran = await slipwayOci({ root: folder, runtime: runtime() }, 'create', '-b', made, 'web')
    assert.is(reason(ran), 'create failed: exec: "sh": executable file not found in $PATH')
    assert.is(ran.code, 1)
    const file = path.join(folder, 'log')
    const logged = ['--log', file, '--log-format', 'json', 'create', '-b', made, 'web']
    await slipwayOci({ root: folder, runtime: runtime() }, ...logged)
    // One object and nothing else: podman reads the file as a whole.
    assert.match(JSON.parse(readFileSync(file, 'utf8')).msg, /executable file not found in/)
  }))

/** [words, the verb of the port, statuses in which it is asked] */
const BY_STATUS: readonly (readonly [words: readonly string[], verb: string, works: readonly Wanted[]])[] = [
  [['start', 'web'], 'start', ['created']],
  [['kill', 'web'], 'kill', ['created', 'running', 'paused']],
  [['delete', 'web'], 'delete', ['created', 'stopped']],
  [['delete', '--force', 'web'], 'delete', ['creating', 'created', 'running', 'paused', 'stopped']],
  [['pause', 'web'], 'pause', ['created', 'running']],
  [['resume', 'web'], 'resume', ['paused']],
  [['update', '--memory', '1m', 'web'], 'update', ['created', 'running', 'paused']],
  [['ps', '-f', 'json', 'web'], 'ps', ['creating', 'created', 'running', 'paused', 'stopped']],
  [['events', '--stats', 'web'], 'events', ['created', 'running', 'paused']],
]
for (const [words, verb, works] of BY_STATUS) {
  test(`${words.join(' ')} is carried out in ${works.join(', ')}`, () =>
    inFolder(async (folder) => {
      for (const status of ['creating', 'created', 'running', 'paused', 'stopped'] as const) {
        const root = path.join(folder, status)
        place(root, 'web', status)
        const ran = await slipwayOci({ root }, ...words)
        const asked = ran.asked.some((each) => each.verb === verb)
        assert.equal([asked, ran.code], [works.includes(status), works.includes(status) ? 0 : 1], status)
        if (!asked) assert.match(reason(ran), new RegExp(`container not .*: web is ${status}`))
      }
    }))
}

const NEEDS_ONE = ['start', 'state', 'kill', 'delete', 'ps', 'pause', 'resume', 'update', 'events']
for (const name of NEEDS_ONE) {
  test(`${name} of a container that does not exist says so`, () =>
    inFolder(async (root) => {
      const ran = await slipwayOci({ root }, name, 'nope')
      assert.equal([ran.code, reason(ran), ran.settings], [1, 'container nope does not exist', undefined])
      assert.match(reason(await slipwayOci({ root }, name, '../x')), /invalid container id format/)
      assert.match(reason(await slipwayOci({ root }, name)), /requires .* argument\(s\)/)
    }))
}

test('a signal has a name or a number', () =>
  inFolder(async (root) => {
    place(root, 'web', 'running')
    const signal = async (...words: string[]) => {
      const { signal: number, all } = request(await slipwayOci({ root }, 'kill', ...words), 'kill')
      return [number, all]
    }
    assert.equal(await signal('web'), [15, false])
    for (const word of ['KILL', 'SIGKILL', 'sigkill', '9'])
      assert.equal(await signal('web', word), [9, false])
    assert.equal(await signal('--all', 'web', '0'), [0, true])
    assert.equal(await signal('web', 'KILL', '-a'), [9, true])
    assert.match(
      reason(await slipwayOci({ root }, 'kill', 'web', 'BOGUS')),
      /signal: "BOGUS": no such signal/,
    )
  }))

test('kill --all of a container that has ended is no failure', () =>
  inFolder(async (root) => {
    place(root, 'web', 'stopped')
    const ran = await slipwayOci({ root }, 'kill', '--all', 'web', 'KILL')
    assert.equal([ran.code, ran.settings], [0, undefined])
  }))

test('--regex is for all that match', () =>
  inFolder(async (root) => {
    for (const id of ['web1', 'web2', 'db']) place(root, id, 'stopped')
    const ran = await slipwayOci({ root }, 'delete', '--regex', '^web')
    const ids = ran.asked.map(({ request }) => (request as { id: string } | undefined)?.id)
    assert.equal(ids.sort(), ['web1', 'web2', undefined])
    assert.is((await slipwayOci({ root }, 'kill', '-r', 'nothing')).code, 0)
    assert.match(reason(await slipwayOci({ root }, 'delete', '-r', '(')), /is no regular expression/)
  }))

test('delete --force without a container succeeds, and clears what a broken create left', () =>
  inFolder(async (root) => {
    mkdirSync(path.join(root, 'half'))
    assert.is((await slipwayOci({ root }, 'delete', '--force', 'half')).code, 0)
    assert.is((await slipwayOci({ root }, 'delete', '--force', 'half')).code, 0)
    mkdirSync(path.join(root, 'half'))
    assert.is((await slipwayOci({ root }, 'delete', 'half')).code, 1)
    assert.is((await slipwayOci({ root }, 'list', '-q')).stdout, '')
    assert.is((await slipwayOci({ root }, 'delete', '--force', '..')).code, 1)
  }))

test('exec takes the process of the container as it was created, and exits with its exit code', () =>
  inFolder(async (root) => {
    place(root, 'web', 'running')
    writeFileSync(path.join(root, 'web', 'config.json'), JSON.stringify(plain))
    const flags = [
      '-e',
      'A=1',
      '--cwd',
      '/tmp',
      '-u',
      '5:6',
      '-g',
      '7',
      '--cap',
      'CAP_CHOWN',
      '--cgroup',
      'sub',
    ]
    const ran = await slipwayOci({ root }, 'exec', ...flags, 'web', 'ls', '-l')
    const { process, detach, cgroups, extraFds } = request(ran, 'exec')
    assert.is(ran.code, 42)
    assert.equal([detach, cgroups, extraFds], [false, { '': 'sub' }, 0])
    const sets = ['CAP_AUDIT_WRITE', 'CAP_KILL', 'CAP_NET_BIND_SERVICE', 'CAP_CHOWN']
    assert.equal(process, {
      ...plain.process,
      terminal: false,
      args: ['ls', '-l'],
      cwd: '/tmp',
      env: [...(plain.process?.env ?? []), 'A=1'],
      user: { uid: 5, gid: 6, additionalGids: [7] },
      capabilities: { bounding: sets, effective: sets, permitted: sets },
    })
  }))

test('exec takes a whole process from a file, as containerd and conmon call it', () =>
  inFolder(async (root) => {
    place(root, 'web', 'running')
    const file = path.join(root, 'process.json')
    const process = { user: { uid: 1, gid: 2 }, cwd: '/', args: ['id'], terminal: true }
    writeFileSync(file, JSON.stringify(process))
    const words = ['exec', '--process', file, '--console-socket', '/s', '--detach', '--pid-file', '/p', 'web']
    const asked = request(await slipwayOci({ root }, ...words), 'exec')
    assert.equal(
      [asked.process, asked.detach, asked.consoleSocket, asked.pidFile],
      [process, true, '/s', '/p'],
    )
    writeFileSync(file, JSON.stringify({ ...process, cwd: 'x' }))
    const ran = await slipwayOci({ root }, 'exec', '-p', file, 'web')
    assert.match(reason(ran), /^exec failed: .*process\.json: \$\.cwd: must be an absolute path/)
    assert.is(ran.code, 255)
  }))

const BAD_EXEC: readonly (readonly [words: readonly string[], why: RegExp])[] = [
  [['web'], /exec args cannot be empty/],
  [['-u', 'root', 'web', 'id'], /--user: "root": expected UID/],
  [['-u', '1:', 'web', 'id'], /--user: "1:"/],
  [['-u', '4294967295', 'web', 'id'], /--user/],
  [['-g', '-1', 'web', 'id'], /--additional-gids/],
  [['-e', 'A', 'web', 'id'], /--env: "A": expected NAME=VALUE/],
  [['--cwd', 'tmp', 'web', 'id'], /--cwd: "tmp": must be an absolute path/],
  [['--cgroup', 'a', '--cgroup', 'b', 'web', 'id'], /expected CONTROLLER:PATH/],
  [['--cgroup', ':a', 'web', 'id'], /name of a controller is empty/],
  [['-td', 'web', 'id'], /--console-socket: "": a terminal needs one/],
  [['nope', 'id'], /container nope does not exist/],
]
for (const [words, why] of BAD_EXEC) {
  test(`exec ${words.join(' ')} fails with 255: ${why.source}`, () =>
    inFolder(async (root) => {
      place(root, 'web', 'running')
      writeFileSync(path.join(root, 'web', 'config.json'), JSON.stringify(plain))
      const ran = await slipwayOci({ root }, 'exec', ...words)
      assert.match(reason(ran), why)
      assert.equal([ran.code, ran.settings], [255, undefined])
    }))
}

test('exec in a paused container waits for leave', () =>
  inFolder(async (root) => {
    place(root, 'web', 'paused')
    writeFileSync(path.join(root, 'web', 'config.json'), JSON.stringify(plain))
    const ran = await slipwayOci({ root }, 'exec', 'web', 'id')
    assert.equal([ran.code, reason(ran)], [255, 'exec failed: container not running: web is paused'])
    assert.is((await slipwayOci({ root }, 'exec', '--ignore-paused', 'web', 'id')).code, 42)
  }))

test('state is the JSON of runc', () =>
  inFolder(async (root) => {
    place(root, 'web', 'running', { annotations: { a: 'b' } })
    const ran = await slipwayOci({ root }, 'state', 'web')
    assert.is(
      ran.stdout,
      `{
  "ociVersion": "1.2.0",
  "id": "web",
  "pid": ${living.pid},
  "status": "running",
  "bundle": "/b",
  "rootfs": "/b/rootfs",
  "created": "2026-01-02T03:04:05.000000678Z",
  "annotations": {
    "a": "b"
  },
  "owner": ""
}
`,
    )
    place(root, 'web', 'stopped')
    const stopped = JSON.parse((await slipwayOci({ root }, 'state', 'web')).stdout)
    assert.equal([stopped.pid, stopped.status, 'annotations' in stopped], [0, 'stopped', false])
  }))

test('list is a table with the columns of runc, JSON, or ids', () =>
  inFolder(async (root) => {
    assert.is((await slipwayOci({ root }, 'list', '--format=json')).stdout, 'null\n')
    place(root, 'a-rather-long-name', 'stopped', { bundle: '/some/where/else' })
    place(root, 'b', 'created')
    mkdirSync(path.join(root, 'half'))
    writeFileSync(path.join(root, 'file'), '')
    const table = await slipwayOci({ root }, 'list')
    const owner = process.getuid?.() === 0 ? 'root' : /\S+$/m.exec(table.stdout)?.[0]
    const pid = String(living.pid).padEnd(12)
    assert.is(table.code, 0)
    assert.match(table.stdout, /^ID {19}PID {9}STATUS {6}BUNDLE {13}CREATED {26}OWNER$/m)
    const created = '2026-01-02T03:04:05.000000678Z'
    assert.ok(
      table.stdout.includes(
        `a-rather-long-name   0           stopped     /some/where/else   ${created}   ${owner}\n`,
      ),
      table.stdout,
    )
    assert.ok(
      table.stdout.includes(
        `b                    ${pid}created     /b                 ${created}   ${owner}\n`,
      ),
    )
    assert.is(table.stderr, 'load container half: container half does not exist\n')
    assert.is((await slipwayOci({ root }, 'list', '-q')).stdout, 'a-rather-long-name\nb\n')
    const listed = JSON.parse((await slipwayOci({ root }, 'list', '-f', 'json')).stdout)
    assert.equal(
      listed.map(({ id, status }: { id: string; status: string }) => [id, status]),
      [
        ['a-rather-long-name', 'stopped'],
        ['b', 'created'],
      ],
    )
    assert.is(reason(await slipwayOci({ root }, 'list', '-f', 'xml')), 'invalid format option')
  }))

test('a root that was named must exist', () =>
  inFolder(async (folder) => {
    const ran = await slipwayOci({ root: path.join(folder, 'nope') }, 'list')
    assert.equal([ran.code, ran.stdout], [1, ''])
    assert.match(reason(ran), /nope: ENOENT \(no such file or directory\)/)
  }))

test('ps shows pids as JSON, or the lines of ps about them', () =>
  inFolder(async (root) => {
    place(root, 'web', 'running')
    assert.is((await slipwayOci({ root }, 'ps', '--format', 'json', 'web')).stdout, '[11,12]\n')
    const table = await slipwayOci({ root }, 'ps', 'web')
    assert.is(
      table.stdout,
      'UID          PID    PPID CMD\nroot          11       1 sh\nroot          12      11 sleep 11\n',
    )
    const seen: unknown[] = []
    const output = (program: string, args: readonly string[]) => {
      seen.push([program, ...args])
      return { code: 0, text: 'USER CMD\n' }
    }
    const ran = await slipwayOci({ root, world: { output } }, 'ps', 'web', '-o', 'user,cmd')
    assert.equal([seen, reason(ran)], [[['ps', '-o', 'user,cmd']], "couldn't find PID field in ps output"])
  }))

test('update reads limits from flags, a file or standard input', () =>
  inFolder(async (root) => {
    place(root, 'web', 'running')
    const limits = async (...words: string[]) => {
      const world = { readStdin: () => '{"memory":{"limit":5},"unified":{"memory.high":"6"}}' }
      return request(await slipwayOci({ root, world }, 'update', ...words, 'web'), 'update').resources
    }
    assert.equal(await limits(), {})
    assert.equal(
      await limits(
        ...'--memory 64m --memory-swap=-1 --cpu-quota -1 --cpu-period 100000 --cpu-share 5 --cpuset-cpus 0-1 --pids-limit -1 --blkio-weight 10 --cpu-idle 1 --kernel-memory 1m'.split(
          ' ',
        ),
      ),
      {
        cpu: { shares: 5, quota: -1, period: 100000, idle: 1, cpus: '0-1' },
        memory: { limit: 2 ** 26, swap: -1 },
        blockIO: { weight: 10 },
        pids: { limit: -1 },
      },
    )
    assert.equal(await limits('--memory', ''), {})
    assert.equal(await limits('-r', '-', '--memory', '1'), {
      memory: { limit: 5 },
      unified: { 'memory.high': '6' },
    })
    // dockerd sends every field it knows.
    const docker = {
      blockIO: { weight: 0 },
      cpu: { shares: 0, quota: 0, period: 0, cpus: '', mems: '', idle: 0 },
      memory: { limit: 4096, reservation: 0, swap: 0, swappiness: 0 },
      pids: { limit: 0 },
    }
    writeFileSync(path.join(root, 'd.json'), JSON.stringify(docker))
    assert.equal(await limits('--resources', 'd.json'), {
      blockIO: {},
      cpu: { idle: 0 },
      memory: { limit: 4096, swappiness: 0 },
      pids: { limit: 0 },
    })
    writeFileSync(path.join(root, 'r.json'), '{"cpu":{"shares":7}}')
    assert.equal(await limits('--resources=r.json'), { cpu: { shares: 7 } })
  }))

for (const [words, why] of [
  ['--memory lots', /--memory: "lots"/],
  ['--cpu-share -1', /--cpu-share: "-1": expected a whole number, zero or more/],
  ['--cpu-idle 2', /--cpu-idle/],
  ['--blkio-weight 9', /--blkio-weight/],
  ['--mem-bw-schema x', /Intel RDT: not supported/],
  ['-r nope.json', /nope\.json: ENOENT/],
] as const) {
  test(`update ${words} is refused`, () =>
    inFolder(async (root) => {
      place(root, 'web', 'running')
      const ran = await slipwayOci({ root }, 'update', ...words.split(' '), 'web')
      assert.match(reason(ran), why)
      assert.equal([ran.code, ran.settings], [1, undefined])
    }))
}

test('events are one object a line, with numbers of 64 bits', () =>
  inFolder(async (root) => {
    place(root, 'web', 'running')
    const { stdout } = await slipwayOci({ root }, 'events', '--stats', 'web')
    assert.match(
      stdout,
      /^\{"type":"stats","id":"web","data":\{"cpu":\{"usage":\{"total":3000000000000000001,/,
    )
    assert.match(stdout, /"memory":\{"usage":\{"limit":18446744073709551615,"usage":4096,"failcnt":0\}/)
    assert.is(JSON.parse(stdout).data.network_interfaces, null)
    const ran = await slipwayOci({ root }, 'events', '--interval=1m30s', 'web')
    assert.is(request(ran, 'events').intervalMs, 90_000)
    assert.is(ran.stdout.split('\n').length, 3)
    assert.match(
      reason(await slipwayOci({ root }, 'events', '--interval', '0s', 'web')),
      /must be above zero/,
    )
  }))

for (const name of ['checkpoint', 'restore', 'mounts']) {
  test(`${name} is refused by name, whatever its flags`, () =>
    inFolder(async (root) => {
      const ran = await slipwayOci({ root }, name, '--image-path', '/x', 'web')
      assert.equal([ran.code, ran.settings], [1, undefined])
      assert.match(reason(ran), new RegExp(`^${name}: not supported: `))
    }))
}

test('a wrong command line is told with the help', () =>
  inFolder(async (root) => {
    const ran = await slipwayOci({ root }, 'state', '--foo', 'web')
    assert.is(ran.code, 1)
    assert.match(
      ran.stdout,
      /^Incorrect Usage: flag provided but not defined: -foo\n\nUsage: slipway-oci .* state ID\n/,
    )
    assert.is(reason(ran), 'flag provided but not defined: -foo')
    assert.match(reason(await slipwayOci({ root }, 'bogus')), /unknown command "bogus"/)
    assert.match((await slipwayOci({ root }, 'exec', '--help')).stdout, /--ignore-paused/)
    assert.match((await slipwayOci({ root }, 'help', 'update')).stdout, /--cpu-quota NUMBER/)
    assert.match((await slipwayOci({ root }, '--help')).stdout, /\n {2}features {5}/)
  }))

test('a log that cannot be opened ends the command before it begins', () =>
  inFolder(async (root) => {
    place(root, 'web', 'running')
    const ran = await slipwayOci({ root }, '--log', '/nope/log', 'kill', 'web')
    assert.equal([ran.code, ran.settings], [1, undefined])
    assert.match(reason(ran), /open: \/nope\/log: ENOENT/)
  }))

test('the life cycle is told whose cgroups to use, and where the state is', () =>
  inFolder(async (root) => {
    place(root, 'web', 'running')
    const { settings } = await slipwayOci(
      { root },
      '--cgroup-manager',
      'disabled',
      '--rootless=true',
      'pause',
      'web',
    )
    assert.equal([settings?.globals.cgroupManager, settings?.globals.rootless], ['disabled', true])
    assert.is(settings?.state.root, root)
  }))

test.run()
