// /etc/hosts, /etc/hostname and /etc/resolv.conf as the engine writes them.
import type { ContainerOptions } from '../../../src/model/options.ts'
import { buildEngineFiles, type HostFiles } from '../../../src/plan/spec/index.ts'
import { assert, suite } from '../../support/suite.ts'
import { decoded, ID } from './support.ts'

const Files = suite('plan/spec/files')
const host: HostFiles = {
  hosts: '127.0.0.1 localhost\n10.0.0.1 machine',
  resolvConf: '# made by hand\nnameserver 10.0.0.53\nsearch corp.example\noptions rotate\n',
  hostname: 'machine',
}
const textOf = (path: string, options: ContainerOptions = {}, files: HostFiles = host): string | undefined =>
  buildEngineFiles(decoded(options), ID, files).find((file) => file.path === path)?.content
const hosts = (options: ContainerOptions = {}, files?: HostFiles) => textOf('/etc/hosts', options, files)
const resolv = (options: ContainerOptions = {}, files?: HostFiles) =>
  textOf('/etc/resolv.conf', options, files)

Files('all three are there and readable by all', () => {
  const files = buildEngineFiles(decoded({}), ID)
  assert.equal(
    files.map(({ path }) => path),
    ['/etc/hostname', '/etc/hosts', '/etc/resolv.conf'],
  )
  assert.ok(files.every(({ mode }) => mode === 0o644))
})

Files('a file that a mount covers is left to the mount', () => {
  const options = decoded({ mounts: [{ type: 'bind', source: '/h', target: '/etc/hosts' }] })
  assert.equal(
    buildEngineFiles(options, ID).map(({ path }) => path),
    ['/etc/hostname', '/etc/resolv.conf'],
  )
})

Files('without a network only localhost has a name', () => {
  assert.is(
    hosts(),
    '127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\n' +
      'ff00::\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n',
  )
})

Files("with the host's network its own file is used, its last line ended", () => {
  assert.is(hosts({ network: 'host' }), '127.0.0.1 localhost\n10.0.0.1 machine\n')
  assert.match(hosts({ network: 'host' }, {}) ?? '', /^127\.0\.0\.1\tlocalhost\n/)
})

Files('added hosts come last, with IPv6 in every spelling', () => {
  const lines = hosts({ extraHosts: ['db:10.1.2.3', 'six:::1', 'b:[fe80::1]', 'eq=::2'] })?.split('\n')
  assert.equal(lines?.slice(-5), ['10.1.2.3\tdb', '::1\tsix', 'fe80::1\tb', '::2\teq', ''])
  assert.match(hosts({ network: 'host', extraHosts: ['db:10.1.2.3'] }) ?? '', /machine\n10\.1\.2\.3\tdb\n$/)
})

Files('the hostname file has the name the kernel has, and the domain', () => {
  assert.is(textOf('/etc/hostname'), '0123456789ab\n')
  assert.is(textOf('/etc/hostname', { hostname: 'web', domainname: 'example' }), 'web.example\n')
  assert.is(textOf('/etc/hostname', { network: 'host' }), 'machine\n')
  assert.is(textOf('/etc/hostname', { uts: 'host' }), 'machine\n')
  assert.is(textOf('/etc/hostname', { uts: 'host' }, {}), '\n')
})

Files('without a network there is no name server, unless one is asked for', () => {
  assert.is(resolv(), '')
  const asked = {
    dns: ['1.1.1.1', '::1'],
    dnsSearch: ['a.example', 'b.example'],
    dnsOptions: ['ndots:2', 'rotate'],
  }
  assert.is(
    resolv(asked),
    'nameserver 1.1.1.1\nnameserver ::1\nsearch a.example b.example\noptions ndots:2 rotate\n',
  )
})

Files("with the host's network its resolver is used, but for what is asked", () => {
  assert.is(resolv({ network: 'host' }), host.resolvConf)
  assert.is(
    resolv({ network: 'host', dns: ['1.1.1.1'] }),
    '# made by hand\nsearch corp.example\noptions rotate\nnameserver 1.1.1.1\n',
  )
  assert.is(
    resolv({ network: 'host', dnsSearch: ['.'], dnsOptions: ['ndots:1'] }),
    '# made by hand\nnameserver 10.0.0.53\noptions ndots:1\n',
  )
  assert.is(resolv({ network: 'host' }, {}), '')
})

Files.run()
