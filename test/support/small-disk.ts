// A file system of a few MiB, which a test fills to its last block or its last inode, makes read-only, or breaks.
import { execFileSync } from 'node:child_process'
import { closeSync, mkdirSync, openSync, rmSync, truncateSync, writeFileSync, writeSync } from 'node:fs'
import path from 'node:path'
import { pause } from './library.ts'
import type { Need } from './needs.ts'

export const SMALL_DISK_NEEDS: readonly Need[] = ['root', 'program:mkfs.ext4', 'file:/dev/loop-control']

export type DiskKind = 'ext4' | 'tmpfs'
export type Shortage = 'blocks' | 'inodes'

export interface SmallDisk {
  /** Where it is mounted. */
  readonly at: (...names: readonly string[]) => string
  /** Takes what is left; may be called again. */
  readonly fill: (what: Shortage) => void
  readonly drain: () => void
  /** As after an error of the device, whoever writes: ext4(5), `abort` and `errors=remount-ro`. Until it is mounted again. */
  readonly abort: () => void
  readonly mount: (...options: readonly string[]) => void
  /** Waits for who has something open there, but not for ever. */
  readonly unmount: () => Promise<void>
}

const SIZE_BYTES = 16 << 20
const INODES = 1000
const FULL = 'ENOSPC'

/** In the folder, which the caller removes; mounted already. */
export const smallDisk = (folder: string, kind: DiskKind): SmallDisk => {
  const image = path.join(folder, 'disk.img')
  const place = path.join(folder, 'disk')
  const at = (...names: readonly string[]): string => path.join(place, ...names)
  const mount = (...options: readonly string[]): void => {
    const more = kind === 'ext4' ? ['loop'] : [`size=${SIZE_BYTES}`, `nr_inodes=${INODES}`]
    const source = kind === 'ext4' ? [image] : ['-t', 'tmpfs', 'small']
    execFileSync('mount', ['-o', [...more, ...options].join(','), ...source, place])
  }
  mkdirSync(place)
  if (kind === 'ext4') {
    writeFileSync(image, '')
    truncateSync(image, SIZE_BYTES)
    execFileSync('mkfs.ext4', ['-q', '-m', '0', '-N', String(INODES), image])
  }
  mount()
  let files = 0
  const fillers = at('filler')
  return {
    at,
    fill: (what) => {
      mkdirIfRoom(fillers)
      if (what === 'inodes') untilFull(() => closeSync(openSync(path.join(fillers, String(files++)), 'wx')))
      else
        for (const size of [1 << 16, 1 << 12, 1 << 10]) takeBlocks(path.join(fillers, `blocks-${size}`), size)
    },
    drain: () => rmSync(fillers, { recursive: true, force: true }),
    abort: () => {
      // What is not on the device yet would be gone.
      execFileSync('sync', ['-f', place])
      execFileSync('mount', ['-o', 'remount,abort,errors=remount-ro', place])
    },
    mount,
    unmount: async () => {
      for (let tries = 1; ; tries++) {
        try {
          return void execFileSync('umount', [place], { stdio: 'pipe' })
        } catch (error) {
          if (tries === MOST_TRIES) throw error
          await pause(TRY_MS)
        }
      }
    },
  }
}
const MOST_TRIES = 300
const TRY_MS = 50

const mkdirIfRoom = (folder: string): void => {
  try {
    mkdirSync(folder)
  } catch (error) {
    if (!['EEXIST', FULL].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
  }
}

const untilFull = (body: () => void): void => {
  try {
    for (;;) body()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== FULL) throw error
  }
}

const takeBlocks = (file: string, size: number): void => {
  let fd: number | undefined
  try {
    untilFull(() => {
      fd ??= openSync(file, 'a')
      writeSync(fd, Buffer.alloc(size))
    })
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}
