// A hook of the container: a program of the host's or the container's, run by the helper and waited
// for. runtime-spec config.md, POSIX-platform Hooks.
#include <poll.h>
#include <sys/socket.h>

#include "init/init.h"

namespace slipway::init {
namespace {

namespace nr = sys::nr;

constexpr long kEchild = 10, kEtimedout = 110, kEintr = 4;
constexpr int kSigKill = 9;

// Its standard input is `input`; what it writes goes nowhere, since there is no terminal and no log
// in here. 127 as a shell has it: it was not executed.
[[noreturn]] void become_hook(int input, long path, long argv, long envp) noexcept {
  sys::raw_syscall(nr::dup3, input, 0, 0);
  const long nothing =
      sys::raw_syscall(nr::openat, -100 /* AT_FDCWD */, sys::ptr("/dev/null"), 1 /* O_WRONLY */);
  for (int fd = 1; fd < 3; fd++) {
    if (sys::failed(nothing)) {
      sys::raw_syscall(nr::close, fd);
    } else {
      sys::raw_syscall(nr::dup3, nothing, fd, 0);
    }
  }
  sys::raw_syscall(nr::close_range, 3, 0xffffffff, 0);
  sys::raw_syscall(nr::execve, path, argv, envp);
  leave(127);
}

// A hook that does not read all of it, or ends before, is no error.
void send_text(int socket, long text, long size) noexcept {
  for (long at = 0; at < size;) {
    const long sent =
        sys::raw_syscall(nr::sendto, socket, text + at, size - at, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent == -kEintr) continue;
    if (sent <= 0) return;
    at += sent;
  }
}

// False when the time is up. A negative limit is none.
bool await_end(int pidfd, long timeout_ms) noexcept {
  pollfd wanted{pidfd, POLLIN, 0};
  const long seconds = timeout_ms / 1000;
  const int64_t limit[2] = {seconds, (timeout_ms - seconds * 1000) * 1000000};
  for (;;) {
    const long ready = sys::raw_syscall(nr::ppoll, sys::ptr(&wanted), 1,
                                        timeout_ms < 0 ? 0 : sys::ptr(limit), 0, 8);
    if (ready != -kEintr) return ready > 0;
  }
}

long outcome_of(int status) noexcept {
  const int signal = status & 0x7f;
  if (signal != 0) return -(launch::kHookSignaled + signal);
  const int code = (status >> 8) & 0xff;
  return code == 0 ? 0 : -(launch::kHookExited + code);
}

}  // namespace

long run_hook(const long* args) noexcept {
  int pair[2];
  const long made =
      sys::raw_syscall(nr::socketpair, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sys::ptr(pair));
  if (sys::failed(made)) return made;
  const long pid = sys::raw_syscall(nr::clone, 17 /* SIGCHLD */);
  if (pid == 0) become_hook(pair[1], args[0], args[1], args[2]);
  sys::raw_syscall(nr::close, pair[1]);
  if (sys::failed(pid)) {
    sys::raw_syscall(nr::close, pair[0]);
    return pid;
  }
  send_text(pair[0], args[3], args[4]);
  sys::raw_syscall(nr::close, pair[0]);
  const long pidfd = sys::raw_syscall(nr::pidfd_open, pid, 0);
  const bool in_time = sys::failed(pidfd) || await_end(static_cast<int>(pidfd), args[5]);
  if (!sys::failed(pidfd)) sys::raw_syscall(nr::close, pidfd);
  if (!in_time) sys::raw_syscall(nr::kill, pid, kSigKill);
  int status = 0;
  long ended;
  do {
    ended = sys::raw_syscall(nr::wait4, pid, sys::ptr(&status), 0, 0);
  } while (ended == -kEintr);
  if (!in_time) return -kEtimedout;
  return ended == pid ? outcome_of(status) : -kEchild;
}

}  // namespace slipway::init
