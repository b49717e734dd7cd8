// The container's streams as the monitor has them: FIFOs in the run directory, or a terminal.
#pragma once
#include "init/monitor_base.h"

namespace slipway::init {

// Standard output and error, which are there. 0 or a positive errno.
int open_streams() noexcept;

// The container's ends, for a launch; taken back when it is over. 0 or a positive errno.
int lend_streams(int (&fds)[3]) noexcept;
void take_back_streams(int (&fds)[3]) noexcept;

// The terminal's master, which is this process's from now on.
void take_terminal(int fd) noexcept;

// Something came, or room.
void pump_output(uint32_t index) noexcept;
void pump_terminal() noexcept;
// When an output is to be looked at again, as now_ms tells it: 0 for one that was left before it
// was empty, since others are to have their turn.
int64_t next_output() noexcept;
void pump_waiting() noexcept;

// Nobody writes any more: the rest is taken, and the streams of this run end.
void drain_streams() noexcept;

// How many bytes it took: 0 when it is full, and kStdin is told of room. -EPIPE: there is none.
long write_input(const uint8_t* bytes, size_t size) noexcept;
// 0 or an errno.
int32_t end_input() noexcept;
bool has_input() noexcept;
// Room for input is looked out for.
void await_input_room(bool wanted) noexcept;

// 0 or an errno. Before there is a terminal, it is remembered.
int32_t resize_terminal(uint16_t columns, uint16_t rows) noexcept;

// Gives back memory that was needed for a moment.
void forget_buffers() noexcept;

}  // namespace slipway::init
