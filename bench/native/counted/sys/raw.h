// Stands before native/sys/raw.h where the instructions of a launch are counted: every system call
// is a call of `raw_syscall` below, which the counting program answers itself, and the clone is one
// that has no child.
#pragma once
#include <sys/syscall.h>

#define raw_syscall real_syscall
#define clone3 real_clone3
#include "../../../../native/sys/raw.h"
#undef clone3
#undef raw_syscall

namespace slipway::sys {

long raw_syscall(long nr, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0,
                 long f = 0) noexcept;

namespace nr {
// Answers with a process number, as the parent's side of a clone does.
inline constexpr long clone3 = SYS_getpid;
}  // namespace nr

}  // namespace slipway::sys
