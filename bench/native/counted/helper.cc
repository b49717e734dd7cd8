// slipway-init with a kernel that says yes: it reads recorded stages from its control descriptor,
// and every call of theirs succeeds. Ends with code 42 where the payload would begin.
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/uio.h>
#include <time.h>

#include "launch/executor.h"
#include "launch/progress.h"
#include "launch/protocol.h"
#include "sys/cmsg.h"

namespace slipway::sys {
namespace {

constexpr long kSomeFd = 100;
constexpr long kReachedPayload = 42;  // the exit code

alignas(4096) uint32_t progress[launch::kProgressCells];
const uint8_t* plan = nullptr;  // where the helper has put the stage it runs
// Not zero: valgrind reads the symbols of a program only if a part of its file is mapped to be
// written.
int64_t now = 1;

// The helper tells its progress before each operation, in the first cell.
const launch::Op& current() noexcept {
  const auto* ops = reinterpret_cast<const launch::Op*>(plan + sizeof(launch::Header));
  return ops[progress[0] & 0xffff];
}

// The file an operation of kind kCheckStat wants to see.
long wanted_stat(struct stat* status) noexcept {
  status->st_mode = static_cast<mode_t>(current().args[1]);
  status->st_rdev = static_cast<dev_t>(current().args[2]);
  return 0;
}

// A stage header, and as many descriptors as it announces.
long stage_header(long ctl, msghdr* message) noexcept {
  const iovec& part = message->msg_iov[0];
  const long got = real_syscall(nr::read, ctl, ptr(part.iov_base), static_cast<long>(part.iov_len));
  const auto& header = *static_cast<const launch::StageHeader*>(part.iov_base);
  plan = nullptr;
  message->msg_flags = 0;
  message->msg_controllen = CMSG_SPACE(sizeof(int) * header.fd_count);
  cmsghdr* rights = static_cast<cmsghdr*>(message->msg_control);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(sizeof(int) * header.fd_count);
  int* fds = reinterpret_cast<int*>(CMSG_DATA(rights));
  for (uint32_t i = 0; i < header.fd_count; i++) fds[i] = kSomeFd;
  return got;
}

long plan_bytes(long ctl, long target, long size) noexcept {
  if (plan == nullptr) plan = reinterpret_cast<const uint8_t*>(target);
  return real_syscall(nr::read, ctl, target, size);
}

long all_of(const msghdr* message) noexcept {
  size_t size = 0;
  for (size_t i = 0; i < message->msg_iovlen; i++) size += message->msg_iov[i].iov_len;
  return static_cast<long>(size);
}

template <typename T>
T* as(long value) noexcept {
  return reinterpret_cast<T*>(value);
}

}  // namespace

__attribute__((noinline)) long raw_syscall(long number, long a, long b, long c, long d, long e,
                                           long f) noexcept {
  switch (number) {
    case nr::exit_group:
      return real_syscall(number, a);
    case SYS_execve:
      return real_syscall(nr::exit_group, kReachedPayload);
    case nr::recvmsg:
      return stage_header(a, as<msghdr>(b));
    case nr::read:
      return plan_bytes(a, b, c);
    case nr::sendmsg:
      return all_of(as<const msghdr>(b));
    case nr::mmap:
      return ptr(progress);
    case nr::fstat:
      return wanted_stat(as<struct stat>(b));
    case nr::fstatfs:
      as<struct statfs>(b)->f_type = 0;
      return 0;
    case nr::clock_gettime:
      as<timespec>(b)->tv_nsec = ++now;
      return 0;
    case nr::openat:
    case nr::openat2:
    case nr::open_tree:
    case nr::fsopen:
    case nr::fsmount:
    case nr::socket:
      return kSomeFd;
    default:
      (void)d, (void)e, (void)f;
      return 0;
  }
}

}  // namespace slipway::sys
