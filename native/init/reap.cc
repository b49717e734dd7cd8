// The small PID 1 of `--init`: reaps every orphan, forwards every signal, ends as its child ends.
// Same duty as tini(1).
#include <signal.h>

#include "init/init.h"

namespace slipway::init {
namespace {

namespace nr = sys::nr;
constexpr uint64_t kAllSignals = ~0ull;
constexpr int kSigChld = 17;

int status_of(int status) noexcept {
  return (status & 0x7f) == 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f);
}

// Reaps all that is dead; ends this process when `child` is among them.
void reap_dead(int32_t child) noexcept {
  for (;;) {
    int status = 0;
    const long pid = sys::raw_syscall(nr::wait4, -1, sys::ptr(&status), 1 /* WNOHANG */, 0);
    if (pid <= 0) return;
    if (pid == child) leave(status_of(status));
  }
}

}  // namespace

[[noreturn]] void reap(int32_t child) noexcept {
  sys::raw_syscall(nr::prctl, 15 /* PR_SET_NAME */, sys::ptr("slipway-init"));
  forget_progress();
  // Nothing stays open here: the payload alone decides when its streams end.
  sys::raw_syscall(nr::close_range, 0, 0xffffffff, 0);
  sys::raw_syscall(nr::rt_sigprocmask, 0 /* SIG_BLOCK */, sys::ptr(&kAllSignals), 0, 8);
  for (;;) {
    reap_dead(child);
    const long signal = sys::raw_syscall(nr::rt_sigtimedwait, sys::ptr(&kAllSignals), 0, 0, 8);
    if (signal > 0 && signal != kSigChld) sys::raw_syscall(nr::kill, child, signal);
  }
}

}  // namespace slipway::init
