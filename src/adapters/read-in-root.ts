// What a plan that reads files inside a root has found.
import type { Execution } from '../native/addon.ts'
import type { ReadPlan } from '../plan/host-files.ts'

/** Nearly every passwd and group file fits; one that fills it is read again with the largest size allowed. */
export const USUAL_USER_DB_BYTES = 16 * 1024

/** Undefined where the file is not there, or is no regular one. */
export const textOf = (plan: ReadPlan, index: number, result: Execution): string | undefined => {
  const file = plan.files[index]
  const size = file === undefined ? -1 : (result.slots[file.sizeSlot] ?? -1)
  return file === undefined || size < 0 ? undefined : result.data.toString('utf8', file.at, file.at + size)
}
