// A namespace needs a process as long as its maps are written, and is kept by a descriptor from
// then on. mount_setattr(2), ID-mapped mounts. Raw calls alone: part of the helper, too.
#include "launch/user_namespace.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "sys/raw.h"

namespace slipway::launch {
namespace {

namespace nr = sys::nr;

constexpr long kPidfd = 3;  // P_PIDFD, Linux 5.4
constexpr long kEintr = 4;

// CHILD: a copy of the engine in which other threads' locks may be held for ever, so it makes raw
// calls alone. It dies with the thread that made it.
[[noreturn]] void live_until_killed(long engine) noexcept {
  sys::raw_syscall(nr::prctl, PR_SET_PDEATHSIG, SIGKILL);
  // The engine may have been killed before that: then nobody ever sends the signal.
  while (sys::raw_syscall(nr::getppid) != engine) sys::raw_syscall(nr::exit_group, 0);
  const int64_t hour[2] = {3600, 0};
  for (;;) sys::raw_syscall(nr::nanosleep, sys::ptr(hour), 0);
}

int write_file(const char* path, const char* text) noexcept {
  const long file = sys::raw_syscall(nr::openat, AT_FDCWD, sys::ptr(path), O_WRONLY | O_CLOEXEC);
  if (sys::failed(file)) return static_cast<int>(-file);
  long size = 0;
  while (text[size] != 0) size++;
  const long written = sys::raw_syscall(nr::write, file, sys::ptr(text), size);
  sys::raw_syscall(nr::close, file);
  return sys::failed(written) ? static_cast<int>(-written) : 0;
}

// `/proc/<pid>/<name>`.
struct ProcPath {
  char text[64];

  ProcPath(long pid, const char* name) noexcept {
    char* end = put(text, "/proc/");
    char digits[20];
    char* first = digits + sizeof digits;
    *--first = 0;
    for (long rest = pid; rest > 0; rest /= 10) *--first = static_cast<char>('0' + rest % 10);
    end = put(put(put(end, first), "/"), name);
    *end = 0;
  }

  static char* put(char* to, const char* from) noexcept {
    while (*from != 0) *to++ = *from++;
    return to;
  }
};

long open_mapped(long pid, const char* uid_map, const char* gid_map) noexcept {
  if (const int error = write_file(ProcPath(pid, "gid_map").text, gid_map)) return -error;
  if (const int error = write_file(ProcPath(pid, "uid_map").text, uid_map)) return -error;
  return sys::raw_syscall(nr::openat, AT_FDCWD, sys::ptr(ProcPath(pid, "ns/user").text),
                          O_RDONLY | O_CLOEXEC);
}

}  // namespace

// Memory is copied, not shared: nothing of the engine's is ever in a namespace of less trust. That
// takes milliseconds in a large process, and only who asks for a map of its own pays.
long clone_into_user_namespace(int* pidfd) noexcept {
  const long engine = sys::raw_syscall(nr::getpid);
  clone_args how{};
  how.flags = CLONE_NEWUSER | CLONE_PIDFD | CLONE_CLEAR_SIGHAND;
  how.pidfd = reinterpret_cast<uint64_t>(pidfd);
  const long pid = sys::raw_syscall(nr::clone3, sys::ptr(&how), sizeof how);
  if (pid == 0) live_until_killed(engine);
  return pid;
}

void end_clone(int pidfd) noexcept {
  sys::raw_syscall(nr::pidfd_send_signal, pidfd, SIGKILL, 0, 0);
  // It has no exit signal, so nobody else is told of it or waits for it.
  while (sys::raw_syscall(nr::waitid, kPidfd, pidfd, 0, WEXITED | __WALL, 0) == -kEintr) {
  }
}

long make_user_namespace(const char* uid_map, const char* gid_map) noexcept {
  int pidfd = -1;
  const long pid = clone_into_user_namespace(&pidfd);
  if (sys::failed(pid)) return pid;
  const long made = open_mapped(pid, uid_map, gid_map);
  end_clone(pidfd);
  sys::raw_syscall(nr::close, pidfd);
  return made;
}

}  // namespace slipway::launch
