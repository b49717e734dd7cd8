// i386's calls behind other calls: the first argument of socketcall and ipc says which is meant.
// Numbers: uapi linux/net.h (SYS_SOCKET …) and linux/ipc.h (SEMOP …).
import { syscallNumber } from '../syscalls/index.ts'
import type { Condition } from './conditions.ts'

const SOCKETCALL =
  'socket bind connect listen accept getsockname getpeername socketpair send recv sendto recvfrom shutdown setsockopt getsockopt sendmsg recvmsg accept4 recvmmsg sendmmsg'
const IPC: Readonly<Record<string, number>> = {
  semop: 1,
  semget: 2,
  semctl: 3,
  semtimedop: 4,
  msgsnd: 11,
  msgrcv: 12,
  msgget: 13,
  msgctl: 14,
  shmat: 21,
  shmdt: 22,
  shmget: 23,
  shmctl: 24,
}

export interface Multiplexed {
  /** Of socketcall or ipc. */
  readonly nr: number
  readonly condition: Condition
}

/** How i386 also makes the call of this name, if it does. */
export const multiplexed = (name: string): Multiplexed | undefined => known.get(name)

const entry = (through: string, name: string, which: number): [string, Multiplexed] => [
  name,
  {
    nr: syscallNumber('x86', through) ?? 0,
    condition: { index: 0, op: 'SCMP_CMP_EQ', value: BigInt(which), valueTwo: 0n },
  },
]
const known: ReadonlyMap<string, Multiplexed> = new Map([
  ...SOCKETCALL.split(' ').map((name, index) => entry('socketcall', name, index + 1)),
  ...Object.entries(IPC).map(([name, which]) => entry('ipc', name, which)),
])
