// Raw system calls: no libc, no errno, no thread-local storage. Results are as the kernel returns
// them: -errno on failure.
#pragma once
#include <stddef.h>
#include <stdint.h>

namespace slipway::sys {

#if defined(__x86_64__)

inline long raw_syscall(long nr, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0,
                        long f = 0) noexcept {
  long result;
  register long r10 asm("r10") = d;
  register long r8 asm("r8") = e;
  register long r9 asm("r9") = f;
  asm volatile("syscall"
               : "=a"(result)
               : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
  return result;
}

// A cycle counter that needs no system call; its rate is found by two clock readings around the
// work.
inline uint64_t cycles() noexcept {
  uint32_t low, high;
  asm volatile("rdtsc" : "=a"(low), "=d"(high));
  return (static_cast<uint64_t>(high) << 32) | low;
}

namespace nr {
inline constexpr long read = 0, write = 1, close = 3, mmap = 9, munmap = 11, rt_sigaction = 13,
                      rt_sigprocmask = 14, ioctl = 16, sendto = 44, execve = 59, bind = 49,
                      listen = 50, connect = 42, ppoll = 271, sendmsg = 46, recvmsg = 47,
                      clone = 56, wait4 = 61, kill = 62, fcntl = 72, getdents64 = 217,
                      rt_sigtimedwait = 128, prctl = 157, clock_gettime = 228, exit_group = 231,
                      openat = 257, newfstatat = 262, unlinkat = 263, readlinkat = 267,
                      epoll_ctl = 233, epoll_pwait = 281, epoll_create1 = 291,
                      pidfd_send_signal = 424, pidfd_open = 434, clone3 = 435, close_range = 436,
                      execveat = 322, nanosleep = 35, waitid = 247, mkdirat = 258, pipe2 = 293,
                      openat2 = 437, open_tree = 428, mount_setattr = 442, renameat2 = 316,
                      memfd_create = 319, pread64 = 17, socketpair = 53, fstat = 5, flock = 73,
                      setsockopt = 54, fchownat = 260, capset = 126, lseek = 8, pwrite64 = 18,
                      symlinkat = 266, fchmodat = 268, eventfd2 = 290, mknodat = 259, linkat = 265,
                      dup3 = 292, bpf = 321, socket = 41, unshare = 272, sched_setaffinity = 203,
                      setns = 308, fsopen = 430, fsconfig = 431, fsmount = 432, fstatfs = 138,
                      recvfrom = 45, getppid = 110, getpid = 39, ftruncate = 77, fsync = 74,
                      splice = 275, tee = 276, accept4 = 288, madvise = 28, pwritev = 296,
                      getrusage = 98;
}

#elif defined(__aarch64__)

inline long raw_syscall(long nr, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0,
                        long f = 0) noexcept {
  register long x8 asm("x8") = nr;
  register long x0 asm("x0") = a;
  register long x1 asm("x1") = b;
  register long x2 asm("x2") = c;
  register long x3 asm("x3") = d;
  register long x4 asm("x4") = e;
  register long x5 asm("x5") = f;
  asm volatile("svc #0"
               : "+r"(x0)
               : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
               : "memory");
  return x0;
}

inline uint64_t cycles() noexcept {
  uint64_t count;
  asm volatile("mrs %0, cntvct_el0" : "=r"(count));
  return count;
}

namespace nr {
inline constexpr long read = 63, write = 64, close = 57, mmap = 222, munmap = 215,
                      rt_sigaction = 134, rt_sigprocmask = 135, ioctl = 29, sendto = 206,
                      execve = 221, bind = 200, listen = 201, connect = 203, ppoll = 73,
                      sendmsg = 211, recvmsg = 212, clone = 220, wait4 = 260, kill = 129,
                      fcntl = 25, getdents64 = 61, rt_sigtimedwait = 137, prctl = 167,
                      clock_gettime = 113, exit_group = 94, getppid = 173, openat = 56,
                      newfstatat = 79, unlinkat = 35, readlinkat = 78, epoll_ctl = 21,
                      epoll_pwait = 22, epoll_create1 = 20, pidfd_send_signal = 424,
                      pidfd_open = 434, clone3 = 435, close_range = 436, execveat = 281,
                      nanosleep = 101, waitid = 95, mkdirat = 34, pipe2 = 59, openat2 = 437,
                      open_tree = 428, mount_setattr = 442, renameat2 = 276, memfd_create = 279,
                      pread64 = 67, socketpair = 199, fstat = 80, flock = 32, setsockopt = 208,
                      fchownat = 54, capset = 91, lseek = 62, pwrite64 = 68, symlinkat = 36,
                      fchmodat = 53, eventfd2 = 19, mknodat = 33, linkat = 37, dup3 = 24, bpf = 280,
                      socket = 198, unshare = 97, sched_setaffinity = 122, setns = 268,
                      fsopen = 430, fsconfig = 431, fsmount = 432, fstatfs = 44, recvfrom = 207,
                      getpid = 172, ftruncate = 46, fsync = 82, splice = 76, tee = 77,
                      accept4 = 242, madvise = 233, pwritev = 70, getrusage = 165;
}

#else
#error "slipway runs on x86-64 and arm64"
#endif

inline bool failed(long result) noexcept { return result < 0 && result > -4096; }

template <typename T>
long ptr(T* pointer) noexcept {
  return static_cast<long>(reinterpret_cast<uintptr_t>(pointer));
}

}  // namespace slipway::sys
