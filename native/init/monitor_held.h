// Processes of the container that whoever made them has left to it: the monitor holds their
// terminals open and tells the journal of their ends. src/engine/detached/exec.ts hands them over.
#pragma once
#include "init/monitor_base.h"

namespace slipway::init {

inline constexpr size_t kExecIdSize = 64;  // hex digits

// What comes with the request, as it is on the wire.
struct HoldRequest {
  int32_t pid;
  uint32_t was_attached;  // 1: somebody had it until now, and leaves it
  char exec_id[kExecIdSize];
};
static_assert(sizeof(HoldRequest) == 72);

// Takes the pidfd and the terminal's master (or -1), or closes them. 0 or an errno.
int32_t hold(const HoldRequest& request, int pidfd, int terminal) noexcept;

void serve_held_end(uint32_t index) noexcept;
// What it writes goes nowhere, so that it never waits for a reader.
void serve_held_terminal(uint32_t index) noexcept;
// The container has ended, and everybody with it.
void end_held() noexcept;

}  // namespace slipway::init
