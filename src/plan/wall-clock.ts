// What time it is, to the nanosecond: Date.now() has milliseconds, in which a container may start and end.
import { type Arch, Program, SlotSpace } from './program.ts'

const CLOCK_REALTIME = 0

export interface ClockPlan {
  readonly bytes: Uint8Array
  /** In the data afterwards: struct timespec. */
  readonly time: number
}

export const planWallClock = (arch: Arch): ClockPlan => {
  const program = new Program(arch, new SlotSpace())
  const time = program.words([0, 0])
  program.call('read clock', 'clock_gettime', [CLOCK_REALTIME, time])
  return { bytes: program.encode(), time: time.offset }
}

/** Nanoseconds since 1970. */
export const timeIn = (data: Buffer, { time }: ClockPlan): bigint =>
  data.readBigInt64LE(time) * 1_000_000_000n + data.readBigInt64LE(time + 8)
