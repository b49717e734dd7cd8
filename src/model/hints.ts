// What can be done about a failure, when we know: one line that says the remedy.
import { errnoName } from './errno.ts'
import type { EngineError, SyscallFailed } from './errors.ts'

export const hint = (error: EngineError): string | undefined => {
  switch (error._tag) {
    case 'HostUnfit':
      return error.remedy
    case 'CommandNotFound':
      return 'a name is looked up in the PATH of the container; a script also needs the program its first line names'
    case 'CommandNotExecutable':
      return NOT_EXECUTABLE[errnoName(error.errno)]
    case 'UnknownUser':
      return "names are looked up in the container's own /etc/passwd and /etc/group; a number such as 1000:1000 always works"
    case 'VolumeNotFound':
      return 'slipway volume ls lists those there are; a run makes one that is missing'
    case 'VolumeInUse':
      return 'remove these containers first; one that was kept still has the volume'
    case 'StateDamaged':
      return ofDamaged(error.path)
    case 'PlatformMismatch':
      return 'pull an image that was built for this machine'
    case 'SyscallFailed':
      return error.hint ?? ofStep(error)
    default:
      return 'hint' in error ? error.hint : undefined
  }
}

const NOT_EXECUTABLE: Readonly<Record<string, string>> = {
  EACCES:
    'it must be a file with an x bit for the user of the container (chmod +x), on a mount without noexec',
  ENOEXEC: 'it was built for another machine, or is a script whose first line is not #!',
}

const ofDamaged = (path: string): string | undefined => {
  const id = /\/containers\/([0-9a-f]{12})[0-9a-f]{52}\/container\.json$/.exec(path)?.[1]
  if (id !== undefined)
    return `slipway rm -f ${id} ends and removes it; until then no volume and no image is pruned`
  const [, folder, volume] = /^(.*\/volumes\/([^/]+))\/volume\.json$/.exec(path) ?? []
  return volume && `its files are in ${folder}/_data; slipway volume rm -f ${volume} removes them with it`
}

const ofStep = ({ step, errno }: SyscallFailed): string | undefined => {
  const known = OF_STEPS[step]
  return known === undefined || (known.errno !== undefined && !known.errno.includes(errnoName(errno)))
    ? undefined
    : known.remedy
}

interface Remedy {
  readonly remedy: string
  /** Default: whatever the error. */
  readonly errno?: readonly string[]
}

const OF_STEPS: Readonly<Record<string, Remedy>> = {
  'open bind source': {
    errno: ['ENOENT'],
    remedy: 'a bind mount needs a source that exists; createSource: true makes a directory',
  },
  'open subpath': {
    errno: ['ENOENT', 'ENOTDIR', 'EXDEV', 'ELOOP'],
    remedy: 'it must exist, and its symlinks must stay below the root: absolute ones lead out of it',
  },
  ...Object.fromEntries(
    ['copy_create', 'copy_mkdir', 'copy_symlink', 'copy_mknod', 'copy_link'].map((step) => [
      step,
      {
        errno: ['EROFS'],
        remedy:
          'the root of the container, or what it has mounted there, is read-only; so is memory of one that does not run',
      },
    ]),
  ),
  'make bind source': {
    remedy: 'nothing can be made there: make the source yourself, or choose another place',
  },
  'open mount target': {
    errno: ['ENOTDIR', 'ELOOP'],
    remedy:
      'a directory is mounted over a directory, anything else over a file; links inside the root must end in it',
  },
  'open root': { remedy: 'the rootfs must be a directory with an unpacked system' },
  'open working directory': {
    errno: ['ENOTDIR', 'ELOOP'],
    remedy: 'cwd must be a directory, or a path that can be made',
  },
  'open sysctl': {
    errno: ['ENOENT'],
    remedy: 'this kernel has no such parameter in the namespaces of a container',
  },
  'set cgroup limit': {
    remedy: 'the kernel refused the value: this machine may not have what was asked for',
  },
  'connect to seccomp agent': {
    remedy: 'an agent must listen at linux.seccomp.listenerPath before the program is started',
  },
  'start stand-in': {
    errno: ['EAGAIN'],
    remedy: 'under this filter a start has a thread more for a moment: raise pids.limit, or RLIMIT_NPROC',
  },
  'fork from init': { errno: ['EAGAIN'], remedy: 'with init the container has a process more: raise pids' },
  mkdir: {
    errno: ['EACCES', 'EROFS', 'EPERM', 'ENOENT', 'ENOTDIR', 'EEXIST'],
    remedy: 'put the state elsewhere: createEngine({ root }), --root or SLIPWAY_ROOT',
  },
}
