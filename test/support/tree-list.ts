// A tree as text: names, types, modes, owners, link targets, times to the nanosecond, and digests of what is in files.
import { execFileSync } from 'node:child_process'

/** Places where every engine mounts something of its own, and the times of the directory they are in. */
const SCRIPT = `cd "$1"; find . -mindepth 1 ! -path ./dev ! -path './dev/*' ! -path ./proc ! -path ./sys ! -path './etc/host*' \\
  ! -path ./etc/resolv.conf ! -path ./.dockerenv ! -path ./etc/mtab -printf '%p %y %m %U:%G %l %T@ ' \\
  -exec sh -c 'test -f "$1" -a ! -L "$1" && sha256sum < "$1" || echo' _ {} \\; | sed '/^.\\/etc d/s/ [0-9.]* *$//' | sort`

export const treeList = (root: string): string =>
  execFileSync('bash', ['-c', SCRIPT, 'bash', root], { encoding: 'utf8', maxBuffer: 1 << 28 })

/** For what docker exported: it cuts times down to seconds. */
export const wholeSeconds = (list: string): string => list.replace(/ (\d{9,})\.\d{10} /g, ' $1 ')
