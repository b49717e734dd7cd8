// A launch without an engine: what launch.cc does on its threads, in one, with a child whose
// control socket is served by the monitor's loop.
#pragma once
#include "init/monitor_base.h"

namespace slipway::init {

// Phase of a failure to write down what is about to run: src/native/addon.ts, PHASE.
inline constexpr uint32_t kMonitorPhase = 8;

// As the engine tells of it: launch::Phase, and where in it. `error` 0 of a failed start: it died,
// and `op` is the word of launch/progress.h that it wrote last.
struct Failure {
  uint32_t phase = 0, stage = 0, op = 0;
  int32_t error = 0;
};

// A start that is under way, or a process that runs.
struct Child {
  int32_t pid = 0;
  int pidfd = -1;
  int ctl = -1;
};

// The streams are borrowed. False where it failed: then nothing is left but `child`, killed, which
// is to be waited for where there is one. `on_born`, if any, is called when the child is there and
// cannot have become the payload yet; what it gives is 0, or the errno that ends the start.
bool launch_child(const MonitorLaunch& launch, const int (&streams)[3], Child* child,
                  Failure* failure, int (*on_born)(const Child&) noexcept = nullptr) noexcept;

// How far a start had come, which is over now: a word of launch/progress.h, 0 for none.
uint32_t take_progress() noexcept;

struct Ended {
  int32_t code = 0, signal = 0;
};
// False while it lives; and where it is another's child.
bool reap(const Child& child, Ended* ended) noexcept;
// Of one that was sent SIGKILL, if there is one. Who waits for a dead file system is not waited
// for.
void await_end(const Child& child) noexcept;

// A plan of its own, such as the one that removes the groups.
void run_apart(Section plan) noexcept;

// What a child says on its control socket.
class Reports {
 public:
  enum class News { kNothing, kTerminal, kOver };

  // To be called until it is kNothing, or kOver: the end of file. With kTerminal `*fd` is the
  // master, and the caller's.
  News read(int ctl, int* fd) noexcept;
  // The last stage was done when it was last heard of: what comes next is the payload.
  [[nodiscard]] bool all_done(uint32_t stages) const noexcept { return stages_done_ == stages; }
  // Of the child's own part; `error` 0: none was told.
  [[nodiscard]] const Failure& failure() const noexcept { return failure_; }

 private:
  bool receive(int ctl) noexcept;
  bool understand() noexcept;

  uint32_t header_[2] = {};
  uint8_t body_[64] = {};
  uint32_t have_ = 0;  // of header and body
  uint32_t stages_done_ = 0;
  int fd_ = -1;
  bool is_over_ = false;
  Failure failure_;
};

}  // namespace slipway::init
