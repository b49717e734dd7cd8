// Runs a plan: one loop for the engine's launch thread, the launch child, an armed sandbox and the
// guardian. CHILD: only raw system calls; no malloc, locks, stdio or thread-local storage.
#pragma once
#include <sys/stat.h>
#include <sys/statfs.h>

#include "launch/plan.h"
#include "sys/raw.h"

namespace slipway::launch {

inline constexpr int kErrProtocol = 71;  // EPROTO
inline constexpr int kErrDenied = 13;    // EACCES
inline constexpr int kErrAgain = 11;     // EAGAIN
inline constexpr int kErrInvalid = 22;   // EINVAL
inline constexpr int kErrPipe = 32;      // EPIPE
// openat2(2) gives up on ".." inside a root whenever anything on the machine is renamed or mounted
// meanwhile; who asks again gets through.
inline constexpr int kMaxRetries = 10000;
inline constexpr long kAnyDevice = -1;

struct Machine {
  int64_t* slots;    // slot_count numbers, descriptors mostly
  uint32_t* stamps;  // one per operation, or null: cycles since start_cycles when it ended
  uint64_t start_cycles;
  int remembered = 0;                     // see kRememberDenied
  int32_t child_pid = 0;                  // for kPutPid
  volatile uint32_t* progress = nullptr;  // told of each operation before it is tried, or null
  uint32_t progress_base = 0;
};

struct Outcome {
  bool ok;
  uint32_t op;
  int error;
};

namespace detail {

inline long argument(const Op& op, unsigned index, const Plan& plan,
                     const Machine& machine) noexcept {
  switch (arg_kind(op, index)) {
    case ArgKind::kSlot:
      return static_cast<long>(machine.slots[op.args[index]]);
    case ArgKind::kData:
      return sys::ptr(plan.data + op.args[index]);
    default:
      return static_cast<long>(op.args[index]);
  }
}

inline bool tolerates(const Op& op, int error) noexcept {
  for (const uint16_t candidate : op.tolerated) {
    if (candidate == 0) return false;
    if (candidate == error) return true;
  }
  return false;
}

// What a slot holds is open, or -1: so whoever cleans up closes nobody else's descriptor.
inline bool closes_slot(const Op& op) noexcept {
  return op.kind == static_cast<uint16_t>(OpKind::kSyscall) && op.nr == sys::nr::close &&
         arg_kind(op, 0) == ArgKind::kSlot;
}

inline long check_stat(int fd, long format, long device) noexcept {
  struct stat status;
  const long result = sys::raw_syscall(sys::nr::fstat, fd, sys::ptr(&status));
  if (sys::failed(result)) return result;
  const bool same = (status.st_mode & S_IFMT) == static_cast<mode_t>(format) &&
                    (device == kAnyDevice || static_cast<long>(status.st_rdev) == device);
  return same ? 0 : -kErrProtocol;
}

inline long refuse_fs(int fd, long type) noexcept {
  struct statfs status;
  const long result = sys::raw_syscall(sys::nr::fstatfs, fd, sys::ptr(&status));
  if (sys::failed(result)) return result;
  return static_cast<long>(status.f_type) == type ? -kErrProtocol : 0;
}

// By name, since a descriptor of fsmount(2) is one of O_PATH, which fchmod(2) does not take.
inline long copy_mode(int from, int to) noexcept {
  struct stat status;
  const long result = sys::raw_syscall(sys::nr::fstat, from, sys::ptr(&status));
  if (sys::failed(result)) return result;
  return sys::raw_syscall(sys::nr::fchmodat, to, sys::ptr("."), status.st_mode & 07777);
}

// ENOTTY, of a descriptor that is no namespace at all, is told as another type is.
inline long check_namespace(int fd, long type, int other) noexcept {
  constexpr long kGetType = 0xb703;  // NS_GET_NSTYPE, Linux 4.11
  if (sys::raw_syscall(sys::nr::ioctl, fd, kGetType) != type) return -kErrInvalid;
  if (other < 0) return 0;
  struct stat mine, theirs;
  const long failed = sys::raw_syscall(sys::nr::fstat, fd, sys::ptr(&mine)) |
                      sys::raw_syscall(sys::nr::fstat, other, sys::ptr(&theirs));
  return failed != 0 || (mine.st_dev == theirs.st_dev && mine.st_ino == theirs.st_ino)
             ? -kErrInvalid
             : 0;
}

// netlink(7), struct nlmsghdr and nlmsgerr: what is acknowledged is told by a message of type 2.
inline long netlink(int socket, long request, long size) noexcept {
  const long sent = sys::raw_syscall(sys::nr::write, socket, request, size);
  if (sys::failed(sent)) return sent;
  struct {
    uint32_t length;
    uint16_t type, flags;
    uint32_t sequence, port;
    int32_t error;
    uint8_t request[492];
  } answer;
  const long got = sys::raw_syscall(sys::nr::read, socket, sys::ptr(&answer), sizeof answer);
  if (sys::failed(got)) return got;
  return got >= 20 && answer.type == 2 ? answer.error : -kErrProtocol;
}

inline void put_decimal(uint8_t* field, uint64_t width, int64_t value) noexcept {
  for (uint64_t at = width; at > 0 && value > 0; at--, value /= 10)
    field[at - 1] = static_cast<uint8_t>('0' + value % 10);
}

template <typename Special>
long call(const Op& op, const long* args, Special& special) noexcept {
  long result = special.syscall(op.nr, args);
  if ((op.flags & kRetryAgain) == 0) return result;
  for (int i = 0; i < kMaxRetries && result == -kErrAgain; i++)
    result = special.syscall(op.nr, args);
  return result;
}

}  // namespace detail

// `special(op, args, index)` carries out the kinds that only one side knows and returns a result as
// a system call does.
template <typename Special>
Outcome execute(const Plan& plan, Machine& machine, Special&& special) noexcept {
  for (uint32_t i = 0; i < plan.op_count; i++) {
    const Op& op = plan.ops[i];
    if (machine.progress != nullptr) *machine.progress = machine.progress_base | i;
    long args[6];
    uint32_t kinds = op.arg_kinds;
    for (unsigned arg = 0; arg < 6; arg++, kinds >>= 4)
      args[arg] = (kinds & 0xf) == 0 ? static_cast<long>(op.args[arg])
                                     : detail::argument(op, arg, plan, machine);
    long result = 0;
    switch (static_cast<OpKind>(op.kind)) {
      case OpKind::kSyscall:
        result = detail::call(op, args, special);
        break;
      case OpKind::kCheckStat:
        result = detail::check_stat(static_cast<int>(args[0]), args[1], args[2]);
        break;
      case OpKind::kFail:
        result = -(machine.remembered != 0 ? machine.remembered : static_cast<int>(args[0]));
        break;
      case OpKind::kPutPid:
        detail::put_decimal(plan.data + op.args[0], op.args[1], machine.child_pid);
        break;
      case OpKind::kPutDecimal:
        detail::put_decimal(plan.data + op.args[0], op.args[1], args[2]);
        break;
      case OpKind::kRefuseFs:
        result = detail::refuse_fs(static_cast<int>(args[0]), args[1]);
        break;
      case OpKind::kCheckNamespace:
        result =
            detail::check_namespace(static_cast<int>(args[0]), args[1], static_cast<int>(args[2]));
        break;
      case OpKind::kNetlink:
        result = detail::netlink(static_cast<int>(args[0]), args[1], args[2]);
        break;
      case OpKind::kCopyMode:
        result = detail::copy_mode(static_cast<int>(args[0]), static_cast<int>(args[1]));
        break;
      case OpKind::kPutSlot:
        *reinterpret_cast<uint32_t*>(plan.data + op.args[0]) = static_cast<uint32_t>(args[1]);
        break;
      case OpKind::kSetSlot:
        result = args[0];
        break;
      default:
        result = special.other(op, args, i);
    }
    if (machine.stamps != nullptr) {
      const uint64_t passed = sys::cycles() - machine.start_cycles;
      machine.stamps[i] =
          passed > 0xfffffffe ? 0xffffffff : static_cast<uint32_t>(passed) | (passed == 0);
    }
    // A slot may be set to any number: only calls fail.
    if (op.kind != static_cast<uint16_t>(OpKind::kSetSlot) && sys::failed(result)) {
      const int error = static_cast<int>(-result);
      if (!detail::tolerates(op, error)) return {false, i, error};
      if ((op.flags & kRememberDenied) != 0 && error == kErrDenied) machine.remembered = error;
      i += op.skip_on_tolerated;
      continue;
    }
    if (op.result_slot != kNoSlot) machine.slots[op.result_slot] = result;
    if (detail::closes_slot(op)) machine.slots[op.args[0]] = -1;
    i += op.skip_on_success;
  }
  return {true, 0, 0};
}

}  // namespace slipway::launch
