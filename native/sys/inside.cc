// clone(2) with CLONE_VM and CLONE_VFORK: what posix_spawn(3) does, but for the exec.
#include "sys/inside.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace slipway::sys {
namespace {

// Trees of 256 levels are walked recursively. Untouched pages cost nothing.
constexpr size_t kStackSize = 8 << 20;
constexpr size_t kGuardSize = 64 << 10;

thread_local bool inside = false;

struct Args {
  int user_namespace;
  pid_t engine;
  const std::function<void()>* body;
  int error = ECHILD;
};

// The second process. It dies with the engine: should the engine be gone already when that is
// asked for, it is not the parent any more. Setting the signal comes after the change of
// credentials, which would clear it (prctl(2)).
int inside_main(void* data) {
  auto* args = static_cast<Args*>(data);
  if (setns(args->user_namespace, CLONE_NEWUSER) != 0) {
    args->error = errno;
  } else {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NAME, "slipway-files");
    if (getppid() == args->engine) {
      inside = true;
      (*args->body)();
      inside = false;
      args->error = 0;
    }
  }
  // No handler of exit(3): they are the engine's.
  syscall(SYS_exit, 0);
  return 0;
}

class Stack {
 public:
  Stack()
      : base_(mmap(nullptr, kGuardSize + kStackSize, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0)) {
    if (base_ != MAP_FAILED) (void)mprotect(base_, kGuardSize, PROT_NONE);
  }
  Stack(const Stack&) = delete;
  Stack& operator=(const Stack&) = delete;
  ~Stack() {
    if (base_ != MAP_FAILED) munmap(base_, kGuardSize + kStackSize);
  }
  // Null where there is no memory.
  [[nodiscard]] void* top() const {
    return base_ == MAP_FAILED ? nullptr : static_cast<char*>(base_) + kGuardSize + kStackSize;
  }

 private:
  void* base_;
};

}  // namespace

bool is_inside_user_namespace() noexcept { return inside; }

int run_inside(int user_namespace, const std::function<void()>& body) {
  const Stack stack;
  if (stack.top() == nullptr) return ENOMEM;
  Args args{user_namespace, getpid(), &body};
  // No exit signal: nobody else in the engine's process is told of it or waits for it.
  const int pid = clone(inside_main, stack.top(), CLONE_VM | CLONE_VFORK | CLONE_FILES, &args);
  if (pid < 0) return errno;
  while (waitpid(pid, nullptr, __WALL) < 0 && errno == EINTR) {
  }
  inside = false;
  return args.error;
}

}  // namespace slipway::sys
