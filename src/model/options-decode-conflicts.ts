// Options that are each fine and do not go together.
import type { InvalidOption } from './errors.ts'
import type { HostFacts } from './host-facts.ts'
import type { NamespaceType } from './oci-spec.ts'
import type { DecodedOptions, DecodedRunOptions, DecodedStartOptions } from './options-decoded.ts'
import { sysctlProblem } from './sysctls.ts'
import { formatSize } from './units.ts'

type Conflict = InvalidOption | undefined

/** What the host bounds. */
export type OptionLimits = Pick<HostFacts, 'cpus'>

/** V8's longest string, in UTF-16 units, and Node 20's longest Buffer: what is collected becomes one of them. */
const LONGEST_BYTES = { utf8: 2 ** 29 - 24, buffer: 2 ** 32 - 1 } as const

/** What only `run` cannot have: it collects, and nobody is there to write or to read meanwhile. */
export const collectConflict = (options: DecodedRunOptions): Conflict => {
  const { all = false, encoding = 'utf8', maxOutputBytes, stdin } = options
  if (stdin === 'pipe')
    return conflict('stdin', stdin, 'run has nobody to write to it: use start, or give the text')
  const elsewhere = (['stdout', 'stderr'] as const).find((name) => (options[name] ?? 'pipe') !== 'pipe')
  if (all && elsewhere !== undefined)
    return conflict('all', true, `needs ${elsewhere} to be collected, 'pipe'`)
  const longest = Math.floor(LONGEST_BYTES[encoding] / (all ? 2 : 1))
  if (maxOutputBytes === undefined || maxOutputBytes <= longest) return undefined
  const remedy = encoding === 'utf8' ? "with encoding 'buffer', or " : ''
  return conflict(
    'maxOutput',
    formatSize(maxOutputBytes),
    `more than ${formatSize(longest)} can be had only ${remedy}as a stream or { file }`,
  )
}

/** Mounts contradict nothing here, be they looked up or not. */
type Options = Omit<DecodedOptions, 'mounts' | 'volumesFrom'>
type StartOptions = Omit<DecodedStartOptions, 'mounts' | 'volumesFrom'>

/** The first conflict, if there is one. */
export const conflictOf = (options: StartOptions, limits: OptionLimits): Conflict =>
  terminalConflict(options) ??
  cpuConflict(options, limits) ??
  memoryConflict(options) ??
  namespaceConflict(options) ??
  usernsConflict(options) ??
  sysctlConflict(options)

const conflict = (option: string, value: unknown, why: string): InvalidOption => ({
  _tag: 'InvalidOption',
  option,
  value: String(value),
  why,
})

/** A terminal is all three streams. */
const terminalConflict = ({ tty, ...options }: StartOptions): Conflict => {
  if (tty === undefined || tty === false) return undefined
  const fixed = { stdin: ['pipe', 'ignore'], stdout: ['pipe'], stderr: ['pipe'] }
  const elsewhere = (['stdin', 'stdout', 'stderr'] as const).find((name) => {
    const option = options[name]
    return option !== undefined && !(fixed[name] as readonly unknown[]).includes(option)
  })
  return (
    elsewhere && conflict(elsewhere, 'given', 'cannot be set with tty: the terminal is all three streams')
  )
}

const cpuConflict = ({ cpus }: Options, limits: OptionLimits): Conflict => {
  if (cpus === undefined || cpus <= limits.cpus) return undefined
  return conflict('cpus', cpus, `the host has only ${limits.cpus}`)
}

/** moby daemon/daemon_unix.go, verifyPlatformContainerResources. */
const memoryConflict = ({ memory, memorySwap, memoryReservation }: Options): Conflict => {
  if (memorySwap !== undefined && memorySwap >= 0 && memory === undefined) {
    return conflict(
      'memorySwap',
      formatSize(memorySwap),
      'needs a memory limit beside it: it is memory plus swap',
    )
  }
  if (memory === undefined) return undefined
  if (memorySwap !== undefined && memorySwap >= 0 && memorySwap < memory) {
    return conflict(
      'memorySwap',
      formatSize(memorySwap),
      `is memory plus swap, and memory alone is ${formatSize(memory)}`,
    )
  }
  if (memoryReservation === undefined || memoryReservation <= memory) return undefined
  return conflict(
    'memoryReservation',
    formatSize(memoryReservation),
    `is above the memory limit of ${formatSize(memory)}`,
  )
}

const namespaceConflict = ({ uts, ipc, hostname, domainname, shmSize }: Options): Conflict => {
  const named = hostname ?? domainname
  if (uts === 'host' && named !== undefined) {
    const option = hostname === undefined ? 'domainname' : 'hostname'
    return conflict(option, named, "cannot be set with uts: 'host': it would rename the host")
  }
  if (ipc !== 'host' || shmSize === undefined) return undefined
  return conflict(
    'shmSize',
    formatSize(shmSize),
    "cannot be set with ipc: 'host': /dev/shm is the host's own",
  )
}

/** The host's namespaces belong to its own user namespace: rights in another one count for nothing there. */
const usernsConflict = ({ security, network, pid, ipc }: Options): Conflict => {
  if (security?.userns === undefined) return undefined
  if (security.privileged === true) {
    return conflict('security.privileged', true, 'cannot be had inside a user namespace of its own')
  }
  const shared = Object.entries({ network, pid, ipc }).find(([, mode]) => mode === 'host')
  return shared && conflict(shared[0], 'host', 'cannot be shared with a user namespace of its own')
}

const sysctlConflict = (options: Options): Conflict => {
  const own = ownNamespaces(options)
  for (const name of Object.keys(options.sysctls ?? {})) {
    const why = sysctlProblem(name, own)
    if (why !== undefined) return conflict('sysctls', name, why)
  }
  return undefined
}

const ownNamespaces = ({ network, ipc, uts }: Options): ReadonlySet<NamespaceType> => {
  const modes = { network, ipc, uts }
  return new Set((['network', 'ipc', 'uts'] as const).filter((type) => modes[type] !== 'host'))
}
