// HOME, where a document does not say it: that of the user in the container's own passwd(5), as every other runtime has it.
import { textOf, USUAL_USER_DB_BYTES } from '../../adapters/read-in-root.ts'
import type { Process } from '../../model/oci-spec.ts'
import { MAX_USER_DB_BYTES, parsePasswd } from '../../model/user-db.ts'
import { planReadInRoot } from '../../plan/host-files.ts'
import type { Parts } from './parts.ts'

/** `rootfs`: its path in this process's own namespaces; symlinks in it lead nowhere else. */
export const withHome = (parts: Parts, process: Process, rootfs: string): Process => {
  const { env = [], user } = process
  if (env.some((entry) => entry.startsWith('HOME='))) return process
  const home = parsePasswd(passwdOf(parts, rootfs)).find(({ uid }) => uid === user.uid)?.home
  return { ...process, env: [...env, `HOME=${home ?? '/'}`] }
}

/** Empty where there is none, or none to read. */
const passwdOf = ({ addon, facts }: Parts, rootfs: string): string => {
  for (const limit of [USUAL_USER_DB_BYTES, MAX_USER_DB_BYTES + 1]) {
    const plan = planReadInRoot(facts.arch, rootfs, ['etc/passwd'], limit)
    const result = addon.execute(plan.bytes, new Int32Array(0))
    // Whatever is wrong with the root is told by the step that needs it.
    const text = (result.ok ? textOf(plan, 0, result) : undefined) ?? ''
    if (Buffer.byteLength(text) < limit) return text
  }
  return ''
}
