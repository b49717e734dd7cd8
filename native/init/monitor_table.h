// The table the monitor decides by: whether it is sound, and the one that takes its place.
#pragma once
#include "init/monitor_base.h"

namespace slipway::init {

// In place of a slot of the monitor's, for one that no launch borrows.
inline constexpr uint16_t kNotBorrowed = 0xffff;
// Its own, or what was asked for since.
extern RestartTable policy;

bool is_sound_table(const uint8_t* bytes, uint32_t size) noexcept;
// A command that has changed the container leaves another table in the run directory. To be called
// before anything is done by the table that may have changed; pointers into the old one are dead
// afterwards. One that is not sound is ignored.
void take_up_table() noexcept;

}  // namespace slipway::init
