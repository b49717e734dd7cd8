// What a launch is made of on the side that makes the child. Raw calls alone, since two programs
// have it: the addon, and the helper, whose monitor starts a container again when no engine is
// there.
#pragma once
#include <linux/sched.h>

#include "launch/executor.h"
#include "launch/protocol.h"
#include "launch/user_namespace.h"

namespace slipway::launch {

struct EngineSpecial {
  long syscall(uint32_t number, const long* a) const noexcept {
    return sys::raw_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
  }
  long other(const Op& op, const long* a, uint32_t) const noexcept {
    const bool texts = arg_kind(op, 0) == ArgKind::kData && arg_kind(op, 1) == ArgKind::kData;
    if (op.kind != static_cast<uint16_t>(OpKind::kUserNamespace) || !texts) return -kErrProtocol;
    return make_user_namespace(reinterpret_cast<const char*>(a[0]),
                               reinterpret_cast<const char*>(a[1]));
  }
};

// The result of the operation, where it has a slot, is a descriptor.
bool opens(const Op& op) noexcept;

// What a process is that executes the helper.
struct HelperStart {
  const Plan* in_child;  // run before that
  int64_t* slots;
  int helper_fd;
  int ctl;                                // its end of the control socket
  int birth = -1;                         // the socket of one that joins namespaces
  volatile uint32_t* progress = nullptr;  // see launch/progress.h
  uint32_t progress_cell = 0;
  int progress_fd = -1;
  struct Text {
    char digits[12];
  } ctl_text, birth_text, progress_text, cell_text;
};

// The pid of a process that has executed the helper, or -errno. `how`: what it has of its own, with
// a stack. Until then it shares this process's memory.
long clone_helper(HelperStart* start, clone_args* how) noexcept;

// Who was born in namespaces that were joined, or where that failed.
struct Birth {
  bool in_join;  // `op` is one of the plan that joins
  uint32_t op;
  int error;
  int32_t pid;
  int pidfd;
};
// What the process that joins has to say on its socket; it ends then. Waits ten seconds at most.
Birth read_birth(int socket) noexcept;

// Before a stage, or several, of so many bytes.
void make_room(int socket, size_t size) noexcept;
// How long a send or a read may wait for a child that does neither.
void limit_wait(int socket, int option) noexcept;

// Waits for room. `fds`: as many as the header says. Returns 0 or a positive errno.
int send_stage(int ctl, const StageHeader& header, const uint8_t* bytes, const int* fds) noexcept;

// Of the calling thread. -errno on failure.
long open_network_namespace() noexcept;

}  // namespace slipway::launch
