// libFuzzer: bytes that may be a monitor's table. What is let through is read to its last byte as the monitor reads it: texts to their NUL,
// lists of slots, heads, events, programs.
#include <stdlib.h>
#include <string.h>

#include "init/monitor_table.h"
#include "launch/executor.h"

namespace {

using namespace slipway;
using namespace slipway::init;

volatile uint64_t seen;
int64_t slots[launch::kMaxSlots];

struct Reader {
  const uint8_t* table;

  void text(Section section) const {
    if (section.size > 0) seen = strlen(reinterpret_cast<const char*>(table + section.offset));
  }
  void bytes(Section section) const {
    for (uint32_t i = 0; i < section.size; i++) seen = table[section.offset + i];
  }
  void slot_numbers(Section section) const {
    for (uint32_t i = 0; i < section.size / 2; i++)
      seen = static_cast<uint64_t>(slots[reinterpret_cast<const uint16_t*>(table + section.offset)[i]]);
  }
  // As a copy, which is decoded in place: not a byte longer.
  void program(Section section) const {
    if (section.size == 0) return;
    auto* copy = static_cast<uint8_t*>(aligned_alloc(8, (section.size + 7) & ~7ul));
    memcpy(copy, table + section.offset, section.size);
    launch::Plan plan;
    seen = launch::decode_plan(copy, section.size, &plan);
    free(copy);
  }
  void launching(const MonitorLaunch& launch) const {
    for (const Section& each : {launch.prepare, launch.in_child, launch.after, launch.layers,
                                launch.network, launch.join})
      program(each);
    for (const Section& each : {launch.join_fds, launch.close}) slot_numbers(each);
    const auto* stages = reinterpret_cast<const StageEntry*>(table + launch.stages.offset);
    for (uint32_t i = 0; i < launch.stage_count; i++) {
      slot_numbers(stages[i].fds);
      bytes(stages[i].bytes);
    }
    const auto* borrowed = reinterpret_cast<const uint16_t*>(table + launch.borrowed.offset);
    for (uint32_t i = 0; i < launch.borrowed.size / 2; i++) {
      seen = static_cast<uint64_t>(slots[i]);
      if (borrowed[i] != kNotBorrowed) seen = static_cast<uint64_t>(given.slots[borrowed[i]]);
    }
    if (launch.cgroup_slot != launch::kNoSlot) seen = static_cast<uint64_t>(slots[launch.cgroup_slot]);
  }
};

void read_all(const uint8_t* bytes) {
  const auto& table = *reinterpret_cast<const MonitorTable*>(bytes);
  const Reader reader{bytes};
  reader.launching(table.launch);
  for (const Section& each : {table.state_head, table.exit_head}) reader.bytes(each);
  for (const Section& each : {table.oom_file, table.kill_file, table.groups, table.journal.folder})
    reader.text(each);
  for (const Section& each : {table.cleanup, table.removal}) reader.program(each);
  const auto* events = reinterpret_cast<const EventEntry*>(bytes + table.journal.events.offset);
  for (uint32_t i = 0; i < table.journal.event_count; i++)
    for (const Section& each : {events[i].action, events[i].actor, events[i].tail}) reader.bytes(each);
  if (table.health.interval_ms > 0)
    reader.launching(*reinterpret_cast<const MonitorLaunch*>(bytes + table.health.launch.offset));
}

}  // namespace

// What the monitor's other parts are, which are not here.
namespace slipway::init {
void watch(int, Source, uint32_t, uint32_t) noexcept {}
}  // namespace slipway::init

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  auto* copy = static_cast<uint8_t*>(aligned_alloc(8, (size + 7) & ~7ul));
  if (copy == nullptr) return 0;
  memcpy(copy, bytes, size);
  if (is_sound_table(copy, static_cast<uint32_t>(size))) read_all(copy);
  free(copy);
  return 0;
}

extern "C" size_t LLVMFuzzerMutate(uint8_t* bytes, size_t size, size_t max_size);

// A table of another size than it says is no table, and nothing else of it is ever looked at.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* bytes, size_t size, size_t max_size, unsigned seed) {
  size = LLVMFuzzerMutate(bytes, size, max_size);
  if (seed % 16 == 0 || size < sizeof(MonitorTable)) return size;
  const uint32_t head[3] = {kMonitorMagic, kMonitorVersion, static_cast<uint32_t>(size)};
  memcpy(bytes, head, sizeof head);
  return size;
}
