// The ports to this machine: facts, cgroups, records, small files, and the cleaning up after a container.
import type { Either } from '#fp/Either'
import type { TaskEither } from '#fp/TaskEither'
import type { HostDevice } from '../../model/devices.ts'
import type { EngineError } from '../../model/errors.ts'
import type { HostFacts } from '../../model/host-facts.ts'
import type { LinuxResources } from '../../model/oci-spec.ts'
import type { ImageSource } from '../../model/options.ts'
import type { PlannedOptions } from '../../model/options-decoded.ts'
import type { PreparedImage, Rootfs } from '../../model/prepared-image.ts'
import type { ContainerRecord, RecordChanges } from '../../model/record.ts'
import type { Cleanup } from '../../plan/cleanup.ts'
import type { CgroupParent, TreeSource, UsageFile } from '../../plan/launch/index.ts'
import type { CompiledFilter } from '../../plan/seccomp/compile.ts'
import type { HostFiles } from '../../plan/spec/index.ts'

export interface OpenCgroupParent extends CgroupParent {
  readonly fd: number
}

/** What a container's groups know at its end. */
export interface GroupUsage {
  readonly cpuUs?: number
  readonly peakMemoryBytes?: number
  readonly oomKills?: number
}

export interface HostPort {
  readonly facts: HostFacts
  /** CLOCK_MONOTONIC. */
  readonly nowNs: () => number
  readonly randomId: () => string
  /** Compiled filters that outlive this process, by their key. */
  readonly filters: {
    readonly read: (key: string) => CompiledFilter | undefined
    readonly write: (key: string, filter: CompiledFilter) => void
  }
  /** Fails: HostUnfit, SyscallFailed. */
  readonly cgroupParents: (resources: LinuxResources) => Either<EngineError, readonly OpenCgroupParent[]>
  /** Writes to files of cgroups. One that is refused is tried again after the others: two limits may bound each other. Fails: SyscallFailed. */
  readonly setLimits: (
    writes: readonly { readonly path: string; readonly value: string; readonly optional?: boolean }[],
  ) => Either<EngineError, void>
  /** Reads a container's group files; one this kernel has not is left out. Does not block. */
  readonly usage: (files: readonly UsageFile[], fds: readonly number[]) => GroupUsage
  /** passwd and group of a container's root, as its image and mounts give them; absent where there is none. */
  readonly userFiles: (
    rootfs: Rootfs,
    options: PlannedOptions,
    signal: AbortSignal | undefined,
  ) => TaskEither<EngineError, { readonly passwd?: string; readonly group?: string }>
  /** The host's own hosts, resolv.conf and name. */
  readonly hostFiles: (options: PlannedOptions) => HostFiles
  /** Makes the missing sources of bind mounts that ask for it. */
  readonly makeBindSources: (
    options: PlannedOptions,
    signal: AbortSignal | undefined,
  ) => TaskEither<EngineError, void>
  /**
   * Each a descriptor of a tree that is attached nowhere, for the receiver to give back. Fails: SyscallFailed, Cancelled.
   */
  readonly openTrees: (
    trees: readonly TreeSource[],
    signal: AbortSignal | undefined,
  ) => TaskEither<EngineError, { readonly fds: readonly number[]; readonly close: () => void }>
  readonly devices: (options: PlannedOptions) => Either<EngineError, readonly HostDevice[]>
  /** Kills whoever is left in a group. The first round is over when this returns; resolves when a reading found nobody. */
  readonly killGroup: (group: string) => Promise<void>
  /**
   * Holds all processes of a container still until the result is called, which never fails. What a process that died had frozen is let go
   * by `sweep`. Fails: HostUnfit where nothing can be frozen, SyscallFailed.
   */
  readonly freeze: (id: string, groups: readonly string[]) => TaskEither<EngineError, () => Promise<void>>
  /** Somebody paused it, and nobody has let it go on since. */
  readonly isPaused: (id: string) => boolean
  /** True when the kernel has killed somebody in these groups for lack of memory. */
  readonly ranOutOfMemory: (groups: readonly string[]) => boolean
  /** Pid of a container's first process: the one whose parent is none of it. Undefined where it has ended. */
  readonly firstOf: (container: Pick<ContainerRecord, 'groups' | 'process'>) => number | undefined
  /** It has given up its namespaces, or is gone. Between the two it waits for whoever is left in its pid namespace. */
  readonly isEnding: (pid: number) => boolean
  /** Pid of the first process in the groups, as the kernel lists them. */
  readonly firstProcess: (groups: readonly string[]) => number | undefined
  /** How many writable layers a container's directory holds. */
  readonly overlaysOf: (id: string) => number
  /** Removes what a container leaves behind; `id` when it is another one than the cleanup speaks of; `held` is closed first. Never fails: what cannot be removed now, the next sweep removes. */
  readonly cleanUp: (cleanup: Cleanup, id?: string, held?: readonly number[]) => Promise<void>
  /** Tells every guardian after `guardian` about a container that runs. The result undoes it. */
  readonly guard: (pidfd: () => number, group: string, guardian: number) => () => void
  /** How groups of single processes in containers are named, their common place made. Fails: SyscallFailed. */
  readonly execGroups: TaskEither<EngineError, NextExecGroup>
  /** Whoever is left in it is the container's from now on. Never fails. */
  readonly endExecGroup: (group: ExecGroup) => Promise<void>
  /** Ends and cleans up what engines that died have left. */
  readonly sweep: () => Promise<void>
  /** Percent of the last ten seconds somebody waited for memory; undefined where the kernel does not tell. */
  readonly memoryPressure: () => number | undefined
  readonly state: StatePort
  readonly prepareImage: (image: ImageSource) => TaskEither<EngineError, PreparedImage>
}

/** A new one for each call, not made yet; undefined where there is no place for it. */
export type NextExecGroup = (id: string, parents: readonly CgroupParent[]) => ExecGroup | undefined

/** A group of one more process in a container. */
export interface ExecGroup {
  /** As the planner wants it. */
  readonly parent: CgroupParent
  /** Absolute. */
  readonly directory: string
  /** What kills all of it. */
  readonly killFile: string
}

export interface StatePort {
  readonly root: string
  readonly scratch: string
  readonly engine: string
  readonly containersFd: number
  readonly recordsFd: number
  readonly recordPath: (id: string) => string
  /** All, or those of containers a word may mean: of one whose name nobody chose not by its name. */
  readonly records: (wanted?: string) => readonly ContainerRecord[]
  readonly isAlive: (engine: string) => boolean
  /**
   * What this engine starts for itself ends with it, which others know by its lock. One that was opened where no lock could be made
   * makes it now. Fails: SyscallFailed.
   */
  readonly demandLock: () => Either<EngineError, void>
  readonly write: (record: ContainerRecord) => void
  /** Adds the first process to the record of a container that has no group: whoever finds the engine dead finds it by that. */
  readonly addProcess: (record: ContainerRecord, pid: number) => void
  /**
   * Takes a name for a container, or tells who has it. It is this engine's word until a document says so; `isThere`: it has a record,
   * so the name is free when that is gone.
   */
  readonly takeName: (name: string, id: string, isThere?: boolean) => Either<EngineError, void>
  /** The container has this name from now on, whoever had it. Fails: SyscallFailed. */
  readonly passName: (name: string, id: string) => Either<EngineError, void>
  /** Whoever has it: for one that only its maker knows. */
  readonly dropName: (name: string) => void
  /** Gives a name up that this container has; one that somebody else has by now stays. */
  readonly freeName: (name: string, id: string) => void
  /** What was changed of containers since they began, by id. */
  readonly changes: () => ReadonlyMap<string, RecordChanges>
  /** Replaces what is known to be changed; without any changes it is forgotten, and groups it was given that nobody is in are removed. */
  readonly change: (id: string, changes: RecordChanges | undefined) => Either<EngineError, void>
}
