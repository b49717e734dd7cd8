#include "init/monitor_streams.h"

#include <sys/ioctl.h>

#include "init/monitor_clients.h"
#include "init/monitor_log.h"

namespace slipway::init {
namespace {

namespace nr = sys::nr;

constexpr const char* kNames[3] = {"stdin", "stdout", "stderr"};
constexpr long kSetPipeSize = 1031, kGetPipeSize = 1032;  // F_SETPIPE_SZ, F_GETPIPE_SZ
constexpr long kLargePipe = 1 << 20;
// The disk does not keep up where a write sleeps for so long.
constexpr int64_t kSlowMs = 50;
// Pieces of one output before it is others' turn, and at its end: somebody may write for ever.
constexpr int kTurn = 16, kLastTurns = 1024;
// To be woken by every line of one that writes without a pause costs it more than its write, and
// this process all its time. So it is looked at once in so long, unless as much comes as a FIFO has
// room for (bench/log-flood.mjs).
constexpr int64_t kNapMs = 1;
constexpr size_t kPiece = kBufferSize;    // that goes through this process
constexpr size_t kUnfinished = 16 << 10;  // of a line in the json-file form
constexpr int kNothing = 0;               // this process's standard input is /dev/null

struct Output {
  int fd = -1;
  long capacity = 0;
  size_t unfinished = 0;   // json-file: bytes of a line that stay in the FIFO, and were told
  bool is_slow = false;    // the last write had to wait
  bool is_raised = false;  // in its capacity
  bool waits = false;
  size_t most = 0;           // that was there at once, of late
  int64_t look_at = kNever;  // nobody is woken by it meanwhile
};

Output outputs[2];
int terminal = -1;
int input = -1;
int scratch[2] = {-1, -1};  // json-file: what is in a FIFO is looked at in here
// Of standard input: what is said before the first start waits for it, and what is said after an
// end goes nowhere.
bool was_lent = false;
bool ends_at_once = false;
bool cannot_splice = false;
uint8_t line[kUnfinished];  // json-file, of a terminal
size_t line_size = 0;
uint16_t window[4] = {};  // struct winsize: rows, columns
bool has_window = false;

unsigned stream_of(uint32_t index) noexcept { return index + 1; }

size_t bytes_in(int fd) noexcept {
  int count = 0;
  return sys::failed(call(nr::ioctl, fd, FIONREAD, sys::ptr(&count))) || count < 0
             ? 0
             : static_cast<size_t>(count);
}

// On its own account: one that only has to wait for a processor does not sleep. getrusage(2).
int64_t times_slept() noexcept {
  int64_t usage[18] = {};  // struct rusage: two times, then ru_maxrss … ru_nvcsw, ru_nivcsw
  call(nr::getrusage, 1 /* RUSAGE_THREAD */, sys::ptr(usage));
  return usage[16];
}

void throw_away(int fd, size_t size) noexcept {
  while (size > 0) {
    const long gone =
        call(nr::splice, fd, 0, kNothing, 0, static_cast<long>(size), 2 /* SPLICE_F_NONBLOCK */);
    if (gone <= 0) return;
    size -= static_cast<size_t>(gone);
  }
}

void tell_and_count_lost(unsigned stream, size_t size) noexcept {
  tell_output(stream, buffer, size);
  log_lost(stream, size);
}

// The container is not to wait for the disk: what it has written meanwhile is lost, and told.
void drop_all(uint32_t index) noexcept {
  Output& output = outputs[index];
  const size_t size = bytes_in(output.fd);
  throw_away(output.fd, size);
  log_lost(stream_of(index), size);
  tell_missed(stream_of(index), size - output.unfinished);
  output.unfinished = 0;
}

// Once. EPERM above the user's share of such memory: it stays as it is. pipe(7).
void raise(Output& output) noexcept {
  if (output.is_raised) return;
  call(nr::fcntl, output.fd, kSetPipeSize, kLargePipe);
  output.capacity = call(nr::fcntl, output.fd, kGetPipeSize);
  output.is_raised = true;
}

// More room first; what is there is lost only where the disk is what holds the container up.
bool relieve(uint32_t index, size_t size) noexcept {
  Output& output = outputs[index];
  if (output.capacity == 0) output.capacity = call(nr::fcntl, output.fd, kGetPipeSize);
  const bool is_full = static_cast<long>(size) >= output.capacity / 4 * 3;
  if (!is_full || given.has(kNoLog)) return false;
  if (!output.is_raised) return raise(output), false;
  if (!output.is_slow || given.has(kBlockingLog)) return false;
  drop_all(index);
  return true;
}

void copy_piece(uint32_t index, size_t size) noexcept {
  if (given.has(kNoLog) && !is_read(stream_of(index))) return throw_away(outputs[index].fd, size);
  const long got = call(nr::read, outputs[index].fd, sys::ptr(buffer), static_cast<long>(size));
  if (got <= 0) return;
  const auto count = static_cast<size_t>(got);
  if (!given.has(kNoLog) && (!cannot_splice || !log_bytes(stream_of(index), buffer, count)))
    return tell_and_count_lost(stream_of(index), count);
  tell_output(stream_of(index), buffer, count);
}

// False when nothing more is to be had.
bool pump_compact(uint32_t index, size_t size) noexcept {
  const bool is_copied = given.has(kNoLog) || cannot_splice || is_read(stream_of(index));
  const size_t room = is_copied && kPiece < log_limit() ? kPiece : log_limit();
  const size_t wanted = size < room ? size : room;
  if (given.has(kNoLog) || cannot_splice) return copy_piece(index, wanted), true;
  const long moved = log_splice(stream_of(index), outputs[index].fd, wanted);
  if (moved == -kEagain) return false;
  if (moved == -kEinval) {
    cannot_splice = true;
  } else if (moved == 0) {
    copy_piece(index, wanted < kPiece ? wanted : kPiece);
  } else if (is_read(stream_of(index))) {
    const auto size_moved = static_cast<size_t>(moved);
    if (read_logged(size_moved))
      tell_output(stream_of(index), buffer, size_moved);
    else
      tell_missed(stream_of(index), size_moved);
  }
  return true;
}

// Looked at without being taken, so that a line is in the log before it leaves the FIFO.
size_t peek(int fd, size_t size) noexcept {
  if (scratch[0] < 0 && sys::failed(call(nr::pipe2, sys::ptr(scratch), O_CLOEXEC | O_NONBLOCK)))
    return 0;
  const long there = call(nr::tee, fd, scratch[1], static_cast<long>(size), 2 /* NONBLOCK */);
  if (there <= 0) return 0;
  size_t got = 0;
  while (got < static_cast<size_t>(there)) {
    const long piece = call(nr::read, scratch[0], sys::ptr(buffer + got), there - got);
    if (piece <= 0) break;
    got += static_cast<size_t>(piece);
  }
  return got;
}

bool pump_json(uint32_t index, size_t size, bool is_last) noexcept {
  Output& output = outputs[index];
  if (size == output.unfinished && !is_last) return false;
  const size_t got = peek(output.fd, size < sizeof buffer ? size : sizeof buffer);
  if (got == 0) return false;
  if (got > output.unfinished)
    tell_output(stream_of(index), buffer + output.unfinished, got - output.unfinished);
  size_t done = log_lines(stream_of(index), buffer, got, false);
  // Many small pieces fill what is looked at before the line is long enough.
  if (done == 0 && ((got <= output.unfinished && got < size) || is_last))
    done = log_lines(stream_of(index), buffer, got, true);
  throw_away(output.fd, done);
  output.unfinished = got - done;
  return true;
}

bool pump_piece(uint32_t index, bool is_last) noexcept {
  Output& output = outputs[index];
  const size_t size = bytes_in(output.fd);
  if (size == 0) return false;
  if (size > output.most) output.most = size;
  if (relieve(index, size)) return true;
  const int64_t begun = now_ms(), sleeps = times_slept();
  const bool more = given.has(kJsonLog) && !given.has(kNoLog) ? pump_json(index, size, is_last)
                                                              : pump_compact(index, size);
  output.is_slow = now_ms() - begun >= kSlowMs && times_slept() > sleeps;
  return more;
}

void log_terminal(size_t size, bool all) noexcept {
  if (given.has(kNoLog)) return;
  if (!given.has(kJsonLog)) {
    for (size_t at = 0; at < size;) {
      const size_t limit = log_limit(), rest = size - at;
      const size_t piece = rest < limit ? rest : limit;
      if (!log_bytes(1, buffer + at, piece)) log_lost(1, piece);
      at += piece;
    }
    return;
  }
  const size_t done = log_lines(1, buffer, size, all);
  line_size = size - done < sizeof line ? size - done : sizeof line;
  __builtin_memcpy(line, buffer + done, line_size);
}

// True when something came.
bool read_terminal() noexcept {
  const size_t before = given.has(kJsonLog) ? line_size : 0;
  __builtin_memcpy(buffer, line, before);
  const long got = call(nr::read, terminal, sys::ptr(buffer + before),
                        static_cast<long>(sizeof buffer - before));
  if (got <= 0) {
    // EIO: nobody has the other end.
    if (got != -kEagain) watch(terminal, Source::kTerminal, 0, 0);
    return false;
  }
  tell_output(1, buffer + before, static_cast<size_t>(got));
  log_terminal(before + static_cast<size_t>(got), false);
  return true;
}

void await_output(uint32_t index) noexcept {
  outputs[index].look_at = kNever;
  watch(outputs[index].fd, Source::kStdout, index, EPOLLIN | EPOLLET);
}

// False where its FIFO could be full by then.
bool take_nap(uint32_t index) noexcept {
  Output& output = outputs[index];
  raise(output);
  if (output.capacity < kLargePipe) return false;
  if (output.look_at == kNever) watch(output.fd, Source::kStdout, index, 0);
  output.look_at = now_ms() + kNapMs;
  return true;
}

// What has come during a nap, and not what comes meanwhile.
void look_again(uint32_t index) noexcept {
  Output& output = outputs[index];
  const size_t size = bytes_in(output.fd);
  if (size == output.unfinished) return await_output(index);
  for (size_t piece = 0; piece <= size / kPiece; piece++)
    if (!pump_piece(index, false)) break;
  if (size < kLargePipe / 2)
    (void)take_nap(index);
  else
    output.look_at = 0;
}

int open_input(int* lent) noexcept {
  if (!given.has(kHasStdin)) {
    *lent = open_at(AT_FDCWD, "/dev/null", O_RDONLY);
    return *lent < 0 ? -*lent : 0;
  }
  // Open for both first: neither end could be opened alone. What nobody has read is gone with that.
  close_it(&input);
  int both = open_at(given.run, kNames[0], O_RDWR | O_NONBLOCK);
  if (both < 0) return -both;
  *lent = open_at(given.run, kNames[0], O_RDONLY);
  input = open_at(given.run, kNames[0], O_WRONLY | O_NONBLOCK);
  close_it(&both);
  const int error = *lent < 0 ? -*lent : input < 0 ? -input : 0;
  if (ends_at_once) close_it(&input);
  ends_at_once = false;
  return error;
}

}  // namespace

int open_streams() noexcept {
  if (given.has(kHasTerminal)) return 0;
  for (uint32_t index = 0; index < 2; index++) {
    // Both ways, so that it never ends.
    const int fd = open_at(given.run, kNames[index + 1], O_RDWR | O_NONBLOCK);
    if (fd < 0) return -fd;
    outputs[index].fd = fd;
    await_output(index);
  }
  return 0;
}

int lend_streams(int (&fds)[3]) noexcept {
  int error = 0;
  if (given.has(kHasTerminal)) {
    for (int& fd : fds) {
      fd = open_at(AT_FDCWD, "/dev/null", O_RDWR);
      if (fd < 0) error = -fd;
    }
  } else {
    error = open_input(&fds[0]);
    for (int i = 1; i < 3; i++) {
      fds[i] = open_at(given.run, kNames[i], O_RDWR);
      if (fds[i] < 0) error = -fds[i];
    }
  }
  if (error != 0) take_back_streams(fds);
  was_lent = error == 0 && !given.has(kHasTerminal);
  return error;
}

void take_back_streams(int (&fds)[3]) noexcept {
  for (int& fd : fds) close_it(&fd);
}

void take_terminal(int fd) noexcept {
  close_it(&terminal);
  terminal = fd;
  call(nr::fcntl, fd, F_SETFL, O_RDWR | O_NONBLOCK);
  if (has_window) call(nr::ioctl, fd, TIOCSWINSZ, sys::ptr(window));
  was_lent = true;
  watch(fd, Source::kTerminal, 0, EPOLLIN);
}

void pump_output(uint32_t index) noexcept {
  Output& output = outputs[index];
  output.waits = false;
  output.most = 0;
  for (int turn = 0; turn < kTurn; turn++)
    if (!pump_piece(index, false)) return;
  output.waits = output.most >= kPiece || !take_nap(index);
}

void pump_terminal() noexcept {
  for (int turn = 0; turn < kTurn; turn++)
    if (!read_terminal()) return;
}

int64_t next_output() noexcept {
  int64_t next = kNever;
  for (const Output& output : outputs) {
    const int64_t at = output.waits ? 0 : output.look_at;
    if (at < next) next = at;
  }
  return next;
}

void pump_waiting() noexcept {
  for (uint32_t index = 0; index < 2; index++) {
    if (outputs[index].waits)
      pump_output(index);
    else if (outputs[index].look_at <= now_ms())
      look_again(index);
  }
}

void drain_streams() noexcept {
  for (uint32_t index = 0; index < 2; index++) {
    if (outputs[index].fd < 0) continue;
    outputs[index].is_slow = false;
    for (int turn = 0; turn < kLastTurns && pump_piece(index, false); turn++)
      outputs[index].is_slow = false;
    if (outputs[index].unfinished > 0) (void)pump_piece(index, true);
    outputs[index].waits = false;
    if (outputs[index].look_at != kNever) await_output(index);
  }
  if (terminal >= 0) {
    for (int turn = 0; turn < kLastTurns && read_terminal(); turn++) {
    }
    if (line_size > 0) {
      __builtin_memcpy(buffer, line, line_size);
      log_terminal(line_size, true);
    }
    close_it(&terminal);
  }
  finish_log();
  close_it(&input);
}

long write_input(const uint8_t* bytes, size_t size) noexcept {
  const int fd = given.has(kHasTerminal) ? terminal : input;
  if (fd < 0) return was_lent ? -kEpipe : 0;
  const long done = call(nr::write, fd, static_cast<long>(reinterpret_cast<uintptr_t>(bytes)),
                         static_cast<long>(size));
  if (done >= 0) return done;
  if (done == -kEagain) return 0;
  close_it(&input);
  return -kEpipe;
}

int32_t end_input() noexcept {
  if (given.has(kHasTerminal)) return kEinval;
  if (input < 0 && was_lent) return kEpipe;
  ends_at_once = !was_lent;
  close_it(&input);
  return 0;
}

bool has_input() noexcept { return given.has(kHasTerminal) ? true : given.has(kHasStdin); }

void await_input_room(bool wanted) noexcept {
  if (terminal >= 0)
    watch(terminal, Source::kTerminal, 0, EPOLLIN | (wanted ? static_cast<uint32_t>(EPOLLOUT) : 0));
  else if (input >= 0)
    watch(input, Source::kStdin, 0, wanted ? static_cast<uint32_t>(EPOLLOUT) : 0);
}

int32_t resize_terminal(uint16_t columns, uint16_t rows) noexcept {
  if (!given.has(kHasTerminal)) return kEnotty;
  window[0] = rows;
  window[1] = columns;
  has_window = true;
  if (terminal < 0) return 0;
  return static_cast<int32_t>(-call(nr::ioctl, terminal, TIOCSWINSZ, sys::ptr(window)));
}

void forget_buffers() noexcept {
  forget_pages(buffer, sizeof buffer);
  forget_log_buffer();
}

}  // namespace slipway::init
