// The guardian: one for each engine process. It outlives the engine just long enough to kill what
// the engine started.
//
//   a launch child (or the engine, after a respawn) → guardian   one SEQPACKET message for each
//   container
//     control: SCM_PIDFD of the sender (Linux 6.5), or SCM_RIGHTS with a pidfd, or SCM_CREDENTIALS
//     body:    empty, or the path of a cgroup.kill or cgroup.procs file, for containers that share
//     a pid namespace; behind a '+' that of one more process in somebody's container, or '@' and a
//     name where it has no group
//   the engine → guardian
//     body:    '-' and what was behind the '+': nobody is in that group any more, or who is in it
//     may stay
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "init/init.h"
#include "init/kill.h"
#include "sys/cmsg.h"

namespace slipway::init {
namespace {

namespace nr = sys::nr;

constexpr int kScmPidfd = 4;
constexpr size_t kMaxPath = 280;
constexpr size_t kMaxEntries = 1 << 16;
constexpr uint64_t kSocketKey = ~0ull;
constexpr uint64_t kEngineKey = ~0ull - 1;

struct Entry {
  int pidfd;  // 0: free
  char path[kMaxPath];
};

// 18 MiB of address space; a page is touched for every 14 containers. Not among the program's own
// memory: every other helper has that, and of so large a piece the kernel may hand out 2 MiB at
// once (Documentation/admin-guide/mm/transhuge.rst).
Entry* entries = nullptr;
size_t used = 0;

bool make_entries() noexcept {
  const long made = sys::raw_syscall(nr::mmap, 0, sizeof(Entry) * kMaxEntries, 3 /* READ|WRITE */,
                                     0x4022 /* PRIVATE|ANON|NORESERVE */, -1, 0);
  if (sys::failed(made)) return false;
  sys::raw_syscall(nr::madvise, made, sizeof(Entry) * kMaxEntries, 15 /* MADV_NOHUGEPAGE */);
  entries = reinterpret_cast<Entry*>(made);
  return true;
}

void close_fd(int fd) noexcept { sys::raw_syscall(nr::close, fd); }

// Its group lasts until the engine has cleared it: what becomes of those whom the first process
// leaves behind is the engine's to say, as long as there is one.
bool is_guest(const Entry& entry) noexcept { return entry.path[0] == '+'; }

// Empty where it has none.
const char* file_of(const Entry& entry) noexcept {
  if (!is_guest(entry)) return entry.path;
  return entry.path[1] == '@' ? "" : entry.path + 1;
}

void remove_guests_group(Entry& entry) noexcept {
  if (file_of(entry)[0] != 0) remove_group_of(entry.path + 1);
}

void kill_first(const Entry& entry) noexcept {
  sys::raw_syscall(nr::pidfd_send_signal, entry.pidfd, kSigKill, 0, 0);
}

void forget(Entry* entry) noexcept {
  close_fd(entry->pidfd);  // which also takes it out of the epoll set
  entry->pidfd = 0;
}

Entry* free_entry() noexcept {
  for (size_t i = 0; i < used; i++) {
    if (entries[i].pidfd == 0) return &entries[i];
  }
  return used < kMaxEntries ? &entries[used++] : nullptr;
}

bool same_text(const char* one, const char* other) noexcept {
  while (*one != 0 && *one == *other) one++, other++;
  return *one == *other;
}

void forget_guest(const char* path) noexcept {
  for (size_t i = 0; i < used; i++) {
    if (entries[i].pidfd != 0 && is_guest(entries[i]) && same_text(entries[i].path + 1, path))
      forget(&entries[i]);
  }
}

struct Sender {
  int passed = -1;  // SCM_RIGHTS: the engine speaks for a container
  int own = -1;     // SCM_PIDFD: the sender itself
  int32_t pid = 0;  // SCM_CREDENTIALS
};

Sender sender_of(msghdr* message) noexcept {
  Sender sender;
  for (cmsghdr* part = sys::first_control(message); part != nullptr;
       part = sys::next_control(message, part)) {
    if (part->cmsg_level != SOL_SOCKET) continue;
    const int* values = reinterpret_cast<const int*>(CMSG_DATA(part));
    const int value = *values;
    if (part->cmsg_type == SCM_RIGHTS) {
      // One is expected; whatever else came along is not kept.
      for (size_t i = 1; i < (part->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) close_fd(values[i]);
      sender.passed = value;
    }
    if (part->cmsg_type == kScmPidfd) sender.own = value;
    if (part->cmsg_type == 2 /* SCM_CREDENTIALS */) sender.pid = value;
  }
  return sender;
}

int pidfd_of(const Sender& sender) noexcept {
  if (sender.passed >= 0) {
    if (sender.own >= 0) close_fd(sender.own);
    return sender.passed;
  }
  if (sender.own >= 0) return sender.own;
  return static_cast<int>(sys::raw_syscall(nr::pidfd_open, sender.pid, 0));
}

void watch(int epoll, int fd, uint64_t key) noexcept {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = key;
  sys::raw_syscall(nr::epoll_ctl, epoll, EPOLL_CTL_ADD, fd, sys::ptr(&event));
}

// False at end of file. `doomed`: the engine is already gone, so whoever registers now is killed at
// once.
bool take_message(int epoll, int socket, bool doomed) noexcept {
  Entry arrived{};
  iovec part{arrived.path, kMaxPath - 1};
  alignas(8) char control[256];
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const long size =
      sys::raw_syscall(nr::recvmsg, socket, sys::ptr(&message), MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (size == -11 || size == -4) return true;
  if (size < 0 || (size == 0 && message.msg_controllen == 0)) return false;
  const Sender sender = sender_of(&message);
  if (sender.pid == 0 && sender.passed < 0 && sender.own < 0) return size > 0;
  const int pidfd = pidfd_of(sender);
  if (arrived.path[0] == '-') {
    if (pidfd >= 0) close_fd(pidfd);
    forget_guest(arrived.path + 1);
    return true;
  }
  if (pidfd < 0) return true;
  Entry* entry = free_entry();
  if (entry == nullptr)
    entry = &arrived;  // cannot be watched: it still dies by PDEATHSIG, or in the next sweep
  arrived.pidfd = pidfd;
  *entry = arrived;
  if (doomed) {
    kill_first(*entry);
    kill_everyone_in(file_of(*entry));
    if (is_guest(*entry)) remove_guests_group(*entry);
    forget(entry);
    return true;
  }
  if (entry == &arrived) return close_fd(pidfd), true;
  watch(epoll, pidfd, static_cast<uint64_t>(entry - entries));
  return true;
}

bool has_news(int socket) noexcept {
  pollfd wanted{socket, POLLIN, 0};
  const int64_t now[2] = {0, 0};
  return sys::raw_syscall(nr::ppoll, sys::ptr(&wanted), 1, sys::ptr(now), 0, 8) == 1;
}

// Every first process at once, then the rest in rounds over all groups: nobody's death waits for
// another's.
void kill_everyone() noexcept {
  for (size_t i = 0; i < used; i++) {
    if (entries[i].pidfd != 0) kill_first(entries[i]);
  }
  bool again = true;
  for (int round = 0; again && round < kKillRounds; round++) {
    again = false;
    for (size_t i = 0; i < used; i++) {
      if (entries[i].pidfd == 0 || file_of(entries[i])[0] == 0) continue;
      if (kill_cgroup(file_of(entries[i]))) {
        again = true;
      } else if (!is_guest(entries[i])) {
        entries[i].path[0] = 0;
      }
    }
    if (again) pause_ms(1);
  }
  for (size_t i = 0; i < used; i++) {
    if (entries[i].pidfd == 0) continue;
    if (is_guest(entries[i])) remove_guests_group(entries[i]);
    forget(&entries[i]);
  }
}

}  // namespace

[[noreturn]] void guard(int socket, int engine) noexcept {
  forget_progress();
  sys::raw_syscall(nr::prctl, 15 /* PR_SET_NAME */, sys::ptr("slipway-guard"));
  const int epoll =
      static_cast<int>(sys::raw_syscall(nr::epoll_create1, 02000000 /* EPOLL_CLOEXEC */));
  if (epoll < 0 || !make_entries()) leave(1);
  watch(epoll, socket, kSocketKey);
  watch(epoll, engine, kEngineKey);
  bool doomed = false;
  for (;;) {
    epoll_event events[32];
    const long ready = sys::raw_syscall(nr::epoll_pwait, epoll, sys::ptr(events), 32, -1, 0, 8);
    for (long i = 0; i < ready; i++) {
      const uint64_t key = events[i].data.u64;
      if (key == kEngineKey) {
        // The engine is dead. A child that is stuck in its start may still hold the socket: do not
        // wait for its end of file.
        // What the engine has said before it died counts: one that it has let go goes on.
        while (has_news(socket) && take_message(epoll, socket, doomed)) {
        }
        doomed = true;
        close_fd(engine);
        kill_everyone();
      } else if (key == kSocketKey) {
        if (take_message(epoll, socket, doomed)) continue;
        kill_everyone();
        leave(0);
      } else if (key < kMaxEntries && entries[key].pidfd != 0) {
        Entry& entry = entries[key];
        if (is_guest(entry)) {
          sys::raw_syscall(nr::epoll_ctl, epoll, EPOLL_CTL_DEL, entry.pidfd, 0);
          continue;
        }
        // This container has ended. The engine kills what else is in its group, but may die first.
        if (entry.path[0] != 0) kill_cgroup(entry.path);
        forget(&entry);
      }
    }
  }
}

}  // namespace slipway::init
