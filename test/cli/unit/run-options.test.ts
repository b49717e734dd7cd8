// From the words of a `slipway run` line to the options of the library, flag by flag.
import * as E from '#fp/Either'
import { parseArgs } from '../../../src/cli/args.ts'
import type { Args } from '../../../src/cli/command.ts'
import { type RunFlags, runFlags } from '../../../src/cli/run-flags.ts'
import { runArgsToOptions, type Surroundings } from '../../../src/cli/run-options.ts'
import { message } from '../../../src/model/errors.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('cli/run-options')

const FILES: Readonly<Record<string, string>> = {
  'vars.env': '\uFEFF# a comment\n\n  A=1\nB=two words \r\nHOME\nMISSING\n',
  'bad.env': 'A B=1\n',
  'nameless.env': '=1\n',
  'labels.txt': 'k=v\nbare\n',
  'profile.json': '{"defaultAction":"SCMP_ACT_ALLOW"}',
  'text.json': 'nope',
  'list.json': '3',
}
const around: Surroundings = {
  env: { HOME: '/home/me', EMPTY: '' },
  cwd: '/here',
  readFile: (path) => {
    const text = FILES[path]
    return text === undefined ? E.left('ENOENT (no such file or directory)') : E.right(text)
  },
}

const request = (words: readonly string[]) => {
  const parsed = parseArgs(
    { flags: runFlags, stopsAtPositional: true, positionals: { min: 0 }, usage: '' },
    words,
  )
  if (E.isLeft(parsed)) throw new Error(parsed.left.message)
  if (parsed.right._tag === 'Help') throw new Error('help')
  return runArgsToOptions(parsed.right.args as Args<RunFlags>, around)
}
const BASE = { stdin: 'ignore', stdout: 'inherit', stderr: 'inherit' } as const

const bind = (source: string, target: string, more: object = {}) => ({
  mounts: [{ type: 'bind', source, target, createSource: true, ...more }],
})

const OPTIONS: readonly (readonly [words: string, options: object])[] = [
  ['', {}],
  [
    '--name= --hostname= --user= --workdir= --pid= --ipc= --uts= --network= --platform= --stop-signal= --pull= --cidfile=',
    {},
  ],
  ['--memory 0 --memory-swap 0 --memory-reservation 0b --shm-size 0m', {}],
  ['--ipc shareable', { ipc: 'private' }],
  ['-e toString -e constructor', {}],
  ['--name web', { name: 'web' }],
  ['-h box', { hostname: 'box' }],
  ['--domainname d', { domainname: 'd' }],
  ['-l a=b=c -l bare', { labels: { a: 'b=c', bare: '' } }],
  ['--label-file labels.txt -l k=w', { labels: { k: 'w', bare: '' } }],
  ['-i', { stdin: 'inherit' }],
  ['-a stdout', { stderr: 'ignore' }],
  ['-a STDOUT -a STDERR', {}],
  ['-a stdin -a stderr', { stdin: 'inherit', stdout: 'ignore' }],
  ['--init', { init: true }],
  ['--stop-signal SIGINT', { stopSignal: 'SIGINT' }],
  ['--stop-timeout 3', { grace: 3000 }],
  ['--stop-timeout 0', { grace: 0 }],
  ['--timeout 2s', { timeout: '2s' }],
  ['--entrypoint sh', { entrypoint: 'sh' }],
  ['--entrypoint=', { entrypoint: [] }],
  ['-w /srv', { cwd: '/srv' }],
  ['-u 1000:1000', { user: '1000:1000' }],
  ['--group-add audio --group-add 7', { groups: ['audio', '7'] }],
  ['-e A=1 -e B=x=y -e C=', { env: { A: '1', B: 'x=y', C: '' } }],
  ['-e HOME -e EMPTY -e MISSING', { env: { HOME: '/home/me', EMPTY: '' } }],
  ['-e MISSING', {}],
  ['--env-file vars.env -e A=2', { env: { A: '2', B: 'two words ', HOME: '/home/me' } }],
  ['--pull never', { pull: 'never' }],
  ['-q', { quiet: true }],
  ['--platform linux/arm64', { platform: 'linux/arm64' }],
  ['-v /a:/b', bind('/a', '/b')],
  ['-v /a:/b:ro', bind('/a', '/b', { readonly: true })],
  ['-v /a:/b:rw,rslave,cached', bind('/a', '/b', { propagation: 'rslave' })],
  ['-v ./a:/b', bind('/here/./a', '/b')],
  ['-v ..:/b', bind('/here/..', '/b')],
  ['--mount type=bind,src=/a,dst=/b', { mounts: [{ type: 'bind', source: '/a', target: '/b' }] }],
  [
    '--mount type=bind,source=/a,target=/b,readonly,bind-propagation=shared,bind-recursive=disabled',
    {
      mounts: [
        { type: 'bind', source: '/a', target: '/b', readonly: true, recursive: false, propagation: 'shared' },
      ],
    },
  ],
  [
    '--mount type=bind,source=/a,target=/b,readonly=false,bind-nonrecursive=true',
    { mounts: [{ type: 'bind', source: '/a', target: '/b', recursive: false }] },
  ],
  [
    '--mount type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=700,ro',
    { mounts: [{ type: 'tmpfs', target: '/t', readonly: true, size: '1m', mode: 0o700 }] },
  ],
  ['--mount type=bind,"source=/a,b",target=/c', { mounts: [{ type: 'bind', source: '/a,b', target: '/c' }] }],
  ['--tmpfs /t', { mounts: [{ type: 'tmpfs', target: '/t' }] }],
  ['-v /b', { mounts: [{ type: 'volume', target: '/b' }] }],
  ['-v data:/b', { mounts: [{ type: 'volume', source: 'data', target: '/b' }] }],
  [
    '-v data:/b:ro,nocopy,z',
    { mounts: [{ type: 'volume', source: 'data', target: '/b', readonly: true, nocopy: true }] },
  ],
  ['-v /a:/b:Z', bind('/a', '/b')],
  [
    '-v /a:/b:idmap=uids=1000-0-1#0-1-1;gids=5-6-7',
    bind('/a', '/b', {
      idmap: {
        uids: [
          { from: 1000, to: 0, size: 1 },
          { from: 0, to: 1, size: 1 },
        ],
        gids: [{ from: 5, to: 6, size: 7 }],
      },
    }),
  ],
  ['-v data:/b:idmap', { mounts: [{ type: 'volume', source: 'data', target: '/b', idmap: true }] }],
  ['--mount dst=/b', { mounts: [{ type: 'volume', target: '/b' }] }],
  [
    '--mount src=data,dst=/b,ro,volume-nocopy,volume-subpath=c/d,volume-label=x=y,volume-opt=type=tmpfs,volume-opt=device=tmpfs,"volume-opt=o=size=1m,uid=5",idmap=true',
    {
      mounts: [
        {
          type: 'volume',
          source: 'data',
          target: '/b',
          readonly: true,
          nocopy: true,
          subpath: 'c/d',
          driverOptions: { type: 'tmpfs', device: 'tmpfs', o: 'size=1m,uid=5' },
          labels: { x: 'y' },
          idmap: true,
        },
      ],
    },
  ],
  [
    '--mount type=image,src=debian,dst=/b,image-subpath=etc',
    { mounts: [{ type: 'image', source: 'debian', target: '/b', subpath: 'etc' }] },
  ],
  [
    '--mount type=bind,src=./a,dst=/b,ro,bind-recursive=readonly,bind-create-src',
    {
      mounts: [
        {
          type: 'bind',
          source: '/here/./a',
          target: '/b',
          readonly: true,
          recursive: 'readonly',
          createSource: true,
        },
      ],
    },
  ],
  ['--volumes-from a --volumes-from b:ro --volume-driver local', { volumesFrom: ['a', 'b:ro'] }],
  [
    '--tmpfs /t:rw,size=64m,mode=1777,noexec,uid=5',
    { mounts: [{ type: 'tmpfs', target: '/t', size: '64m', mode: 0o1777, options: ['noexec', 'uid=5'] }] },
  ],
  ['--tmpfs /t:ro', { mounts: [{ type: 'tmpfs', target: '/t', readonly: true }] }],
  ['--read-only', { readonly: true }],
  ['--shm-size 1g', { shmSize: '1g' }],
  ['--network none', { network: 'none' }],
  ['--net=host', { network: 'host' }],
  ['--add-host a:1.2.3.4 --add-host b=::1', { extraHosts: ['a:1.2.3.4', 'b:::1'] }],
  [
    '--dns 1.1.1.1 --dns-search x --dns-opt ndots:2',
    { dns: ['1.1.1.1'], dnsSearch: ['x'], dnsOptions: ['ndots:2'] },
  ],
  ['-m 64m', { memory: '64m' }],
  ['--memory-swap -1', { memorySwap: -1 }],
  ['--memory-swap 1g', { memorySwap: '1g' }],
  ['--memory-reservation 1g', { memoryReservation: '1g' }],
  ['--memory-swappiness -1', {}],
  ['--cpus 1.5', { cpus: 1.5 }],
  ['--cpus 0', {}],
  ['--cpu-quota 50000', { cpus: 0.5 }],
  ['--cpu-quota 50000 --cpu-period 25000', { cpus: 2 }],
  ['--cpu-quota -1', {}],
  ['--cpu-period 50000', {}],
  ['-c 512', { cpuShares: 512 }],
  ['-c 0', {}],
  ['--cpuset-cpus 0-1 --cpuset-mems 0', { cpusetCpus: '0-1', cpusetMems: '0' }],
  ['--pids-limit 64', { pids: 64 }],
  ['--pids-limit 0', { pids: -1 }],
  ['--pids-limit -1', { pids: -1 }],
  [
    '--ulimit nofile=10:20 --ulimit core=-1',
    {
      ulimits: [
        { name: 'nofile', soft: 10, hard: 20 },
        { name: 'core', soft: -1 },
      ],
    },
  ],
  ['--ulimit nproc=5 --ulimit nproc=6:7', { ulimits: [{ name: 'nproc', soft: 6, hard: 7 }] }],
  ['--ulimit nproc=5:unlimited', { ulimits: [{ name: 'nproc', soft: 5, hard: -1 }] }],
  ['--oom-score-adj -500', { oomScoreAdj: -500 }],
  ['--privileged', { security: { privileged: true } }],
  ['--cap-add A --cap-add B --cap-drop ALL', { security: { capAdd: ['A', 'B'], capDrop: ['ALL'] } }],
  ['--security-opt no-new-privileges', { security: { noNewPrivileges: true } }],
  ['--security-opt no-new-privileges:true', { security: { noNewPrivileges: true } }],
  ['--security-opt no-new-privileges=false', { security: { noNewPrivileges: false } }],
  ['--security-opt seccomp=unconfined', { security: { seccomp: 'unconfined' } }],
  ['--security-opt seccomp:unconfined', { security: { seccomp: 'unconfined' } }],
  ['--security-opt seccomp=builtin', {}],
  ['--security-opt seccomp=profile.json', { security: { seccomp: { defaultAction: 'SCMP_ACT_ALLOW' } } }],
  ['--security-opt systempaths=unconfined', { security: { systemPaths: 'unconfined' } }],
  ['--security-opt apparmor=unconfined --security-opt label=disable', {}],
  ['--device /dev/a', { devices: [{ source: '/dev/a' }] }],
  ['--device /dev/a:/dev/b', { devices: [{ source: '/dev/a', target: '/dev/b' }] }],
  ['--device /dev/a:/dev/b:rw', { devices: [{ source: '/dev/a', target: '/dev/b', permissions: 'rw' }] }],
  ['--device /dev/a:m', { devices: [{ source: '/dev/a', permissions: 'm' }] }],
  ['--device-cgroup-rule c\u00a01:3\u00a0r', { deviceCgroupRules: ['c\u00a01:3\u00a0r'] }],
  ['--sysctl a.b=1 --sysctl c=', { sysctls: { 'a.b': '1', c: '' } }],
  [
    '--pid host --ipc host --uts host --cgroupns host',
    { pid: 'host', ipc: 'host', uts: 'host', cgroupns: 'host' },
  ],
  ['--ipc private --cgroupns private', { ipc: 'private', cgroupns: 'private' }],
  ['--userns host', {}],
  ['--restart no --no-healthcheck --log-driver none --disable-content-trust', {}],
]
for (const [words, options] of OPTIONS)
  test(`${words || 'no flag'} becomes the option it names`, () => {
    const got = request(['--rm', ...words.split(' ').filter((word) => word !== ''), 'img', 'cmd', '-x'])
    assert.equal(
      got,
      E.right({
        image: 'img',
        argv: ['cmd', '-x'],
        options: { ...BASE, ...options },
        timing: false,
        sigProxy: true,
      }),
    )
  })

const REFUSED: readonly (readonly [words: string, text: string])[] = [
  ['', 'IMAGE: "": name an image, or a directory with --rootfs'],
  ['--rootfs= x', '--rootfs: "": the directory is empty'],
  ['-d -a stdout i', '--attach: "stdout": cannot be combined with --detach, which passes nothing on'],
  ['-a stdlog i', '--attach: "stdlog": must be stdin, stdout or stderr'],
  ['--network bridge i', '--network bridge: not supported: only none and host work so far'],
  [
    '--network none --network host i',
    'several --network flags: not supported: only none and host work so far',
  ],
  ['--pid container:x i', '--pid container:x: not supported: only host works so far'],
  ['--uts x i', '--uts x: not supported: only host works so far'],
  ['--mount __proto__ i', '--mount: "__proto__": "__proto__" is not a key of a mount'],
  ['--ipc none i', '--ipc none: not supported: only private, shareable and host work so far'],
  ['--userns keep-id i', '--userns keep-id: not supported: only host works so far'],
  ['--cgroupns x i', '--cgroupns: "x": must be private or host'],
  ['--cpus 1 --cpu-quota 5000 i', '--cpus: "1": cannot be combined with --cpu-quota or --cpu-period'],
  ['--cpus -1 i', '--cpus: "-1": must not be negative'],
  ['--cpu-period 10 i', '--cpu-period: "10": must be between 1000 and 1000000 microseconds'],
  ['--cpu-quota 10 i', '--cpu-quota: "10": must be at least 1000 microseconds'],
  ['--cpu-shares -1 i', '--cpu-shares: "-1": must not be negative'],
  ['--oom-score-adj 1001 i', '--oom-score-adj: "1001": must be between -1000 and 1000'],
  [
    '--stop-timeout -1 i',
    '--stop-timeout -1: not supported: an attached container is not waited for for ever; give a large number',
  ],
  ['-e =x i', '--env: "=x": the name is empty'],
  ['-l =x i', '--label: "=x": the name is empty'],
  ['--env-file none i', '--env-file: "none": ENOENT (no such file or directory)'],
  ['--env-file bad.env i', '--env-file: "bad.env": "A B=1" is not NAME=VALUE'],
  ['--label-file nameless.env i', '--label-file: "nameless.env": "=1" is not NAME=VALUE'],
  ['--pull often i', '--pull: "often": must be missing, always or never'],
  ['-v b i', '--volume: "b": a volume without a name is written as an absolute path inside'],
  ['-v a/b:/c i', '--volume: "a/b:/c": "a/b" is no name of a volume; a path begins with / or ./'],
  ['-v :/b i', '--volume: ":/b": the path on the host, or the name of a volume, is empty'],
  ['-v /a:b i', '--volume: "/a:b": the path inside must be absolute'],
  ['-v /a:/b:ro:x i', '--volume: "/a:/b:ro:x": too many colons; the form is [HOST|NAME:]PATH[:OPTIONS]'],
  ['-v /a:/b:nocopy i', '--volume: "/a:/b:nocopy": "nocopy" is not an option of a bind mount'],
  ['-v a:/b:shared i', '--volume: "a:/b:shared": "shared" is not an option of a volume'],
  [
    '-v a:/b:idmap=uids=1-2 i',
    '--volume: "a:/b:idmap=uids=1-2": the form is idmap=uids=FROM-TO-SIZE;gids=FROM-TO-SIZE, several separated by #',
  ],
  ['-v /a:/b:fast i', '--volume: "/a:/b:fast": "fast" is not an option of a bind mount'],
  ['--tmpfs t i', '--tmpfs: "t": the path inside must be absolute'],
  ['--tmpfs /t:mode=9 i', '--tmpfs: "/t:mode=9": mode must be octal, e.g. 1777'],
  [
    '--mount type=nfs,dst=/b i',
    '--mount: "type=nfs,dst=/b": "nfs" is no type of a mount; there are bind, volume, tmpfs, image',
  ],
  ['--mount type=cluster,dst=/b i', '--mount type=cluster: not supported: it concerns Windows, or swarms'],
  [
    '--mount src=/a,dst=/b i',
    '--mount: "src=/a,dst=/b": "/a" is no name of a volume; type=bind takes a path',
  ],
  [
    '--mount src=a,dst=/b,volume-nocopy=no i',
    '--mount: "src=a,dst=/b,volume-nocopy=no": volume-nocopy must be true or false',
  ],
  [
    '--mount src=a,dst=/b,volume-driver=nfs i',
    '--mount volume-driver=nfs: not supported: volumes have the driver local alone',
  ],
  ['--mount type=image,dst=/b i', '--mount: "type=image,dst=/b": source must name an image'],
  [
    '--mount type=image,src=a,dst=/b,ro=false i',
    '--mount: "type=image,src=a,dst=/b,ro=false": the files of an image are shown read-only',
  ],
  [
    '--mount type=image,src=a,dst=/b,volume-subpath=x i',
    '--mount: "type=image,src=a,dst=/b,volume-subpath=x": volume-subpath does not go with type=image',
  ],
  [
    '--mount type=tmpfs,dst=/b,idmap i',
    '--mount: "type=tmpfs,dst=/b,idmap": idmap does not go with type=tmpfs',
  ],
  ['--volume-driver nfs i', '--volume-driver nfs: not supported: volumes have the driver local alone'],
  ['--mount type=bind,src=/a i', '--mount: "type=bind,src=/a": target must be an absolute path'],
  ['--mount type=bind,dst=/a i', '--mount: "type=bind,dst=/a": source must be an absolute path'],
  ['--mount type=bind,src=a,dst=/a i', '--mount: "type=bind,src=a,dst=/a": source must be an absolute path'],
  ['--mount type=tmpfs,src=/a,dst=/b i', '--mount: "type=tmpfs,src=/a,dst=/b": a tmpfs has no source'],
  [
    '--mount type=tmpfs,dst=/b,bind-recursive=disabled i',
    '--mount: "type=tmpfs,dst=/b,bind-recursive=disabled": bind-recursive does not go with type=tmpfs',
  ],
  [
    '--mount type=tmpfs,dst=/b,tmpfs-mode=x i',
    '--mount: "type=tmpfs,dst=/b,tmpfs-mode=x": tmpfs-mode must be octal, e.g. 1777',
  ],
  [
    '--mount type=bind,src=/a,dst=/b,ro=maybe i',
    '--mount: "type=bind,src=/a,dst=/b,ro=maybe": readonly must be true or false',
  ],
  [
    '--mount type=bind,src=/a,dst=/b,bind-recursive=deep i',
    '--mount: "type=bind,src=/a,dst=/b,bind-recursive=deep": bind-recursive is one of enabled, disabled, writable, readonly',
  ],
  [
    '--mount type=bind,src=/a,dst=/b,bind-propagation=x i',
    '--mount: "type=bind,src=/a,dst=/b,bind-propagation=x": "x" is not a propagation',
  ],
  ['--mount type=bind,colour=red i', '--mount: "type=bind,colour=red": "colour" is not a key of a mount'],
  ['--mount "type=bind i', '--mount: "\\"type=bind": a quotation mark is not closed'],
  [
    '--device vendor/gpu=0 i',
    '--device vendor/gpu=0: not supported: only device nodes work so far; give an absolute path',
  ],
  ['--device /dev/a:/dev/b:rw:x i', '--device: "/dev/a:/dev/b:rw:x": the form is HOST[:PATH][:rwm]'],
  ['--device /dev/a:rw:m i', '--device: "/dev/a:rw:m": the form is HOST[:PATH][:rwm]'],
  ['--device /dev/a:rr i', '--device: "/dev/a:rr": permissions are any of r, w and m, each once'],
  ['--device /dev/a:x i', '--device: "/dev/a:x": permissions are any of r, w and m, each once'],
  ['--ulimit nofile i', '--ulimit: "nofile": the form is NAME=SOFT[:HARD], numbers or -1'],
  ['--ulimit =5 i', '--ulimit: "=5": the form is NAME=SOFT[:HARD], numbers or -1'],
  ['--ulimit nofile=1:x i', '--ulimit: "nofile=1:x": the form is NAME=SOFT[:HARD], numbers or -1'],
  ['--ulimit nofile=1:2:3 i', '--ulimit: "nofile=1:2:3": the form is NAME=SOFT[:HARD], numbers or -1'],
  ['--ulimit nofile=3:2 i', '--ulimit: "nofile=3:2": the soft limit is above the hard one'],
  ['--ulimit nofile=-1:2 i', '--ulimit: "nofile=-1:2": the soft limit is above the hard one'],
  ['--sysctl a.b i', '--sysctl: "a.b": the form is NAME=VALUE'],
  ['--security-opt shields=up i', '--security-opt: "shields=up": is not a security option'],
  [
    '--security-opt apparmor=mine i',
    '--security-opt apparmor=mine: not supported: profiles and labels are not applied so far',
  ],
  [
    '--security-opt label=type:x i',
    '--security-opt label=type:x: not supported: profiles and labels are not applied so far',
  ],
  [
    '--security-opt seccomp=none.json i',
    '--security-opt seccomp: "none.json": ENOENT (no such file or directory)',
  ],
  ['--security-opt seccomp=text.json i', '--security-opt seccomp: "text.json": is not a JSON object'],
  ['--security-opt seccomp=list.json i', '--security-opt seccomp: "list.json": is not a JSON object'],
  ['--memory-swappiness 60 i', '--memory-swappiness 60: not supported: only -1, the default, works so far'],
  [
    '--disable-content-trust=false i',
    '--disable-content-trust=false: not supported: signatures are not checked so far',
  ],
]
for (const [words, text] of REFUSED)
  test(`${words || 'nothing'} is refused: ${text}`, () => {
    const got = request(words.split(' ').filter((word) => word !== ''))
    assert.ok(E.isLeft(got), 'it is refused')
    if (E.isLeft(got)) assert.is(message(got.left), text)
  })

const right = (words: string) => {
  const got = request(words.split(' '))
  if (E.isLeft(got)) throw new Error(message(got.left))
  return got.right
}

test('without --rm the container is kept', () => {
  assert.is(right('img').options.keep, true)
  assert.is(right('--rm img').options.keep, undefined)
})

test('with -t the streams are those of the terminal', () => {
  assert.equal(right('--rm -it img').options, { tty: true, stdin: 'pipe', stdout: 'pipe' })
  assert.equal(right('--rm -t img').options, { tty: true, stdin: 'ignore', stdout: 'pipe' })
})

test('--rootfs replaces the image, and a relative one starts here', () => {
  assert.equal(right('--rootfs /r sh -c x').image, { rootfs: '/r' })
  assert.equal(right('--rootfs /r sh -c x').argv, ['sh', '-c', 'x'])
  assert.equal(right('--rootfs r sh').image, { rootfs: '/here/r' })
})

test('what concerns the command itself is no option of the container', () => {
  const { options, ...rest } = right('--rm --cidfile id --timing --sig-proxy=false img')
  assert.equal(options, BASE)
  assert.equal(rest, { image: 'img', argv: [], cidfile: 'id', timing: true, sigProxy: false })
})

/** docker run's flags as of 28.2, from its own help and manual page. */
const DOCKER_FLAGS =
  `add-host annotation attach blkio-weight blkio-weight-device cap-add cap-drop cgroup-parent cgroupns
cidfile cpu-count cpu-percent cpu-period cpu-quota cpu-rt-period cpu-rt-runtime cpu-shares cpus cpuset-cpus cpuset-mems
detach detach-keys device device-cgroup-rule device-read-bps device-read-iops device-write-bps device-write-iops
disable-content-trust dns dns-option dns-search domainname entrypoint env env-file expose gpus group-add health-cmd
health-interval health-retries health-start-interval health-start-period health-timeout hostname init interactive
io-maxbandwidth io-maxiops ip ip6 ipc isolation kernel-memory label label-file link link-local-ip log-driver log-opt
mac-address memory memory-reservation memory-swap memory-swappiness mount name network network-alias no-healthcheck
oom-kill-disable oom-score-adj pid pids-limit platform privileged publish publish-all pull quiet read-only restart rm
runtime security-opt shm-size sig-proxy stop-signal stop-timeout storage-opt sysctl tmpfs tty ulimit use-api-socket user
userns uts volume volume-driver volumes-from workdir`.split(/\s+/)
// The last one is podman's.
const OWN_FLAGS = ['rootfs', 'timeout', 'timing', 'health-on-failure']

test('every flag of docker run is known by name, and no other but our own', () => {
  assert.equal(Object.keys(runFlags).sort(), [...DOCKER_FLAGS, ...OWN_FLAGS].sort())
})

test('no two flags share a letter or a name', () => {
  const words = Object.entries(runFlags).flatMap(([name, spec]) => [
    name,
    ...('short' in spec ? [spec.short] : []),
    ...('aliases' in spec ? spec.aliases : []),
  ])
  assert.is(new Set(words).size, words.length)
})

test('a flag either works and has a help text, or says why it does not', () => {
  for (const [name, spec] of Object.entries(runFlags))
    assert.is('unsupported' in spec, spec.help === '', name)
})

test('a variable may be called __proto__', () => {
  const made = request(['-e', '__proto__=x', 'i'])
  assert.ok(E.isRight(made))
  if (E.isRight(made)) assert.equal(Object.entries(made.right.options.env ?? {}), [['__proto__', 'x']])
})

test.run()
