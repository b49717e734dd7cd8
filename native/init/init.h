// slipway-init: the sealed helper every launch child executes. It runs the stages the engine sends,
// then is the payload, the container's small PID 1, or the guardian.
#pragma once
#include <stdint.h>

#include "launch/executor.h"

extern "C" void* memset(void* target, int value, size_t size);

namespace slipway::init {

// Reads stages from `ctl` and runs them until one of them does not return. Exits when the engine
// closes its end.
// `progress_fd` and `progress_cell`: see launch/progress.h; -1 for none. `birth`: the socket of a
// plan that comes before, and is run by another process: see kBirth; -1 for none.
[[noreturn]] void run(int ctl, int progress_fd, int progress_cell, int birth) noexcept;

// For processes that go on in this program: they share nothing with other containers' starts.
void forget_progress() noexcept;

// PID 1 of a container: reaps, forwards signals to `child`, ends with its status (128+n for a
// signal).
[[noreturn]] void reap(int32_t child) noexcept;

// Kills every registered process when the engine is gone: end of file on `socket`, or `engine` (a
// pidfd) readable.
[[noreturn]] void guard(int socket, int engine) noexcept;

// Arguments as of OpKind::kRunHook. 0, a negative errno, or how it ended: see kHookExited.
long run_hook(const long* args) noexcept;

// A second thread, which the filter that this one loads next does not hold. 0 or a negative errno.
// `may_sleep`: the filter admits nanosleep(2).
long start_stand_in(bool may_sleep) noexcept;
// Made by the stand-in where there is one, and by the caller elsewhere.
long call_unfiltered(long number, long a = 0, long b = 0, long c = 0) noexcept;

[[noreturn]] void leave(int status) noexcept;
int parse_number(const char* text) noexcept;

}  // namespace slipway::init
