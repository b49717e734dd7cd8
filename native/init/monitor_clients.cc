#include "init/monitor_clients.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include "init/monitor_held.h"
#include "init/monitor_streams.h"
#include "sys/cmsg.h"

namespace slipway::init {
namespace {

namespace nr = sys::nr;

constexpr uint32_t kMaxClients = 64;
// More are told so, and stay for as long as these places are not needed: one that is closed while
// it writes would not read what it was told.
constexpr uint32_t kPlaces = kMaxClients + 8;
constexpr uint32_t kMaxBody = 64 << 10;
constexpr size_t kHeaderSize = 8;
// What a client has not read of one frame of output, and of what comes behind it.
constexpr size_t kQueueSize = kMaxBody + (32 << 10);
constexpr size_t kPiece = 4096;  // of standard input

enum Type : uint8_t {
  kInput = 0,
  kState = 3,
  kExit = 4,
  kReply = 5,
  kMissed = 6,
  kStartFailed = 7,
  kAttach = 16,
  kEndInput = 17,
  kResize = 18,
  kSignal = 19,
  kStop = 20,
  kRestart = 21,
  kKill = 22,
  kHold = 23,
  kHoldStarts = 24,
};
constexpr uint32_t kRequestSizes[] = {4, 0, 4, 4, 8, 8, 0, sizeof(HoldRequest),
                                      0};  // from kAttach on
// A pidfd, and a terminal.
constexpr unsigned kMaxPassed = 2;

enum Attached : uint32_t { kTakesInput = 1, kReadsOutput = 2, kReadsError = 4, kWatches = 8 };

struct Header {
  uint8_t type;
  uint8_t zeros[3];
  uint8_t size[4];  // big endian

  [[nodiscard]] uint32_t body() const noexcept {
    return static_cast<uint32_t>(size[0]) << 24 | static_cast<uint32_t>(size[1]) << 16 |
           static_cast<uint32_t>(size[2]) << 8 | size[3];
  }
};
static_assert(sizeof(Header) == kHeaderSize);

struct Client {
  int fd = 0;  // none
  uint32_t attached = 0;
  uint32_t events = 0;  // that are waited for
  uint32_t have = 0;    // of header and body
  Header header = {};
  alignas(4) uint8_t body[sizeof(HoldRequest)] = {};
  // Descriptors that came with the frame that is being read.
  int passed[kMaxPassed] = {};
  unsigned passed_count = 0;
  bool is_blocked = false;    // what it wrote last has no room yet
  bool holds_starts = false;  // as long as it is connected
  uint64_t missed = 0;
  uint8_t* queue = nullptr;
  size_t queued = 0, sent = 0;
};

Client clients[kPlaces];
uint32_t used = 0;
uint32_t last_refused = kMaxClients;

uint32_t index_of(const Client& client) noexcept {
  return static_cast<uint32_t>(&client - clients);
}

// Something is still to be said to it.
bool is_late(const Client& client) noexcept {
  return client.queued > client.sent || client.missed > 0;
}

void look_out(Client& client) noexcept {
  const uint32_t in = client.is_blocked ? 0 : static_cast<uint32_t>(EPOLLIN);
  const uint32_t events = in | (is_late(client) ? static_cast<uint32_t>(EPOLLOUT) : 0);
  if (events == client.events) return;
  watch(client.fd, Source::kClient, index_of(client), events);
  client.events = events;
}

void free_queue(Client& client) noexcept {
  if (client.queue != nullptr) call(nr::munmap, sys::ptr(client.queue), kQueueSize);
  client.queue = nullptr;
  client.queued = client.sent = 0;
}

void drop(Client& client) noexcept {
  const bool had_input = (client.attached & kTakesInput) != 0;
  free_queue(client);
  for (unsigned i = 0; i < client.passed_count; i++) close_it(&client.passed[i]);
  close_it(&client.fd);
  client = Client{};
  if (!had_input) return;
  await_input_room(false);
  if (given.has(kStdinOnce)) (void)end_input();
}

// False: that is more than is kept.
bool enqueue(Client& client, const void* bytes, size_t size) noexcept {
  if (client.queue == nullptr) {
    const long made =
        call(nr::mmap, 0, kQueueSize, 3 /* READ|WRITE */, 0x22 /* PRIVATE|ANON */, -1, 0);
    if (sys::failed(made)) return false;
    client.queue = reinterpret_cast<uint8_t*>(made);
  }
  if (client.queued + size > kQueueSize) return false;
  __builtin_memcpy(client.queue + client.queued, bytes, size);
  client.queued += size;
  return true;
}

Header header_of(unsigned type, size_t size) noexcept {
  return {static_cast<uint8_t>(type),
          {},
          {static_cast<uint8_t>(size >> 24), static_cast<uint8_t>(size >> 16),
           static_cast<uint8_t>(size >> 8), static_cast<uint8_t>(size)}};
}

// How much went, 0 when there is no room; -errno when nobody is there any more.
long send_now(const Client& client, const Header& header, const void* body, size_t size) noexcept {
  iovec parts[2] = {{const_cast<Header*>(&header), sizeof header}, {const_cast<void*>(body), size}};
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = 2;
  const long sent = call(nr::sendmsg, client.fd, sys::ptr(&message), MSG_DONTWAIT | MSG_NOSIGNAL);
  return sent == -kEagain ? 0 : sent;
}

// A frame goes as a whole, now or later. False when it cannot: `may_miss`, or the client is gone.
bool say(Client& client, unsigned type, const void* body, size_t size, bool may_miss) noexcept {
  const Header header = header_of(type, size);
  const bool is_behind = client.queued > client.sent;
  if (is_behind && may_miss) return false;
  const long sent = is_behind ? 0 : send_now(client, header, body, size);
  if (sent == 0 && may_miss) return false;
  const size_t done = sent > 0 ? static_cast<size_t>(sent) : 0;
  bool ok = sent >= 0;
  if (ok && done < sizeof header)
    ok = enqueue(client, reinterpret_cast<const uint8_t*>(&header) + done, sizeof header - done);
  const size_t of_body = done > sizeof header ? done - sizeof header : 0;
  if (ok && of_body < size)
    ok = enqueue(client, static_cast<const uint8_t*>(body) + of_body, size - of_body);
  if (!ok) {
    drop(client);
    return may_miss;
  }
  look_out(client);
  return true;
}

void miss(Client& client, size_t size) noexcept {
  client.missed += size;
  look_out(client);
}

// True when there is nothing to make up for.
bool tell_of_missed(Client& client, bool may_wait = false) noexcept {
  if (client.missed == 0) return true;
  const uint64_t count = client.missed;
  if (!say(client, kMissed, &count, sizeof count, !may_wait)) return false;
  client.missed = 0;
  return client.fd > 0;
}

void flush(Client& client) noexcept {
  while (client.queued > client.sent) {
    const long sent =
        call(nr::sendto, client.fd, sys::ptr(client.queue + client.sent),
             static_cast<long>(client.queued - client.sent), MSG_DONTWAIT | MSG_NOSIGNAL, 0, 0);
    if (sent == -kEagain) return;
    if (sent <= 0) return drop(client);
    client.sent += static_cast<size_t>(sent);
  }
  free_queue(client);
  if (tell_of_missed(client)) look_out(client);
}

// The kernel doubles it, and gives who has no CAP_NET_ADMIN at most net.core.wmem_max: socket(7).
void give_room(const Client& client) noexcept {
  constexpr int kRoom = 1 << 20;  // by far more than a queue, and what the socket holds already
  for (const int option : {SO_SNDBUFFORCE, SO_SNDBUF})
    if (call(nr::setsockopt, client.fd, SOL_SOCKET, option, sys::ptr(&kRoom), sizeof kRoom) == 0)
      return;
}

uint32_t bit_of(unsigned stream) noexcept { return stream == 1 ? kReadsOutput : kReadsError; }

int32_t word(const Client& client, unsigned index) noexcept {
  int32_t value;
  __builtin_memcpy(&value, client.body + 4 * index, sizeof value);
  return value;
}

int32_t attach(Client& client) noexcept {
  const auto wanted = static_cast<uint32_t>(word(client, 0));
  if ((wanted & ~15u) != 0) return kEinval;
  if ((wanted & kTakesInput) != 0) {
    if (!has_input()) return kEpipe;
    for (uint32_t i = 0; i < used; i++)
      if (&clients[i] != &client && (clients[i].attached & kTakesInput) != 0) return kEbusy;
  }
  client.attached = wanted;
  return 0;
}

int32_t take_over(Client& client) noexcept {
  HoldRequest request;
  __builtin_memcpy(&request, client.body, sizeof request);
  const unsigned count = client.passed_count;
  client.passed_count = 0;
  const int pidfd = count > 0 ? client.passed[0] : -1;
  const int terminal = count > 1 ? client.passed[1] : -1;
  return hold(request, pidfd, terminal);
}

int32_t hold_starts(Client& client) noexcept {
  const int32_t result = asked_hold_starts();
  client.holds_starts = client.holds_starts || result == 0;
  return result;
}

int32_t carry_out(Client& client) noexcept {
  switch (client.header.type) {
    case kAttach:
      return attach(client);
    case kEndInput:
      return (client.attached & kTakesInput) == 0 ? kEperm : end_input();
    case kResize: {
      const auto size = static_cast<uint32_t>(word(client, 0));
      return resize_terminal(static_cast<uint16_t>(size), static_cast<uint16_t>(size >> 16));
    }
    case kSignal:
      return asked_signal(word(client, 0));
    case kStop:
      return asked_stop(word(client, 0), word(client, 1));
    case kRestart:
      return asked_restart_policy(static_cast<uint32_t>(word(client, 0)),
                                  static_cast<uint32_t>(word(client, 1)));
    case kHold:
      return take_over(client);
    case kHoldStarts:
      return hold_starts(client);
    default:
      return asked_kill();
  }
}

void answer(Client& client) noexcept {
  client.have = 0;
  const bool is_attach = client.header.type == kAttach;
  const int32_t result = carry_out(client);
  if (client.fd <= 0 || !say(client, kReply, &result, sizeof result, false)) return;
  // The first one comes before there is anything to tell.
  const bool watches = is_attach && result == 0 && (client.attached & kWatches) != 0;
  if (watches && current_state().size() > 0)
    (void)say(client, kState, current_state().bytes(), current_state().size(), false);
}

bool is_sound(const Header& header) noexcept {
  if (header.type == kInput) return header.body() <= kMaxBody;
  return header.type >= kAttach && header.type <= kHoldStarts &&
         header.body() == kRequestSizes[header.type - kAttach];
}

// Bytes of standard input stay in the socket until there is room for them. False when that is all
// for now.
bool take_input(Client& client) noexcept {
  uint8_t piece[kPiece];
  const size_t left = client.header.body() - (client.have - kHeaderSize);
  const size_t size = left < sizeof piece ? left : sizeof piece;
  const long there = call(nr::recvfrom, client.fd, sys::ptr(piece), static_cast<long>(size),
                          MSG_DONTWAIT | MSG_PEEK, 0, 0);
  if (there == -kEagain) return false;
  if (there <= 0) return drop(client), false;
  long done = there;
  if ((client.attached & kTakesInput) != 0) {
    const long written = write_input(piece, static_cast<size_t>(there));
    client.is_blocked = written == 0;
    // After its end it goes nowhere.
    done = written < 0 ? there : written;
  }
  if (client.is_blocked) {
    await_input_room(true);
    look_out(client);
    return false;
  }
  call(nr::recvfrom, client.fd, sys::ptr(piece), done, MSG_DONTWAIT, 0, 0);
  client.have += static_cast<uint32_t>(done);
  if (client.have == kHeaderSize + client.header.body()) client.have = 0;
  return true;
}

// Those that came along. False where they are more than any frame has.
bool keep_passed(Client& client, msghdr* message) noexcept {
  bool ok = (message->msg_flags & MSG_CTRUNC) == 0;
  for (cmsghdr* part = sys::first_control(message); part != nullptr;
       part = sys::next_control(message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const int* fds = reinterpret_cast<const int*>(CMSG_DATA(part));
    for (size_t i = 0; i < (part->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
      int fd = fds[i];
      ok = ok && client.passed_count < kMaxPassed;
      if (ok)
        client.passed[client.passed_count++] = fd;
      else
        close_it(&fd);
    }
  }
  return ok;
}

// Never more than what is left of a frame: so a descriptor is of the frame it comes with.
bool receive(Client& client, void* target, size_t size) noexcept {
  iovec part{target, size};
  alignas(8) char control[CMSG_SPACE(sizeof(int) * kMaxPassed)];
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const long got =
      call(nr::recvmsg, client.fd, sys::ptr(&message), MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (got == -kEagain) return false;
  if (got <= 0) return drop(client), false;
  client.have += static_cast<uint32_t>(got);
  if (keep_passed(client, &message)) return true;
  return drop(client), false;
}

// Of one that is not served.
bool throw_away(Client& client) noexcept {
  const long got =
      call(nr::recvfrom, client.fd, sys::ptr(buffer), sizeof buffer, MSG_DONTWAIT, 0, 0);
  if (got == -kEagain) return false;
  return got > 0 || (drop(client), false);
}

// False when that is all for now, or it is gone.
bool take_piece(Client& client) noexcept {
  if (client.have < kHeaderSize) {
    uint8_t* header = reinterpret_cast<uint8_t*>(&client.header);
    if (!receive(client, header + client.have, kHeaderSize - client.have)) return false;
    if (client.have < kHeaderSize) return true;
    const bool may_pass = client.header.type == kHold;
    if (!is_sound(client.header) || (client.passed_count > 0 && !may_pass))
      return drop(client), false;
    if (client.header.type == kInput && client.header.body() == 0) client.have = 0;
  } else if (client.header.type == kInput) {
    return take_input(client);
  } else {
    const size_t at = client.have - kHeaderSize;
    if (!receive(client, client.body + at, client.header.body() - at)) return false;
  }
  const bool is_whole = client.have == kHeaderSize + client.header.body();
  if (is_whole && client.passed_count > 0 && client.header.type != kHold)
    return drop(client), false;
  if (is_whole && client.header.type != kInput) answer(client);
  return client.fd > 0;
}

// Pieces of one client before it is others' turn.
constexpr int kTurn = 64;

void take(Client& client) noexcept {
  for (int turn = 0; turn < kTurn; turn++) {
    if (index_of(client) < kMaxClients) {
      if (!take_piece(client)) return;
    } else if (!throw_away(client)) {
      return;
    }
  }
}

void refuse(int fd) noexcept {
  if (++last_refused >= kPlaces) last_refused = kMaxClients;
  Client& client = clients[last_refused];
  if (client.fd > 0) drop(client);
  client.fd = fd;
  used = kPlaces;
  look_out(client);
  const int32_t why = kEmfile;
  (void)say(client, kReply, &why, sizeof why, false);
}

template <typename Say>
void each(uint32_t attached, const Say& tell) noexcept {
  for (uint32_t i = 0; i < used; i++)
    if (clients[i].fd > 0 && (clients[i].attached & attached) == attached) tell(clients[i]);
}

void tell_watchers(unsigned type, const Text& text) noexcept {
  each(kWatches,
       [&](Client& client) { (void)say(client, type, text.bytes(), text.size(), false); });
}

}  // namespace

void add_client(int fd) noexcept {
  uint32_t index = 0;
  while (index < kMaxClients && clients[index].fd > 0) index++;
  if (index == kMaxClients) return refuse(fd);
  if (index >= used) used = index + 1;
  clients[index] = Client{};
  clients[index].fd = fd;
  look_out(clients[index]);
}

void accept_client(int listen) noexcept {
  const long fd = call(nr::accept4, listen, 0, 0, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (!sys::failed(fd)) add_client(static_cast<int>(fd));
}

void serve_client(uint32_t index, uint32_t events) noexcept {
  Client& client = clients[index];
  if (client.fd <= 0) return;
  if ((events & EPOLLOUT) != 0) flush(client);
  if (client.fd <= 0) return;
  if (!client.is_blocked) return take(client);
  // It is gone, and what it wrote is still to go to the container: nothing else of it counts.
  if ((events & (EPOLLHUP | EPOLLERR)) != 0) {
    free_queue(client);
    client.missed = 0;
    client.attached &= kTakesInput;
    look_out(client);
  }
}

void serve_input() noexcept {
  await_input_room(false);
  for (uint32_t i = 0; i < used; i++) {
    if (clients[i].fd <= 0 || !clients[i].is_blocked) continue;
    clients[i].is_blocked = false;
    look_out(clients[i]);
    take(clients[i]);
  }
}

bool is_read(unsigned stream) noexcept {
  bool found = false;
  each(bit_of(stream), [&](Client&) { found = true; });
  return found;
}

void tell_output(unsigned stream, const uint8_t* bytes, size_t size) noexcept {
  each(bit_of(stream), [&](Client& client) {
    if (!tell_of_missed(client) || !say(client, stream, bytes, size, true))
      if (client.fd > 0) miss(client, size);
  });
}

void tell_missed(unsigned stream, size_t size) noexcept {
  each(bit_of(stream), [&](Client& client) { miss(client, size); });
}

void tell_state(const Text& text) noexcept { tell_watchers(kState, text); }

// What was missed of a run is told before its end: nobody listens for it behind that.
void tell_exit(const Text& text) noexcept {
  each(kWatches, [](Client& client) { (void)tell_of_missed(client, true); });
  tell_watchers(kExit, text);
}

void tell_failure(const Failure& failure) noexcept {
  each(0,
       [&](Client& client) { (void)say(client, kStartFailed, &failure, sizeof failure, false); });
}

bool are_starts_held() noexcept {
  for (uint32_t i = 0; i < used; i++)
    if (clients[i].fd > 0 && clients[i].holds_starts) return true;
  return false;
}

void make_room() noexcept {
  each(0, [](Client& client) {
    if (!is_late(client)) return;
    give_room(client);
    flush(client);
  });
}

bool is_all_told() noexcept {
  for (uint32_t i = 0; i < used; i++)
    if (clients[i].fd > 0 && is_late(clients[i])) return false;
  return true;
}

}  // namespace slipway::init
