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

#include <mutex>

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

// The process's memory is nobody else's to look at while one of us is in a namespace whose root may
// see our pid: a container that shares the host's. It is all of the process that this is about.
class Undumpable {
 public:
  explicit Undumpable(bool wanted) : wanted_(wanted) {
    if (!wanted_) return;
    const std::lock_guard<std::mutex> lock(mutex_);
    if (users_++ > 0) return;
    before_ = prctl(PR_GET_DUMPABLE);
    prctl(PR_SET_DUMPABLE, 0);
  }
  Undumpable(const Undumpable&) = delete;
  Undumpable& operator=(const Undumpable&) = delete;
  ~Undumpable() {
    if (!wanted_) return;
    const std::lock_guard<std::mutex> lock(mutex_);
    if (--users_ == 0 && before_ == 1) prctl(PR_SET_DUMPABLE, 1);
  }

 private:
  static std::mutex mutex_;
  static int users_, before_;
  const bool wanted_;
};
std::mutex Undumpable::mutex_;
int Undumpable::users_ = 0, Undumpable::before_ = 0;

// Raw calls: glibc's wrappers would change the engine's threads, too. Whoever made the namespace
// for itself is its root already.
int become_root() {
  if (syscall(SYS_geteuid) == 0 && syscall(SYS_getegid) == 0) return 0;
  (void)syscall(SYS_setgroups, 0, nullptr);
  const bool done = syscall(SYS_setresgid, 0, 0, 0) == 0 && syscall(SYS_setresuid, 0, 0, 0) == 0;
  return done ? 0 : errno;
}

// The second process. It dies with the engine: should the engine be gone already when that is
// asked for, it is not the parent any more. Setting the signal comes after the change of
// credentials, which would clear it (prctl(2)).
int inside_main(void* data) {
  auto* args = static_cast<Args*>(data);
  if (setns(args->user_namespace, CLONE_NEWUSER) != 0) {
    args->error = errno;
  } else if (const int refused = become_root(); refused != 0) {
    args->error = refused;
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
  const Undumpable while_inside(geteuid() == 0);
  // No exit signal: nobody else in the engine's process is told of it or waits for it.
  const int pid = clone(inside_main, stack.top(), CLONE_VM | CLONE_VFORK | CLONE_FILES, &args);
  if (pid < 0) return errno;
  while (waitpid(pid, nullptr, __WALL) < 0 && errno == EINTR) {
  }
  inside = false;
  return args.error;
}

}  // namespace slipway::sys
