// A namespace needs a process as long as its maps are written, and is kept by a descriptor from
// then on. mount_setattr(2), ID-mapped mounts.
#include "launch/user_namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>

#include "sys/raw.h"
#include "sys/unique_fd.h"

namespace slipway::launch {
namespace {

namespace nr = sys::nr;

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
  const sys::UniqueFd file(open(path, O_WRONLY | O_CLOEXEC));
  if (!file) return errno;
  return write(file.get(), text, strlen(text)) < 0 ? errno : 0;
}

long open_mapped(long pid, const char* uid_map, const char* gid_map) noexcept {
  char path[64];
  snprintf(path, sizeof path, "/proc/%ld/gid_map", pid);
  if (const int error = write_file(path, gid_map)) return -error;
  snprintf(path, sizeof path, "/proc/%ld/uid_map", pid);
  if (const int error = write_file(path, uid_map)) return -error;
  snprintf(path, sizeof path, "/proc/%ld/ns/user", pid);
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  return fd < 0 ? -errno : fd;
}

}  // namespace

// Memory is copied, not shared: nothing of the engine's is ever in a namespace of less trust. That
// takes milliseconds in a large process, and only who asks for a map of its own pays.
long clone_into_user_namespace(int* pidfd) noexcept {
  const long engine = getpid();
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
  while (waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(pidfd), nullptr,
                WEXITED | __WALL) != 0 &&
         errno == EINTR) {
  }
}

long make_user_namespace(const char* uid_map, const char* gid_map) noexcept {
  int raw_pidfd = -1;
  const long pid = clone_into_user_namespace(&raw_pidfd);
  if (sys::failed(pid)) return pid;
  const sys::UniqueFd pidfd(raw_pidfd);
  const long made = open_mapped(pid, uid_map, gid_map);
  end_clone(pidfd.get());
  return made;
}

}  // namespace slipway::launch
