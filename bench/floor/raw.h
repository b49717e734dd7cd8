/* What both halves of the floor share: raw system calls, and the checks a plan's operations make. */
#ifndef BENCH_FLOOR_RAW_H
#define BENCH_FLOOR_RAW_H
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>

#if defined(__x86_64__)
static inline long sc(long nr, long a, long b, long c, long d, long e, long f) {
  long result;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  __asm__ volatile("syscall" : "=a"(result) : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
  return result;
}
#elif defined(__aarch64__)
static inline long sc(long nr, long a, long b, long c, long d, long e, long f) {
  register long x8 __asm__("x8") = nr;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  register long x4 __asm__("x4") = e;
  register long x5 __asm__("x5") = f;
  __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
  return x0;
}
#endif

#define A(offset) ((long)(d + (offset)))

static inline int is_failure(long result) { return result < 0 && result > -4096; }

static inline long check_stat(long fd, long format, long device) {
  struct stat status;
  long result = sc(SYS_fstat, fd, (long)&status, 0, 0, 0, 0);
  if (is_failure(result)) return result;
  return (status.st_mode & S_IFMT) == (mode_t)format && (device == -1 || (long)status.st_rdev == device) ? 0 : -71;
}

static inline long refuse_fs(long fd, long type) {
  struct statfs status;
  long result = sc(SYS_fstatfs, fd, (long)&status, 0, 0, 0, 0);
  if (is_failure(result)) return result;
  return (long)status.f_type == type ? -71 : 0;
}

/* With -DPROFILE the child notes when each of its operations ended, and the engine writes that to standard error. */
#ifdef PROFILE
static inline uint64_t ticks(void) {
#if defined(__x86_64__)
  return __builtin_ia32_rdtsc();
#else
  uint64_t count;
  __asm__ volatile("mrs %0, cntvct_el0" : "=r"(count));
  return count;
#endif
}
#else
#define STAMP(op)
#endif

static inline long put_slot(long field, long value) {
  *(uint32_t *)field = (uint32_t)value;
  return 0;
}

/* A plan's pointers are stored as offsets into its data. */
static inline void relocate(unsigned char *plan, unsigned relocations, unsigned count, unsigned data) {
  for (unsigned i = 0; i < count; i++) {
    uint64_t *place = (uint64_t *)(plan + data + ((uint32_t *)(plan + relocations))[i]);
    *place += (uint64_t)(uintptr_t)(plan + data);
  }
}

struct StageHeader { /* native/launch/protocol.h */
  uint32_t magic, size, fd_count, fd_base, more;
};
struct ReportHeader {
  uint32_t type, size;
};
enum { kReportFailed = 1, kReportTimings = 2, kReportWaiting = 4 };
struct FailedBody {
  uint32_t stage, op;
  int32_t error;
};
struct TimingsBody {
  uint64_t start_ns, end_ns, start_cycles, end_cycles;
  uint32_t stage, op_count, fd_count, reserved;
};
#endif
