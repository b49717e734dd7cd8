// A thread waits as a shell would, and a clock is read on both sides.
#include "launch/command.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sys/raw.h"
#include "sys/unique_fd.h"

namespace slipway::launch {
namespace {

namespace nr = sys::nr;

constexpr int kLastSignal = 64;
constexpr long kCloseRangeCloexec = 4;  // linux/close_range.h
constexpr int kNotEntered = 125, kNotFound = 127;

// The kernel's own, which libc's `struct sigaction` is not.
struct KernelAction {
  uintptr_t handler = 0;  // SIG_DFL
  uint64_t flags = 0, restorer = 0, mask = 0;
};

// Everything the child reads, made before it exists.
struct Start {
  char* const* argv;
  char* const* env;
  const int* fds;
  int mount_namespace;
};

int64_t now_ns() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

// CHILD, in the parent's memory: async-signal-safe calls only. Signals are as a shell leaves them,
// and a Ctrl-C on the terminal is not its business.
[[noreturn]] void become(const Start& start) {
  const KernelAction standard;
  for (long signal = 1; signal <= kLastSignal; signal++)
    sys::raw_syscall(nr::rt_sigaction, signal, reinterpret_cast<long>(&standard), 0, 8);
  const uint64_t none = 0;
  sys::raw_syscall(nr::rt_sigprocmask, SIG_SETMASK, reinterpret_cast<long>(&none), 0, 8);
  (void)setpgid(0, 0);
  if (start.mount_namespace >= 0 &&
      (setns(start.mount_namespace, CLONE_NEWNS) != 0 || chdir("/") != 0))
    _exit(kNotEntered);
  for (int fd = 0; fd < 3; fd++)
    if (dup2(start.fds[fd], fd) < 0) _exit(kNotEntered);
  // What the host itself was started with, too. Linux 5.11; before that such a one goes along.
  sys::raw_syscall(nr::close_range, 3, ~0U, kCloseRangeCloexec);
  execve(start.argv[0], start.argv, start.env);
  _exit(kNotFound);
}

// vfork(2): no copy of the host's page tables, so its size does not count.
[[gnu::noinline]] pid_t start_child(const Start& start) {
  const pid_t pid = vfork();
  if (pid == 0) become(start);
  return pid;
}

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> list;
  list.reserve(words.size() + 1);
  for (std::string& word : words) list.push_back(word.data());
  list.push_back(nullptr);
  return list;
}

// True when `pid` has ended in time.
bool ends_within(pid_t pid, int timeout_ms) {
  const sys::UniqueFd pidfd(static_cast<int>(sys::raw_syscall(nr::pidfd_open, pid, 0)));
  pollfd ended{pidfd.get(), POLLIN, 0};
  for (;;) {
    const int ready = poll(&ended, 1, timeout_ms);
    if (ready >= 0 || errno != EINTR) return ready != 0;
  }
}

}  // namespace

void Command::run() {
  const std::vector<char*> arguments = pointers(argv), variables = pointers(env);
  const Start start{arguments.data(), variables.data(), fds, mount_namespace};
  const int64_t begin = now_ns();
  const pid_t pid = start_child(start);
  if (pid < 0) {
    error = errno;
    return;
  }
  timed_out = !ends_within(pid, timeout_ms);
  if (timed_out) (void)kill(-pid, SIGKILL);
  while (waitpid(pid, &wait_status, 0) < 0) {
    if (errno == EINTR) continue;
    error = errno;
    return;
  }
  elapsed_ns = now_ns() - begin;
}

}  // namespace slipway::launch
