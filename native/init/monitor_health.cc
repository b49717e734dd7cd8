#include "init/monitor_health.h"

#include "init/monitor_events.h"
#include "init/monitor_launch.h"

namespace slipway::init {
namespace {

namespace nr = sys::nr;

constexpr size_t kOutputSize = 4096;
constexpr unsigned kResults = 5;  // that are kept, as Docker does
constexpr int32_t kNoCode = -1;

Child probe;
Reports reports;
int output = -1;
uint8_t words[kOutputSize];
size_t words_size = 0;
int64_t begun = 0;  // of the container: now_ms
int64_t next = kNever;
int64_t probe_begun_ms = 0;  // since 1970
bool is_late = false;        // it was killed for taking too long

const HealthTable& table() noexcept { return given.table->health; }

bool in_start_period() noexcept {
  return state.health == Health::kStarting && now_ms() - begun < table().start_period_ms;
}

void wait_for_next() noexcept {
  const bool often = in_start_period() && table().start_interval_ms > 0;
  next = now_ms() + (often ? table().start_interval_ms : table().interval_ms);
}

// All there is; what does not fit goes nowhere.
void read_output() noexcept {
  for (;;) {
    const bool has_room = words_size < sizeof words;
    uint8_t* target = has_room ? words + words_size : buffer;
    const size_t room = has_room ? sizeof words - words_size : sizeof buffer;
    const long got = call(nr::read, output, sys::ptr(target), static_cast<long>(room));
    if (got == -kEagain) return;
    if (got <= 0) return watch(output, Source::kProbeOutput, 0, 0);
    if (has_room) words_size += static_cast<size_t>(got);
  }
}

// The last results, a line each, the oldest first.
void keep_result(int32_t code) noexcept {
  constexpr size_t kLine = kOutputSize * 6 + 256;
  constexpr size_t kSize = kLine * kResults;
  const Pages pages(kSize);
  if (pages.begin() == nullptr) return;
  auto* lines = reinterpret_cast<char*>(pages.begin());
  long size = 0;
  if (int old = open_at(given.run, "health", O_RDONLY); old >= 0) {
    size = call(nr::read, old, sys::ptr(lines), static_cast<long>(kSize - kLine));
    close_it(&old);
  }
  long first = size < 0 ? (size = 0) : size;
  // From the end back: one less than are kept, as the new one comes.
  for (unsigned found = 0; first > 0; first--)
    if (lines[first - 1] == '\n' && found++ == kResults - 1) break;
  Text line(lines + size, kLine);
  line.add("{\"begunMs\":").number(probe_begun_ms);
  line.add(",\"endedMs\":").number(wall_ms()).add(",\"exitCode\":").number(code);
  line.add(",\"output\":\"").json(words, words_size).add("\"}\n");
  const size_t whole = static_cast<size_t>(size - first) + line.size();
  (void)replace_file(given.run, "health", "health.new", Text::of(lines + first, whole), false);
}

void judge(int32_t code) noexcept {
  keep_result(code);
  const Health before = state.health;
  const uint32_t failing = state.failing;
  if (code == 0) {
    state.health = Health::kHealthy;
    state.failing = 0;
  } else if (!in_start_period()) {
    state.failing++;
    if (state.failing >= table().retries) state.health = Health::kUnhealthy;
  }
  wait_for_next();
  if (state.health == before && state.failing == failing) return;
  (void)publish_state();
  if (state.health != before)
    note(state.health == Health::kHealthy ? Moment::kHealthy : Moment::kUnhealthy);
  if (state.health == Health::kUnhealthy && before != Health::kUnhealthy)
    act_on_unhealthy(static_cast<HealthAction>(table().action));
}

void forget_probe() noexcept {
  close_it(&probe.ctl);
  close_it(&probe.pidfd);
  close_it(&output);
  probe = Child{};
}

// Behind the probe's own words.
template <typename Put>
void say(const Put& put) noexcept {
  Text more(reinterpret_cast<char*>(words) + words_size, sizeof words - words_size);
  put(more);
  words_size += more.size();
}

void say_failure(const Failure& failure) noexcept {
  say([&](Text& text) {
    text.add("the probe could not be started: phase ").number(failure.phase);
    text.add(", stage ").number(failure.stage);
    text.add(", operation ").number(failure.op);
    text.add(", errno ").number(failure.error);
  });
}

void reap_probe() noexcept {
  Ended ended;
  if (!reap(probe, &ended)) return;
  read_output();
  const bool failed = reports.failure().error != 0;
  int32_t code = ended.signal == 0 ? ended.code : 128 + ended.signal;
  if (failed) say_failure(reports.failure());
  if (is_late)
    say([](Text& text) {
      text.add("the probe took longer than ").number(table().timeout_ms).add(" ms");
    });
  if (failed || is_late) code = kNoCode;
  forget_probe();
  judge(code);
}

void start_probe() noexcept {
  words_size = 0;
  is_late = false;
  reports = Reports{};
  probe_begun_ms = wall_ms();
  int pair[2] = {-1, -1};
  int nothing = open_at(AT_FDCWD, "/dev/null", O_RDONLY);
  long result = call(nr::pipe2, sys::ptr(pair), O_CLOEXEC);
  Failure failure;
  bool ok = false;
  if (!sys::failed(result) && nothing >= 0) {
    const auto* launch = reinterpret_cast<const MonitorLaunch*>(given.at(table().launch));
    ok = launch_child(*launch, {nothing, pair[1], pair[1]}, &probe, &failure);
  } else {
    failure.error = sys::failed(result) ? static_cast<int32_t>(-result) : -nothing;
  }
  close_it(&nothing);
  close_it(&pair[1]);
  output = pair[0];
  if (!ok) {
    await_end(probe);
    forget_probe();
    say_failure(failure);
    return judge(kNoCode);
  }
  call(nr::fcntl, output, F_SETFL, O_RDONLY | O_NONBLOCK);
  watch(output, Source::kProbeOutput, 0, EPOLLIN);
  watch(probe.ctl, Source::kProbeControl, 0, EPOLLIN);
  watch(probe.pidfd, Source::kProbe, 0, EPOLLIN);
  next = table().timeout_ms > 0 ? now_ms() + table().timeout_ms : kNever;
}

void read_reports() noexcept {
  int terminal = -1;
  for (;;) {
    const Reports::News news = reports.read(probe.ctl, &terminal);
    close_it(&terminal);
    if (news == Reports::News::kNothing) return;
    if (news == Reports::News::kOver) return close_it(&probe.ctl);
  }
}

}  // namespace

void begin_health() noexcept {
  if (table().interval_ms == 0) return;
  state.health = Health::kStarting;
  state.failing = 0;
  begun = now_ms();
  wait_for_next();
}

void end_health() noexcept {
  next = kNever;
  state.health = Health::kNone;
  state.failing = 0;
  if (probe.pidfd < 0) return;
  call(nr::pidfd_send_signal, probe.pidfd, 9, 0, 0);
  await_end(probe);
  forget_probe();
}

int64_t next_health() noexcept { return next; }

void serve_health() noexcept {
  if (probe.pidfd < 0) {
    if (now_ms() >= next) start_probe();
    return;
  }
  if (probe.ctl >= 0) read_reports();
  if (output >= 0) read_output();
  if (now_ms() >= next) {
    is_late = true;
    next = kNever;
    call(nr::pidfd_send_signal, probe.pidfd, 9, 0, 0);
  }
  reap_probe();
}

}  // namespace slipway::init
