// The messages between the engine and its launch child, on one stream socket pair ("ctl").
//
//   engine → child   StageHeader, plan bytes; the header carries descriptors (SCM_RIGHTS) for slots
//   fd_base… child → engine   ReportHeader, body:  kFailed | kTimings | kFd (with SCM_RIGHTS) |
//   kWaiting end of file      the payload was executed (the child's end is close-on-exec), or the
//   child died: its status tells
//   engine → child   after a kFd that is to be answered (OpKind::kHandOver): any bytes, such as the
//   header of a stage without operations; end of file where it could not be passed on
//
// A cold start sends every stage by itself, before the clone where nothing has to happen in
// between; an armed sandbox gets its last stage when it is fired. One path: only the time of
// sending differs. The times of all stages run so far are told together: when a sandbox begins to
// wait, and last of all before the payload, so that a cold start wakes the engine once.
#pragma once
#include <stdint.h>

namespace slipway::launch {

inline constexpr uint32_t kStageMagic = 0x54534c53;  // "SLST"
inline constexpr unsigned kMaxStageFds = 200;        // the kernel's own bound is SCM_MAX_FD, 253

struct StageHeader {
  uint32_t magic;
  uint32_t size;      // of the plan that follows, in bytes
  uint32_t fd_count;  // descriptors that come with this header
  uint32_t fd_base;   // slot of the first one
  uint32_t more;      // another stage follows by itself: no sandbox that waits to be fired
};

enum class ReportType : uint32_t { kFailed = 1, kTimings = 2, kFd = 3, kWaiting = 4, kBorn = 5 };

struct ReportHeader {
  uint32_t type;
  uint32_t size;  // of the body, in bytes
};

struct FailedBody {
  uint32_t stage;
  uint32_t op;
  int32_t error;
};
inline constexpr uint32_t kStageBeforeExec =
    0xffffffff;  // the clone itself failed to become the helper
// kBorn body: the pid of the process in namespaces that were joined; its pidfd comes with it. On a
// socket of its own, since the two would otherwise speak at once.
inline constexpr uint32_t kOpProtocol = 0xffffffff;  // no operation: the stage was malformed

// kTimings body: this, then op_count × uint32, the counter's advance from start_cycles to the
// operation's end; 0 = not run.
struct TimingsBody {
  uint64_t start_ns;  // CLOCK_MONOTONIC
  uint64_t end_ns;
  uint64_t start_cycles;
  uint64_t end_cycles;
  uint32_t stage;
  uint32_t op_count;
  uint32_t fd_count;  // descriptors that came with this report: none, or the mount namespace
  uint32_t reserved;
};

}  // namespace slipway::launch
