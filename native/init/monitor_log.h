// The log of a container: numbered segments in its directory. docs/monitor.md, Log segments.
//
// A record of the compact form is complete at any moment: its head comes first with a size of 0,
// then the bytes, then the size. What was spliced from a FIFO is in the file or still in the FIFO,
// wherever this process is killed.
#pragma once
#include "init/monitor_base.h"

namespace slipway::init {

// Continues with the newest segment there is, whose end it repairs.
void open_log() noexcept;

// Bytes of one record at most.
size_t log_limit() noexcept;

// From a FIFO, in the compact form. How many went; 0: no room, nothing was taken; -EINVAL: this
// file system cannot; -EAGAIN: the FIFO is empty.
long log_splice(unsigned stream, int fifo, size_t size) noexcept;
// What `log_splice` or `log_bytes` wrote last, into `buffer`, if it has room. False where it cannot
// be read.
bool read_logged(size_t size) noexcept;

// False: no room, nothing was written.
bool log_bytes(unsigned stream, const uint8_t* bytes, size_t size) noexcept;

// The whole lines among the bytes, in the json-file form; with `all` the rest, too. How many bytes
// are done with: lost ones are counted.
size_t log_lines(unsigned stream, const uint8_t* bytes, size_t size, bool all) noexcept;

// So much was lost, and is told before the next record.
void log_lost(unsigned stream, uint64_t size) noexcept;

// What is still to be told of that.
void finish_log() noexcept;
// Gives the memory of its buffer back.
void forget_log_buffer() noexcept;

}  // namespace slipway::init
