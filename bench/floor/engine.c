/* The kernel floor: the system calls of one recorded slipway start, made by a small process (engine.inc is generated).
 *
 *   floor <floor-init>        a resident driver of bench/native/timer.c
 *
 * What is timed is what a caller of slipway waits for: directories and cgroups, the clone, the child's whole set-up, the
 * payload's end. As there, a second thread makes the layers and the network namespace meanwhile. What slipway removes after it
 * has reported the end is removed here after the answer, too. Of a start from a pool only its last stage is timed: the sandbox is
 * made before, and after each answer.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "raw.h"

enum { kStackSize = 64 << 10, kMaxFds = 200, kRoomySocket = 96 << 10, kStageMagic = 0x54534c53 };

enum When { kEarly, kAfter, kLast, kLater };

struct Stage {
  unsigned char *plan;
  size_t size;
  const unsigned short *fds;
  unsigned fd_count, base;
  enum When when;
};
struct Leftover {
  unsigned slot;
  const char *name;
  int flags;
};

static int failed_op, failed_errno;
static long child_pid;

static int failed_at(int op, long result) {
  failed_op = op;
  failed_errno = (int)-result;
  return 1;
}

static long put_pid(long field, long width) {
  long pid = child_pid;
  for (long at = width; at > 0 && pid > 0; at--, pid /= 10) ((char *)field)[at - 1] = (char)('0' + pid % 10);
  return 0;
}

static inline long reset_signals(void) { return -71; }
static inline long close_others(const long *kept) { return kept ? -71 : 0; }
static inline long report(unsigned op_count) { return op_count ? -71 : 0; }

#ifdef PROFILE
#define STAMP(op)
#endif
#include "engine.inc"

static long slots[slot_count + 1], fire_slots[fire_files_count + 1];
static int helper_fd, guardian_end = -1, ctl_parent, ctl_child;
static char ctl_text[12];
static char *child_stack;

__attribute__((noreturn)) static void give_up(const char *what) {
  char text[256];
  int size = snprintf(text, sizeof text, "e%s: operation %d: %s\n", what, failed_op, strerror(failed_errno ? failed_errno : errno));
  if (write(1, text, (size_t)size) < 0) _exit(2);
  _exit(1);
}

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* CHILD: shares the engine's memory until execveat. */
__attribute__((noreturn, used)) static void child_main(void) {
  if (run_in_child(slots, in_child_plan + in_child_plan_data) == 0) {
    char *const argv[] = {"slipway-init", ctl_text, NULL};
    char *const envp[] = {NULL};
    sc(SYS_fcntl, ctl_child, F_SETFD, 0, 0, 0, 0);
    sc(SYS_execveat, helper_fd, (long)"", (long)argv, (long)envp, AT_EMPTY_PATH, 0);
  }
  for (;;) sc(SYS_exit_group, 127, 0, 0, 0, 0, 0);
}

static long clone_onto(struct clone_args *how) {
  long result;
#if defined(__x86_64__)
  __asm__ volatile("syscall\ntest %%rax, %%rax\njnz 1f\nxor %%ebp, %%ebp\ncall child_main\n1:\n"
                   : "=a"(result) : "a"(SYS_clone3), "D"(how), "S"(sizeof *how) : "rcx", "r11", "memory", "cc");
#elif defined(__aarch64__)
  register long x8 __asm__("x8") = SYS_clone3;
  register long x0 __asm__("x0") = (long)how;
  register long x1 __asm__("x1") = sizeof *how;
  __asm__ volatile("svc #0\ncbnz x0, 1f\nmov x29, #0\nbl child_main\n1:\n" : "+r"(x0) : "r"(x8), "r"(x1) : "memory", "cc", "x30");
  result = x0;
#endif
  return result;
}

static int start_child(void) {
  int pidfd = -1;
  struct clone_args how = {
      .flags = clone_flags | CLONE_VM | CLONE_VFORK | CLONE_PIDFD | CLONE_CLEAR_SIGHAND,
      .pidfd = (uint64_t)(uintptr_t)&pidfd,
      .exit_signal = SIGCHLD,
      .stack = (uint64_t)(uintptr_t)child_stack,
      .stack_size = kStackSize,
  };
  if (cgroup_slot >= 0) {
    how.flags |= CLONE_INTO_CGROUP;
    how.cgroup = (uint64_t)slots[cgroup_slot < 0 ? 0 : cgroup_slot];
  }
  child_pid = clone_onto(&how);
  if (is_failure(child_pid)) failed_at(-1, child_pid), give_up("clone3");
  return pidfd;
}

static void send_stage(const struct Stage *stage) {
  const long *from = stage->when == kLater ? fire_slots : slots;
  const int more = stage + 1 < stages + stage_count && stage[1].when != kLater;
  struct StageHeader header = {kStageMagic, (uint32_t)stage->size, stage->fd_count, stage->base, more};
  struct iovec parts[2] = {{&header, sizeof header}, {stage->plan, stage->size}};
  union {
    struct cmsghdr head;
    char bytes[CMSG_SPACE(sizeof(int) * kMaxFds)];
  } control;
  struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
  if (stage->fd_count > 0) {
    message.msg_control = control.bytes;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * stage->fd_count);
    control.head = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int) * stage->fd_count), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    int *fds = (int *)CMSG_DATA(&control.head);
    for (unsigned i = 0; i < stage->fd_count; i++) fds[i] = (int)from[stage->fds[i]];
  }
  if (sendmsg(ctl_parent, &message, MSG_NOSIGNAL) != (ssize_t)(sizeof header + stage->size)) give_up("sendmsg");
}

static void send_stages(enum When when) {
  for (unsigned i = 0; i < stage_count; i++)
    if (stages[i].when == when) send_stage(&stages[i]);
}

/* The second thread: it is in the container's network namespace for a moment. With NETWORK_AHEAD that is the next container's: its
 * namespace is made after the answer, and only the first start makes its own. */
static sem_t started, wanted, layers_done, network_done;
static int home_namespace = -1;
static int has_ahead;
#ifdef NETWORK_AHEAD
enum { makes_ahead = has_network };
#else
enum { makes_ahead = 0 };
#endif

static void make_network(long *into) {
  if (run_network(into, network_plan + network_plan_data)) give_up("network");
  if (setns(home_namespace, CLONE_NEWNET) != 0) give_up("setns");
}

static void *beside(void *nothing) {
  sem_post(&started);
  for (;;) {
    sem_wait(&wanted);
    if (has_layers && run_layers(slots, layers_plan + layers_plan_data)) give_up("layers");
    sem_post(&layers_done);
    if (!has_network || has_ahead) continue;
    make_network(slots);
    sem_post(&network_done);
  }
  return nothing;
}

static void start_thread(void) {
  pthread_t thread;
  home_namespace = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  sem_init(&started, 0, 0), sem_init(&wanted, 0, 0), sem_init(&layers_done, 0, 0), sem_init(&network_done, 0, 0);
  if (home_namespace < 0 || pthread_create(&thread, NULL, beside, NULL) != 0) give_up("second thread");
  /* What the C library calls at a thread's start is no part of the first request. */
  sem_wait(&started);
}

static void open_control(void) {
  int pair[2];
  size_t size = 0;
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) give_up("socketpair");
  ctl_parent = pair[0], ctl_child = pair[1];
  for (unsigned i = 0; i < stage_count; i++) size += stages[i].size;
  if (size >= kRoomySocket) {
    int wanted = (int)(size * 2);
    setsockopt(ctl_parent, SOL_SOCKET, SO_SNDBUFFORCE, &wanted, sizeof wanted);
  }
  const struct timeval limit = {10, 0};
  setsockopt(ctl_parent, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  snprintf(ctl_text, sizeof ctl_text, "%d", ctl_child);
}

/* The child's mount namespace: whoever drops it last takes the mounts down, and that is not part of a start. */
static int held_namespace = -1;

/* One report: true when it says that the sandbox waits. */
static int take_report(const struct ReportHeader *header) {
  const struct FailedBody *body = (const struct FailedBody *)(header + 1);
#ifdef PROFILE
  if (header->type == kReportTimings && write(2, header + 1, header->size) < 0) give_up("stderr");
#endif
  if (header->type != kReportFailed) return header->type == kReportWaiting;
  failed_op = (int)body->op, failed_errno = body->error;
  give_up(body->stage == 0 ? "stage 0" : "stage 1");
}

/* All reports of one read. */
static int take_reports(const char *bytes, size_t size) {
  int waiting = 0;
  for (size_t at = 0; at + sizeof(struct ReportHeader) <= size;) {
    const struct ReportHeader *header = (const struct ReportHeader *)(bytes + at);
    waiting |= take_report(header);
    at += sizeof *header + header->size;
  }
  return waiting;
}

/* Reads reports until the sandbox waits, or to the end of file: the payload was executed, or the child has said why not. */
static void read_reports(void) {
  char bytes[65536];
  ssize_t got;
  struct iovec part = {bytes, sizeof bytes};
  union {
    struct cmsghdr head;
    char bytes[CMSG_SPACE(sizeof(int))];
  } control;
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
  while ((got = recvmsg(ctl_parent, &message, MSG_CMSG_CLOEXEC)) > 0) {
    if (message.msg_controllen > 0 && CMSG_FIRSTHDR(&message)) held_namespace = *(int *)CMSG_DATA(&control.head);
    message.msg_controllen = sizeof control.bytes;
    if (take_reports(bytes, (size_t)got)) return;
  }
  close(ctl_parent);
}

static void await_exit(int pidfd) {
  struct pollfd wanted = {pidfd, POLLIN, 0};
  siginfo_t info;
  if (poll(&wanted, 1, -1) != 1) give_up("poll");
  if (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED) != 0) give_up("waitid");
  if (info.si_code != CLD_EXITED || info.si_status != 0) give_up("the payload failed");
  close(pidfd);
}

/* For the next start, after an answer. */
static void make_ahead(void) {
  static long own[slot_count + 1];
  if (!makes_ahead) return;
  make_network(own);
  slots[network_slot] = own[network_slot];
  has_ahead = 1;
}

static int begin_start(void) {
  if (has_layers || has_network) sem_post(&wanted);
  if (run_prepare(slots, prepare_plan + prepare_plan_data)) give_up("prepare");
  open_control();
  send_stages(kEarly);
  int pidfd = start_child();
  close(ctl_child);
  if (run_after(slots, after_plan + after_plan_data)) give_up("after");
  if (has_layers || has_network) sem_wait(&layers_done);
  send_stages(kAfter);
  if (has_network && !has_ahead) sem_wait(&network_done);
  has_ahead = 0;
  send_stages(kLast);
  for (unsigned i = 0; i < close_at_end_count; i++) close((int)slots[close_at_end[i]]);
  return pidfd;
}

static int waiting_pidfd, held_ipc = -1, held_network = -1;

/* <linux/pidfd.h>: PIDFD_GET_IPC_NAMESPACE, PIDFD_GET_NET_NAMESPACE. */
static void hold_namespaces(int pidfd) {
  held_ipc = ioctl(pidfd, _IO(0xff, 2), 0);
  held_network = ioctl(pidfd, _IO(0xff, 4), 0);
}

static void make_sandbox(void) {
  waiting_pidfd = begin_start();
  read_reports();
  hold_namespaces(waiting_pidfd);
}

static uint64_t run_once(void) {
  uint64_t begin = now_ns();
  int pidfd = waits ? waiting_pidfd : begin_start();
#ifdef HOLD_NAMESPACES
  hold_namespaces(pidfd);
#endif
  if (waits) send_stages(kLater);
  read_reports();
  await_exit(pidfd);
  return now_ns() - begin;
}

static void remove_tree(int parent, const char *name) {
  if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT) return;
  int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  DIR *directory = fd < 0 ? NULL : fdopendir(fd);
  for (struct dirent *entry; directory && (entry = readdir(directory));) {
    if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
    if (unlinkat(fd, entry->d_name, 0) != 0) remove_tree(fd, entry->d_name);
  }
  if (directory) closedir(directory);
  unlinkat(parent, name, AT_REMOVEDIR);
}

static int in_cgroups(unsigned slot) {
  return slot < slot_files_count && strncmp(slot_files[slot], "/sys/fs/cgroup", 14) == 0;
}

/* A cgroup is busy until its last process is fully gone. */
static void remove_group(int parent, const char *name) {
  for (int tries = 0; unlinkat(parent, name, AT_REMOVEDIR) != 0 && errno == EBUSY && tries < 1000; tries++) usleep(200);
}

static void clean_up(void) {
  if (held_namespace >= 0) close(held_namespace);
  held_namespace = -1;
  if (held_ipc >= 0) close(held_ipc), close(held_network);
  for (unsigned i = leftover_count; i-- > 0;) {
    const struct Leftover *left = &leftovers[i];
    int parent = (int)slots[left->slot];
    if (!left->flags) unlinkat(parent, left->name, 0);
    else if (in_cgroups(left->slot)) remove_group(parent, left->name);
    else remove_tree(parent, left->name);
  }
  for (unsigned i = 0; i < keep_count; i++) close((int)slots[keep[i]]);
  char message[4096];
  while (guardian_end >= 0 && recv(guardian_end, message, sizeof message, MSG_DONTWAIT) > 0) continue;
}

static int open_slot(const char *file) {
  int pair[2];
  if (strncmp(file, "socket:", 7) != 0) return open(file, (strncmp(file, "/dev/", 5) ? O_RDONLY : O_RDWR) | O_CLOEXEC);
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) return -1;
  guardian_end = pair[1];
  return pair[0];
}

static void open_slots(void) {
  for (unsigned i = 0; i < slot_files_count; i++) {
    if (in_cgroups(i)) mkdir(slot_files[i], 0755);
    slots[i] = open_slot(slot_files[i]);
    if (slots[i] < 0) give_up(slot_files[i]);
  }
  for (unsigned i = 0; i < fire_files_count; i++) {
    fire_slots[i] = open_slot(fire_files[i]);
    if (fire_slots[i] < 0) give_up(fire_files[i]);
  }
}

static void keep_helper(const char *file) {
  char bytes[65536];
  int from = open(file, O_RDONLY | O_CLOEXEC);
  helper_fd = memfd_create("floor-init", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (from < 0 || helper_fd < 0) give_up(file);
  for (ssize_t got; (got = read(from, bytes, sizeof bytes)) > 0;)
    if (write(helper_fd, bytes, (size_t)got) != got) give_up(file);
  close(from);
  fcntl(helper_fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  keep_helper(argv[1]);
  open_slots();
  relocate(prepare_plan, prepare_plan_relocations, prepare_plan_count, prepare_plan_data);
  relocate(in_child_plan, in_child_plan_relocations, in_child_plan_count, in_child_plan_data);
  relocate(after_plan, after_plan_relocations, after_plan_count, after_plan_data);
  relocate(layers_plan, layers_plan_relocations, layers_plan_count, layers_plan_data);
  relocate(network_plan, network_plan_relocations, network_plan_count, network_plan_data);
  start_thread();
  child_stack = mmap(NULL, kStackSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  char request;
  if (waits) make_sandbox();
  if (write(1, "r", 1) != 1) return 1;
  while (read(0, &request, 1) == 1) {
    struct {
      char kind;
      uint64_t inside;
    } __attribute__((packed)) answer = {'d', run_once()};
    if (write(1, &answer, sizeof answer) != sizeof answer) return 1;
    clean_up();
    make_ahead();
    if (waits) make_sandbox();
  }
  return 0;
}
