// Loads a device program and attaches it to a v2 cgroup: bpf(2), as plans.
import { type Arch, Program, SlotSpace } from './program.ts'

const BPF_PROG_LOAD = 5
const BPF_PROG_ATTACH = 8
const BPF_PROG_QUERY = 16
const BPF_PROG_TYPE_CGROUP_DEVICE = 15
const BPF_CGROUP_DEVICE = 6
/** Groups below may have programs of their own: a container that runs containers. All along the way have to agree. */
const BPF_F_ALLOW_MULTI = 2

/**
 * Slot 0 is the cgroup directory. Programs attached this way add up, so one asks first: `planDeviceQuery`.
 */
export const planDeviceAttach = (arch: Arch, instructions: Uint8Array): { readonly bytes: Uint8Array } => {
  const slots = new SlotSpace()
  const group = slots.next()
  const loaded = slots.next()
  const program = new Program(arch, slots)
  const license = program.text('MIT')
  const code = program.bytes(instructions)
  const count = instructions.length / 8
  // union bpf_attr for BPF_PROG_LOAD: prog_type, insn_cnt (32 bits each), insns, license (pointers), log_level …
  const load = program.words([
    BigInt(BPF_PROG_TYPE_CGROUP_DEVICE) | (BigInt(count) << 32n),
    code,
    license,
    0,
    0,
    0,
  ])
  program.call('load device program', 'bpf', [BPF_PROG_LOAD, load, 48], { into: loaded })
  // for BPF_PROG_ATTACH: target_fd, attach_bpf_fd, attach_type, attach_flags
  const attach = program.bytes(new Uint8Array(16))
  program.putSlot(attach, 0, group)
  program.putSlot(attach, 4, loaded)
  program.putSlot(attach, 8, BPF_CGROUP_DEVICE)
  program.putSlot(attach, 12, BPF_F_ALLOW_MULTI)
  program.call('attach device program', 'bpf', [BPF_PROG_ATTACH, attach, 16])
  program.call('close', 'close', [loaded])
  return { bytes: program.encode() }
}

/** Slot 0 is the cgroup directory. The number of programs attached to it is 32 bits at `count` of the data afterwards. */
export const planDeviceQuery = (arch: Arch): { readonly bytes: Uint8Array; readonly count: number } => {
  const slots = new SlotSpace()
  const group = slots.next()
  const program = new Program(arch, slots)
  // union bpf_attr for BPF_PROG_QUERY: target_fd, attach_type, query_flags, attach_flags, prog_ids (pointer), prog_cnt
  const query = program.bytes(new Uint8Array(32))
  program.putSlot(query, 0, group)
  program.putSlot(query, 4, BPF_CGROUP_DEVICE)
  program.call('look for device program', 'bpf', [BPF_PROG_QUERY, query, 32])
  return { bytes: program.encode(), count: query.offset + 24 }
}
