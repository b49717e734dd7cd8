// Who is connected: requests in, output and news out. A client that does not read misses output and
// is told how much; it never holds up the container or another client.
#pragma once
#include "init/monitor_base.h"
#include "init/monitor_launch.h"

namespace slipway::init {

void add_client(int fd) noexcept;
void accept_client(int listen) noexcept;
void serve_client(uint32_t index, uint32_t events) noexcept;
// Whoever writes standard input may go on.
void serve_input() noexcept;

// Whether anybody takes this stream, 1 or 2.
bool is_read(unsigned stream) noexcept;
void tell_output(unsigned stream, const uint8_t* bytes, size_t size) noexcept;
void tell_missed(unsigned stream, size_t size) noexcept;
// State and end, to who watches.
void tell_state(const Text& text) noexcept;
void tell_exit(const Text& text) noexcept;
// To everybody.
void tell_failure(const Failure& failure) noexcept;
// Whoever asked for it is still connected.
bool are_starts_held() noexcept;
// The last of what was said goes into the sockets of who has not read yet: it stays there when this
// process ends.
void make_room() noexcept;
// False while somebody has not read yet what was said.
bool is_all_told() noexcept;

// What clients ask for, carried out elsewhere. 0 or an errno.
int32_t asked_signal(int32_t signal) noexcept;
int32_t asked_stop(int32_t signal, int32_t timeout_ms) noexcept;
int32_t asked_restart_policy(uint32_t kind, uint32_t most) noexcept;
int32_t asked_kill() noexcept;
int32_t asked_hold_starts() noexcept;
// Who begins to watch is told that.
const Text& current_state() noexcept;

}  // namespace slipway::init
