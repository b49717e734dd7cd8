// What happens to the container, told to the engine's journal of events: a line each, by the pieces
// in the table. Others write it at the same time, by the rules of src/adapters/event-journal.ts.
// Nothing is flushed, and what cannot be written is not told: a container does not suffer for it.
#pragma once
#include "init/monitor_base.h"
#include "init/monitor_state.h"

namespace slipway::init {

void note(Moment moment) noexcept;
void note_kill(int32_t signal) noexcept;
// Of a process that was left to the container: not a text, hex digits alone.
void note_exec_detach(const char* exec_id, size_t size) noexcept;
void note_exec_end(const char* exec_id, size_t size, int32_t code) noexcept;
// Of a run that was executed.
void note_end(const End& end) noexcept;

}  // namespace slipway::init
