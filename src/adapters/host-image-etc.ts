// Which parts of the host's /etc a container may see: what programs need to run, nothing that is anybody's secret.

/** Plain files. passwd and group lose their password column. */
const FILES: ReadonlySet<string> = new Set([
  'adjtime',
  'alpine-release',
  'arch-release',
  'bash.bashrc',
  'bashrc',
  'bindresvport.blacklist',
  'ca-certificates.conf',
  'centos-release',
  'debian_version',
  'ethertypes',
  'fedora-release',
  'filesystems',
  'gai.conf',
  'group',
  'host.conf',
  'inputrc',
  'issue',
  'ld-musl-aarch64.path',
  'ld-musl-x86_64.path',
  'ld.so.cache',
  'ld.so.conf',
  'locale.alias',
  'locale.conf',
  'locale.gen',
  'localtime',
  'login.defs',
  'lsb-release',
  'magic',
  'magic.mime',
  'manpath.config',
  'mime.types',
  'nanorc',
  'netconfig',
  'networks',
  'nsswitch.conf',
  'os-release',
  'passwd',
  'profile',
  'protocols',
  'redhat-release',
  'rocky-release',
  'rpc',
  'services',
  'shells',
  'SUSE-brand',
  'system-release',
  'timezone',
])

/** Folders that are copied with all that is harmless in them, by path below /etc. */
const FOLDERS: readonly RegExp[] = [
  /^alternatives$/,
  /^ca-certificates$/,
  /^crypto-policies$/,
  /^fonts$/,
  /^glvnd$/,
  /^groff$/,
  /^ImageMagick-\d+$/,
  /^iproute2$/,
  /^java-\d+-openjdk$/,
  /^ld-musl-[a-z0-9_]+\.d$/,
  /^ld\.so\.conf\.d$/,
  /^libnl-3$/,
  /^locale$/,
  /^OpenCL$/,
  /^perl$/,
  /^pki\/(?:ca-trust|tls\/certs)$/,
  /^python\d(?:\.\d+)?$/,
  /^R$/,
  /^sgml$/,
  /^ssl\/certs$/,
  /^terminfo$/,
  /^texmf$/,
  /^vim$/,
  /^vulkan$/,
  /^xml$/,
]

/** Files inside folders that are not copied as a whole. */
const INNER_FILES: ReadonlySet<string> = new Set(['ssl/openssl.cnf', 'pki/tls/openssl.cnf', 'ssl/cert.pem'])
/** Folders that are only a way to the above. */
const PARENTS: ReadonlySet<string> = new Set(['pki', 'pki/tls', 'ssl'])

/** Whatever the lists above say: names of secrets, and copies of files that were left aside (`shadow-`, `group~`). */
const SECRET =
  /shadow|sudoers|machine-id|password|passwd.|.passwd|secret|credential|private|token|netrc|_key$|\.(?:key|p12|pfx|jks|kdbx?|gpg|old|bak|orig|rej)$|^id_|^ssh|[-~]$/i

export type EtcKind = 'file' | 'folder' | 'parent'

/** What to do with an entry of /etc, by its path below it; undefined: it stays away. */
export const etcKind = (path: string): EtcKind | undefined => {
  if (path.split('/').some((name) => SECRET.test(name))) return undefined
  if (FILES.has(path) || INNER_FILES.has(path)) return 'file'
  if (FOLDERS.some((folder) => folder.test(path))) return 'folder'
  return PARENTS.has(path) ? 'parent' : undefined
}

/** An entry anywhere below a copied folder. Links to manual pages are harmless too, but many and of no use. */
export const isHarmless = (name: string): boolean => !SECRET.test(name) && !name.endsWith('.gz')

/** Password hashes in these two files are a thing of the past, but still legal. */
export const withoutPasswords = (text: string): string => text.replace(/^([^:\n]*):[^:\n]*:/gm, '$1:x:')
export const hasPasswordColumn = (path: string): boolean => path === 'etc/passwd' || path === 'etc/group'
