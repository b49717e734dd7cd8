#include "init/kill.h"

#include "init/init.h"

namespace slipway::init {
namespace {

namespace nr = sys::nr;

char text[1 << 16];

long open_path(const char* path, int flags) noexcept {
  return sys::raw_syscall(nr::openat, -100 /* AT_FDCWD */, sys::ptr(path),
                          flags | 02000000 /* O_CLOEXEC */);
}

// Sends SIGKILL to every process in the text of a cgroup.procs file; returns how many there were.
int kill_listed(long size) noexcept {
  int killed = 0;
  int pid = 0;
  for (long i = 0; i < size; i++) {
    if (text[i] >= '0' && text[i] <= '9') {
      pid = pid * 10 + (text[i] - '0');
    } else if (pid > 0) {
      sys::raw_syscall(nr::kill, pid, kSigKill);
      killed++;
      pid = 0;
    }
  }
  return killed;
}

// cgroup v1 has no cgroup.kill (and v2 only from 5.14): to be called until a reading finds nobody,
// which is when this returns false. A fork bomb loses because its pids are read again and again.
bool kill_by_procs(const char* path) noexcept {
  const long fd = open_path(path, 0);
  if (sys::failed(fd)) return false;
  const long size = sys::raw_syscall(nr::read, fd, sys::ptr(text), sizeof text);
  sys::raw_syscall(nr::close, fd);
  return size > 0 && kill_listed(size) > 0;
}

bool ends_with_kill(const char* path) noexcept {
  size_t size = 0;
  while (path[size] != 0) size++;
  return size > 5 && path[size - 5] == '.' && path[size - 4] == 'k' && path[size - 3] == 'i';
}

}  // namespace

void pause_ms(long ms) noexcept {
  const int64_t time[2] = {0, ms * 1000000};
  sys::raw_syscall(nr::nanosleep, sys::ptr(time), 0);
}

bool kill_cgroup(const char* path) noexcept {
  if (!ends_with_kill(path)) return kill_by_procs(path);
  const long fd = open_path(path, 1);
  if (sys::failed(fd)) return false;
  sys::raw_syscall(nr::write, fd, sys::ptr("1"), 1);
  sys::raw_syscall(nr::close, fd);
  return false;
}

void kill_everyone_in(const char* path) noexcept {
  if (path[0] == 0) return;
  for (int round = 0; round < kKillRounds && kill_cgroup(path); round++) pause_ms(1);
}

void remove_group_of(char* path) noexcept {
  size_t end = 0;
  for (size_t i = 0; path[i] != 0; i++) {
    if (path[i] == '/') end = i;
  }
  path[end] = 0;
  for (int round = 0; round < kKillRounds; round++) {
    const long result = sys::raw_syscall(nr::unlinkat, -100 /* AT_FDCWD */, sys::ptr(path),
                                         0x200 /* AT_REMOVEDIR */);
    if (result != -16 /* EBUSY */) return;
    pause_ms(1);
  }
}

}  // namespace slipway::init
