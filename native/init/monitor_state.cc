#include "init/monitor_state.h"

#include "init/monitor_clients.h"
#include "init/monitor_events.h"

namespace slipway::init {
namespace {

namespace nr = sys::nr;

constexpr const char* kStatuses[] = {"starting", "running", "restarting", "stopped"};
constexpr const char* kHealths[] = {"", "starting", "healthy", "unhealthy"};
constexpr const char* kProcess = "process";  // src/plan/monitor-table.ts, MONITOR_PROCESS

// Pages that nothing is written into cost nothing.
char state_bytes[kMaxStateHead + 1024], exit_bytes[kMaxExitHead + 1024];
constinit Text state_text(state_bytes, sizeof state_bytes);

Text& put_head(Text* text, Section head) noexcept { return text->add(given.at(head), head.size); }

void put_failure(Text* text, const Failure& failure) noexcept {
  text->add(",\"failure\":{\"phase\":").number(failure.phase);
  text->add(",\"stage\":").number(failure.stage).add(",\"op\":").number(failure.op);
  text->add(",\"errno\":").number(failure.error).add("}");
}

// Bytes of a small file, NUL-terminated; 0 where it cannot be read.
size_t read_file(const char* path, char* target, size_t size) noexcept {
  int fd = open_at(AT_FDCWD, path, O_RDONLY);
  if (fd < 0) return 0;
  const long got = call(nr::read, fd, sys::ptr(target), static_cast<long>(size - 1));
  close_it(&fd);
  const size_t count = got > 0 ? static_cast<size_t>(got) : 0;
  target[count] = 0;
  return count;
}

uint64_t number_at(const char* text) noexcept {
  uint64_t value = 0;
  for (; *text >= '0' && *text <= '9'; text++)
    value = value * 10 + static_cast<uint64_t>(*text - '0');
  return value;
}

struct ProcPath {
  char text[64];

  ProcPath(int32_t pid, const char* rest) noexcept {
    Text path(text, sizeof text - 1);
    path.add("/proc/").number(pid).add(rest);
    text[path.size()] = 0;
  }
};

// Of /proc/<pid>/stat, from 3 on; 0 where it cannot be read.
uint64_t stat_field(int32_t pid, int wanted) noexcept {
  char text[1024];
  const size_t size = read_file(ProcPath(pid, "/stat").text, text, sizeof text);
  // The name before it may hold anything, brackets and blanks too: proc_pid_stat(5).
  size_t at = size;
  while (at > 0 && text[at - 1] != ')') at--;
  for (int field = 2; field < wanted && at < size; at++)
    if (text[at] == ' ') field++;
  return at < size ? number_at(text + at) : 0;
}

// include/uapi/linux/pidfd.h, Linux 6.15.
struct PidfdInfo {
  uint64_t mask, cgroup_id;
  uint32_t ids[11];
  int32_t exit_code;
};
static_assert(sizeof(PidfdInfo) == 64);
constexpr uint64_t kInfoExit = 8;                            // PIDFD_INFO_EXIT
constexpr long kGetInfo = 0xc0000000L | 64L << 16 | 0xff0b;  // PIDFD_GET_INFO, of 64 bytes

constexpr const char* kState = "state";
constexpr const char* kExit = "exit.json";

// Where the container's directory takes nothing, in the run directory, which may be on another
// disk; and where that is full, too, in the room the state has, once nobody needs it any more.
void keep_exit(const Text& text, bool is_last) noexcept {
  if (write_over(given.container, kExit, "exit.json.new", text, true) == 0) {
    call(nr::unlinkat, given.run, sys::ptr(kExit), 0);
    return;
  }
  if (write_over(given.run, kExit, "exit.json.new", text, false) == 0 || !is_last) return;
  if (overwrite(given.run, kState, text, false) == 0)
    call(nr::renameat2, given.run, sys::ptr(kState), given.run, sys::ptr(kExit), 0);
}

bool has_exit() noexcept {
  for (const int directory : {given.container, given.run}) {
    int fd = open_at(directory, kExit, O_RDONLY);
    if (fd < 0) continue;
    close_it(&fd);
    return true;
  }
  return false;
}

}  // namespace

State state;

const Text& current_state() noexcept { return state_text; }

int note_state(const State& noted) noexcept {
  Text text(state_bytes, sizeof state_bytes);
  put_head(&text, given.table->state_head);
  text.add(",\"status\":\"").add(kStatuses[static_cast<uint32_t>(noted.status)]);
  text.add("\",\"monitorPid\":").number(call(nr::getpid));
  text.add(",\"pid\":").number(noted.pid);
  text.add(",\"startTime\":").number(static_cast<int64_t>(noted.start_time));
  text.add(",\"begunMs\":").number(noted.begun_ms);
  text.add(",\"restarts\":").number(noted.restarts);
  if (noted.status == Status::kRestarting) text.add(",\"nextMs\":").number(noted.next_ms);
  if (noted.health != Health::kNone) {
    text.add(",\"health\":{\"status\":\"").add(kHealths[static_cast<uint32_t>(noted.health)]);
    text.add("\",\"failing\":").number(noted.failing).add("}");
  }
  text.add("}\n");
  state_text = text;
  return write_over(given.run, kState, "state.new", text, false);
}

int publish_state() noexcept {
  const int error = note_state(state);
  tell_state(state_text);
  return error;
}

Text note_exit(const End& end, bool is_kept, bool is_last) noexcept {
  Text text(exit_bytes, sizeof exit_bytes);
  put_head(&text, given.table->exit_head);
  text.add(",\"exitCode\":").number(end.code);
  if (end.signal != 0) text.add(",\"signal\":").number(end.signal);
  text.add(",\"oomKilled\":").add(end.is_oom ? "true" : "false");
  text.add(",\"begunMs\":").number(state.begun_ms);
  text.add(",\"endedMs\":").number(end.ended_ms > 0 ? end.ended_ms : wall_ms());
  text.add(",\"restarts\":").number(state.restarts);
  text.add(",\"stopped\":").add(end.was_stopped ? "true" : "false");
  if (end.has_failed) put_failure(&text, end.failure);
  text.add("}\n");
  // A start that fails is no run: the end of the one before is still the last.
  const bool is_run = !end.has_failed || state.begun_ms != 0;
  if (is_kept && (is_run || !has_exit())) keep_exit(text, is_last);
  if (!end.has_failed) note_end(end);
  return text;
}

uint64_t start_time_of(int32_t pid) noexcept { return stat_field(pid, 22); }

void point_to_process(int32_t pid) noexcept {
  constexpr const char* kNew = "process.new";
  const ProcPath path(pid, "");
  call(nr::unlinkat, given.run, sys::ptr(kNew), 0);
  const long made = call(nr::symlinkat, sys::ptr(path.text), given.run, sys::ptr(kNew));
  if (!sys::failed(made)) {
    call(nr::renameat2, given.run, sys::ptr(kNew), given.run, sys::ptr(kProcess), 0);
    return;
  }
  // On a full disk the old one makes room. It must not stay: its number may be another process's.
  call(nr::unlinkat, given.run, sys::ptr(kProcess), 0);
  call(nr::symlinkat, sys::ptr(path.text), given.run, sys::ptr(kProcess));
}

bool has_oom_kills(const char* path) noexcept {
  constexpr char kKey[] = "oom_kill ";
  char text[512];
  const size_t size = path[0] == 0 ? 0 : read_file(path, text, sizeof text);
  for (size_t at = 0; at < size; at++) {
    if (at > 0 && text[at - 1] != '\n') continue;
    size_t same = 0;
    while (kKey[same] != 0 && text[at + same] == kKey[same]) same++;
    if (kKey[same] == 0) return number_at(text + at + same) > 0;
  }
  return false;
}

// As long as its parent has not reaped it /proc says so, and from then on its pidfd, on kernels
// since 6.15. Whether the pid is still its own the pidfd knows.
int32_t status_of_other(int32_t pid, int pidfd) noexcept {
  const bool is_there = stat_field(pid, 22) > 0;
  const auto status = static_cast<int32_t>(stat_field(pid, 52));
  if (!sys::failed(call(nr::pidfd_send_signal, pidfd, 0, 0, 0))) return is_there ? status : -1;
  PidfdInfo info{};
  info.mask = kInfoExit;
  const long result = call(nr::ioctl, pidfd, kGetInfo, sys::ptr(&info));
  return sys::failed(result) || (info.mask & kInfoExit) == 0 ? -1 : info.exit_code;
}

void clear_run_directory(bool keeps_state) noexcept {
  for (const char* name :
       {"socket", "stdin", "stdout", "stderr", kProcess, "health", "table", "told"})
    call(nr::unlinkat, given.run, sys::ptr(name), 0);
  if (!keeps_state) call(nr::unlinkat, given.run, sys::ptr(kState), 0);
}

}  // namespace slipway::init
