// What `Output.write` throws, and what each means for the command.
import { errnoText } from '../model/errno.ts'

/** Nobody reads any more: the command ends as a closed pipe ends a program. */
export class ReaderGone extends Error {
  override readonly name = 'ReaderGone'
}
/** 128 + SIGPIPE. */
export const READER_GONE_EXIT = 141

/** The output could not be written, e.g. to a full disk. `message` says why. */
export class WriteFailed extends Error {
  override readonly name = 'WriteFailed'
  constructor(errno: number) {
    super(errnoText(errno))
  }
}
