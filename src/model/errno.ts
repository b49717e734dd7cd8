// Linux errno numbers as names and short texts. Source: asm-generic/errno-base.h, asm-generic/errno.h.
import { constants } from 'node:os'

const NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(constants.errno).map(([name, value]): [number, string] => [value, name]),
)

const TEXTS: Readonly<Record<string, string>> = {
  EPERM: 'operation not permitted',
  ENOENT: 'no such file or directory',
  ESRCH: 'no such process',
  EIO: 'input/output error',
  E2BIG: 'argument list too long',
  ENOEXEC: 'exec format error',
  EBADF: 'bad file descriptor',
  EAGAIN: 'resource temporarily unavailable',
  ENOMEM: 'cannot allocate memory',
  EACCES: 'permission denied',
  EFAULT: 'bad address',
  EBUSY: 'device or resource busy',
  EEXIST: 'file exists',
  EXDEV: 'invalid cross-device link',
  ENODEV: 'no such device',
  ENOTDIR: 'not a directory',
  EISDIR: 'is a directory',
  EINVAL: 'invalid argument',
  EMFILE: 'too many open files',
  ETXTBSY: 'text file busy',
  ENOSPC: 'no space left on device',
  EROFS: 'read-only file system',
  ENAMETOOLONG: 'file name too long',
  ENOSYS: 'function not implemented',
  ENOTEMPTY: 'directory not empty',
  ELOOP: 'too many symbolic links',
  ERANGE: 'numerical result out of range',
  ENOTCONN: 'transport endpoint is not connected',
  EOPNOTSUPP: 'operation not supported',
  ETIMEDOUT: 'timed out',
  EDQUOT: 'disk quota exceeded',
}

/** `2` → `ENOENT`; an unknown number → `errno 4095`. */
export const errnoName = (errno: number): string => {
  const name = NAMES.get(errno)
  return name === undefined || name === 'EWOULDBLOCK' ? (errno === 11 ? 'EAGAIN' : `errno ${errno}`) : name
}

/** `2` → `ENOENT (no such file or directory)`. */
export const errnoText = (errno: number): string => {
  const name = errnoName(errno)
  const text = TEXTS[name]
  return text === undefined ? name : `${name} (${text})`
}
