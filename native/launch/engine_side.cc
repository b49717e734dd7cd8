#include "launch/engine_side.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>

#include "launch/progress.h"
#include "sys/clone.h"
#include "sys/cmsg.h"

namespace slipway::launch {
namespace {

namespace nr = sys::nr;

constexpr int kEintr = 4, kEagain = 11, kEchild = 10, kEtimedout = 110;
// Past this the default socket buffer (net.core.wmem_default, 208 KiB) may not hold what is sent
// before the child reads.
constexpr size_t kRoomySocket = 96 << 10, kLargestRoom = 64u << 20;

void put_number(HelperStart::Text* text, int number) noexcept {
  char reversed[12];
  unsigned size = 0;
  auto rest = static_cast<unsigned>(number < 0 ? 0 : number);
  do {
    reversed[size++] = static_cast<char>('0' + rest % 10);
    rest /= 10;
  } while (rest > 0);
  for (unsigned i = 0; i < size; i++) text->digits[i] = reversed[size - 1 - i];
  text->digits[size] = 0;
}

// CHILD: shares memory with whoever made it until execveat, and is in nobody's namespaces but that
// one's and its own. Nothing here may allocate, lock or return.
[[noreturn]] void child_failed(int ctl, uint32_t op, int error) noexcept {
  const struct {
    ReportHeader header;
    FailedBody body;
  } report{{static_cast<uint32_t>(ReportType::kFailed), sizeof(FailedBody)},
           {kStageBeforeExec, op, error}};
  sys::raw_syscall(nr::write, ctl, sys::ptr(&report), sizeof report);
  for (;;) sys::raw_syscall(nr::exit_group, 127);
}

void keep_over_exec(int fd) noexcept { sys::raw_syscall(nr::fcntl, fd, F_SETFD, 0); }

[[noreturn]] void child_main(HelperStart* start) noexcept {
  Machine machine{start->slots, nullptr, 0};
  machine.progress = start->progress;
  machine.progress_base = kProgressInChild << 16;
  const Outcome outcome = execute(*start->in_child, machine, EngineSpecial{});
  if (!outcome.ok) child_failed(start->ctl, outcome.op, outcome.error);
  if (start->progress != nullptr) {
    *start->progress = 0;
    keep_over_exec(start->progress_fd);
  }
  keep_over_exec(start->ctl);
  if (start->birth >= 0) keep_over_exec(start->birth);
  const char* const argv[] = {"slipway-init",
                              start->ctl_text.digits,
                              start->progress == nullptr ? "" : start->progress_text.digits,
                              start->cell_text.digits,
                              start->birth < 0 ? nullptr : start->birth_text.digits,
                              nullptr};
  const char* const envp[] = {nullptr};
  const long result = sys::raw_syscall(nr::execveat, start->helper_fd, sys::ptr(""), sys::ptr(argv),
                                       sys::ptr(envp), AT_EMPTY_PATH);
  child_failed(start->ctl, kOpProtocol, static_cast<int>(-result));
}

void set_option(int socket, int option, const void* value, size_t size) noexcept {
  sys::raw_syscall(nr::setsockopt, socket, SOL_SOCKET, option,
                   static_cast<long>(reinterpret_cast<uintptr_t>(value)), static_cast<long>(size));
}

long receive(int socket, msghdr* message) noexcept {
  for (;;) {
    const long got =
        sys::raw_syscall(nr::recvmsg, socket, sys::ptr(message), MSG_CMSG_CLOEXEC | MSG_WAITALL);
    if (got != -kEintr) return got;
  }
}

Birth not_born(int error) noexcept { return {false, 0, error, 0, -1}; }

}  // namespace

bool opens(const Op& op) noexcept {
  // An ioctl(2) whose result is kept gives a descriptor: of a namespace, or of a terminal.
  static constexpr long kOpening[] = {nr::openat,  nr::openat2, nr::open_tree,   nr::fsopen,
                                      nr::fsmount, nr::bpf,     nr::pidfd_open,  nr::eventfd2,
                                      nr::socket,  nr::ioctl,   nr::memfd_create};
  if (op.kind != static_cast<uint16_t>(OpKind::kSyscall))
    return op.kind == static_cast<uint16_t>(OpKind::kUserNamespace);
  for (const long number : kOpening)
    if (number == static_cast<long>(op.nr)) return true;
  return false;
}

long clone_helper(HelperStart* start, clone_args* how) noexcept {
  put_number(&start->ctl_text, start->ctl);
  put_number(&start->birth_text, start->birth);
  put_number(&start->progress_text, start->progress_fd);
  put_number(&start->cell_text, static_cast<int>(start->progress_cell));
  how->flags |= CLONE_VM | CLONE_VFORK | CLONE_CLEAR_SIGHAND;
  // A child that is to be our parent's needs a maker that is.
  how->exit_signal = (how->flags & CLONE_PARENT) != 0 ? 0 : SIGCHLD;
  return sys::clone_onto(how, child_main, start);
}

Birth read_birth(int socket) noexcept {
  struct {
    ReportHeader header;
    union {
      FailedBody failed;
      int32_t pid;
    } body;
  } report{};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  iovec part{&report.header, sizeof report.header};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  limit_wait(socket, SO_RCVTIMEO);
  const long got = receive(socket, &message);
  // One that is killed says nothing.
  if (sys::failed(got)) return not_born(got == -kEagain ? kEtimedout : static_cast<int>(-got));
  if (got != sizeof report.header) return not_born(kEchild);
  const cmsghdr* rights = sys::first_control(&message);
  const int pidfd = rights != nullptr && rights->cmsg_type == SCM_RIGHTS
                        ? *reinterpret_cast<const int*>(CMSG_DATA(rights))
                        : -1;
  part = {&report.body,
          report.header.size < sizeof report.body ? report.header.size : sizeof report.body};
  msghdr rest{};
  rest.msg_iov = &part;
  rest.msg_iovlen = 1;
  Birth birth{false, 0, kEchild, 0, pidfd};
  if (receive(socket, &rest) != static_cast<long>(part.iov_len)) return birth;
  if (report.header.type == static_cast<uint32_t>(ReportType::kFailed))
    return {true, report.body.failed.op, report.body.failed.error, 0, pidfd};
  birth.error = pidfd < 0 ? kErrProtocol : 0;
  birth.pid = report.body.pid;
  return birth;
}

void make_room(int socket, size_t size) noexcept {
  if (size < kRoomySocket) return;
  // The kernel counts its own bookkeeping too, so ask for twice the bytes; FORCE passes
  // net.core.wmem_max.
  const int wanted = static_cast<int>(size < kLargestRoom / 2 ? size * 2 : kLargestRoom);
  const long forced = sys::raw_syscall(nr::setsockopt, socket, SOL_SOCKET, SO_SNDBUFFORCE,
                                       sys::ptr(&wanted), sizeof wanted);
  if (sys::failed(forced)) set_option(socket, SO_SNDBUF, &wanted, sizeof wanted);
}

void limit_wait(int socket, int option) noexcept {
  const timeval limit{10, 0};
  set_option(socket, option, &limit, sizeof limit);
}

int send_stage(int ctl, const StageHeader& header, const uint8_t* bytes, const int* fds) noexcept {
  iovec parts[2] = {{const_cast<StageHeader*>(&header), sizeof header},
                    {const_cast<uint8_t*>(bytes), header.size}};
  alignas(8) char control[CMSG_SPACE(sizeof(int) * kMaxStageFds)];
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = 2;
  if (header.fd_count > 0) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * header.fd_count);
    cmsghdr* rights = sys::first_control(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int) * header.fd_count);
    int* target = reinterpret_cast<int*>(CMSG_DATA(rights));
    for (uint32_t i = 0; i < header.fd_count; i++) target[i] = fds[i];
  }
  size_t left = sizeof header + header.size;
  while (left > 0) {
    const long sent = sys::raw_syscall(nr::sendmsg, ctl, sys::ptr(&message), MSG_NOSIGNAL);
    if (sent == -kEintr) continue;
    if (sys::failed(sent)) return static_cast<int>(-sent);
    left -= static_cast<size_t>(sent);
    size_t passed = static_cast<size_t>(sent);
    for (iovec& part : parts) {
      const size_t here = passed < part.iov_len ? passed : part.iov_len;
      part.iov_base = static_cast<char*>(part.iov_base) + here;
      part.iov_len -= here;
      passed -= here;
    }
    message.msg_control = nullptr;
    message.msg_controllen = 0;
  }
  return 0;
}

// Asked of a socket, so that no /proc is needed (Linux 4.9).
long open_network_namespace() noexcept {
  const long any = sys::raw_syscall(nr::socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (sys::failed(any)) return any;
  const long opened = sys::raw_syscall(nr::ioctl, any, SIOCGSKNS);
  sys::raw_syscall(nr::close, any);
  return opened;
}

}  // namespace slipway::launch
