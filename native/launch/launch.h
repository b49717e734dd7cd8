// The engine's half of a start: what is done before the clone, the clone itself, and what is sent
// to the child.
#pragma once
#include <stdint.h>

#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "launch/plan.h"

namespace slipway::launch {

// A plan in memory of its own: the executor writes into it.
class PlanBytes {
 public:
  // False when `bytes` is not a whole plan. No bytes are a plan without operations.
  bool assign(const std::vector<uint8_t>& bytes);
  [[nodiscard]] bool uses_only(bool (*allowed)(uint32_t nr)) const;
  [[nodiscard]] const Plan& plan() const { return plan_; }
  [[nodiscard]] Plan& plan() { return plan_; }

 private:
  std::vector<uint64_t> storage_;
  Plan plan_;
};

// When a stage is sent: before the clone, once the engine's groups and layers are made, once the
// network namespace is, too, or when the sandbox is fired, which is no part of a launch.
enum class When : uint8_t { kEarly, kAfter, kLast, kLater };

struct Stage {
  std::vector<uint8_t> bytes;  // the child decodes them
  std::vector<uint16_t> fds;   // slots of this side whose descriptors go along
  uint32_t base = 0;           // slot on the child's side of the first of them
  When when = When::kAfter;
};

enum class Phase : uint32_t {
  kNone = 0,
  kPrepare = 1,
  kClone = 2,
  kAfter = 3,
  kSend = 4,
  kLayers = 5,
  kNetwork = 6,
  kJoin = 7,
};

// The programs of a script, as a patch counts them; stages follow.
enum class ProgramIndex : uint32_t {
  kPrepare = 0,
  kInChild = 1,
  kAfter = 2,
  kLayers = 3,
  kNetwork = 4,
  kFirstStage = 5,
};

// A place in a program where a start's own text goes, e.g. its container's id.
struct Patch {
  uint32_t program, at, from, length;
};

// What all starts of one shape share. Never changed once it is valid, and read by several threads.
struct Script {
  std::vector<uint8_t> prepare, in_child, after;
  // Before all others, and run by the helper that enters namespaces, for the child to be born in
  // them: its last operation is kBirth. No bytes: none are joined.
  Stage join;
  std::vector<uint8_t> layers, network;  // of the second thread, beside all of this
  std::vector<Stage> stages;
  std::vector<Patch> patches;
  uint32_t slot_count = 0;
  uint32_t own_size = 0;  // bytes of own text the patches reach into
  uint64_t clone_flags = 0;
  uint32_t cgroup_slot = kNoSlot;
  uint32_t network_slot = kNoSlot;  // where `network` leaves its namespace
  bool eager = false;               // JavaScript is told of the clone at once
  std::vector<uint16_t> keep;       // slots whose descriptors outlive a successful launch
  std::vector<uint16_t> close;      // slots closed at the end, in any case

  // Checks every count, offset and system call, once for all starts.
  bool validate();
};

struct Ran {
  bool ok;
  uint32_t op;
  int error;
};

// A program of the second thread, which has it to itself until it has told how it went.
struct Beside {
  bool wanted = true;
  PlanBytes plan;
  std::promise<Ran> done;
  std::future<Ran> ran;  // invalid for a program without operations, and once it was asked
  std::vector<uint32_t> stamps;
  uint64_t begun_ns = 0;
};

struct Job {
  std::shared_ptr<const Script> script;
  std::vector<int64_t> slots;
  size_t borrowed = 0;  // so many of the first slots belong to the caller
  std::string own;
  int helper_fd = -1;
  int network_fd = -1;  // a network namespace made before: then `network` does not run
  volatile uint32_t* progress = nullptr;  // see launch/progress.h
  uint32_t progress_cell = 0;
  int progress_fd = -1;
  const std::atomic<bool>* cancelled = nullptr;
  // Whether the start goes on is decided once for both threads, by the first that gets here.
  enum class Course : uint8_t { kOpen, kGo, kDismiss };
  std::atomic<Course> course = Course::kOpen;

  // Made of the script and the own text by the launch thread.
  PlanBytes prepare, in_child, after;
  std::vector<std::vector<uint8_t>> stage_bytes;

  Beside layers, network;

  // Of a child that goes on: its last stage, with slots of its own.
  Stage last;
  std::vector<int64_t> last_slots;

  // Results. With a failure, `pidfd` is that of a child that has been sent SIGKILL and is yet to be
  // waited for.
  Phase failed_phase = Phase::kNone;
  uint32_t failed_op = 0;
  int error = 0;
  int32_t pid = 0;
  int32_t joiner = 0;            // a helper that has entered namespaces, to be waited for; 0: none
  std::optional<Ran> after_ran;  // where `after` was carried out beside that one
  int pidfd = -1;
  int ctl = -1;
  uint64_t queued_ns = 0, begun_ns = 0, prepared_ns = 0, cloned_ns = 0, done_ns = 0;
  uint64_t begun_cycles = 0, done_cycles = 0;
  std::vector<uint32_t> prepare_stamps, after_stamps;
};

bool slots_below(const std::vector<uint16_t>& which, size_t count);

// Runs on the launch thread only: PDEATHSIG of the child is tied to the thread that calls it.
void launch(Job* job);

// A child that waits goes on: `after` runs, then the stages are sent and `last` behind them. The
// job has a `ctl` and a `pid`; the first is closed, and killing the child is left to the caller.
void go_on(Job* job);

// Before the job is given to both threads. False when the second one has nothing to do.
bool expect_beside(Job* job);
// On the second thread: what goes on beside the clone. It is in another network namespace
// meanwhile.
void run_beside(Job* job);

// On a thread that may be in another network namespace meanwhile, and is back where it was after.
Ran away_from_home(const std::function<Ran()>& body);

// Sends one stage, waiting for room. `more`: another one follows by itself. Returns 0 or a positive
// errno.
int send_stage(int ctl, const Stage& stage, const std::vector<uint8_t>& bytes, bool more,
               const std::vector<int64_t>& slots);

// System calls an engine-side plan may hold: none of them changes the process that makes it.
bool allowed_in_engine(uint32_t nr);
// The same and what makes a network namespace: it changes the calling thread alone.
bool allowed_in_network(uint32_t nr);
// System calls for the child that still shares memory with the engine (see docs/native.md).
bool allowed_in_sharing_child(uint32_t nr);

// Runs an engine-side plan on the calling thread.
Ran run_plan(PlanBytes* bytes, std::vector<int64_t>* slots, std::vector<uint32_t>* stamps = nullptr,
             uint64_t start_cycles = 0, int32_t pid = 0);
// Closes what the plan's own calls have opened and not closed, but for the slots in `kept`.
void close_opened(const Plan& plan, std::vector<int64_t>* slots, size_t borrowed,
                  const std::vector<uint16_t>& kept = {});
uint64_t now_ns();

}  // namespace slipway::launch
