// Faults in a start: any operation of a plan made to fail or to block, without a hook in the product: the plan is data.
import { readdirSync, readFileSync } from 'node:fs'
import type { Ports } from '../../src/engine/ports.ts'
import type { LaunchPlan, PlannedProgram, PlannedStage } from '../../src/plan/launch/index.ts'
import { renamed } from '../../src/plan/launch/own-text.ts'
import type { Arch, OpInfo } from '../../src/plan/program.ts'
import { syscallNumber } from '../../src/plan/syscalls/index.ts'

/** A program of a plan: one of the engine's, or a stage by its number. */
export type Part = 'prepare' | 'inChild' | 'after' | 'layers' | 'network' | number

/** One operation of a plan. */
export interface Spot {
  readonly part: Part
  readonly op: number
  readonly info: OpInfo
  /** Another operation may pass over it. */
  readonly skippable: boolean
}

// struct Header and struct Op of native/launch/plan.h.
const HEADER_BYTES = 24
const OP_BYTES = 80
const AT = { kind: 0, flags: 2, nr: 4, into: 8, argKinds: 12, tolerated: 16, skips: 24, args: 32 } as const
const HEADER = { ops: 8, dataSize: 20 } as const
const KIND = { syscall: 0, fail: 2 } as const
/** Of an argument: an offset into the data. */
const KIND_DATA = 2
const NO_SLOT = 0xffffffff

export const partOf = (plan: LaunchPlan, part: Part): PlannedProgram | undefined =>
  typeof part === 'number' ? plan.stages[part] : plan[part]

const partsOf = (plan: LaunchPlan): readonly Part[] => [
  'prepare',
  'inChild',
  'layers',
  'network',
  'after',
  ...plan.stages.map((_, index) => index),
]

/** Every operation, in the order they are meant to run in. */
export const spotsOf = (plan: LaunchPlan): readonly Spot[] =>
  partsOf(plan).flatMap((part) => {
    const program = partOf(plan, part)
    if (program === undefined) return []
    const skipped = skippedBy(program.bytes)
    return program.infos.map((info, op) => ({ part, op, info, skippable: skipped.has(op) }))
  })

/** Operations that some other one jumps over after a success or a tolerated failure. */
const skippedBy = (bytes: Uint8Array): ReadonlySet<number> => {
  const view = viewOf(bytes)
  const skipped = new Set<number>()
  for (let op = 0; op < view.getUint32(HEADER.ops, true); op++) {
    const at = HEADER_BYTES + OP_BYTES * op + AT.skips
    const furthest = Math.max(view.getUint16(at, true), view.getUint16(at + 2, true))
    for (let each = 1; each <= furthest; each++) skipped.add(op + each)
  }
  return skipped
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** The plan with one program's bytes changed. */
export const withBytes = (
  plan: LaunchPlan,
  part: Part,
  change: (bytes: Buffer) => Uint8Array,
): LaunchPlan => {
  const program = partOf(plan, part)
  if (program === undefined) throw new Error(`the plan has no ${part}`)
  const changed = { ...program, bytes: change(Buffer.from(program.bytes)) }
  if (typeof part !== 'number') return { ...plan, [part]: changed }
  return {
    ...plan,
    stages: plan.stages.map((stage, index) => (index === part ? (changed as PlannedStage) : stage)),
  }
}

interface NewOp {
  readonly kind: number
  readonly nr: number
  readonly args: readonly number[]
}

const bytesWithOp = (program: Uint8Array, op: number, wanted: NewOp): Buffer => {
  const bytes = Buffer.from(program)
  const at = HEADER_BYTES + OP_BYTES * op
  bytes.fill(0, at, at + OP_BYTES)
  bytes.writeUInt16LE(wanted.kind, at + AT.kind)
  bytes.writeUInt32LE(wanted.nr, at + AT.nr)
  bytes.writeUInt32LE(NO_SLOT, at + AT.into)
  wanted.args.forEach((value, index) => {
    bytes.writeBigInt64LE(BigInt(value), at + AT.args + 8 * index)
  })
  return bytes
}

const withOp = (plan: LaunchPlan, { part, op }: Spot, wanted: NewOp): LaunchPlan =>
  withBytes(plan, part, (bytes) => bytesWithOp(bytes, op, wanted))

/** The same for a program that is no part of a launch plan. */
export const failingBytes = (program: Uint8Array, op: number, errno: number): Uint8Array =>
  bytesWithOp(program, op, { kind: KIND.fail, nr: 0, args: [errno] })

/** The operation fails with this errno, whatever it was. */
export const failingAt = (plan: LaunchPlan, spot: Spot, errno: number): LaunchPlan =>
  withOp(plan, spot, { kind: KIND.fail, nr: 0, args: [errno] })

/** The operation waits for ever instead: ppoll(2) of nothing, which only a fatal signal ends. */
export const blockedAt = (plan: LaunchPlan, spot: Spot, arch: Arch): LaunchPlan =>
  withOp(plan, spot, { kind: KIND.syscall, nr: syscallNumber(arch, 'ppoll') ?? 0, args: [0, 0, 0, 0, 0] })

/** The same where ppoll(2) is not allowed, in the engine's own programs: a minute of nanosleep(2). */
export const sleepingAt = (plan: LaunchPlan, spot: Spot, arch: Arch): LaunchPlan =>
  withBytes(withOp(plan, spot, sleepOp(arch)), spot.part, (bytes) => {
    const dataSize = bytes.readUInt32LE(HEADER.dataSize)
    const at = (dataSize + 7) & ~7
    const op = HEADER_BYTES + OP_BYTES * spot.op
    bytes.writeUInt32LE(KIND_DATA, op + AT.argKinds)
    bytes.writeBigInt64LE(BigInt(at), op + AT.args)
    // struct timespec, and the zero every plan ends with.
    const more = Buffer.alloc(at - dataSize + 16 + 1)
    more.writeBigInt64LE(60n, at - dataSize)
    bytes.writeUInt32LE(dataSize + more.length, HEADER.dataSize)
    return Buffer.concat([bytes, more])
  })

const sleepOp = (arch: Arch): NewOp => ({
  kind: KIND.syscall,
  nr: syscallNumber(arch, 'nanosleep') ?? 0,
  args: [0, 0],
})

/** Every later start's plan passes through `edit`. The result undoes it. */
export const editPlans = (
  ports: Ports,
  edit: (plan: LaunchPlan, own: string) => LaunchPlan,
): (() => void) => {
  const open = ports as { launcher: Ports['launcher'] }
  const real = open.launcher
  open.launcher = {
    ...real,
    launch: (plan, own, fds, options) => real.launch(edit(plan, own), own, fds, options),
  }
  return () => {
    open.launcher = real
  }
}

/** What the error of a failure there says its path is: a plan speaks of the container it was made for first. */
export const pathAt = (plan: LaunchPlan, own: string, { info }: Spot): string | undefined =>
  info.path === undefined ? undefined : renamed(info.path, plan, own)

/** Pid of a descendant of this process that is in ppoll(2), but for those in `known`; waits for it. */
export const blockedChild = async (
  arch: Arch,
  known: ReadonlySet<number>,
  given: AbortSignal = new AbortController().signal,
): Promise<number | undefined> => {
  const nr = String(syscallNumber(arch, 'ppoll'))
  for (const deadline = Date.now() + 10_000; Date.now() < deadline && !given.aborted; await tick()) {
    for (const pid of descendants(process.pid)) if (!known.has(pid) && callOf(pid) === nr) return pid
  }
  if (given.aborted) return undefined
  throw new Error('no child is blocked')
}

/** proc_pid_stat(5): the command stands in parentheses and may hold anything. */
export const parentOf = (pid: number): number | undefined => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
  } catch {
    return undefined
  }
}

const tick = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1))

/** The number of the system call it is in: proc_pid_syscall(5). */
export const callOf = (pid: number): string | undefined => {
  try {
    return readFileSync(`/proc/${pid}/syscall`, 'utf8').split(' ')[0]
  } catch {
    return undefined
  }
}

export const descendants = (pid: number): readonly number[] => {
  try {
    const children = readdirSync(`/proc/${pid}/task`).flatMap((task) =>
      readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
    )
    return children.flatMap((child) => [child, ...descendants(child)])
  } catch {
    return []
  }
}
