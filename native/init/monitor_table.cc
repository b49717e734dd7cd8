#include "init/monitor_table.h"

#include <sys/stat.h>

#include "init/monitor_state.h"
#include "launch/protocol.h"

namespace slipway::init {
namespace {

namespace nr = sys::nr;

constexpr uint32_t kMaxStages = 16;
// src/plan/monitor-table.ts, MONITOR_TABLE.
constexpr const char* kTable = "table";
constexpr const char* kTaken = "table.taken";

uint8_t* mapped = nullptr;  // what took the first one's place
size_t mapped_size = 0;

bool is_inside(Section section, uint32_t size) noexcept {
  return section.offset <= size && section.size <= size - section.offset && section.offset % 8 == 0;
}

bool are_inside(std::initializer_list<Section> sections, uint32_t size) noexcept {
  for (const Section& section : sections)
    if (!is_inside(section, size)) return false;
  return true;
}

// Empty, or with a NUL behind it.
bool is_text(const uint8_t* bytes, Section section, uint32_t size) noexcept {
  return section.size == 0 || (is_inside(section, size) && section.size < size - section.offset &&
                               bytes[section.offset + section.size] == 0);
}

// Numbers of 16 bits, each below `count`.
bool are_below(uint32_t count, const uint8_t* bytes, Section section) noexcept {
  const auto* numbers = reinterpret_cast<const uint16_t*>(bytes + section.offset);
  for (uint32_t i = 0; i < section.size / 2; i++)
    if (numbers[i] >= count) return false;
  return true;
}

bool is_sound_launch(const uint8_t* bytes, const MonitorLaunch& launch, uint32_t size) noexcept {
  if (launch.slot_count > launch::kMaxSlots || launch.stage_count > kMaxStages ||
      (launch.cgroup_slot != launch::kNoSlot && launch.cgroup_slot >= launch.slot_count) ||
      launch.stages.size != launch.stage_count * sizeof(StageEntry) ||
      launch.borrowed.size / 2 > launch.slot_count ||
      launch.join_fds.size / 2 > launch::kMaxStageFds ||
      !are_inside({launch.prepare, launch.in_child, launch.after, launch.layers, launch.network,
                   launch.join, launch.join_fds, launch.stages, launch.borrowed, launch.close},
                  size))
    return false;
  const auto* stages = reinterpret_cast<const StageEntry*>(bytes + launch.stages.offset);
  for (uint32_t i = 0; i < launch.stage_count; i++)
    if (!are_inside({stages[i].fds, stages[i].bytes}, size) ||
        stages[i].fds.size / 2 > launch::kMaxStageFds ||
        !are_below(launch.slot_count, bytes, stages[i].fds))
      return false;
  const auto* borrowed = reinterpret_cast<const uint16_t*>(bytes + launch.borrowed.offset);
  for (uint32_t i = 0; i < launch.borrowed.size / 2; i++)
    if (borrowed[i] != kNotBorrowed && borrowed[i] >= kGroupSlots + kMaxGroups) return false;
  return are_below(launch.slot_count, bytes, launch.join_fds) &&
         are_below(launch.slot_count, bytes, launch.close);
}

bool are_sound_events(const uint8_t* bytes, const JournalTable& journal, uint32_t size) noexcept {
  if (!is_text(bytes, journal.folder, size) || !is_inside(journal.events, size) ||
      journal.events.size / sizeof(EventEntry) != journal.event_count)
    return false;
  const auto* events = reinterpret_cast<const EventEntry*>(bytes + journal.events.offset);
  for (uint32_t i = 0; i < journal.event_count; i++)
    if (!are_inside({events[i].action, events[i].actor, events[i].tail}, size)) return false;
  return true;
}

}  // namespace

bool is_sound_table(const uint8_t* bytes, uint32_t size) noexcept {
  if (size < sizeof(MonitorTable)) return false;
  const auto& table = *reinterpret_cast<const MonitorTable*>(bytes);
  const bool probes = table.health.interval_ms > 0;
  return table.magic == kMonitorMagic && table.version == kMonitorVersion && table.size == size &&
         table.state_head.size <= kMaxStateHead && table.exit_head.size <= kMaxExitHead &&
         are_inside(
             {table.state_head, table.exit_head, table.cleanup, table.removal, table.health.launch},
             size) &&
         is_text(bytes, table.oom_file, size) && is_text(bytes, table.kill_file, size) &&
         is_text(bytes, table.groups, size) && is_sound_launch(bytes, table.launch, size) &&
         are_sound_events(bytes, table.journal, size) &&
         (!probes ||
          (table.health.launch.size == sizeof(MonitorLaunch) &&
           is_sound_launch(
               bytes, *reinterpret_cast<const MonitorLaunch*>(bytes + table.health.launch.offset),
               size)));
}

namespace {

void forget_table() noexcept {
  if (mapped != nullptr)
    call(nr::munmap, sys::ptr(mapped), static_cast<long>(mapped_size));
  else
    forget_pages(const_cast<uint8_t*>(given.bytes), given.table->size);
}

void open_groups(Section groups) noexcept {
  const char* path = given.text(groups);
  const char* const end = path + groups.size;
  for (uint32_t i = 0; i < kMaxGroups && path < end; i++) {
    auto fd = static_cast<int>(given.slots[kGroupSlots + i]);
    close_it(&fd);
    given.slots[kGroupSlots + i] = open_at(AT_FDCWD, path, O_RDONLY | O_DIRECTORY);
    while (*path != 0) path++;
    path++;
  }
}

// True for a whole one that is sound; its memory is the caller's.
bool read_table(int fd, uint8_t** bytes, size_t* size) noexcept {
  struct stat about{};
  if (call(nr::fstat, fd, sys::ptr(&about)) != 0 || about.st_size <= 0 ||
      about.st_size > static_cast<int64_t>(launch::kMaxPlanSize))
    return false;
  *size = static_cast<size_t>(about.st_size);
  const long made =
      call(nr::mmap, 0, about.st_size, 3 /* READ|WRITE */, 0x22 /* PRIVATE|ANON */, -1, 0);
  if (sys::failed(made)) return false;
  *bytes = reinterpret_cast<uint8_t*>(made);
  if (call(nr::read, fd, made, about.st_size) == about.st_size &&
      is_sound_table(*bytes, static_cast<uint32_t>(*size)))
    return true;
  call(nr::munmap, made, about.st_size);
  return false;
}

}  // namespace

RestartTable policy;

void take_up_table() noexcept {
  // Taken by one step: what is put there after it is another one, for the next time.
  if (call(nr::renameat2, given.run, sys::ptr(kTable), given.run, sys::ptr(kTaken), 0) != 0) return;
  int fd = open_at(given.run, kTaken, O_RDONLY);
  uint8_t* bytes = nullptr;
  size_t size = 0;
  const bool is_whole = fd >= 0 && read_table(fd, &bytes, &size);
  close_it(&fd);
  call(nr::unlinkat, given.run, sys::ptr(kTaken), 0);
  if (!is_whole) return;
  forget_table();
  given.bytes = mapped = bytes;
  mapped_size = size;
  given.table = reinterpret_cast<const MonitorTable*>(bytes);
  policy = given.table->restart;
  open_groups(given.table->groups);
}

}  // namespace slipway::init
