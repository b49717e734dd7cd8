#include "init/monitor_held.h"

#include <poll.h>

#include "init/monitor_events.h"
#include "init/monitor_state.h"

namespace slipway::init {
namespace {

namespace nr = sys::nr;

constexpr uint32_t kMaxHeld = 256;
constexpr unsigned long kPtyNumber = 0x80045430;  // TIOCGPTN: of a master alone, ioctl_tty(2)
// Of a terminal before it is others' turn.
constexpr int kTurn = 16;
constexpr int kLastWaitMs = 20;

struct Held {
  int pidfd;  // 0: none
  int terminal;
  int32_t pid;
  bool is_closed;  // nobody has the other end of its terminal
  char exec_id[kExecIdSize];
};

// Made with the first one.
Held* all = nullptr;
uint32_t used = 0;

bool is_id(const char (&text)[kExecIdSize]) noexcept {
  for (const char digit : text)
    if ((digit < '0' || digit > '9') && (digit < 'a' || digit > 'f')) return false;
  return true;
}

// One that has ended meanwhile is told of, too.
bool is_pidfd(int fd) noexcept {
  const long result = call(nr::pidfd_send_signal, fd, 0, 0, 0);
  return result == 0 || result == -kEsrch;
}

bool is_master(int fd) noexcept {
  uint32_t number = 0;
  return call(nr::ioctl, fd, static_cast<long>(kPtyNumber), sys::ptr(&number)) == 0;
}

int32_t fitness(const HoldRequest& request, int pidfd, int terminal) noexcept {
  if (state.status != Status::kRunning) return kEsrch;
  if (request.pid <= 0 || request.was_attached > 1 || !is_id(request.exec_id)) return kEinval;
  if (pidfd < 0 || !is_pidfd(pidfd)) return kEinval;
  return terminal >= 0 && !is_master(terminal) ? kEnotty : 0;
}

bool make_places() noexcept {
  if (all != nullptr) return true;
  const long made = call(nr::mmap, 0, sizeof(Held) * kMaxHeld, 3 /* READ|WRITE */,
                         0x22 /* PRIVATE|ANON */, -1, 0);
  if (sys::failed(made)) return false;
  all = reinterpret_cast<Held*>(made);
  return true;
}

Held* free_place() noexcept {
  if (!make_places()) return nullptr;
  for (uint32_t i = 0; i < used; i++)
    if (all[i].pidfd <= 0) return &all[i];
  return used < kMaxHeld ? &all[used++] : nullptr;
}

// As for the container's own end: 128 + n after signal n, -1 where the kernel does not tell.
int32_t code_of(const Held& held) noexcept {
  const int32_t status = status_of_other(held.pid, held.pidfd);
  const int32_t signal = status & 0x7f;
  return status < 0 ? -1 : signal != 0 ? 128 + signal : status >> 8 & 0xff;
}

void release(Held& held, int32_t code) noexcept {
  note_exec_end(held.exec_id, kExecIdSize, code);
  close_it(&held.pidfd);
  if (held.terminal > 0) close_it(&held.terminal);
  held = Held{};
}

bool has_ended(const Held& held, int timeout_ms) noexcept {
  pollfd wanted{held.pidfd, POLLIN, 0};
  const int64_t time[2] = {0, timeout_ms * int64_t{1000000}};
  return call(nr::ppoll, sys::ptr(&wanted), 1, sys::ptr(time), 0, 8) == 1;
}

}  // namespace

int32_t hold(const HoldRequest& request, int pidfd, int terminal) noexcept {
  int32_t why = fitness(request, pidfd, terminal);
  Held* held = why == 0 ? free_place() : nullptr;
  if (why == 0 && held == nullptr) why = kEmfile;
  if (why != 0) {
    close_it(&pidfd);
    close_it(&terminal);
    return why;
  }
  held->pidfd = pidfd;
  held->terminal = terminal < 0 ? 0 : terminal;
  held->pid = request.pid;
  __builtin_memcpy(held->exec_id, request.exec_id, kExecIdSize);
  const auto index = static_cast<uint32_t>(held - all);
  if (request.was_attached != 0) note_exec_detach(held->exec_id, kExecIdSize);
  if (terminal >= 0) {
    call(nr::fcntl, terminal, F_SETFL, O_RDWR | O_NONBLOCK);
    watch(terminal, Source::kHeldTerminal, index, EPOLLIN);
  }
  watch(pidfd, Source::kHeldEnd, index, EPOLLIN);
  return 0;
}

void serve_held_end(uint32_t index) noexcept {
  Held& held = all[index];
  if (held.pidfd > 0 && has_ended(held, 0)) release(held, code_of(held));
}

void serve_held_terminal(uint32_t index) noexcept {
  Held& held = all[index];
  for (int turn = 0; held.terminal > 0 && turn < kTurn; turn++) {
    const long got = call(nr::read, held.terminal, sys::ptr(buffer), sizeof buffer);
    if (got == -kEagain) return;
    const bool is_closed = got <= 0;
    if (is_closed != held.is_closed) {
      // EIO, as long as nobody opens it again: an edge tells of that, and a level would not rest.
      held.is_closed = is_closed;
      watch(held.terminal, Source::kHeldTerminal, index,
            EPOLLIN | (is_closed ? static_cast<uint32_t>(EPOLLET) : 0));
    }
    if (is_closed) return;
  }
}

void end_held() noexcept {
  for (uint32_t i = 0; i < used; i++) {
    if (all[i].pidfd > 0) call(nr::pidfd_send_signal, all[i].pidfd, 9 /* SIGKILL */, 0, 0);
  }
  for (uint32_t i = 0; i < used; i++) {
    Held& held = all[i];
    if (held.pidfd > 0) release(held, has_ended(held, kLastWaitMs) ? code_of(held) : -1);
  }
  used = 0;
}

}  // namespace slipway::init
