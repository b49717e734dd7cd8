// Newer peers than this machine's own: a mount namespace whose root is another distribution's folder, held open by a shell.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, rmdirSync } from 'node:fs'
import path from 'node:path'

const SCRIPT = `set -e
root=$1; stage=$2
mount --rbind "$root" "$root"
for folder in /proc /sys /dev "$stage"; do mount --rbind "$folder" "$root$folder"; done
if [ -d "$root/sys/fs/cgroup/unified" ]; then mount -t tmpfs hidden "$root/sys/fs/cgroup/unified"; fi
cd "$root"
pivot_root . .
umount -l .
echo ready
read nothing || :`

/**
 * `{ root, mountNamespace, enter(argv), dispose() }` for a folder made by debootstrap or mmdebstrap. The stage is seen
 * there under the same path; a version 2 cgroup tree beside version 1 is hidden.
 */
export const openPeersRoot = async (root, stage) => {
  const target = path.join(root, stage.dir)
  mkdirSync(target, { recursive: true })
  const holder = spawn(
    'unshare',
    ['--mount', '--propagation', 'private', 'sh', '-c', SCRIPT, 'sh', root, stage.dir],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  )
  const [first] = await Promise.race([once(holder.stdout, 'data'), once(holder, 'exit')])
  if (String(first).trim() !== 'ready') throw new Error(`cannot enter ${root}`)
  const mountNamespace = `/proc/${holder.pid}/ns/mnt`
  const dispose = async () => {
    holder.stdin.end()
    if (holder.exitCode === null) await once(holder, 'exit')
    rmdirSync(target)
  }
  return { root, mountNamespace, enter: (argv) => ['nsenter', `--mount=${mountNamespace}`, ...argv], dispose }
}
