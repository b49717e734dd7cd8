// The monitor's loop: one container's life, as its table has it. Nothing in here decides what the
// table does not say.
#include "init/monitor.h"

#include "init/kill.h"
#include "init/monitor_base.h"
#include "init/monitor_clients.h"
#include "init/monitor_events.h"
#include "init/monitor_health.h"
#include "init/monitor_held.h"
#include "init/monitor_launch.h"
#include "init/monitor_log.h"
#include "init/monitor_state.h"
#include "init/monitor_streams.h"
#include "init/monitor_table.h"
#include "launch/protocol.h"

namespace slipway::init {
namespace {

namespace nr = sys::nr;

constexpr int kSignalPipe = 13, kMaxSignal = 64;
constexpr int32_t kAsPlanned = -2;  // src/model/monitor-frames.ts, AS_PLANNED
// Memory of a burst is given back when it has been quiet for so long.
constexpr int64_t kQuietMs = 1000;
// Of the last news that found no room: who does not read by then never will.
constexpr int64_t kLingerMs = 2000;

int epoll = -1;
int listening = -1;

Child child;
uint32_t child_stages = 0;
Reports reports;
uint32_t failures_in_row = 0;  // restarts since it last ran for long
bool is_adopted = false;
bool is_stopped = false;  // asked for: no restart
int64_t began = 0;        // now_ms
int64_t kill_at = kNever, restart_at = kNever;
bool is_over = false;

int64_t earliest(int64_t one, int64_t other) noexcept { return one < other ? one : other; }

long signal_child(int signal) noexcept {
  return call(nr::pidfd_send_signal, child.pidfd, signal, 0, 0);
}

// 0 or a negative errno. Of one that is no program yet nothing is told.
long signal_program(int signal) noexcept {
  const long result = signal_child(signal);
  if (result == 0 && signal != 0 && state.status == Status::kRunning) note_kill(signal);
  return result;
}

// Where its pid namespace is not its own, whoever it has left lives on.
void kill_child() noexcept {
  kill_at = kNever;
  if (child.pidfd < 0) return;
  (void)signal_program(kSigKill);
  kill_everyone_in(given.text(given.table->kill_file));
}

// On file first, then in the journal, then to who watches: what those do next is told after it.
void show_running(int64_t begun_ms) noexcept {
  began = now_ms();
  state.status = Status::kRunning;
  state.pid = child.pid;
  state.start_time = start_time_of(child.pid);
  state.begun_ms = begun_ms;
  point_to_process(child.pid);
  begin_health();
  (void)note_state(state);
  if (!is_adopted) note(Moment::kStarted);
  tell_state(current_state());
}

void begin_running() noexcept {
  (void)take_progress();
  close_it(&child.ctl);
  show_running(wall_ms());
}

void forget_child() noexcept {
  (void)take_progress();
  close_it(&child.ctl);
  close_it(&child.pidfd);
  child = Child{};
  kill_at = kNever;
}

// What follows every end, and every start that failed.
void clear_away() noexcept {
  kill_everyone_in(given.text(given.table->kill_file));
  drain_streams();
  serve_input();
}

bool may_restart(const End& end) noexcept {
  if (is_stopped) return false;
  switch (static_cast<RestartKind>(policy.kind)) {
    case RestartKind::kAlways:
    case RestartKind::kUnlessStopped:
      return true;
    case RestartKind::kOnFailure:
      return end.code != 0 && (policy.most == 0 || state.restarts < policy.most);
    default:
      return false;
  }
}

int64_t restart_pause() noexcept {
  int64_t pause = policy.first_ms;
  for (uint32_t i = 0; i < failures_in_row && pause < policy.longest_ms; i++) pause *= 2;
  return earliest(pause, policy.longest_ms);
}

// All on file first: whoever is told of the end may look.
void decide(const End& end) noexcept {
  const bool again = may_restart(end);
  const Text exit = note_exit(end, again || !given.has(kAutoRemove), !again);
  state.pid = 0;
  state.start_time = 0;
  state.status = again ? Status::kRestarting : Status::kStopped;
  if (again) {
    const int64_t pause = restart_pause();
    failures_in_row++;
    restart_at = now_ms() + pause;
    state.next_ms = wall_ms() + pause;
  }
  is_over = !again;
  (void)note_state(state);
  tell_exit(exit);
  tell_state(current_state());
}

void finish(End end) noexcept {
  end.ended_ms = wall_ms();
  end_health();
  forget_child();
  take_up_table();
  clear_away();
  end_held();
  end.had_oom_kills = has_oom_kills(given.text(given.table->oom_file));
  end.is_oom = end.signal == kSigKill && end.had_oom_kills;
  run_apart(given.table->cleanup);
  end.was_stopped = is_stopped;
  if (now_ms() - began >= policy.settled_ms) failures_in_row = 0;
  decide(end);
}

// The first start ends the monitor with it: whoever asked for it is told why. A later one is as an
// end with a failure, since what hinders it may pass.
void fail_start(const Failure& failure) noexcept {
  End end;
  end.has_failed = true;
  end.failure = failure;
  end.ended_ms = wall_ms();
  forget_child();
  clear_away();
  run_apart(given.table->cleanup);
  // On file first: whoever is told may look.
  State noted = state;
  noted.status = state.begun_ms == 0 ? Status::kStopped : Status::kRestarting;
  (void)note_state(noted);
  tell_failure(failure);
  end.was_stopped = is_stopped;
  if (state.begun_ms == 0) is_stopped = true;
  decide(end);
}

// From here on whoever finds this process dead knows whom to look for: the child may be the program
// before it is said to be. 0 or an errno: nobody would find it.
int note_born(const Child& born) noexcept {
  State noted = state;
  noted.pid = born.pid;
  noted.start_time = start_time_of(born.pid);
  noted.begun_ms = wall_ms();
  return note_state(noted);
}

void start() noexcept {
  restart_at = kNever;
  take_up_table();
  reports = Reports{};
  state.status = Status::kStarting;
  began = now_ms();
  int streams[3] = {-1, -1, -1};
  Failure failure;
  // What has no state would be taken for one that does not run.
  if (const int error = publish_state(); error != 0) {
    failure = {kMonitorPhase, 0, launch::kOpProtocol, error};
    return fail_start(failure);
  }
  // The first client may have asked for its end before it was begun.
  const int lent = is_stopped ? kEcanceled : lend_streams(streams);
  if (lent != 0) {
    failure = {1 /* launch::Phase::kPrepare */, 0, launch::kOpProtocol, lent};
    return fail_start(failure);
  }
  serve_input();
  child_stages = given.table->launch.stage_count;
  const bool ok = launch_child(given.table->launch, streams, &child, &failure, note_born);
  take_back_streams(streams);
  if (!ok) {
    await_end(child);
    return fail_start(failure);
  }
  watch(child.ctl, Source::kControl, 0, EPOLLIN);
  watch(child.pidfd, Source::kChild, 0, EPOLLIN);
}

void restart() noexcept {
  state.restarts++;
  start();
}

// True when the payload was executed.
bool read_reports() noexcept {
  for (;;) {
    int fd = -1;
    const Reports::News news = reports.read(child.ctl, &fd);
    if (news == Reports::News::kTerminal) {
      take_terminal(fd);
      serve_input();
    } else if (news == Reports::News::kNothing) {
      return false;
    } else {
      close_it(&child.ctl);
      return reports.all_done(child_stages) && reports.failure().error == 0;
    }
  }
}

void serve_control() noexcept {
  if (child.ctl < 0) return;
  if (read_reports()) return begin_running();
  // One that is to be answered by an engine waits for ever.
  if (child.ctl < 0) (void)signal_child(kSigKill);
}

// Whose child it is tells how it ended. False while it lives.
bool ended_as(Ended* ended, bool* is_known) noexcept {
  if (!is_adopted) return reap(child, ended);
  const int32_t status = status_of_other(child.pid, child.pidfd);
  *is_known = status >= 0;
  ended->signal = status & 0x7f;
  ended->code = status >> 8 & 0xff;
  return true;
}

void serve_end() noexcept {
  if (child.pidfd < 0) return;
  Ended ended;
  bool is_known = true;
  if (!ended_as(&ended, &is_known)) return;
  is_adopted = false;
  // The end of file may come after the end of the process: somebody else may hold the socket.
  if (child.ctl >= 0) {
    const bool was_executed =
        read_reports() || (reports.all_done(child_stages) && reports.failure().error == 0);
    if (was_executed) begin_running();
  }
  if (state.status == Status::kStarting) {
    Failure failure = reports.failure();
    if (failure.error == 0) failure.op = take_progress();
    return fail_start(failure);
  }
  End end;
  end.signal = ended.signal;
  end.code = !is_known ? -1 : ended.signal != 0 ? 128 + ended.signal : ended.code;
  finish(end);
}

void stop(int32_t signal, int32_t timeout_ms) noexcept {
  if (state.status == Status::kStarting) return kill_child();
  (void)signal_program(signal);
  if (timeout_ms >= 0) kill_at = earliest(kill_at, now_ms() + timeout_ms);
}

// Instead of the next start.
void stay_ended() noexcept {
  restart_at = kNever;
  state.status = Status::kStopped;
  (void)publish_state();
  is_over = true;
}

// Of a container that is to run again; it may be overdue.
int64_t next_start() noexcept { return are_starts_held() ? kNever : restart_at; }

void serve_time() noexcept {
  const int64_t now = now_ms();
  if (now >= kill_at) kill_child();
  if (now >= next_start()) restart();
  if (now >= next_health()) serve_health();
}

void serve(Source source, uint32_t index, uint32_t events) noexcept {
  switch (source) {
    case Source::kListen:
      return accept_client(listening);
    case Source::kChild:
      return serve_end();
    case Source::kControl:
      return serve_control();
    case Source::kStdout:
      return pump_output(index);
    case Source::kTerminal:
      if ((events & EPOLLOUT) != 0) serve_input();
      return pump_terminal();
    case Source::kStdin:
      return serve_input();
    case Source::kClient:
      return serve_client(index, events);
    case Source::kProbe:
    case Source::kProbeControl:
    case Source::kProbeOutput:
      return serve_health();
    case Source::kHeldEnd:
      return serve_held_end(index);
    case Source::kHeldTerminal:
      return serve_held_terminal(index);
  }
}

// Waits for what comes next, at most until `until`. False when that was the time.
bool serve_next(int64_t until) noexcept {
  epoll_event events[16];
  const int64_t now = now_ms();
  const int64_t next = earliest(until, next_output());
  const int64_t wait = next <= now ? 0 : next - now;
  const int timeout = next == kNever ? -1 : wait > INT32_MAX ? INT32_MAX : static_cast<int>(wait);
  const long ready = sys::raw_syscall(nr::epoll_pwait, epoll, sys::ptr(events), 16, timeout, 0, 8);
  for (long i = 0; i < ready; i++) {
    const uint64_t key = events[i].data.u64;
    serve(static_cast<Source>(key >> 32), static_cast<uint32_t>(key), events[i].events);
  }
  pump_waiting();
  return ready > 0;
}

void live() noexcept {
  bool is_quiet = false;
  while (!is_over) {
    const int64_t due = earliest(earliest(kill_at, next_start()), next_health());
    const int64_t quiet_at = is_quiet ? kNever : now_ms() + kQuietMs;
    if (serve_next(earliest(due, quiet_at)))
      is_quiet = false;
    else if (now_ms() >= quiet_at) {
      forget_buffers();
      is_quiet = true;
    }
    serve_time();
  }
}

// The last news are given room, and where there is none, a while to be read.
void linger() noexcept {
  make_room();
  const int64_t until = now_ms() + kLingerMs;
  while (!is_all_told() && now_ms() < until) (void)serve_next(until);
}

void ignore(int signal) noexcept {
  const uint64_t action[4] = {1 /* SIG_IGN */, 0, 0, 0};
  call(nr::rt_sigaction, signal, sys::ptr(action), 0, 8);
}

int take(const int64_t* slots, uint32_t first, MonitorFd which) noexcept {
  return static_cast<int>(slots[first + static_cast<uint32_t>(which)]);
}

// What the launches borrow of what came with the stage.
void keep_slots(const int64_t* slots) noexcept {
  for (int64_t& slot : given.slots) slot = -1;
  given.slots[kContainersSlot] = slots[kContainersSlot];
  const Section borrowed = given.table->launch.borrowed;
  const auto* own = reinterpret_cast<const uint16_t*>(given.at(borrowed));
  for (uint32_t i = 0; i < borrowed.size / 2; i++)
    if (own[i] != kNotBorrowed) given.slots[own[i]] = slots[own[i]];
}

void adopt(int pidfd) noexcept {
  is_adopted = true;
  child = {given.table->pid, pidfd, -1};
  show_running(given.table->begun_ms);
  watch(child.pidfd, Source::kChild, 0, EPOLLIN);
}

// What was written while nobody was here: no edge tells of it.
void catch_up() noexcept {
  pump_output(0);
  pump_output(1);
}

// Requests that were sent before this process was there.
void hear_first_client(int fd) noexcept {
  if (fd < 0) return;
  add_client(fd);
  serve_client(0, EPOLLIN);
}

}  // namespace

void watch(int fd, Source source, uint32_t index, uint32_t events) noexcept {
  epoll_event event{};
  event.events = events;
  event.data.u64 = static_cast<uint64_t>(source) << 32 | index;
  if (events == 0) {
    call(nr::epoll_ctl, epoll, EPOLL_CTL_DEL, fd, sys::ptr(&event));
    return;
  }
  const long added = call(nr::epoll_ctl, epoll, EPOLL_CTL_ADD, fd, sys::ptr(&event));
  if (added == -kEexist) call(nr::epoll_ctl, epoll, EPOLL_CTL_MOD, fd, sys::ptr(&event));
}

int32_t asked_signal(int32_t signal) noexcept {
  if (signal < 0 || signal > kMaxSignal) return kEinval;
  if (state.status != Status::kRunning) return kEsrch;
  return static_cast<int32_t>(-signal_program(signal));
}

int32_t asked_stop(int32_t signal, int32_t timeout_ms) noexcept {
  const int32_t wanted = signal == 0 ? given.table->stop_signal : signal;
  if (wanted < 1 || wanted > kMaxSignal || timeout_ms < kAsPlanned) return kEinval;
  is_stopped = true;
  if (state.status == Status::kRestarting) return stay_ended(), 0;
  if (child.pidfd >= 0) stop(wanted, timeout_ms == kAsPlanned ? given.table->stop_ms : timeout_ms);
  return 0;
}

int32_t asked_restart_policy(uint32_t kind, uint32_t most) noexcept {
  if (kind > static_cast<uint32_t>(RestartKind::kUnlessStopped)) return kEinval;
  policy.kind = kind;
  policy.most = most;
  return 0;
}

int32_t asked_kill() noexcept {
  is_stopped = true;
  if (state.status == Status::kRestarting)
    stay_ended();
  else
    kill_child();
  return 0;
}

// Only between two runs is there a start that can wait.
int32_t asked_hold_starts() noexcept { return state.status == Status::kRestarting ? 0 : kEbusy; }

void act_on_unhealthy(HealthAction action) noexcept {
  if (action == HealthAction::kNone) return;
  if (action != HealthAction::kRestart) is_stopped = true;
  if (action == HealthAction::kKill)
    kill_child();
  else
    stop(given.table->stop_signal, given.table->stop_ms);
}

long monitor(int ctl, const uint8_t* table, uint32_t size, const int64_t* slots,
             uint32_t first) noexcept {
  if (!is_sound_table(table, size)) return -launch::kErrProtocol;
  epoll = static_cast<int>(call(nr::epoll_create1, EPOLL_CLOEXEC));
  if (epoll < 0) return epoll;
  given.bytes = table;
  given.table = reinterpret_cast<const MonitorTable*>(table);
  keep_slots(slots);
  given.run = take(slots, first, MonitorFd::kRunDirectory);
  given.container = take(slots, first, MonitorFd::kContainerDirectory);
  given.log = take(slots, first, MonitorFd::kLogDirectory);
  given.helper = take(slots, first, MonitorFd::kHelper);
  if (const int error = open_streams(); error != 0) return -error;
  listening = take(slots, first, MonitorFd::kListen);
  policy = given.table->restart;
  state.restarts = given.table->restarts;
  call(nr::prctl, 15 /* PR_SET_NAME */, sys::ptr("slipway-monitor"));
  ignore(kSignalPipe);
  forget_progress();
  close_it(&ctl);
  open_log();
  watch(listening, Source::kListen, 0, EPOLLIN);
  // What the first client asks for is about what runs already.
  const bool adopts = given.has(kAdopts);
  if (adopts) adopt(take(slots, first, MonitorFd::kAdopted));
  hear_first_client(take(slots, first, MonitorFd::kFirstClient));
  if (adopts)
    catch_up();
  else
    start();
  live();
  close_it(&listening);
  linger();
  take_up_table();
  clear_run_directory(given.has(kAutoRemove));
  if (given.has(kAutoRemove)) {
    run_apart(given.table->removal);
    note(Moment::kRemoved);
  }
  leave(0);
}

}  // namespace slipway::init
