// Numbers of the Linux user interface (include/uapi/linux) that plans are made of. Same on x86-64 and arm64 but for O_*.
import type { Arch } from './arch.ts'

export const AT_FDCWD = -100
export const AT_SYMLINK_NOFOLLOW = 0x100
export const AT_REMOVEDIR = 0x200
export const AT_EMPTY_PATH = 0x1000
export const AT_RECURSIVE = 0x8000

export const O_WRONLY = 0o1
export const O_RDWR = 0o2
export const O_CREAT = 0o100
export const O_EXCL = 0o200
export const O_NOCTTY = 0o400
export const O_NONBLOCK = 0o4000
export const O_CLOEXEC = 0o2000000
export const O_RDONLY = 0
export const O_PATH = 0o10000000
/** The two flags whose values differ between the architectures (arch/arm64/include/uapi/asm/fcntl.h). */
export const oDirectory = (arch: Arch): number => (arch === 'arm64' ? 0o40000 : 0o200000)
export const oNofollow = (arch: Arch): number => (arch === 'arm64' ? 0o100000 : 0o400000)

export const RESOLVE_NO_XDEV = 0x01
export const RESOLVE_NO_MAGICLINKS = 0x02
export const RESOLVE_NO_SYMLINKS = 0x04
export const RESOLVE_BENEATH = 0x08
export const RESOLVE_IN_ROOT = 0x10

export const CLONE_NEWTIME = 0x80
export const CLONE_NEWNS = 0x20000
export const CLONE_NEWCGROUP = 0x2000000
export const CLONE_NEWUTS = 0x4000000
export const CLONE_NEWIPC = 0x8000000
export const CLONE_NEWUSER = 0x10000000
export const CLONE_NEWPID = 0x20000000
export const CLONE_NEWNET = 0x40000000

export const MS_UNBINDABLE = 1 << 17
export const MS_PRIVATE = 1 << 18
export const MS_SLAVE = 1 << 19
export const MS_SHARED = 1 << 20
export const MNT_DETACH = 2

export const FSOPEN_CLOEXEC = 1
export const FSMOUNT_CLOEXEC = 1
export const FSCONFIG_SET_FLAG = 0
export const FSCONFIG_SET_STRING = 1
export const FSCONFIG_SET_FD = 5
export const FSCONFIG_CMD_CREATE = 6
export const FSCONFIG_CMD_RECONFIGURE = 7
export const FSPICK_CLOEXEC = 1
export const FSPICK_EMPTY_PATH = 8
export const OPEN_TREE_CLONE = 1
export const MOVE_MOUNT_F_EMPTY_PATH = 0x4
export const MOVE_MOUNT_T_EMPTY_PATH = 0x40

export const MOUNT_ATTR_RDONLY = 0x1
export const MOUNT_ATTR_NOSUID = 0x2
export const MOUNT_ATTR_NODEV = 0x4
export const MOUNT_ATTR_NOEXEC = 0x8
export const MOUNT_ATTR__ATIME = 0x70
export const MOUNT_ATTR_NOATIME = 0x10
export const MOUNT_ATTR_STRICTATIME = 0x20
export const MOUNT_ATTR_NODIRATIME = 0x80
export const MOUNT_ATTR_IDMAP = 0x100000
export const MOUNT_ATTR_NOSYMFOLLOW = 0x200000

export const PROC_SUPER_MAGIC = 0x9fa0

export const S_IFMT = 0o170000
export const S_IFREG = 0o100000
export const S_IFDIR = 0o040000
export const S_IFCHR = 0o020000
export const S_IFBLK = 0o060000
export const S_IFIFO = 0o010000

export const PR_SET_PDEATHSIG = 1
export const PR_SET_DUMPABLE = 4
export const PR_SET_KEEPCAPS = 8
export const PR_CAPBSET_DROP = 24
export const PR_SET_NO_NEW_PRIVS = 38
export const PR_CAP_AMBIENT = 47
export const PR_CAP_AMBIENT_RAISE = 2
export const PR_CAP_AMBIENT_CLEAR_ALL = 4
export const SIG_SETMASK = 2
export const SIGKILL = 9

export const SECCOMP_SET_MODE_FILTER = 1
export const KEYCTL_JOIN_SESSION_KEYRING = 1
export const CLOSE_RANGE_CLOEXEC = 4

export const AF_INET = 2
export const SOCK_DGRAM = 2
export const SOCK_CLOEXEC = 0o2000000
export const SOCK_NONBLOCK = 0o4000
export const MSG_CMSG_CLOEXEC = 0x4000_0000
export const MSG_NOSIGNAL = 0x4000
export const MSG_DONTWAIT = 0x40
export const SIOCSIFFLAGS = 0x8914
export const SIOCGSKNS = 0x894c
export const IFF_UP = 1

export const TIOCSCTTY = 0x540e
export const TIOCSWINSZ = 0x5414
export const TIOCSPTLCK = 0x40045431
export const TIOCGPTPEER = 0x5441

export const CAP_SYS_ADMIN = 21

export const EPERM = 1
export const ENOENT = 2
export const EBADF = 9
export const EIO = 5
export const ENOEXEC = 8
export const EAGAIN = 11
export const EACCES = 13
export const EBUSY = 16
export const EEXIST = 17
export const ENODEV = 19
export const ENOTDIR = 20
export const EINVAL = 22
export const EROFS = 30
export const ENOSYS = 38
export const ELOOP = 40
export const EPROTO = 71
export const ENOTEMPTY = 39
export const EOPNOTSUPP = 95
export const EDQUOT = 122

/** st_rdev as fstat(2) gives it (new_encode_dev, include/linux/kdev_t.h), for numbers below 2^20. */
export const makedev = (major: number, minor: number): number =>
  (minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)
export const F_SETFL = 4
export const F_DUPFD_CLOEXEC = 1030
export const X_OK = 1
export const AT_EACCESS = 0x200
export const AF_UNIX = 1
export const SOCK_STREAM = 1
export const CLONE_PARENT = 0x8000
