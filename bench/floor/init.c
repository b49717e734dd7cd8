/* The floor's launch child: the system calls slipway's helper makes, in a straight line (init.inc is generated). */
#include <sys/socket.h>
#include <sys/uio.h>

#include "raw.h"

enum { kTop = 255, kMaxFds = 200, kMaxSlots = 1024, kPlanRoom = 256 << 10 };

struct Layout {
  unsigned relocations, count, data, ops;
};

static unsigned char plan_room[kPlanRoom] __attribute__((aligned(16)));
static long slots[kMaxSlots];
static uint32_t stamps[4096];
#ifdef PROFILE
static uint64_t start_ticks;
static unsigned stamp_base, stamp_count; /* each stage's operations follow those of the one before */
#define STAMP(op) (stamps[stamp_base + (op)] = (uint32_t)(ticks() - start_ticks), stamp_count = stamp_base + (op) + 1)
#endif
static int ctl;
static unsigned stage_index, more, told; /* `told`: stages whose times the engine has */

void *memset(void *target, int value, size_t size) {
  unsigned char *bytes = target;
  for (size_t i = 0; i < size; i++) bytes[i] = (unsigned char)value;
  return target;
}

void *memcpy(void *target, const void *source, size_t size) {
  unsigned char *to = target;
  const unsigned char *from = source;
  for (size_t i = 0; i < size; i++) to[i] = from[i];
  return target;
}

__attribute__((noreturn)) static void leave(int status) {
  for (;;) sc(SYS_exit_group, status, 0, 0, 0, 0, 0);
}

static void send_report(uint32_t type, void *body, size_t size, void *more, size_t more_size) {
  struct ReportHeader header = {type, (uint32_t)(size + more_size)};
  struct iovec parts[3] = {{&header, sizeof header}, {body, size}, {more, more_size}};
  struct msghdr message = {.msg_iov = parts, .msg_iovlen = 3};
  sc(SYS_sendmsg, ctl, (long)&message, MSG_NOSIGNAL, 0, 0, 0);
}

static int failed_at(int op, long result) {
  struct FailedBody body = {stage_index, (uint32_t)op, (int32_t)-result};
  send_report(kReportFailed, &body, sizeof body, 0, 0);
  leave(127);
}

static uint64_t now_ns(void) {
  int64_t time[2];
  sc(SYS_clock_gettime, 1, (long)time, 0, 0, 0, 0);
  return (uint64_t)time[0] * 1000000000u + (uint64_t)time[1];
}

enum { kMaxStages = 8 };
static struct TimingsBody times[kMaxStages];

static unsigned ops_before(unsigned stage);

/* One message for all stages that were not told yet. */
static long report(long fd) {
  (void)fd;
  times[stage_index].fd_count = fd >= 0;
  times[stage_index].end_ns = now_ns();
#ifdef PROFILE
  struct TimingsBody body = {times[0].start_ns, times[stage_index].end_ns, start_ticks, ticks(), stage_index, stamp_count, 0, 0};
  send_report(kReportTimings, &body, sizeof body, stamps, 4 * stamp_count);
#else
  struct ReportHeader headers[kMaxStages];
  struct iovec parts[3 * kMaxStages];
  unsigned count = 0;
  for (; told <= stage_index; told++) {
    const size_t stamps_size = 4 * times[told].op_count;
    headers[told] = (struct ReportHeader){kReportTimings, (uint32_t)(sizeof times[told] + stamps_size)};
    parts[count++] = (struct iovec){&headers[told], sizeof headers[told]};
    parts[count++] = (struct iovec){&times[told], sizeof times[told]};
    parts[count++] = (struct iovec){stamps + ops_before(told), stamps_size};
  }
  struct msghdr message = {.msg_iov = parts, .msg_iovlen = count};
  union {
    struct cmsghdr head;
    char bytes[CMSG_SPACE(sizeof(int))];
  } control;
  if (fd >= 0) {
    control.head = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    *(int *)CMSG_DATA(&control.head) = (int)fd;
    message.msg_control = control.bytes;
    message.msg_controllen = sizeof control.bytes;
  }
  sc(SYS_sendmsg, ctl, (long)&message, MSG_NOSIGNAL, 0, 0, 0);
#endif
  return 0;
}

static long reset_signals(void) {
  static const uint64_t action[4];
  for (int signal = 1; signal <= 64; signal++) sc(SYS_rt_sigaction, signal, (long)action, 0, 8, 0, 0);
  return 0;
}

static long close_others(const long *kept) {
  for (long from = 3;;) {
    long next = ctl >= from ? ctl : -1;
    for (int i = 0; i < 6; i++)
      if (kept[i] >= from && (next < 0 || kept[i] < next)) next = kept[i];
    if (next != from) sc(SYS_close_range, from, next < 0 ? 0xffffffff : next - 1, 0, 0, 0, 0);
    if (next < 0) return 0;
    from = next + 1;
  }
}

static long put_pid(long field, long width) {
  (void)field, (void)width;
  return -71; /* only the engine's half knows the pid */
}

#include "init.inc"

static unsigned ops_before(unsigned stage) {
  unsigned count = 0;
  for (unsigned i = 0; i < stage; i++) count += layouts[i].ops;
  return count;
}

static void receive(void) {
  struct StageHeader header;
  struct iovec part = {&header, sizeof header};
  union {
    struct cmsghdr head;
    char bytes[CMSG_SPACE(sizeof(int) * kMaxFds)];
  } control;
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
  if (sc(SYS_recvmsg, ctl, (long)&message, MSG_CMSG_CLOEXEC, 0, 0, 0) != sizeof header) leave(0);
  more = header.more;
  unsigned count = header.fd_count;
  const int *fds = (const int *)CMSG_DATA(&control.head);
  for (unsigned i = 0; i < count; i++) slots[header.fd_base + i] = fds[i];
  for (size_t at = 0; at < header.size;) {
    long got = sc(SYS_read, ctl, (long)(plan_room + at), (long)(header.size - at), 0, 0, 0);
    if (got <= 0) failed_at(-1, -71);
    at += (size_t)got;
  }
}

__attribute__((noreturn, used)) static void floor_start(const long *stack) {
  const char *text = ((const char *const *)(stack + 1))[1];
  for (ctl = 0; *text; text++) ctl = ctl * 10 + (*text - '0');
  for (int fd = 0; fd < 3; fd++) sc(SYS_dup3, ctl, fd, 0, 0, 0, 0);
  sc(SYS_dup3, ctl, kTop, 02000000 /* O_CLOEXEC */, 0, 0, 0);
  ctl = kTop;
  slots[0] = ctl;
  sc(SYS_close_range, 3, ctl - 1, 0, 0, 0, 0);
  sc(SYS_close_range, ctl + 1, 0xffffffff, 0, 0, 0, 0);
  for (;; stage_index++) {
    receive();
    times[stage_index] = (struct TimingsBody){now_ns(), 0, 0, 0, stage_index, layouts[stage_index].ops, 0, 0};
#ifdef PROFILE
    if (stage_index == 0) start_ticks = ticks();
    stamp_base = ops_before(stage_index);
#endif
    const struct Layout *layout = &layouts[stage_index];
    relocate(plan_room, layout->relocations, layout->count, layout->data);
    run_stage(stage_index, slots, plan_room + layout->data);
    times[stage_index].end_ns = now_ns();
    if (more) continue;
    report(-1);
    send_report(kReportWaiting, &stage_index, sizeof stage_index, 0, 0);
  }
}

#if defined(__x86_64__)
__asm__(".globl _start\n_start:\n  xor %ebp, %ebp\n  mov %rsp, %rdi\n  and $-16, %rsp\n  call floor_start\n  hlt\n");
#elif defined(__aarch64__)
__asm__(".globl _start\n_start:\n  mov x29, #0\n  mov x0, sp\n  bl floor_start\n  brk #0\n");
#endif
