// A process that is there for nothing but to be in a group: a scope of systemd is started with somebody in it.
import type { Arch } from './arch.ts'
import { type OpInfo, Program, SlotSpace } from './program.ts'

export interface PlaceholderPlan {
  /** Its first stage, and one that is never sent: it waits for it, and ends with whoever made it. */
  readonly stages: readonly [early: Uint8Array, never: Uint8Array]
  readonly infos: readonly OpInfo[]
}

/** A session of its own: no key of the caller's terminal ends it. */
export const planPlaceholder = (arch: Arch): PlaceholderPlan => {
  const slots = new SlotSpace()
  slots.next()
  const early = new Program(arch, slots)
  early.call('setsid', 'setsid', [])
  return { stages: [early.encode(), new Program(arch, slots).encode()], infos: early.infos }
}
