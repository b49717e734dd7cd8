// The monitor: parent of a detached container's first process. See docs/monitor.md for who holds
// what, what each death does, and the frames clients and monitor exchange.
//
// All it decides by is in this table, which TypeScript writes (src/plan/monitor-table.ts). It comes
// as data of the monitor's own plan and stays as it is: every launch runs on a copy.
#pragma once
#include <stdint.h>

namespace slipway::init {

inline constexpr uint32_t kMonitorMagic = 0x314d4c53;  // "SLM1"
inline constexpr uint32_t kMonitorVersion = 2;

// Bytes of the table, from its beginning. No bytes: there is none.
struct Section {
  uint32_t offset, size;
};

// A stage of the launch, as in launch::Stage; `fds` are 16-bit launch slots.
struct StageEntry {
  uint32_t when;  // launch::When
  uint32_t base;
  Section fds;
  Section bytes;
};

enum MonitorFlags : uint32_t {
  kHasTerminal = 1,   // the child hands its master over (OpKind::kSendFd); no FIFOs
  kHasStdin = 2,      // standard input is a FIFO, else /dev/null
  kStdinOnce = 4,     // it ends when the client that writes it leaves
  kBlockingLog = 8,   // the application waits for the log
  kJsonLog = 16,      // Docker's json-file form
  kNoLog = 32,        // nothing is kept
  kAdopts = 64,       // the container runs already: `pid`, and a pidfd as MonitorFd::kAdopted
  kAutoRemove = 128,  // `removal` runs at the last end
};

enum class RestartKind : uint32_t { kNo = 0, kOnFailure = 1, kAlways = 2, kUnlessStopped = 3 };

struct RestartTable {
  uint32_t kind;
  uint32_t most;      // of on-failure; 0: no bound
  uint32_t first_ms;  // pause before the first restart, doubled from then on
  uint32_t longest_ms;
  uint32_t settled_ms;  // having run for so long, it begins with `first_ms` again
};

struct LogTable {
  uint32_t max_bytes;  // of a segment
  uint32_t max_files;
};

enum class HealthAction : uint32_t { kNone = 0, kStop = 1, kRestart = 2, kKill = 3 };

// A probe is one more process of the container: a launch of its own, with a `join` stage.
struct HealthTable {
  uint32_t interval_ms;  // 0: no health check
  uint32_t timeout_ms;
  uint32_t start_period_ms;
  uint32_t start_interval_ms;
  uint32_t retries;
  uint32_t action;  // HealthAction
  Section launch;   // a MonitorLaunch
};

// What launch::Script is to the engine.
struct MonitorLaunch {
  uint64_t clone_flags;
  uint32_t slot_count;
  uint32_t cgroup_slot;  // or launch::kNoSlot
  Section prepare, in_child, after, layers, network;
  Section join, join_fds;  // a plan of the helper that enters namespaces; base in join_base
  uint32_t join_base;
  uint32_t stage_count;
  Section stages;    // StageEntry[stage_count]
  Section borrowed;  // uint16_t for each of the first launch slots: the helper's slot, or 0xffff
  Section close;     // uint16_t launch slots closed when the launch is over
};

// What is told of a container at some moment of its life: a line of the journal in three pieces,
// each JSON text. `action`, `actor`, what the moment alone knows (attributes, each with a comma
// behind it), `tail`, seconds, `,"timeNano":`, nanoseconds, `}`.
struct EventEntry {
  uint32_t moment;      // Moment
  uint32_t knows_more;  // 1: what the moment alone knows is part of it
  Section action, actor, tail;
};

enum class Moment : uint32_t {
  kStarted = 0,
  kKilled = 1,  // `signal`
  kOom = 2,
  kEnded = 3,  // `execDuration` in seconds, `exitCode`
  kHealthy = 4,
  kUnhealthy = 5,
  kRemoved = 6,
  kExecDetached = 7,  // `execID`
  kExecEnded = 8,     // `exitCode`, `execID`
};

// The engine's journal of events, which others write at the same time:
// src/adapters/event-journal.ts.
struct JournalTable {
  uint32_t segment_bytes;  // a segment that is so large is followed by another
  uint32_t segments;       // that are kept
  Section folder;          // absolute path; empty: nothing is told
  uint32_t event_count;
  uint32_t reserved;
  Section events;  // EventEntry[event_count], in the order they are told in at one moment
};

struct MonitorTable {
  uint32_t magic, version;
  uint32_t size;  // of the whole table
  uint32_t flags;
  MonitorLaunch launch;
  RestartTable restart;
  LogTable log;
  HealthTable health;
  int32_t stop_signal;
  int32_t stop_ms;    // until SIGKILL; -1: never
  int32_t pid;        // with kAdopts
  uint32_t restarts;  // with kAdopts: how many there were
  uint32_t reserved;
  int64_t begun_ms;    // with kAdopts: since 1970
  Section state_head;  // JSON text the state file begins with, `{"version":1,"id":"…","bootId":"…"`
  Section exit_head;   // the same of the exit record
  Section oom_file;    // path of memory.events or memory.oom_control; `oom_kill N` is read there
  Section kill_file;  // path of a cgroup.kill or cgroup.procs file; where it shares a pid namespace
  Section cleanup;    // plan run after each end: removes the groups
  Section removal;    // plan run at the last end with kAutoRemove
  JournalTable journal;
  // Paths of the groups' parents, each with its NUL, in a table that takes the place of another:
  // they are opened anew. Empty: those that were handed over.
  Section groups;
};
static_assert(sizeof(StageEntry) == 24 && sizeof(MonitorLaunch) == 104);
static_assert(sizeof(EventEntry) == 32 && sizeof(MonitorTable) == 296);

// Descriptors, in slots that follow one another from `first` on.
enum class MonitorFd : uint32_t {
  kListen = 0,
  kLock = 1,
  kRunDirectory = 2,
  kContainerDirectory = 3,
  kLogDirectory = 4,
  kFirstClient = 5,  // or -1
  kHelper = 6,       // this program, to be executed
  kAdopted = 7,      // pidfd, with kAdopts, or -1
};

// Of the monitor's own slots, the one of the directory `containers`: src/plan/monitor-table.ts,
// MONITOR_SLOTS.
inline constexpr uint32_t kContainersSlot = 2;
inline constexpr uint32_t kGroupSlots = 3;  // from here on: the groups' parents

// Never returns unless the table is not sound: EPROTO. `first`: see MonitorFd. `ctl`: the engine's
// socket, closed at once.
long monitor(int ctl, const uint8_t* table, uint32_t size, const int64_t* slots,
             uint32_t first) noexcept;

}  // namespace slipway::init
