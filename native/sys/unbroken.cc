// clone(2) with CLONE_VM and CLONE_VFORK: the wait of the calling thread ends by SIGKILL alone.
#include "sys/unbroken.h"

#include <errno.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace slipway::sys {
namespace {

// Sanitizers take much of it.
constexpr size_t kStackSize = 256 << 10;

struct Apart {
  void (*main)(void*);
  void* data;
};

int apart_main(void* data) {
  auto* apart = static_cast<Apart*>(data);
  apart->main(apart->data);
  // No handler of exit(3): they are the engine's.
  syscall(SYS_exit, 0);
  return 0;
}

}  // namespace

Unbroken::Unbroken() noexcept
    : stack_(mmap(nullptr, kStackSize, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0)) {}

Unbroken::~Unbroken() {
  if (stack_ != MAP_FAILED) munmap(stack_, kStackSize);
}

void Unbroken::run_apart(void (*main)(void*), void* data) noexcept {
  Apart apart{main, data};
  // No exit signal: nobody else in the engine's process is told of it or waits for it.
  const int flags = CLONE_VM | CLONE_VFORK | CLONE_FILES;
  const int pid = stack_ == MAP_FAILED
                      ? -1
                      : clone(apart_main, static_cast<char*>(stack_) + kStackSize, flags, &apart);
  if (pid < 0) return main(data);
  while (waitpid(pid, nullptr, __WALL) < 0 && errno == EINTR) {
  }
}

}  // namespace slipway::sys
