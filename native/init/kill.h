// SIGKILL for everybody in a cgroup, by the path of its cgroup.kill or cgroup.procs file.
#pragma once

namespace slipway::init {

inline constexpr int kSigKill = 9;
// Of killing a cgroup, a millisecond apart: one that still has somebody then waits for a dead file
// system, and takes its signal with it.
inline constexpr int kKillRounds = 1000;

// True when somebody was there: then it is to be called again.
bool kill_cgroup(const char* path) noexcept;
// In rounds, until nobody is left. An empty path is nobody's.
void kill_everyone_in(const char* path) noexcept;
// The group of this file goes once nobody is in it; the path is cut to the group's.
void remove_group_of(char* path) noexcept;
void pause_ms(long ms) noexcept;

}  // namespace slipway::init
