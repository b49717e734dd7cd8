// Assembles a plan: a program of system calls in the binary form that native/launch/plan.h reads.
import type { Arch } from './arch.ts'
import { EPROTO } from './kernel.ts'
import type { Step } from './steps.ts'
import { syscallNumber } from './syscalls/index.ts'

export type { Arch }

/** The programs of a launch as native code counts them (native/launch/launch.h, ProgramIndex); stages follow. */
export const PROGRAM = { prepare: 0, inChild: 1, after: 2, layers: 3, network: 4, firstStage: 5 } as const

/** A number the executor keeps, a descriptor mostly. Slots are counted in a `SlotSpace` that several programs may share. */
export class Slot {
  readonly index: number
  constructor(index: number) {
    this.index = index
  }
}

/** An offset into the program's data section; the executor passes a pointer to it. */
export class Data {
  readonly offset: number
  constructor(offset: number) {
    this.offset = offset
  }
}

export class SlotSpace {
  count = 0
  next(): Slot {
    return new Slot(this.count++)
  }
}

export type Arg = number | Slot | Data

/** Two numbers of 32 bits, signed or not, as one word of a structure: the first comes first in memory. */
export const uint32s = (first: number, second: number): bigint =>
  BigInt.asUintN(32, BigInt(first)) | (BigInt.asUintN(32, BigInt(second)) << 32n)

/** What an operation is for people: its step's name, the call, and what it acts on. */
export interface OpInfo {
  readonly step: Step
  readonly call: string
  readonly path?: string
  readonly args: readonly Arg[]
}

export interface CallOptions {
  /** Where the result goes. */
  readonly into?: Slot
  /** What the step acts on, for errors and `explain`. */
  readonly path?: string | undefined
  /** errno values that do not fail the plan, four at most. */
  readonly tolerate?: readonly number[]
  /** Operations that run only after a tolerated failure. */
  readonly otherwise?: () => void
  /** A tolerated EACCES becomes the errno of a later `fail`. */
  readonly rememberDenied?: boolean
}

/** A program as execve(2) takes it. */
export interface HookProgram {
  readonly path: string
  readonly args: readonly string[]
  readonly env: readonly string[]
}

/** How a hook that failed is told, among errnos: native/launch/plan.h. */
export const HOOK = { exited: 3000, signaled: 3300 } as const

const KIND = {
  syscall: 0,
  checkStat: 1,
  fail: 2,
  resetSignals: 3,
  init: 4,
  guard: 5,
  sendFd: 6,
  report: 7,
  putPid: 8,
  setSlot: 9,
  putSlot: 10,
  refuseFs: 11,
  putDecimal: 12,
  closeOthers: 13,
  userNamespace: 14,
  checkNamespace: 15,
  netlink: 16,
  runHook: 17,
  standIn: 18,
  handOver: 19,
  copyMode: 20,
  birth: 21,
  monitor: 22,
  removeTree: 23,
  removeLinks: 24,
} as const

const MAGIC = 0x31504c53
const VERSION = 1
const HEADER_BYTES = 24
/** Where the header says how many slots there are: an upper bound alone. */
const SLOT_COUNT = { at: 12, bytes: 4 } as const
const OP_BYTES = 80
const OP_WORDS = OP_BYTES / 4
/** Places in an operation, in words: struct Op of native/launch/plan.h. Words are in the machine's own order. */
const WORD = { kind: 0, number: 1, into: 2, argKinds: 3, tolerate: 4, skips: 6, args: 8 } as const
const NO_SLOT = 0xffffffff

/** Whether two encoded programs do the same: how many slots those have that come after them makes no difference. */
export const doTheSame = (one: Uint8Array, other: Uint8Array): boolean => {
  const { at, bytes } = SLOT_COUNT
  const parts = (program: Uint8Array): Buffer[] => {
    const all = Buffer.from(program.buffer, program.byteOffset, program.byteLength)
    return [all.subarray(0, at), all.subarray(at + bytes)]
  }
  const others = parts(other)
  return parts(one).every((part, index) => others[index]?.equals(part))
}

/** A program under construction. Errors of use are thrown: they are bugs of the planner, not of its input. */
export class Program {
  readonly arch: Arch
  readonly slots: SlotSpace
  readonly infos: OpInfo[] = []
  #ops = new Uint32Array(OP_WORDS * 128)
  #data = Buffer.alloc(8192)
  #dataSize = 0
  #relocations: number[] = []
  #texts = new Map<string, Data>()

  constructor(arch: Arch, slots: SlotSpace) {
    this.arch = arch
    this.slots = slots
  }

  /** One system call by name. */
  call(step: Step, name: string, args: readonly Arg[], options: CallOptions = {}): void {
    const nr = syscallNumber(this.arch, name)
    if (nr === undefined) throw new Error(`no system call ${name} on ${this.arch}`)
    this.#emit(KIND.syscall, nr, { step, call: name, args }, options)
  }

  /** Fails with EPROTO unless the descriptor is of this type (S_IFMT bits) and, for devices, has this st_rdev. */
  checkStat(step: Step, fd: Slot, format: number, device: number, options: CallOptions = {}): void {
    this.#emit(KIND.checkStat, 0, { step, call: 'fstat', args: [fd, format, device] }, options)
  }

  /** Fails with EPROTO when the descriptor is on a file system of this type (statfs(2), f_type). */
  refuseFs(step: Step, fd: Slot, type: number, options: CallOptions = {}): void {
    this.#emit(KIND.refuseFs, 0, { step, call: 'fstatfs', args: [fd, type] }, options)
  }

  /** The directory `to` gets the permission bits of `from`. */
  copyMode(step: Step, from: Slot, to: Slot, options: CallOptions): void {
    this.#emit(KIND.copyMode, 0, { step, call: 'fchmodat', args: [from, to] }, options)
  }

  /** In the helper: a sibling, made with these CLONE_NEW* bits, goes on with the plan, and this process is gone. */
  birth(flags: number, cgroup: Slot | undefined): void {
    this.#emit(KIND.birth, 0, { step: 'clone3', call: 'clone3', args: [flags, cgroup ?? -1] }, {})
  }

  /** Ends the program with the remembered errno, else this one. */
  fail(step: Step, errno: number, path?: string): void {
    this.#emit(KIND.fail, 0, { step, call: 'fail', args: [errno] }, { path })
  }

  resetSignals(): void {
    this.#emit(KIND.resetSignals, 0, { step: 'reset signals', call: 'rt_sigaction', args: [] }, {})
  }

  becomeInit(): void {
    this.#emit(KIND.init, 0, { step: 'fork from init', call: 'clone', args: [] }, {})
  }

  guard(socket: Slot, enginePidfd: Slot): void {
    this.#emit(KIND.guard, 0, { step: 'guard', call: 'guard', args: [socket, enginePidfd] }, {})
  }

  /** In the helper: the loop of a detached container's parent. `first`: the first of the slots native/init/monitor.h names, MonitorFd. */
  monitor(table: Data, size: number, first: Slot): void {
    this.#emit(KIND.monitor, 0, { step: 'monitor', call: 'monitor', args: [table, size, first.index] }, {})
  }

  /** In a monitor: a directory goes with all that is in it. */
  removeTree(directory: Slot, name: string): void {
    this.#emit(
      KIND.removeTree,
      0,
      { step: 'remove directory', call: 'remove_tree', args: [directory, this.text(name)] },
      { path: name },
    )
  }

  /** In a monitor: the links in a directory whose target begins with `text`. */
  removeLinks(step: Step, directory: Slot, text: string): void {
    this.#emit(KIND.removeLinks, 0, { step, call: 'remove_links', args: [directory, this.text(text)] }, {})
  }

  sendFd(step: Step, fd: Slot, tag: number): void {
    this.#emit(KIND.sendFd, 0, { step, call: 'sendmsg', args: [fd, tag] }, {})
  }

  /** As `sendFd`, and waits until the engine has seen to it and answers: EPIPE where it is gone. `closes`: the descriptor, then. */
  handOver(step: Step, fd: Slot, tag: number, closes: boolean): void {
    this.#emit(KIND.handOver, 0, { step, call: 'sendmsg', args: [fd, tag, Number(closes)] }, {})
  }

  /** In the helper: what it says from now on is said by a thread that no later filter holds. `maySleep`: that filter admits nanosleep(2). */
  standIn(maySleep: boolean): void {
    this.#emit(KIND.standIn, 0, { step: 'start stand-in', call: 'clone3', args: [Number(maySleep)] }, {})
  }

  /** `fd`: a descriptor that goes to the engine with the times. */
  report(fd?: Slot): void {
    this.#emit(KIND.report, 0, { step: 'report timings', call: 'sendmsg', args: [fd ?? -1] }, {})
  }

  /**
   * In the helper: a program run to its end, with `input` on its standard input. It fails with how that ended (HOOK), or ETIMEDOUT.
   * `timeoutMs`: -1 for none.
   */
  runHook(step: Step, hook: HookProgram, input: string, timeoutMs: number): void {
    const { path, args, env } = hook
    const text = Buffer.from(input)
    const given = [
      this.text(path),
      this.strings(args),
      this.strings(env),
      this.bytes(text),
      text.length,
      timeoutMs,
    ]
    this.#emit(KIND.runHook, 0, { step, call: 'execve', args: given }, { path })
  }

  /** Writes the clone's pid in decimal, right-aligned, into `width` bytes at `field`. */
  putPid(field: Data, width: number): void {
    this.#emit(KIND.putPid, 0, { step: 'format pid', call: 'put_pid', args: [field, width] }, {})
  }

  /** Writes a slot in decimal, right-aligned, into `width` bytes at `field`. */
  putDecimal(field: Data, width: number, value: Slot): void {
    const args = [field, width, value]
    this.#emit(KIND.putDecimal, 0, { step: 'format descriptor', call: 'put_decimal', args }, {})
  }

  /** Writes a slot, or a number, as 32 bits into the data section: a descriptor inside a structure. */
  putSlot(into: Data, offset: number, value: Slot | number): void {
    const place = new Data(into.offset + offset)
    this.#emit(KIND.putSlot, 0, { step: 'fill in descriptor', call: 'put_slot', args: [place, value] }, {})
  }

  /** Closes every descriptor but the standard streams, the control socket and `kept`, at most six. */
  closeOthers(kept: readonly Slot[]): void {
    const args = Array.from({ length: 6 }, (_, index) => kept[index] ?? -1)
    this.#emit(KIND.closeOthers, 0, { step: 'close other descriptors', call: 'close_range', args }, {})
  }

  /** On the engine's side: a user namespace with these maps that nobody lives in, for mounts to refer to. */
  userNamespace(step: Step, into: Slot, uidMap: string, gidMap: string): void {
    const args = [this.text(uidMap), this.text(gidMap)]
    this.#emit(KIND.userNamespace, 0, { step, call: 'clone3', args }, { into, path: uidMap.trim() })
  }

  /** Fails with EINVAL unless the descriptor is a namespace of this type (CLONE_NEW*), and another one than `other`. */
  checkNamespace(step: Step, fd: Slot, type: number, other: Slot | undefined, options: CallOptions): void {
    this.#emit(KIND.checkNamespace, 0, { step, call: 'ioctl', args: [fd, type, other ?? -1] }, options)
  }

  /** One request on a socket of netlink(7), and the kernel's acknowledgment of it; any other answer is EPROTO. */
  netlink(step: Step, socket: Slot, request: Data, size: number, options: CallOptions): void {
    this.#emit(KIND.netlink, 0, { step, call: 'write', args: [socket, request, size] }, options)
  }

  setSlot(target: Slot, value: Arg): void {
    this.#emit(KIND.setSlot, 0, { step: 'note', call: 'set_slot', args: [value] }, { into: target })
  }

  /** Runs `then` when `fd` has the file type `format`, else `otherwise`. */
  ifType(step: Step, fd: Slot, format: number, then: () => void, otherwise: () => void): void {
    const test = this.opCount
    this.checkStat(step, fd, format, ANY_DEVICE, { tolerate: [EPROTO] })
    otherwise()
    this.passOver(() => {
      this.#skipOnSuccess(test, this.opCount)
      then()
    })
  }

  /** What `apart` emits is reached by a jump alone. */
  passOver(apart: () => void): void {
    const jump = this.opCount
    this.#emit(KIND.setSlot, 0, { step: 'skip', call: 'jump', args: [0] }, {})
    apart()
    this.#skipOnSuccess(jump, this.opCount)
  }

  /** NUL-terminated; the same text is stored once. */
  text(value: string): Data {
    const known = this.#texts.get(value)
    if (known !== undefined) return known
    const size = Buffer.byteLength(value)
    const at = this.#reserve(size + 1, 1)
    this.#data.write(value, at, 'utf8')
    const data = new Data(at)
    this.#texts.set(value, data)
    return data
  }

  /** Bytes as they are, 8-byte aligned. */
  bytes(value: Uint8Array): Data {
    const at = this.#reserve(value.byteLength, 8)
    this.#data.set(value, at)
    return new Data(at)
  }

  /** A structure of 64-bit fields; a `Data` field becomes a pointer. */
  words(values: readonly (number | bigint | Data)[]): Data {
    const at = this.#reserve(8 * values.length, 8)
    values.forEach((value, index) => {
      this.#writeWord(at + 8 * index, value)
    })
    return new Data(at)
  }

  /** A NULL-terminated array of strings: argv, envp. */
  strings(values: readonly string[]): Data {
    return this.words([...values.map((value) => this.text(value)), 0])
  }

  get opCount(): number {
    return this.infos.length
  }

  /** Where this program's data begins in the encoded bytes: results an operation wrote there are read back from it. */
  get dataSize(): number {
    return this.#dataSize
  }

  encode(): Uint8Array {
    const at = HEADER_BYTES + OP_BYTES * this.opCount
    const dataAt = (at + 4 * this.#relocations.length + 7) & ~7
    const dataSize = this.#dataSize + 1
    const bytes = Buffer.alloc(dataAt + dataSize)
    const header = [MAGIC, VERSION, this.opCount, this.slots.count, this.#relocations.length, dataSize]
    header.forEach((value, index) => {
      bytes.writeUInt32LE(value, 4 * index)
    })
    bytes.set(new Uint8Array(this.#ops.buffer, 0, OP_BYTES * this.opCount), HEADER_BYTES)
    this.#relocations.forEach((offset, index) => {
      bytes.writeUInt32LE(offset, at + 4 * index)
    })
    this.#data.copy(bytes, dataAt, 0, this.#dataSize)
    return bytes
  }

  #emit(kind: number, nr: number, info: OpInfo, options: CallOptions): void {
    const index = this.infos.length
    this.infos.push(options.path === undefined ? info : { ...info, path: options.path })
    const at = OP_WORDS * index
    if (at + OP_WORDS > this.#ops.length) this.#ops = twice(this.#ops)
    const ops = this.#ops
    ops[at + WORD.kind] = kind | (flagsOf(info, options) << 16)
    ops[at + WORD.number] = nr
    ops[at + WORD.into] = options.into?.index ?? NO_SLOT
    const [first = 0, second = 0, third = 0, fourth = 0] = options.tolerate ?? []
    ops[at + WORD.tolerate] = first | (second << 16)
    ops[at + WORD.tolerate + 1] = third | (fourth << 16)
    writeArgs(ops, at, info.args)
    if (options.otherwise === undefined) return
    options.otherwise()
    this.#skipOnSuccess(index, this.opCount)
  }

  /** After a tolerated failure of `op`, the program goes on at `target`. */
  skipOnTolerated(op: number, target: number): void {
    const at = OP_WORDS * op + WORD.skips
    this.#ops[at] = ((this.#ops[at] ?? 0) & 0xffff) | ((target - op - 1) << 16)
  }

  /** After `op` succeeds, the program goes on at `target`. */
  #skipOnSuccess(op: number, target: number): void {
    const at = OP_WORDS * op + WORD.skips
    this.#ops[at] = ((this.#ops[at] ?? 0) & ~0xffff) | (target - op - 1)
  }

  #writeWord(at: number, value: number | bigint | Data): void {
    if (typeof value === 'bigint') this.#data.writeBigUInt64LE(BigInt.asUintN(64, value), at)
    else if (value instanceof Data) this.#relocate(at, value)
    else writeInt64(this.#data, value, at)
  }

  #relocate(at: number, target: Data): void {
    this.#relocations.push(at)
    writeInt64(this.#data, target.offset, at)
  }

  #reserve(size: number, align: number): number {
    const at = (this.#dataSize + align - 1) & ~(align - 1)
    if (at + size > this.#data.length) this.#data = grow(this.#data, at + size)
    this.#dataSize = at + size
    return at
  }
}

const REMEMBER_DENIED = 1
const RETRY_AGAIN = 2
/** openat2(2) answers EAGAIN where a rename elsewhere met a `..` inside the root: any image may have such a symlink. */
const flagsOf = ({ call }: OpInfo, { rememberDenied }: CallOptions): number =>
  (rememberDenied === true ? REMEMBER_DENIED : 0) | (call === 'openat2' ? RETRY_AGAIN : 0)

/** For `checkStat`: any st_rdev. */
export const ANY_DEVICE = -1

/** Plain stores into words: a start of the command line runs this cold, where Buffer's methods cost milliseconds. */
const writeArgs = (ops: Uint32Array, at: number, args: readonly Arg[]): void => {
  let kinds = 0
  for (let index = 0; index < args.length; index++) {
    const arg = args[index] ?? 0
    const value = arg instanceof Slot ? arg.index : arg instanceof Data ? arg.offset : arg
    kinds |= (arg instanceof Slot ? 1 : arg instanceof Data ? 2 : 0) << (4 * index)
    ops[at + WORD.args + 2 * index] = value
    ops[at + WORD.args + 2 * index + 1] = Math.floor(value / 0x1_0000_0000)
  }
  ops[at + WORD.argKinds] = kinds
}

const twice = (words: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> => {
  const larger = new Uint32Array(2 * words.length)
  larger.set(words)
  return larger
}

const grow = (buffer: Buffer<ArrayBuffer>, atLeast = 0): Buffer<ArrayBuffer> => {
  const larger = Buffer.alloc(Math.max(buffer.length * 2, atLeast))
  buffer.copy(larger)
  return larger
}

/** A two's complement 64-bit number; numbers past 2^53 are given as bigint to `words`. */
const writeInt64 = (buffer: Buffer, value: number, at: number): void => {
  buffer.writeUInt32LE(value >>> 0, at)
  buffer.writeInt32LE(Math.floor(value / 0x1_0000_0000) | 0, at + 4)
}
