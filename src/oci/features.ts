// What `features` tells: runtime-spec features.md and features-linux.md. Every list is one the decoders and the planner work by.
import { CAPABILITIES } from '../model/capabilities.ts'
import { NAMESPACE_TYPES } from '../model/oci-namespaces.ts'
import { HOOK_NAMES } from '../model/oci-spec-decode-process.ts'
import { SECCOMP_ACTIONS, SECCOMP_FLAGS, SECCOMP_OPERATORS } from '../model/oci-spec-seccomp.ts'
import { version } from '../model/version.ts'
import { parseMountOptions } from '../plan/launch/mount-options.ts'
import { flagValue } from '../plan/seccomp/actions.ts'
import { isKnownArchitecture } from '../plan/seccomp/architectures.ts'
import { PROPERTY_PREFIX } from '../plan/systemd/annotations.ts'
import { SPEC_VERSIONS } from './spec-version.ts'

/** What no table tells: what the runtime does, whether or not this host can (features-linux.md). A line changes in the commit that makes it true. */
const SUPPORTED = {
  hooks: HOOK_NAMES,
  cgroup: { v1: true, v2: true, systemd: true, systemdUser: true, rdma: true },
  apparmor: true,
  selinux: true,
  intelRdt: false,
  idmap: true,
  netDevices: true,
} as const

export const features = (): object => ({
  ociVersionMin: SPEC_VERSIONS.min,
  ociVersionMax: SPEC_VERSIONS.max,
  hooks: SUPPORTED.hooks,
  mountOptions: MOUNT_OPTIONS.filter(isMountOption),
  linux: {
    namespaces: [...NAMESPACE_TYPES].sort(),
    capabilities: CAPABILITIES,
    cgroup: SUPPORTED.cgroup,
    seccomp: {
      enabled: true,
      actions: [...SECCOMP_ACTIONS].sort(),
      operators: [...SECCOMP_OPERATORS].sort(),
      archs: ARCHITECTURES.filter(isKnownArchitecture),
      knownFlags: [...SECCOMP_FLAGS],
      supportedFlags: SECCOMP_FLAGS.filter((flag) => flagValue(flag) !== undefined),
    },
    apparmor: { enabled: SUPPORTED.apparmor },
    selinux: { enabled: SUPPORTED.selinux },
    intelRdt: { enabled: SUPPORTED.intelRdt },
    mountExtensions: { idmap: { enabled: SUPPORTED.idmap } },
    netDevices: { enabled: SUPPORTED.netDevices },
  },
  annotations: {
    'io.slipway.oci.version': version,
    // Under runc's name, since it is the one that callers ask for.
    'org.opencontainers.runc.checkpoint.enabled': 'false',
  },
  // They are properties of its scope. A name that ends in a dot stands for all that begin with it: features.md.
  potentiallyUnsafeConfigAnnotations: [PROPERTY_PREFIX],
})

/** The planner hands every option that it does not know to the file system. */
const isMountOption = (option: string): boolean => parseMountOptions([option]).data.length === 0

/** All that runtime-spec config.md, Linux mount options, names. */
const MOUNT_OPTIONS =
  'async atime bind defaults dev diratime dirsync exec idmap iversion lazytime loud mand noatime nodev nodiratime noexec noiversion nolazytime nomand norelatime nostrictatime nosuid nosymfollow private ratime rbind rdev rdiratime relatime remount rexec ridmap rnoatime rnodev rnodiratime rnoexec rnorelatime rnostrictatime rnosuid rnosymfollow ro rprivate rrelatime rro rrw rshared rslave rstrictatime rsuid rsymfollow runbindable rw shared silent slave strictatime suid symfollow sync tmpcopyup unbindable'.split(
    ' ',
  )

/** All that runtime-spec config-linux.md, Seccomp, names. */
const ARCHITECTURES =
  'AARCH64 ARM LOONGARCH64 M68K MIPS MIPS64 MIPS64N32 MIPSEL MIPSEL64 MIPSEL64N32 PARISC PARISC64 PPC PPC64 PPC64LE RISCV64 S390 S390X SH SHEB X32 X86 X86_64'
    .split(' ')
    .map((name) => `SCMP_ARCH_${name}`)
