// A thread beside the one that becomes the payload, for what that one has yet to say once its
// seccomp filter is loaded: a filter holds the thread that loads it, and the stand-in makes the
// calls that it would refuse, kill for, or hand to a listener nobody has yet.
//
//   payload's thread                        stand-in
//   kStandIn                     ─ clone ─▶ sleeps, looks
//   load seccomp filter                     …
//   errand: number, arguments    ─ state ─▶ makes the call
//   sleeps if it may, looks      ◀─ state ─ result
//   execve                       ─ kill ──▶ gone: execve(2) ends every other thread
//
// The two have memory and descriptors in common, so nothing passes between them that a filter sees:
// the payload's thread makes no call at all where it may not sleep. No call of it that waits for a
// listener can keep the listener's descriptor from being handed over.
#include "init/init.h"
#include "sys/clone.h"

namespace slipway::init {
namespace {

namespace nr = sys::nr;

enum State : uint32_t { kIdle, kAsked, kDone };

struct Errand {
  uint32_t state = kIdle;
  long number = 0, arguments[3] = {};
  long result = 0;
};

constexpr uint64_t kStackSize = 16 << 10;
constexpr long kShortestNs = 20'000, kLongestNs = 2'000'000;

alignas(16) uint8_t stack[kStackSize];
Errand errand;
bool stands_in = false;
bool sleeps = false;

void sleep_for(long ns) noexcept {
  const int64_t time[2] = {0, ns};
  sys::raw_syscall(nr::nanosleep, sys::ptr(time));
}

// A payload's thread that waits for a listener's answer has nothing to ask for, however long that
// takes.
void stand_in(Errand* wanted) noexcept {
  for (long pause = kShortestNs;;) {
    if (__atomic_load_n(&wanted->state, __ATOMIC_ACQUIRE) != kAsked) {
      sleep_for(pause);
      if (pause < kLongestNs) pause *= 2;
      continue;
    }
    const long* a = wanted->arguments;
    wanted->result = sys::raw_syscall(wanted->number, a[0], a[1], a[2]);
    __atomic_store_n(&wanted->state, kDone, __ATOMIC_RELEASE);
    pause = kShortestNs;
  }
}

void wait_a_little() noexcept {
  if (sleeps) return sleep_for(kShortestNs);
#if defined(__x86_64__)
  asm volatile("pause");
#else
  asm volatile("yield");
#endif
}

}  // namespace

long start_stand_in(bool may_sleep) noexcept {
  clone_args how{};
  how.flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
  how.stack = reinterpret_cast<uint64_t>(stack);
  how.stack_size = kStackSize;
  const long thread = sys::clone_onto(&how, stand_in, &errand);
  if (sys::failed(thread)) return thread;
  stands_in = true;
  sleeps = may_sleep;
  return 0;
}

long call_unfiltered(long number, long a, long b, long c) noexcept {
  if (!stands_in) return sys::raw_syscall(number, a, b, c);
  errand.number = number;
  errand.arguments[0] = a;
  errand.arguments[1] = b;
  errand.arguments[2] = c;
  __atomic_store_n(&errand.state, kAsked, __ATOMIC_RELEASE);
  while (__atomic_load_n(&errand.state, __ATOMIC_ACQUIRE) != kDone) wait_a_little();
  __atomic_store_n(&errand.state, kIdle, __ATOMIC_RELAXED);
  return errand.result;
}

}  // namespace slipway::init
