// What the monitor tells of its container: the state file in its run directory, and the exit record
// in the container's. src/model/monitor-state.ts reads both.
#pragma once
#include "init/monitor_base.h"
#include "init/monitor_launch.h"

namespace slipway::init {

enum class Status : uint32_t { kStarting, kRunning, kRestarting, kStopped };
enum class Health : uint32_t { kNone, kStarting, kHealthy, kUnhealthy };

struct State {
  Status status = Status::kStarting;
  int32_t pid = 0;
  uint64_t start_time = 0;  // in clock ticks since the boot
  int64_t begun_ms = 0;     // since 1970
  uint32_t restarts = 0;
  int64_t next_ms = 0;  // since 1970, with kRestarting
  Health health = Health::kNone;
  uint32_t failing = 0;
};
extern State state;

// Of the heads in the table: a state goes out in one frame.
inline constexpr uint32_t kMaxStateHead = 56 << 10, kMaxExitHead = 2 << 10;

struct End {
  int32_t code = -1;  // 128 + n for a signal; -1: unknown, or never executed
  int32_t signal = 0;
  bool is_oom = false;         // that killed the first process
  bool had_oom_kills = false;  // whoever was killed
  int64_t ended_ms = 0;
  bool was_stopped = false;
  bool has_failed = false;
  Failure failure;
};

// Writes the file and tells who watches. 0 or an errno.
int publish_state() noexcept;
// Writes the file. 0 or an errno: then whoever looks for the container finds what was there before.
int note_state(const State& noted) noexcept;
// On the disk, unless the container is removed anyway; then to the journal. `is_last`: nobody needs
// the state any more. The text is for who watches, and good until the next one.
Text note_exit(const End& end, bool is_kept, bool is_last) noexcept;

// Field 22 of /proc/<pid>/stat, 0 where it cannot be read.
uint64_t start_time_of(int32_t pid) noexcept;
// The symlink by which others find the first process, e.g. its namespaces.
void point_to_process(int32_t pid) noexcept;
// More than none were killed for lack of memory.
bool has_oom_kills(const char* path) noexcept;
// How a process ended that is another's child: as of wait4(2), -1 where that is not to be known.
int32_t status_of_other(int32_t pid, int pidfd) noexcept;

// All that is in the run directory but the lock. `keeps_state`: it says that there was a run while
// something is still to be done about it.
void clear_run_directory(bool keeps_state) noexcept;

}  // namespace slipway::init
