// What the facts of a host mean for the containers on it: which guarantees hold, which do not, and how to get them.
import { type CgroupController, type HostFacts, isAtLeast } from './host-facts.ts'
import { countOf, noGroupOfUser } from './own-users.ts'

/**
 * `ok`: the guarantee holds. `limited`: containers start, but something they could have is not there. `missing`:
 * without it no container starts.
 */
export type FindingState = 'ok' | 'limited' | 'missing'

export interface Finding {
  /** Stable name for scripts, e.g. `cgroup-memory`. */
  readonly id: string
  readonly title: string
  readonly state: FindingState
  /** What was found, e.g. `cgroup v1 at /sys/fs/cgroup/memory`. */
  readonly fact: string
  /** What holds because of it; or, where it is not `ok`, what does not. */
  readonly meaning: string
  /** How to get it, where it can be had: what to do, in the imperative. */
  readonly remedy?: string
  /** The remedy as a command for a shell, where it is one. */
  readonly command?: string
}

export interface Diagnosis {
  readonly findings: readonly Finding[]
  /** Nothing is `missing`. */
  readonly canRun: boolean
}

/** Every finding in a fixed order: rights, kernel, isolation, limits, protection, comfort. */
export const diagnose = (facts: HostFacts): Diagnosis => {
  const findings = [
    rights(facts),
    ...ids(facts),
    kernel(facts),
    namespaces(facts),
    cgroupTree(facts),
    ...CONTROLLERS.map((wanted) => controllerFinding(facts, wanted)),
    seccomp(facts),
    securityModules(facts),
    timeNamespace(facts),
    userNamespaces(facts),
    guardian(facts),
    layers(facts),
    openFiles(facts),
    ipv6(facts),
  ]
  return { findings, canRun: findings.every((finding) => finding.state !== 'missing') }
}

const CAP_SYS_ADMIN = 21n
const holds = (facts: HostFacts, capability: bigint): boolean =>
  ((facts.effectiveCaps >> capability) & 1n) === 1n

/** Capabilities an engine uses while it starts a container, by their numbers in capability.h. */
const NEEDED_CAPS: readonly (readonly [bigint, string])[] = [
  [0n, 'CHOWN'],
  [1n, 'DAC_OVERRIDE'],
  [6n, 'SETGID'],
  [7n, 'SETUID'],
  [8n, 'SETPCAP'],
  [12n, 'NET_ADMIN'],
  [18n, 'SYS_CHROOT'],
  [CAP_SYS_ADMIN, 'SYS_ADMIN'],
  [27n, 'MKNOD'],
]

const rights = (facts: HostFacts): Finding => {
  const base = { id: 'rights', title: 'Rights' }
  if (facts.users !== undefined)
    return {
      ...base,
      state: 'limited',
      fact: `user ${facts.euid}, an ordinary one`,
      meaning:
        'containers live in a user namespace of this user: their root is this user outside. Limits need a delegated cgroup; pid and cgroup namespaces of the host, id maps and changes to /usr in the host image are refused',
      remedy: 'run slipway as root for those',
    }
  const lacking = NEEDED_CAPS.filter(([number]) => !holds(facts, number)).map(([, name]) => name)
  if (lacking.length === 0)
    return {
      ...base,
      state: 'ok',
      fact: `user ${facts.euid} with all capabilities needed`,
      meaning: 'namespaces, mounts and cgroups can be made',
    }
  return {
    ...base,
    state: 'missing',
    fact: `user ${facts.euid} without CAP_${lacking.join(', CAP_')}`,
    meaning: 'containers cannot be started',
    remedy: facts.euid === 0 ? 'give this process the capabilities it lacks' : 'run slipway as root',
  }
}

/** Of an ordinary user: how many ids its containers have. */
const ids = ({ users }: HostFacts): readonly Finding[] => {
  if (users === undefined) return []
  const base = { id: 'ids', title: 'Ids' }
  const { single, uidMappings, gidMappings } = users
  if (single === undefined)
    return [
      {
        ...base,
        state: 'ok',
        fact: `${countOf(uidMappings)} uids and ${countOf(gidMappings)} gids`,
        meaning: 'images with files of many users can be unpacked, and containers can run as any of them',
      },
    ]
  return [
    {
      ...base,
      state: 'limited',
      fact: `one: ${single.why}`,
      meaning: 'containers run as root alone, and images with files of other users are refused',
      remedy: single.remedy,
    },
  ]
}

const kernel = (facts: HostFacts): Finding => {
  const base = { id: 'kernel', title: 'Kernel', fact: `Linux ${facts.kernelRelease}` }
  if (isAtLeast(facts.kernel, 6, 1))
    return { ...base, state: 'ok', meaning: 'a version slipway is tested with (6.1 and later)' }
  if (isAtLeast(facts.kernel, 5, 12))
    return {
      ...base,
      state: 'limited',
      meaning: 'may work, but is not tested',
      remedy: 'use Linux 6.1 or later',
    }
  return {
    ...base,
    state: 'missing',
    meaning: 'lacks mount_setattr (5.12), which every start uses',
    remedy: 'use Linux 6.1 or later',
  }
}

const NEEDED_NAMESPACES = ['mnt', 'pid', 'net', 'ipc', 'uts']

const namespaces = (facts: HostFacts): Finding => {
  const base = { id: 'namespaces', title: 'Namespaces', fact: facts.namespaces.join(', ') || 'none' }
  const lacking = NEEDED_NAMESPACES.filter((name) => !facts.namespaces.includes(name))
  if (lacking.length > 0)
    return {
      ...base,
      state: 'missing',
      meaning: `the kernel was built without: ${lacking.join(', ')}`,
      remedy: 'use a kernel with CONFIG_NAMESPACES and its parts',
    }
  if (!facts.namespaces.includes('cgroup'))
    return { ...base, state: 'limited', meaning: "containers see the host's cgroup names" }
  return {
    ...base,
    state: 'ok',
    meaning: 'containers have their own processes, files, network, names and queues',
  }
}

const MODE_NAMES = {
  v1: 'version 1',
  v2: 'version 2',
  hybrid: 'versions 1 and 2 side by side',
  none: 'not mounted',
} as const

const cgroupTree = (facts: HostFacts): Finding => {
  const { cgroup } = facts
  const base = { id: 'cgroups', title: 'Cgroups', fact: MODE_NAMES[cgroup.mode] }
  if (facts.users !== undefined) return cgroupTreeOfUser(facts, base)
  if (cgroup.mode === 'none')
    return {
      ...base,
      state: 'limited',
      meaning: 'limits are refused, and processes of a container are found by its pid namespace only',
      remedy: 'mount the tree',
      command: 'mount -t cgroup2 none /sys/fs/cgroup',
    }
  if (!cgroup.writable)
    return {
      ...base,
      state: 'limited',
      fact: `${base.fact}, read-only`,
      meaning: 'containers run without limits; asking for one is an error',
      remedy:
        'inside another container, give it a writable cgroup tree (for Docker: --privileged --cgroupns=private)',
    }
  return { ...base, state: 'ok', meaning: 'every container gets a group of its own' }
}

const cgroupTreeOfUser = (facts: HostFacts, base: Pick<Finding, 'id' | 'title' | 'fact'>): Finding => {
  const { delegated } = facts.cgroup
  if (delegated !== undefined)
    return {
      ...base,
      state: 'ok',
      fact: `${base.fact}, ${delegated} is this user's`,
      meaning: 'every container gets a group of its own below it',
    }
  const { why, remedy, command } = noGroupOfUser(facts)
  return {
    ...base,
    state: 'limited',
    fact: `${base.fact}: ${why}`,
    meaning: 'containers run without limits; asking for one is an error',
    remedy,
    ...(command === undefined ? {} : { command }),
  }
}

interface WantedController {
  /** Name in v1; v2 has the same except where told. */
  readonly v1: string
  readonly title: string
  readonly holds: string
  readonly without: string
  /** v2 has no such controller: the kernel does it for every group. */
  readonly builtIntoV2?: string
}

const CONTROLLERS: readonly WantedController[] = [
  {
    v1: 'memory',
    title: 'Memory limits',
    holds: '--memory works, peak memory and out-of-memory kills are reported',
    without: '--memory is refused, peak memory is unknown',
  },
  {
    v1: 'cpu',
    title: 'CPU limits',
    holds: '--cpus and --cpu-shares work',
    without: '--cpus and --cpu-shares are refused',
  },
  {
    v1: 'cpuset',
    title: 'CPU choice',
    holds: '--cpuset-cpus works',
    without: '--cpuset-cpus and --cpuset-mems are refused',
  },
  {
    v1: 'pids',
    title: 'Process limits',
    holds: '--pids-limit works',
    without: '--pids-limit is refused; a fork bomb inside hits the host',
  },
  {
    v1: 'devices',
    title: 'Device rules',
    holds: 'a container opens only the devices it was given',
    without: 'the right to make device nodes is taken away instead',
    builtIntoV2: 'BPF programs',
  },
  {
    v1: 'freezer',
    title: 'Freezing',
    holds: 'all processes of a container can be stopped at one instant',
    without: 'pausing a container will not work',
    builtIntoV2: 'cgroup.freeze',
  },
]

const controllerFinding = ({ cgroup, users }: HostFacts, wanted: WantedController): Finding => {
  const base = { id: `cgroup-${wanted.v1}`, title: wanted.title }
  if (users !== undefined && wanted.v1 === 'devices')
    return {
      ...base,
      state: 'ok',
      fact: 'no rules, but a user namespace',
      meaning: 'nobody in it makes a device node, and only those that were bound into /dev work',
    }
  const found = cgroup.controllers.find((controller) => controller.name === wanted.v1)
  const fact = found === undefined ? builtIn(cgroup.unified, wanted) : placeOf(found)
  if (fact === undefined)
    return {
      ...base,
      state: 'limited',
      fact: 'no controller',
      meaning: wanted.without,
      ...remedyFor(cgroup.mode, wanted.v1),
    }
  return cgroup.writable
    ? { ...base, state: 'ok', fact, meaning: wanted.holds }
    : {
        ...base,
        state: 'limited',
        fact: `${fact}, ${users === undefined ? 'read-only' : 'not delegated'}`,
        meaning: wanted.without,
      }
}

const placeOf = (controller: CgroupController): string =>
  `cgroup v${controller.version} at ${controller.mountpoint}`
const builtIn = (unified: string | undefined, wanted: WantedController): string | undefined =>
  unified === undefined || wanted.builtIntoV2 === undefined
    ? undefined
    : `${wanted.builtIntoV2} of cgroup v2 at ${unified}`
const remedyFor = (mode: HostFacts['cgroup']['mode'], name: string): Pick<Finding, 'remedy' | 'command'> =>
  mode === 'v2'
    ? { remedy: 'enable it in the parent group', command: `echo +${name} > cgroup.subtree_control` }
    : { remedy: 'mount it', command: `mount -t cgroup -o ${name} none /sys/fs/cgroup/${name}` }

const seccomp = ({ seccompActions }: HostFacts): Finding => {
  const base = { id: 'seccomp', title: 'System call filter' }
  if (seccompActions.includes('errno'))
    return {
      ...base,
      state: 'ok',
      fact: seccompActions.join(', '),
      meaning: "Docker's default profile is in force unless you turn it off",
    }
  return {
    ...base,
    state: 'limited',
    fact: seccompActions.join(', ') || 'not in this kernel',
    meaning: 'containers run unfiltered; asking for a profile is an error',
    remedy: 'use a kernel with CONFIG_SECCOMP_FILTER',
  }
}

const securityModules = ({ apparmor, selinux }: HostFacts): Finding => {
  const active = [apparmor ? 'AppArmor' : undefined, selinux ? 'SELinux' : undefined].filter(
    (name) => name !== undefined,
  )
  const base = { id: 'security-modules', title: 'Security modules' }
  if (active.length === 0)
    return {
      ...base,
      state: 'ok',
      fact: 'none active',
      meaning: 'capabilities, the filter and masked paths protect the host',
    }
  return {
    ...base,
    state: 'limited',
    fact: active.join(', '),
    meaning: 'slipway applies no profile or label so far; all its other protections hold',
  }
}

const timeNamespace = (facts: HostFacts): Finding => {
  const base = { id: 'time-namespace', title: 'Time namespace' }
  if (facts.timeNamespaceAtExec)
    return {
      ...base,
      state: 'ok',
      fact: 'entered at exec',
      meaning: 'containers have their own monotonic and boot clocks',
    }
  const known = facts.namespaces.includes('time')
  return {
    ...base,
    state: 'limited',
    fact: known ? 'not entered at exec (before Linux 6.2)' : 'not in this kernel',
    meaning: "containers share the host's monotonic and boot clocks",
  }
}

const userNamespaces = (facts: HostFacts): Finding => {
  const base = { id: 'user-namespaces', title: 'User namespaces' }
  if (facts.users !== undefined)
    return { ...base, state: 'ok', fact: 'made', meaning: 'containers of this user live in one' }
  if (facts.userNamespaces)
    return { ...base, state: 'ok', fact: 'allowed', meaning: 'root inside can be nobody outside' }
  const known = facts.namespaces.includes('user')
  return {
    ...base,
    state: 'limited',
    fact: known ? 'forbidden by a setting' : 'not in this kernel',
    meaning: 'id maps are refused',
    ...(known ? { remedy: 'allow them', command: 'sysctl -w user.max_user_namespaces=15000' } : {}),
  }
}

const guardian = ({ passPidfd }: HostFacts): Finding => ({
  id: 'guardian',
  title: 'Cleaning up',
  state: 'ok',
  fact: passPidfd
    ? 'process handles come with messages'
    : 'process handles are opened by number (before Linux 6.5)',
  meaning: 'containers end when the program that started them dies, however it dies',
})

const layers = ({ overlayLowerPlus }: HostFacts): Finding => ({
  id: 'layers',
  title: 'Layers',
  state: 'ok',
  fact: overlayLowerPlus
    ? 'overlay takes them one by one'
    : 'overlay takes them in one line (before Linux 6.8)',
  meaning: overlayLowerPlus
    ? 'an image may have as many as it likes'
    : 'images with very many layers are flattened first',
})

/** Docker's default limit of open files. */
const DOCKER_NOFILE = 1_048_576

const openFiles = (facts: HostFacts): Finding => {
  const base = { id: 'open-files', title: 'Open files' }
  const hard = Number.isFinite(facts.nofileHard) ? String(facts.nofileHard) : 'unlimited'
  if (facts.canRaiseLimits || facts.nofileHard >= DOCKER_NOFILE)
    return {
      ...base,
      state: 'ok',
      fact: `our limit is ${hard}`,
      meaning: `containers get Docker's ${DOCKER_NOFILE}`,
    }
  return {
    ...base,
    state: 'limited',
    fact: `our limit is ${hard}, and CAP_SYS_RESOURCE is not held`,
    meaning: `containers get ${hard} instead of Docker's ${DOCKER_NOFILE}; higher --ulimit values are refused`,
    remedy: 'raise it where slipway is started',
    command: `ulimit -Hn ${DOCKER_NOFILE}`,
  }
}

const ipv6 = (facts: HostFacts): Finding => ({
  id: 'ipv6',
  title: 'IPv6',
  state: facts.ipv6 ? 'ok' : 'limited',
  fact: facts.ipv6 ? 'in the kernel' : 'not in this kernel, or turned off at boot',
  meaning: facts.ipv6 ? 'containers have ::1' : 'containers have IPv4 only',
})
