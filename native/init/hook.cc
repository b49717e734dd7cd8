// A hook of the container: a program of the host's or the container's, run by the helper and waited
// for. runtime-spec config.md, POSIX-platform Hooks.
#include <poll.h>
#include <sys/socket.h>

#include "init/init.h"

namespace slipway::init {
namespace {

namespace nr = sys::nr;

constexpr long kEchild = 10, kEtimedout = 110, kEintr = 4, kEagain = 11;
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

struct Input {
  int socket;  // -1 when all is said
  long text;
  long size;

  void end() noexcept {
    if (socket >= 0) sys::raw_syscall(nr::close, socket);
    socket = -1;
  }

  // As much as it takes now. A hook that does not read all of it, or ends before, is no error.
  void send() noexcept {
    const long sent = sys::raw_syscall(nr::sendto, socket, text, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent == -kEintr || sent == -kEagain) return;
    text += sent;
    size -= sent;
    if (sent <= 0 || size == 0) end();
  }
};

// False when the time is up. A negative limit is none. The kernel leaves in `left` what is left of
// the time, ppoll(2), C library/kernel differences.
bool attend(int pidfd, Input* input, long timeout_ms) noexcept {
  const long seconds = timeout_ms / 1000;
  int64_t left[2] = {seconds, (timeout_ms - seconds * 1000) * 1000000};
  for (;;) {
    pollfd wanted[2] = {{pidfd, POLLIN, 0}, {input->socket, POLLOUT, 0}};
    const long ready =
        sys::raw_syscall(nr::ppoll, sys::ptr(wanted), 2, timeout_ms < 0 ? 0 : sys::ptr(left), 0, 8);
    if (ready == -kEintr) continue;
    if (ready <= 0) return false;
    if (wanted[0].revents != 0) return true;
    input->send();
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
  Input input{pair[0], args[3], args[4]};
  const long pidfd = sys::raw_syscall(nr::pidfd_open, pid, 0);
  const bool in_time = !sys::failed(pidfd) && attend(static_cast<int>(pidfd), &input, args[5]);
  input.end();
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
