// The plan's binary form: a program of system calls. TypeScript writes it (src/plan/program.ts);
// this file reads it.
//
//   Header | Op[op_count] | uint32 relocation[relocation_count] | padding to 8 | data[data_size]
//
// A relocation is the offset, inside data, of an 8-byte number that becomes a pointer by adding the
// data's address: argv, envp, iovec, sock_fprog and msghdr are written that way. All numbers are
// little endian, as both supported machines are.
#pragma once
#include <stddef.h>
#include <stdint.h>

namespace slipway::launch {

inline constexpr uint32_t kPlanMagic = 0x31504c53;  // "SLP1"
inline constexpr uint32_t kPlanVersion = 1;
inline constexpr uint32_t kMaxOps = 4096;
inline constexpr uint32_t kMaxSlots = 1024;
inline constexpr uint32_t kMaxPlanSize = 16u << 20;
inline constexpr uint32_t kNoSlot = 0xffffffff;
inline constexpr uint64_t kMaxErrno = 4096;  // include/linux/err.h, MAX_ERRNO

enum class OpKind : uint16_t {
  kSyscall = 0,       // nr(args…)
  kCheckStat = 1,     // args: fd, st_mode & S_IFMT, st_rdev; EPROTO when the file is another one
  kFail = 2,          // args: errno; ends the plan with the remembered errno, else this one
  kResetSignals = 3,  // every signal to its default action, ignored ones too
  kInit = 4,          // fork: the child goes on with the plan, this process stays as a small PID 1
  kGuard = 5,         // args: socket, engine pidfd; the guardian's loop, never returns
  kSendFd = 6,        // args: fd, tag; hands a descriptor to the engine
  kReport = 7,        // args: fd; hands the engine the time each operation took, and the descriptor
  kPutPid = 8,        // args: data, width; writes the clone's pid in decimal, right-aligned
  kSetSlot = 9,       // args: value; result slot = value
  kPutSlot = 10,      // args: data, value; writes the value as 32 bits
  kRefuseFs = 11,     // args: fd, f_type; EPROTO when the file is on such a file system
  kPutDecimal = 12,   // args: data, width, value; writes the value as kPutPid does the pid
  kCloseOthers = 13,  // args: descriptors, or -1; closes all but these, the streams and the control
  kUserNamespace = 14,   // args: texts of uid_map, gid_map; result slot = one nobody lives in
  kCheckNamespace = 15,  // args: fd, CLONE_NEW*, other fd or -1; EINVAL when it is no namespace of
                         // this type, or the same one as the other
  kNetlink = 16,         // args: socket, request, size; the errno of the kernel's acknowledgment
  kRunHook = 17,   // args: path, argv, envp, input, its size, ms or -1; 0 when it exits with 0
  kStandIn = 18,   // args: 1 where the filter that comes admits nanosleep(2); see init/stand_in.cc
  kHandOver = 19,  // args: fd, tag, 1 to close it then; as kSendFd, and waits for an answer: EPIPE
                   // without one
  kCopyMode = 20,  // args: fd, fd of a directory, which gets the permission bits of the first
  kBirth = 21,     // args: CLONE_NEW*, cgroup or -1; the sibling it makes goes on with the plan
  kMonitor = 22,   // args: table, its size, first slot; a container's parent, never returns
  kRemoveTree = 23,   // args: directory, name in it; removed with all that is in it
  kRemoveLinks = 24,  // args: directory, text; the links in it whose target begins with that
};

// How a hook that failed is told, among errnos: kHookExited + exit code, kHookSignaled + signal.
inline constexpr int kHookExited = 3000, kHookSignaled = 3300;

enum class ArgKind : uint32_t { kNumber = 0, kSlot = 1, kData = 2 };

// Flags of an operation.
inline constexpr uint16_t kRememberDenied = 1;  // a tolerated EACCES becomes a later kFail's errno
inline constexpr uint16_t kRetryAgain = 2;      // EAGAIN is tried again, a bounded number of times

struct Header {
  uint32_t magic;
  uint32_t version;
  uint32_t op_count;
  uint32_t slot_count;
  uint32_t relocation_count;
  uint32_t data_size;
};

struct Op {
  uint16_t kind;
  uint16_t flags;
  uint32_t nr;
  uint32_t result_slot;
  uint32_t arg_kinds;     // four bits for each argument, the first in the lowest
  uint16_t tolerated[4];  // errno values that do not fail the plan; 0 ends the list
  uint16_t skip_on_success;
  uint16_t skip_on_tolerated;
  uint32_t reserved;
  uint64_t args[6];
};
static_assert(sizeof(Header) == 24 && sizeof(Op) == 80);

inline ArgKind arg_kind(const Op& op, unsigned index) noexcept {
  return static_cast<ArgKind>((op.arg_kinds >> (4 * index)) & 0xf);
}

struct Plan {
  const Op* ops = nullptr;
  uint32_t op_count = 0;
  uint32_t slot_count = 0;
  uint8_t* data = nullptr;
  uint32_t data_size = 0;
};

namespace detail {

inline bool valid_arg(const Op& op, unsigned index, const Header& header) noexcept {
  switch (arg_kind(op, index)) {
    case ArgKind::kNumber:
      return true;
    case ArgKind::kSlot:
      return op.args[index] < header.slot_count;
    case ArgKind::kData:
      return op.args[index] < header.data_size;
  }
  return false;
}

inline bool all_data(const Op& op, unsigned count) noexcept {
  for (unsigned arg = 0; arg < count; arg++)
    if (arg_kind(op, arg) != ArgKind::kData) return false;
  return true;
}

// The argument is data, and the next one its size.
inline bool sized_data(const Op& op, unsigned index, const Header& header) noexcept {
  return arg_kind(op, index) == ArgKind::kData && arg_kind(op, index + 1) == ArgKind::kNumber &&
         op.args[index + 1] <= header.data_size &&
         op.args[index] + op.args[index + 1] <= header.data_size;
}

inline bool valid_op(const Op& op, uint32_t index, const Header& header) noexcept {
  if (op.kind > static_cast<uint16_t>(OpKind::kRemoveLinks)) return false;
  if (op.result_slot != kNoSlot && op.result_slot >= header.slot_count) return false;
  const uint32_t left = header.op_count - index - 1;
  if (op.skip_on_success > left || op.skip_on_tolerated > left) return false;
  // Numbers are all valid, and most arguments are numbers.
  for (uint32_t arg = 0, kinds = op.arg_kinds; arg < 6 && kinds != 0; arg++, kinds >>= 4) {
    if (!valid_arg(op, arg, header)) return false;
  }
  if (op.kind == static_cast<uint16_t>(OpKind::kPutPid) ||
      op.kind == static_cast<uint16_t>(OpKind::kPutDecimal)) {
    return arg_kind(op, 0) == ArgKind::kData && arg_kind(op, 1) == ArgKind::kNumber &&
           op.args[1] <= 20 && op.args[0] + op.args[1] <= header.data_size;
  }
  if (op.kind == static_cast<uint16_t>(OpKind::kPutSlot)) {
    return arg_kind(op, 0) == ArgKind::kData && op.args[0] % 4 == 0 &&
           op.args[0] + 4 <= header.data_size;
  }
  if (op.kind == static_cast<uint16_t>(OpKind::kFail)) {
    return arg_kind(op, 0) == ArgKind::kNumber && op.args[0] < kMaxErrno;
  }
  // Texts that are read by this program itself, and bytes of a given size.
  if (op.kind == static_cast<uint16_t>(OpKind::kUserNamespace)) return all_data(op, 2);
  if (op.kind == static_cast<uint16_t>(OpKind::kMonitor)) return sized_data(op, 0, header);
  if (op.kind == static_cast<uint16_t>(OpKind::kNetlink)) return sized_data(op, 1, header);
  if (op.kind == static_cast<uint16_t>(OpKind::kRunHook))
    return all_data(op, 4) && sized_data(op, 3, header);
  return true;
}

}  // namespace detail

// Where the data section begins. Only for a header whose counts are within their limits.
inline size_t data_offset(const Header& header) noexcept {
  const size_t relocations_at = sizeof(Header) + sizeof(Op) * header.op_count;
  return (relocations_at + 4ul * header.relocation_count + 7) & ~7ul;
}

// Checks every count, offset and jump of `bytes` (8-byte aligned, writable), then turns its
// relocations into pointers. False for a plan that is not whole: a bug in our own TypeScript, or
// somebody else's bytes.
inline bool decode_plan(uint8_t* bytes, size_t size, Plan* plan) noexcept {
  if (size < sizeof(Header) || size > kMaxPlanSize) return false;
  const Header& header = *reinterpret_cast<const Header*>(bytes);
  if (header.magic != kPlanMagic || header.version != kPlanVersion) return false;
  if (header.op_count > kMaxOps || header.slot_count > kMaxSlots) return false;
  if (header.relocation_count > kMaxPlanSize / 4 || header.data_size > kMaxPlanSize) return false;
  const size_t ops_size = sizeof(Op) * header.op_count;
  const size_t relocations_at = sizeof(Header) + ops_size;
  const size_t data_at = data_offset(header);
  if (data_at + header.data_size != size) return false;
  const Op* ops = reinterpret_cast<const Op*>(bytes + sizeof(Header));
  for (uint32_t i = 0; i < header.op_count; i++) {
    if (!detail::valid_op(ops[i], i, header)) return false;
  }
  uint8_t* data = bytes + data_at;
  // The last byte is NUL, so no string of the plan runs past its end.
  if (header.data_size > 0 && data[header.data_size - 1] != 0) return false;
  const uint32_t* relocations = reinterpret_cast<const uint32_t*>(bytes + relocations_at);
  for (uint32_t i = 0; i < header.relocation_count; i++) {
    if (relocations[i] % 8 != 0 || static_cast<uint64_t>(relocations[i]) + 8 > header.data_size)
      return false;
    uint64_t* place = reinterpret_cast<uint64_t*>(data + relocations[i]);
    if (*place >= header.data_size) return false;
    *place += static_cast<uint64_t>(reinterpret_cast<uintptr_t>(data));
  }
  *plan = {ops, header.op_count, header.slot_count, data, header.data_size};
  return true;
}

}  // namespace slipway::launch
