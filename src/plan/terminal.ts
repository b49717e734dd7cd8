// The container's terminal: made in its own devpts instance, by descriptor alone, and handed to the engine.
import type { Process } from '../model/oci-spec.ts'
import {
  AT_EMPTY_PATH,
  F_SETFL,
  makedev,
  O_CLOEXEC,
  O_CREAT,
  O_EXCL,
  O_NOCTTY,
  O_NONBLOCK,
  O_RDWR,
  O_WRONLY,
  OPEN_TREE_CLONE,
  oNofollow,
  S_IFCHR,
  TIOCGPTPEER,
  TIOCSPTLCK,
  TIOCSWINSZ,
} from './kernel.ts'
import { attach, type LaunchBuild } from './launch/build.ts'
import { openInOurs, openInRoot } from './launch/paths.ts'
import { type Arch, type Data, Program, type Slot, SlotSpace } from './program.ts'

/** `struct winsize`: rows, columns, and two unused numbers, 16 bits each. */
export const windowSize = (program: Program, columns: number, rows: number): Data => {
  const size = Buffer.alloc(8)
  size.writeUInt16LE(rows & 0xffff, 0)
  size.writeUInt16LE(columns & 0xffff, 2)
  return program.bytes(size)
}

/** Slot 0 is the engine's end; the kernel sends SIGWINCH to the foreground group. */
export const planWindowSize = (arch: Arch, columns: number, rows: number): Uint8Array => {
  const slots = new SlotSpace()
  const terminal = slots.next()
  const program = new Program(arch, slots)
  program.call('set window size', 'ioctl', [terminal, TIOCSWINSZ, windowSize(program, columns, rows)])
  return program.encode()
}

const FLAGS = O_RDWR | O_NOCTTY | O_CLOEXEC

/** Tag of the descriptor the engine gets: its end of the terminal. */
export const TERMINAL_TAG = 1

/**
 * Opened through the descriptor of the devpts instance mounted for this container, and its other end through the first one
 * (TIOCGPTPEER, Linux 4.13): no path of the image takes part (CVE-2025-52565). It is bound over /dev/console as well.
 */
export const makeTerminal = (build: LaunchBuild, program: Program, process: Process): Slot => {
  const find = (destination: string): Slot | undefined =>
    build.mounted.find((mounted) => mounted.destination === destination)?.fd
  const devpts = find('/dev/pts')
  const dev = find('/dev')
  if (devpts === undefined || dev === undefined)
    throw new Error('a terminal needs /dev and /dev/pts of the container')
  const engineEnd = program.slots.next()
  program.call('open terminal', 'openat', [devpts, program.text('ptmx'), FLAGS, 0], {
    into: engineEnd,
    path: '/dev/pts/ptmx',
  })
  const terminal = otherEnd(program, engineEnd, process)
  bindConsole(program, dev, terminal)
  program.sendFd('hand over terminal', engineEnd, TERMINAL_TAG)
  program.call('close', 'close', [engineEnd])
  return terminal
}

/** With the size and the owner it is to have. */
const otherEnd = (program: Program, engineEnd: Slot, process: Process): Slot => {
  program.call('unlock terminal', 'ioctl', [engineEnd, TIOCSPTLCK, program.words([0])])
  const { width, height } = process.consoleSize ?? { width: 80, height: 24 }
  program.call('set window size', 'ioctl', [engineEnd, TIOCSWINSZ, windowSize(program, width, height)])
  const terminal = program.slots.next()
  program.call('open other end of terminal', 'ioctl', [engineEnd, TIOCGPTPEER, FLAGS], { into: terminal })
  if (process.user.uid !== 0) {
    const args = [terminal, program.text(''), process.user.uid, -1, AT_EMPTY_PATH]
    program.call('chown terminal', 'fchownat', args, { path: `uid ${process.user.uid}` })
  }
  return terminal
}

/**
 * For a process that joins a container: of the devpts that is mounted there. What the container has put in its place is not a multiplexer
 * (5:2), or one of a devpts of its own.
 */
export const joinTerminal = (program: Program, root: Slot, process: Process): Slot => {
  const path = '/dev/pts/ptmx'
  const engineEnd = openInRoot(program, 'open terminal', root, path, {}, FLAGS | O_NONBLOCK)
  program.checkStat('verify terminal', engineEnd, S_IFCHR, makedev(5, 2), { path })
  // Whoever is handed it reads it as it reads that of the container.
  program.call('let terminal block', 'fcntl', [engineEnd, F_SETFL, 0], { path })
  const terminal = otherEnd(program, engineEnd, process)
  program.sendFd('hand over terminal', engineEnd, TERMINAL_TAG)
  program.call('close', 'close', [engineEnd])
  return terminal
}

const bindConsole = (program: Program, dev: Slot, terminal: Slot): void => {
  const path = '/dev/console'
  const file = program.slots.next()
  const flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | oNofollow(program.arch)
  program.call('make console', 'openat', [dev, program.text('console'), flags, 0o620], { into: file, path })
  program.call('close', 'close', [file])
  const tree = program.slots.next()
  const args = [terminal, program.text(''), OPEN_TREE_CLONE | O_CLOEXEC | AT_EMPTY_PATH]
  program.call('clone terminal', 'open_tree', args, { into: tree, path })
  attach(program, tree, openInOurs(program, 'open mount target', dev, 'console'), path)
}
