// A cgroup's directory, if nobody is in it.
import { rmdirSync } from 'node:fs'

export const removeQuietly = (group: string): void => {
  try {
    rmdirSync(group)
  } catch {
    // Somebody is in it, or it is gone.
  }
}
