#include "init/monitor_events.h"

#include <sys/stat.h>

#include "init/monitor_table.h"

namespace slipway::init {
namespace {

namespace nr = sys::nr;

constexpr long kLockNow = 6;  // LOCK_EX | LOCK_NB
// Of a segment that was removed while it was written to.
constexpr int kTries = 3;
constexpr size_t kMoreSize = 128;

constexpr Text kNothing(nullptr, 0);

int64_t last_ns = 0;

// As engines do: no two of one writer have the same time.
int64_t next_time() noexcept {
  const int64_t now = wall_ns();
  last_ns = now > last_ns ? now : last_ns + 1;
  return last_ns;
}

// Made again where somebody has removed it.
int open_folder(const char* path) noexcept {
  const int fd = open_at(AT_FDCWD, path, O_RDONLY | O_DIRECTORY);
  if (fd != -kEnoent) return fd;
  call(nr::mkdirat, AT_FDCWD, sys::ptr(path), 0700);
  return open_at(AT_FDCWD, path, O_RDONLY | O_DIRECTORY);
}

// Whoever does not get the lock leaves it to who has it.
void begin_next(int folder, uint32_t full) noexcept {
  if (call(nr::flock, folder, kLockNow) != 0) return;
  const Segments there = segments_in(folder);
  if (there.newest != full) return;
  int made = open_at(folder, SegmentName(full + 1).text, O_WRONLY | O_CREAT | O_EXCL, 0600);
  if (made < 0) return;
  close_it(&made);
  const uint32_t kept = given.table->journal.segments;
  for (uint32_t old = there.oldest; old + kept <= full + 1; old++)
    call(nr::unlinkat, folder, sys::ptr(SegmentName(old).text), 0);
}

// False where the segment was removed meanwhile: nobody will read it there.
bool append(int folder, const Text& line, uint32_t number) noexcept {
  int fd =
      open_at(folder, SegmentName(number).text, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW, 0600);
  if (fd < 0) return true;
  struct stat about{};
  const long written = call(nr::write, fd, sys::ptr(line.bytes()), static_cast<long>(line.size()));
  const bool is_known = call(nr::fstat, fd, sys::ptr(&about)) == 0;
  close_it(&fd);
  if (written <= 0 || !is_known || about.st_nlink > 0) {
    if (is_known && about.st_size >= static_cast<int64_t>(given.table->journal.segment_bytes))
      begin_next(folder, number);
    return true;
  }
  return false;
}

uint32_t newest_in(int folder) noexcept {
  const uint32_t newest = segments_in(folder).newest;
  return newest == 0 ? 1 : newest;
}

void write_line(int folder, const EventEntry& event, const Text& more) noexcept {
  for (int tries = 0; tries < kTries; tries++) {
    const uint32_t number = newest_in(folder);
    const int64_t now = next_time();
    // What the directory was read into is free again.
    Text line(reinterpret_cast<char*>(buffer), sizeof buffer);
    line.add("\n").add(given.at(event.action), event.action.size);
    line.add(given.at(event.actor), event.actor.size).add(more.bytes(), more.size());
    line.add(given.at(event.tail), event.tail.size).number(now / 1000000000);
    line.add(",\"timeNano\":").number(now).add("}\n");
    if (append(folder, line, number)) return;
  }
}

void note_with(Moment moment, const Text& more) noexcept {
  take_up_table();
  const JournalTable& journal = given.table->journal;
  if (journal.folder.size == 0) return;
  int folder = open_folder(given.text(journal.folder));
  if (folder < 0) return;
  const auto* events = reinterpret_cast<const EventEntry*>(given.at(journal.events));
  for (uint32_t i = 0; i < journal.event_count; i++)
    if (events[i].moment == static_cast<uint32_t>(moment))
      write_line(folder, events[i], events[i].knows_more != 0 ? more : kNothing);
  close_it(&folder);
}

}  // namespace

void note(Moment moment) noexcept { note_with(moment, kNothing); }

void note_kill(int32_t signal) noexcept {
  char bytes[kMoreSize];
  Text more(bytes, sizeof bytes);
  more.add("\"signal\":\"").number(signal).add("\",");
  note_with(Moment::kKilled, more);
}

void note_exec_detach(const char* exec_id, size_t size) noexcept {
  char bytes[kMoreSize];
  Text more(bytes, sizeof bytes);
  note_with(Moment::kExecDetached, more.add("\"execID\":\"").add(exec_id, size).add("\","));
}

void note_exec_end(const char* exec_id, size_t size, int32_t code) noexcept {
  char bytes[kMoreSize];
  Text more(bytes, sizeof bytes);
  more.add("\"exitCode\":\"").number(code);
  more.add("\",\"execID\":\"").add(exec_id, size).add("\",");
  note_with(Moment::kExecEnded, more);
}

void note_end(const End& end) noexcept {
  if (end.had_oom_kills) note(Moment::kOom);
  char bytes[kMoreSize];
  Text more(bytes, sizeof bytes);
  const int64_t ran_ms = end.ended_ms > state.begun_ms ? end.ended_ms - state.begun_ms : 0;
  more.add("\"execDuration\":\"").number(ran_ms / 1000);
  more.add("\",\"exitCode\":\"").number(end.code).add("\",");
  note_with(Moment::kEnded, more);
}

}  // namespace slipway::init
