// Docker's default profile as data. Facts: moby/profiles, seccomp/default.json, June 2026 (the profile of Docker 29).
import { capabilityMask } from '../../model/capabilities.ts'
import type { LinuxSeccomp } from '../../model/oci-spec.ts'
import type { Arch } from '../arch.ts'
import { type Conditional, type ProfileFacts, selectRules } from './conditional.ts'

const words = (text: string): readonly string[] => text.trim().split(/\s+/)
const ENOSYS = 38

/** Without any condition. futex_* and *xattrat are as new as Linux 6.7 and 6.13. */
const ALLOWED = `
_llseek _newselect accept accept4 access adjtimex alarm bind brk cachestat capget capset chdir chmod chown
chown32 clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64
clock_nanosleep clock_nanosleep_time64 close close_range connect copy_file_range creat dup dup2 dup3
epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old
eventfd eventfd2 execve execveat exit exit_group faccessat faccessat2 fadvise64 fadvise64_64 fallocate
fanotify_mark fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr
flistxattr flock fork fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate
ftruncate64 futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake futimesat get_robust_list
get_thread_area getcpu getcwd getdents getdents64 getegid getegid32 geteuid geteuid32 getgid getgid32
getgroups getgroups32 getitimer getpeername getpgid getpgrp getpid getppid getpriority getrandom getresgid
getresgid32 getresuid getresuid32 getrlimit getrusage getsid getsockname getsockopt gettid gettimeofday
getuid getuid32 getxattr getxattrat inotify_add_watch inotify_init inotify_init1 inotify_rm_watch
io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 io_setup io_submit ioctl ioprio_get
ioprio_set ipc kill landlock_add_rule landlock_create_ruleset landlock_restrict_self lchown lchown32
lgetxattr link linkat listen listmount listxattr listxattrat llistxattr lremovexattr lseek lsetxattr lstat
lstat64 madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mkdir mkdirat mknod mknodat
mlock mlock2 mlockall mmap mmap2 mprotect mq_getsetattr mq_notify mq_open mq_timedreceive
mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink mremap mseal msgctl msgget msgrcv msgsnd
msync munlock munlockall munmap name_to_handle_at nanosleep newfstatat open openat openat2 pause
pidfd_open pidfd_send_signal pipe pipe2 pkey_alloc pkey_free pkey_mprotect poll ppoll ppoll_time64 prctl
pread64 preadv preadv2 prlimit64 process_mrelease pselect6 pselect6_time64 pwrite64 pwritev pwritev2 read
readahead readlink readlinkat readv recv recvfrom recvmmsg recvmmsg_time64 recvmsg remap_file_pages
removexattr removexattrat rename renameat renameat2 restart_syscall riscv_hwprobe rmdir rseq rt_sigaction
rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait
rt_sigtimedwait_time64 rt_tgsigqueueinfo sched_get_priority_max sched_get_priority_min sched_getaffinity
sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64
sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield seccomp select semctl semget
semop semtimedop semtimedop_time64 send sendfile sendfile64 sendmmsg sendmsg sendto set_robust_list
set_thread_area set_tid_address setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups
setgroups32 setitimer setpgid setpriority setregid setregid32 setresgid setresgid32 setresuid setresuid32
setreuid setreuid32 setrlimit setsid setsockopt setuid setuid32 setxattr setxattrat shmat shmctl shmdt
shmget shutdown sigaltstack signalfd signalfd4 sigprocmask sigreturn socketcall socketpair splice stat
stat64 statfs statfs64 statmount statx symlink symlinkat sync sync_file_range syncfs sysinfo tee tgkill
time timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime
timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 times
tkill truncate truncate64 ugetrlimit umask uname unlink unlinkat uretprobe utime utimensat
utimensat_time64 utimes vfork vmsplice wait4 waitid waitpid write writev
`

/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET: a new namespace of any kind but time. */
const NEW_NAMESPACES = 0x7e020000

/** PER_LINUX, PER_LINUX32, UNAME26 alone and with PER_LINUX32, and the query. sys/personality.h. */
const PERSONALITIES = [0x0, 0x8, 0x20000, 0x20008, 0xffffffff]

const AF_ALG = 38
const AF_VSOCK = 40

/** What a capability opens. The kernel asks for the capability again; the filter only gets out of its way. */
const BY_CAPABILITY: Readonly<Record<string, string>> = {
  CAP_DAC_READ_SEARCH: 'open_by_handle_at',
  CAP_SYS_ADMIN: `
    bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie lsm_get_self_attr
    lsm_list_modules lsm_set_self_attr mount mount_setattr move_mount open_tree perf_event_open quotactl
    quotactl_fd setdomainname sethostname setns syslog umount umount2 unshare
  `,
  CAP_SYS_BOOT: 'reboot',
  CAP_SYS_CHROOT: 'chroot',
  CAP_SYS_MODULE: 'delete_module init_module finit_module',
  CAP_SYS_PACCT: 'acct',
  CAP_SYS_PTRACE: 'kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace',
  CAP_SYS_RAWIO: 'iopl ioperm',
  CAP_SYS_TIME: 'settimeofday stime clock_settime clock_settime64',
  CAP_SYS_TTY_CONFIG: 'vhangup',
  CAP_SYS_NICE: 'get_mempolicy mbind set_mempolicy set_mempolicy_home_node',
  CAP_SYSLOG: 'syslog',
  CAP_BPF: 'bpf',
  CAP_PERFMON: 'perf_event_open',
}

const allow = (names: string): Conditional => ({ rule: { names: words(names), action: 'SCMP_ACT_ALLOW' } })

const allowWhere = (
  name: string,
  op: 'SCMP_CMP_LT' | 'SCMP_CMP_EQ' | 'SCMP_CMP_GT',
  value: number,
): Conditional => ({
  rule: { names: [name], action: 'SCMP_ACT_ALLOW', args: [{ index: 0, value, op }] },
})

const withoutSysAdmin = { excludes: { caps: ['CAP_SYS_ADMIN'] } }

const RULES: readonly Conditional[] = [
  allow(ALLOWED),
  // Before 4.8 ptrace could be used to get around a filter.
  { ...allow('process_vm_readv process_vm_writev ptrace'), includes: { minKernel: [4, 8] } },
  allowWhere('socket', 'SCMP_CMP_LT', AF_ALG),
  allowWhere('socket', 'SCMP_CMP_EQ', AF_ALG + 1),
  allowWhere('socket', 'SCMP_CMP_GT', AF_VSOCK),
  ...PERSONALITIES.map((personality) => allowWhere('personality', 'SCMP_CMP_EQ', personality)),
  {
    ...allow('arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls'),
    includes: { arches: ['arm', 'arm64'] },
  },
  { ...allow('arch_prctl'), includes: { arches: ['amd64', 'x32'] } },
  { ...allow('modify_ldt'), includes: { arches: ['amd64', 'x32', 'x86'] } },
  ...Object.entries(BY_CAPABILITY).map(([cap, names]) => ({ ...allow(names), includes: { caps: [cap] } })),
  {
    rule: {
      names: ['clone'],
      action: 'SCMP_ACT_ALLOW',
      args: [{ index: 0, value: NEW_NAMESPACES, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' }],
    },
    ...withoutSysAdmin,
  },
  // The flags of clone3 are in memory, where a filter cannot look: ENOSYS makes the C library use clone.
  { rule: { names: ['clone3'], action: 'SCMP_ACT_ERRNO', errnoRet: ENOSYS }, ...withoutSysAdmin },
]

const ARCHITECTURES: Readonly<Record<Arch, readonly string[]>> = {
  x64: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32'],
  arm64: ['SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM'],
}

/** The profile for a container with these capabilities (its bounding set) on this machine and kernel. */
export const defaultProfile = (facts: ProfileFacts): LinuxSeccomp => ({
  defaultAction: 'SCMP_ACT_ERRNO',
  defaultErrnoRet: 1,
  architectures: ARCHITECTURES[facts.arch],
  syscalls: selectRules(RULES, facts),
})

/** Of what becomes of the default profile: its rules and the filters compiled from them. A test pins it to both. */
export const DEFAULT_REVISION = '2f9c13d61599'

/**
 * Stands for the filter of the default profile as `seccompKey` does for any: the profile's text need not be written out and
 * hashed for it, which costs a short-lived process 4 ms, node:crypto above all.
 */
export const defaultFilterKey = ({ arch, kernel, caps }: ProfileFacts): string =>
  ['default', DEFAULT_REVISION, arch, kernel.join('.'), capabilityMask(caps).toString(16)].join('-')
