// libFuzzer: bytes of a client that may speak the monitor's protocol, over a real socket, in pieces of a size that the first byte says; the
// second one says how much room standard input has. Each request that is whole is answered once, in its order; what comes behind one that
// is none is not heard; bytes for standard input arrive as they were sent; and whoever is gone has left no descriptor.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "init/monitor_clients.h"
#include "init/monitor_held.h"
#include "init/monitor_state.h"
#include "init/monitor_streams.h"

namespace {

using namespace slipway::init;

void demand(bool holds, const char* what) {
  if (holds) return;
  fprintf(stderr, "broken: %s\n", what);
  abort();
}

constexpr uint32_t kInput = 0, kState = 3, kReply = 5, kFirst = 16;
constexpr uint32_t kSizes[] = {4, 0, 4, 4, 8, 8, 0, 72, 0};
constexpr int32_t kAnswer = 77;  // of every request that is carried out elsewhere

std::string delivered;
uint32_t room_pattern = 0;
char state_text[] = "{}";
Text current = Text::of(state_text, 2);

uint32_t big_endian(const uint8_t* at) {
  return static_cast<uint32_t>(at[0]) << 24 | static_cast<uint32_t>(at[1]) << 16 |
         static_cast<uint32_t>(at[2]) << 8 | at[3];
}

// What a reader of the page about the protocol expects.
struct Expected {
  std::string input;
  unsigned replies = 0, states = 0;
  bool is_refused = false;

  Expected(const uint8_t* bytes, size_t size) {
    uint32_t attached = 0;
    for (size_t at = 0; size - at >= 8;) {
      const uint32_t type = bytes[at], body = big_endian(bytes + at + 4);
      at += 8;
      const bool is_known = type >= kFirst && type < kFirst + sizeof kSizes / sizeof *kSizes;
      if (type == kInput ? body > 65536 : !is_known || body != kSizes[type - kFirst]) {
        is_refused = true;
        return;
      }
      const size_t there = size - at < body ? size - at : body;
      if (type == kInput && (attached & 1) != 0) input.append(reinterpret_cast<const char*>(bytes + at), there);
      if (there < body) return;
      if (type == kFirst) {
        uint32_t wanted;
        memcpy(&wanted, bytes + at, sizeof wanted);
        if (wanted < 16) attached = wanted;
        if (wanted < 16 && (wanted & 8) != 0) states++;
      }
      at += body;
      if (type != kInput) replies++;
    }
  }
};

std::string said;
void hear(int fd) {
  char piece[4096];
  for (ssize_t got; (got = read(fd, piece, sizeof piece)) > 0;) said.append(piece, static_cast<size_t>(got));
}

void check_said(const Expected& expected) {
  unsigned replies = 0, states = 0;
  size_t at = 0;
  while (said.size() - at >= 8) {
    const auto* head = reinterpret_cast<const uint8_t*>(said.data()) + at;
    const uint32_t body = big_endian(head + 4);
    demand(said.size() - at - 8 >= body, "a frame that is not whole");
    demand(head[1] == 0 && head[2] == 0 && head[3] == 0, "zeros of a head");
    if (head[0] == kReply) {
      demand(body == 4, "a reply of another size");
      replies++;
    } else {
      demand(head[0] == kState && body == 2, "a frame nobody asked for");
      states++;
    }
    at += 8 + body;
  }
  demand(at == said.size(), "a frame that is not whole");
  demand(replies == expected.replies, "one reply to each request");
  demand(states == expected.states, "one state to each who begins to watch");
}

}  // namespace

// What clients ask for, and where their input goes.
namespace slipway::init {
void watch(int, Source, uint32_t, uint32_t) noexcept {}
bool has_input() noexcept { return true; }
long write_input(const uint8_t* bytes, size_t size) noexcept {
  room_pattern = room_pattern * 1103515245 + 12345;
  const size_t room = (room_pattern >> 16) % (size + 1);
  delivered.append(reinterpret_cast<const char*>(bytes), room);
  return static_cast<long>(room);
}
int32_t end_input() noexcept { return kAnswer; }
void await_input_room(bool) noexcept {}
int32_t resize_terminal(uint16_t, uint16_t) noexcept { return kAnswer; }
int32_t asked_signal(int32_t) noexcept { return kAnswer; }
int32_t asked_stop(int32_t, int32_t) noexcept { return kAnswer; }
int32_t asked_restart_policy(uint32_t, uint32_t) noexcept { return kAnswer; }
int32_t asked_kill() noexcept { return kAnswer; }
int32_t asked_hold_starts() noexcept { return kAnswer; }
int32_t hold(const HoldRequest&, int pidfd, int terminal) noexcept {
  demand(pidfd == -1 && terminal == -1, "descriptors that nobody sent");
  return kAnswer;
}
const Text& current_state() noexcept { return current; }
}  // namespace slipway::init

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  if (size < 2) return 0;
  const size_t step = size_t{bytes[0]} * (size / 256 + 1) + 1 + size / 64;
  room_pattern = bytes[1];
  delivered.clear();
  said.clear();
  bytes += 2;
  size -= 2;
  static const MonitorTable table{};
  given.table = &table;
  const Expected expected(bytes, size);
  int pair[2];
  demand(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0, "a socket pair");
  add_client(pair[0]);
  const auto serve = [&] {
    serve_client(0, EPOLLIN | EPOLLOUT);
    serve_input();
    hear(pair[1]);
  };
  for (size_t at = 0; at < size;) {
    const ssize_t sent = send(pair[1], bytes + at, step < size - at ? step : size - at, MSG_NOSIGNAL);
    if (sent > 0) at += static_cast<size_t>(sent);
    if (sent < 0 && errno != EAGAIN) break;
    serve();
  }
  // What is still in the socket goes on once there is room, and there is some in the end.
  for (int i = 0; i < 200000 && delivered.size() < expected.input.size(); i++) serve();
  for (int i = 0; i < 4; i++) serve();
  demand(delivered == expected.input, "input as it was sent");
  check_said(expected);
  const bool is_gone = fcntl(pair[0], F_GETFD) < 0;
  demand(is_gone == expected.is_refused, "only who does not speak the protocol is sent away");
  close(pair[1]);
  for (int i = 0; i < 8 && fcntl(pair[0], F_GETFD) >= 0; i++) serve_client(0, EPOLLIN | EPOLLHUP);
  demand(fcntl(pair[0], F_GETFD) < 0, "nothing is left of who is gone");
  return 0;
}
