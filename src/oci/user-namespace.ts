// Whether this process is in a user namespace of its own.
import { readFileSync } from 'node:fs'

/** All ids are mapped to themselves in the first user namespace alone. user_namespaces(7). */
export const inUserNamespace = (): boolean => {
  try {
    return !/^\s*0\s+0\s+4294967295\s*$/.test(readFileSync('/proc/self/uid_map', 'latin1'))
  } catch {
    return false
  }
}
