// File systems nobody answers for: FUSE mounts without a daemon, or with one that only listens.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync } from 'node:fs'

export interface DeadMount {
  readonly path: string
  /** The kernel gives every waiting caller an error, and the mount goes. */
  readonly end: () => Promise<void>
}

const mountWith = (fuse: number, path: string): void => {
  mkdirSync(path)
  execFileSync(
    'mount',
    ['-i', '-t', 'fuse', '-o', 'fd=3,rootmode=40000,user_id=0,group_id=0', 'dead', path],
    { stdio: ['ignore', 'inherit', 'inherit', fuse] },
  )
}

/** `-c`: umount(8) itself must not look at the path. */
const unmount = (path: string): void => {
  execFileSync('umount', ['-i', '-l', '-c', path], { stdio: 'inherit' })
}

/** Nobody has ever read from it: whoever asks it something waits, and SIGKILL ends the wait. */
export const mountSilent = (path: string): DeadMount => {
  const fuse = openSync('/dev/fuse', 'r+')
  mountWith(fuse, path)
  return {
    path,
    end: async () => {
      closeSync(fuse)
      unmount(path)
    },
  }
}

/** A request that was read and not answered cannot be interrupted (fs/fuse/dev.c, request_wait_answer). */
const LISTENER = `
const { readSync, writeSync } = require('node:fs')
const request = Buffer.alloc(1 << 20)
for (;;) {
  readSync(3, request)
  const FUSE_INIT = 26
  if (request.readUInt32LE(4) !== FUSE_INIT) { process.stdout.write('asked\\n'); continue }
  const answer = Buffer.alloc(16 + 64) // struct fuse_out_header, struct fuse_init_out
  answer.writeUInt32LE(answer.length, 0)
  request.copy(answer, 8, 8, 16) // unique
  answer.writeUInt32LE(7, 16)
  answer.writeUInt32LE(31, 20)
  answer.writeUInt16LE(12, 32) // max_background
  answer.writeUInt16LE(9, 34) // congestion_threshold
  answer.writeUInt32LE(4096, 36) // max_write
  writeSync(3, answer)
}`

export interface ListenedMount extends DeadMount {
  /** Resolves when a request has been read. */
  readonly asked: () => Promise<void>
}

/** A daemon reads every request and answers none: not even SIGKILL ends the wait. */
export const mountListened = (path: string): ListenedMount => {
  const fuse = openSync('/dev/fuse', 'r+')
  const daemon = spawn(process.execPath, ['-e', LISTENER], { stdio: ['ignore', 'pipe', 'inherit', fuse] })
  mountWith(fuse, path)
  closeSync(fuse)
  let heard = ''
  daemon.stdout?.on('data', (chunk) => {
    heard += String(chunk)
  })
  return {
    path,
    asked: async () => {
      for (const deadline = Date.now() + 10_000; !heard.includes('asked'); await pause(5))
        if (Date.now() > deadline) throw new Error('nobody has asked')
      heard = ''
    },
    end: async () => {
      await killed(daemon)
      unmount(path)
    },
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

const killed = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    child.once('close', () => resolve())
    child.kill('SIGKILL')
  })
