// What a result depends on besides the programs: this machine, as it was while it was measured.
import { readFileSync } from 'node:fs'
import { cpus, loadavg, totalmem } from 'node:os'
import type { HostFacts } from '../model/host-facts.ts'
import { version } from '../model/version.ts'

export interface Environment {
  readonly date: string
  readonly slipway: string
  readonly kernel: string
  readonly arch: string
  readonly cpu: string
  readonly cpus: number
  /** `guest` where the processor says that it is one. */
  readonly machine: 'guest' | 'hardware'
  /** Of the first processor; undefined where the kernel does not scale frequencies. */
  readonly governor: string | undefined
  readonly memoryBytes: number
  readonly node: string
  readonly residentBytes: number
  readonly cgroup: HostFacts['cgroup']['mode']
  readonly security: readonly string[]
  /** File system of the store, and of the runtime files. */
  readonly store: string
  readonly runtime: string
  readonly loadBefore: number
  readonly loadAfter: number | undefined
}

export const environment = (facts: HostFacts, store: string, runtime: string): Environment => ({
  date: new Date().toISOString(),
  slipway: version,
  kernel: facts.kernelRelease,
  arch: facts.arch,
  cpu: cpus()[0]?.model.trim() || 'unknown',
  cpus: facts.cpus,
  machine: /^flags\s*:.*\bhypervisor\b/m.test(text('/proc/cpuinfo') ?? '') ? 'guest' : 'hardware',
  governor: text('/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor')?.trim(),
  memoryBytes: totalmem(),
  node: process.version,
  residentBytes: process.memoryUsage().rss,
  cgroup: facts.cgroup.mode,
  security: [...(facts.apparmor ? ['AppArmor'] : []), ...(facts.selinux ? ['SELinux'] : [])],
  store: fileSystemOf(store),
  runtime: fileSystemOf(runtime),
  loadBefore: loadavg()[0] ?? 0,
  loadAfter: undefined,
})

export const load = (): number => loadavg()[0] ?? 0

const text = (file: string): string | undefined => {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}

const fileSystemOf = (directory: string): string =>
  fileSystemIn(text('/proc/self/mountinfo') ?? '', directory)

/** Type of the innermost mount that holds `directory`; the last one where several lie on one place. proc_pid_mountinfo(5). */
export const fileSystemIn = (mountinfo: string, directory: string): string => {
  let found = { length: -1, type: 'unknown' }
  for (const line of mountinfo.split('\n')) {
    const [head = '', tail = ''] = line.split(' - ')
    const mount = head.split(' ')[4] ?? ''
    const holds = mount === '/' || directory === mount || directory.startsWith(`${mount}/`)
    if (mount !== '' && holds && mount.length >= found.length)
      found = { length: mount.length, type: tail.split(' ')[0] ?? 'unknown' }
  }
  return found.type
}
