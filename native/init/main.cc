// The stage loop: receive a plan with its descriptors, run it, report.
#include <linux/sched.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "init/init.h"
#include "init/monitor.h"
#include "launch/progress.h"
#include "launch/protocol.h"
#include "sys/cmsg.h"

namespace slipway::init {
namespace {

using launch::Op;
using launch::OpKind;
using launch::Plan;
namespace nr = sys::nr;

constexpr int kExitLaunchFailed = 127;
constexpr size_t kInlinePlan = 256 << 10;

constexpr uint32_t kToldStages = 6;  // times of later ones are not told

// Untouched pages of these cost nothing.
alignas(16) uint8_t inline_plan[kInlinePlan];
int64_t slots[launch::kMaxSlots];
uint32_t stamps[kToldStages][launch::kMaxOps];
launch::TimingsBody times[kToldStages];
volatile uint32_t* progress_page = nullptr;
uint32_t told = 0;  // stages whose times the engine has

uint64_t now_ns() noexcept {
  struct {
    int64_t sec, nsec;
  } time{};
  call_unfiltered(nr::clock_gettime, 1 /* CLOCK_MONOTONIC */, sys::ptr(&time));
  return static_cast<uint64_t>(time.sec) * 1000000000 + static_cast<uint64_t>(time.nsec);
}

struct Control {
  alignas(8) char bytes[CMSG_SPACE(sizeof(int) * launch::kMaxStageFds)];
};

struct Stage {
  int ctl;
  uint32_t index = 0;
  bool more = true;  // the one before said that this one follows by itself
  Plan plan;
};

struct FdControl {
  alignas(8) char bytes[CMSG_SPACE(sizeof(int))];
};

void attach_fd(msghdr* message, FdControl* control, int fd) noexcept {
  message->msg_control = control->bytes;
  message->msg_controllen = sizeof control->bytes;
  cmsghdr* rights = sys::first_control(message);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(sizeof(int));
  *reinterpret_cast<int*>(CMSG_DATA(rights)) = fd;
}

long send_all(int ctl, msghdr* message) noexcept {
  for (;;) {
    const long sent = call_unfiltered(nr::sendmsg, ctl, sys::ptr(message), MSG_NOSIGNAL);
    if (sent != -4 /* EINTR */) return sent;
  }
}

template <typename Body>
void report(int ctl, launch::ReportType type, const Body* body, size_t size,
            const void* more = nullptr, size_t more_size = 0) noexcept {
  launch::ReportHeader header{static_cast<uint32_t>(type), static_cast<uint32_t>(size + more_size)};
  iovec parts[3] = {{&header, sizeof header},
                    {const_cast<Body*>(body), size},
                    {const_cast<void*>(more), more_size}};
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = 3;
  send_all(ctl, &message);
}

[[noreturn]] void report_failure(int ctl, uint32_t stage, uint32_t op, int error) noexcept {
  const launch::FailedBody body{stage, op, error};
  report(ctl, launch::ReportType::kFailed, &body, sizeof body);
  leave(kExitLaunchFailed);
}

void begin_times(const Stage& stage) noexcept {
  if (stage.index >= kToldStages) return;
  times[stage.index] = {now_ns(), 0, sys::cycles(), 0, stage.index, stage.plan.op_count, 0, 0};
}

void end_times(const Stage& stage) noexcept {
  if (stage.index >= kToldStages || times[stage.index].end_ns != 0) return;
  times[stage.index].end_ns = now_ns();
  times[stage.index].end_cycles = sys::cycles();
}

// One message with the times of every stage up to this one that were not told yet, and with `fd`,
// unless it is -1.
void report_times(const Stage& stage, int fd) noexcept {
  end_times(stage);
  if (stage.index < kToldStages) times[stage.index].fd_count = fd >= 0;
  launch::ReportHeader headers[kToldStages];
  iovec parts[3 * kToldStages];
  size_t count = 0;
  for (; told <= stage.index && told < kToldStages; told++) {
    const size_t stamps_size = sizeof(uint32_t) * times[told].op_count;
    headers[told] = {static_cast<uint32_t>(launch::ReportType::kTimings),
                     static_cast<uint32_t>(sizeof times[told] + stamps_size)};
    parts[count++] = {&headers[told], sizeof headers[told]};
    parts[count++] = {&times[told], sizeof times[told]};
    parts[count++] = {stamps[told], stamps_size};
  }
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = count;
  FdControl control{};
  if (fd >= 0) attach_fd(&message, &control, fd);
  if (count > 0) send_all(stage.ctl, &message);
}

// One message: a report of one number, and `fd` with it.
long report_fd(int ctl, launch::ReportType type, uint32_t number, int fd) noexcept {
  struct {
    launch::ReportHeader header;
    uint32_t number;
  } bytes{{static_cast<uint32_t>(type), sizeof number}, number};
  iovec part{&bytes, sizeof bytes};
  FdControl control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  attach_fd(&message, &control, fd);
  return send_all(ctl, &message);
}

long send_fd(int ctl, int fd, uint32_t tag) noexcept {
  return report_fd(ctl, launch::ReportType::kFd, tag, fd);
}

// The answer is anything but the end of file.
long hand_over(int ctl, int fd, uint32_t tag, bool closes) noexcept {
  long result = send_fd(ctl, fd, tag);
  uint8_t answer[sizeof(launch::StageHeader)];
  while (!sys::failed(result)) {
    const long got = call_unfiltered(nr::read, ctl, sys::ptr(answer), sizeof answer);
    if (got == -4 /* EINTR */) continue;
    result = got == 0 ? -launch::kErrPipe : got;
    if (got > 0) return closes ? call_unfiltered(nr::close, fd) : 0;
  }
  return result;
}

// After CLONE_CLEAR_SIGHAND only ignored signals are left, and those the payload would inherit:
// Node ignores SIGPIPE.
void reset_signals() noexcept {
  const uint64_t action[4] = {};  // kernel sigaction: SIG_DFL, no flags, no restorer, empty mask
  for (int signal = 1; signal <= 64; signal++) {
    sys::raw_syscall(nr::rt_sigaction, signal, sys::ptr(action), 0, 8);
  }
}

// The child goes on with the plan, so a failing execve is still reported; this process becomes PID
// 1's small self.
long become_init() noexcept {
  const long child = sys::raw_syscall(nr::clone, 17 /* SIGCHLD */);
  if (child > 0) reap(static_cast<int32_t>(child));
  return child;
}

// From one kept descriptor to the next; the standard streams are kept in any case.
long close_others(int ctl, const long* kept) noexcept {
  for (long from = 3;;) {
    long next = ctl >= from ? ctl : -1;
    for (int i = 0; i < 6; i++)
      if (kept[i] >= from && (next < 0 || kept[i] < next)) next = kept[i];
    const long result =
        next == from ? 0
                     : sys::raw_syscall(nr::close_range, from, next < 0 ? 0xffffffff : next - 1, 0);
    if (sys::failed(result) || next < 0) return result;
    from = next + 1;
  }
}

// A sibling, so that it is the child of whoever made this process: it goes on with the plan, and
// this one has done its work.
long give_birth(int socket, uint64_t flags, int cgroup) noexcept {
  int pidfd = -1;
  clone_args how{};
  how.flags = flags | CLONE_PARENT | CLONE_PIDFD;
  how.pidfd = reinterpret_cast<uint64_t>(&pidfd);
  if (cgroup >= 0) {
    how.flags |= CLONE_INTO_CGROUP;
    how.cgroup = static_cast<uint64_t>(cgroup);
  }
  const long pid = sys::raw_syscall(nr::clone3, sys::ptr(&how), sizeof how);
  if (pid <= 0) return pid;
  (void)report_fd(socket, launch::ReportType::kBorn, static_cast<uint32_t>(pid), pidfd);
  leave(0);
}

struct Special {
  const Stage& stage;

  long syscall(uint32_t number, const long* a) const noexcept {
    return sys::raw_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
  }

  long other(const Op& op, const long* args, uint32_t) const noexcept {
    switch (static_cast<OpKind>(op.kind)) {
      case OpKind::kResetSignals:
        reset_signals();
        return 0;
      case OpKind::kInit:
        return become_init();
      case OpKind::kGuard:
        guard(static_cast<int>(args[0]), static_cast<int>(args[1]));
      case OpKind::kMonitor:
        return monitor(stage.ctl, reinterpret_cast<const uint8_t*>(args[0]),
                       static_cast<uint32_t>(args[1]), slots, static_cast<uint32_t>(args[2]));
      case OpKind::kSendFd:
        return send_fd(stage.ctl, static_cast<int>(args[0]), static_cast<uint32_t>(args[1]));
      case OpKind::kHandOver:
        return hand_over(stage.ctl, static_cast<int>(args[0]), static_cast<uint32_t>(args[1]),
                         args[2] != 0);
      case OpKind::kStandIn:
        return start_stand_in(args[0] != 0);
      case OpKind::kCloseOthers:
        return close_others(stage.ctl, args);
      case OpKind::kBirth:
        return give_birth(stage.ctl, static_cast<uint64_t>(args[0]), static_cast<int>(args[1]));
      case OpKind::kRunHook:
        return run_hook(args);
      case OpKind::kReport:
        report_times(stage, static_cast<int>(args[0]));
        return 0;
      default:
        return -launch::kErrProtocol;
    }
  }
};

// Puts the descriptors of a stage header into their slots. False when there are more or fewer than
// announced.
bool take_fds(msghdr* message, const launch::StageHeader& header) noexcept {
  uint32_t count = 0;
  for (cmsghdr* part = sys::first_control(message); part != nullptr;
       part = sys::next_control(message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const int* fds = reinterpret_cast<const int*>(CMSG_DATA(part));
    const uint32_t here = static_cast<uint32_t>((part->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    if (header.fd_base > launch::kMaxSlots || here > launch::kMaxSlots - header.fd_base)
      return false;
    for (uint32_t i = 0; i < here; i++) slots[header.fd_base + i] = fds[i];
    count += here;
  }
  return count == header.fd_count && (message->msg_flags & MSG_CTRUNC) == 0;
}

bool read_all(int ctl, uint8_t* target, size_t size) noexcept {
  for (size_t at = 0; at < size;) {
    const long got =
        sys::raw_syscall(nr::read, ctl, sys::ptr(target + at), static_cast<long>(size - at));
    if (got == -4 /* EINTR */) continue;
    if (got <= 0) return false;
    at += static_cast<size_t>(got);
  }
  return true;
}

uint8_t* buffer_for(size_t size) noexcept {
  if (size <= kInlinePlan) return inline_plan;
  const long pages = sys::raw_syscall(nr::mmap, 0, static_cast<long>(size), 3 /* READ|WRITE */,
                                      0x22 /* PRIVATE|ANON */, -1, 0);
  return sys::failed(pages) ? nullptr : reinterpret_cast<uint8_t*>(pages);
}

long receive_header(int ctl, msghdr* message) noexcept {
  long got;
  do {
    got = sys::raw_syscall(nr::recvmsg, ctl, sys::ptr(message), MSG_CMSG_CLOEXEC);
  } while (got == -4 /* EINTR */);
  return got;
}

void receive(Stage* stage) noexcept {
  launch::StageHeader header{};
  iovec part{&header, sizeof header};
  Control control;
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes;
  message.msg_controllen = sizeof control.bytes;
  const long got = receive_header(stage->ctl, &message);
  if (got <= 0) leave(0);  // the engine is gone, or gave this sandbox up
  const size_t at = static_cast<size_t>(got);
  const bool whole =
      at == sizeof header ||
      read_all(stage->ctl, reinterpret_cast<uint8_t*>(&header) + at, sizeof header - at);
  const bool sound = whole && header.magic == launch::kStageMagic &&
                     header.size <= launch::kMaxPlanSize && take_fds(&message, header);
  uint8_t* bytes = sound ? buffer_for(header.size) : nullptr;
  if (bytes == nullptr || !read_all(stage->ctl, bytes, header.size) ||
      !launch::decode_plan(bytes, header.size, &stage->plan)) {
    report_failure(stage->ctl, stage->index, launch::kOpProtocol, launch::kErrProtocol);
  }
  stage->more = header.more != 0;
}

// Only a sandbox that waits to be fired says so: a cold start's next stage is on its way.
void tell_waiting(Stage* stage) noexcept {
  if (stage->more) return;
  report_times(*stage, -1);
  report(stage->ctl, launch::ReportType::kWaiting, &stage->index, sizeof stage->index);
}

// Where this start's progress is told; nowhere when the engine gave no page.
volatile uint32_t* map_progress(int fd, int cell) noexcept {
  if (fd < 0 || cell < 0 || cell >= static_cast<int>(launch::kProgressCells)) return nullptr;
  const long page = sys::raw_syscall(nr::mmap, 0, launch::kProgressSize, 3 /* READ|WRITE */,
                                     1 /* SHARED */, fd, 0);
  if (sys::failed(page)) return nullptr;
  progress_page = reinterpret_cast<volatile uint32_t*>(page);
  return progress_page + cell;
}

// An exec puts off the work of closing, descriptor by descriptor from the lowest one, and does what
// was put off last first (task_work_run, kernel/task_work.c). Its end is what tells of the exec: on
// top of all, it is told before dozens of mounts are closed.
int move_up(int ctl) noexcept {
  constexpr int kTop = 255;
  if (sys::raw_syscall(nr::dup3, ctl, kTop, 02000000 /* O_CLOEXEC */) == kTop) return kTop;
  // Above the limit of open files; or there already.
  sys::raw_syscall(nr::fcntl, ctl, 2 /* F_SETFD */, 1 /* FD_CLOEXEC */);
  return ctl;
}

// Runs the plan that comes on `socket`, and returns in the process that is born in the end.
// What the host process leaks is closed before anybody in the namespaces could see it.
void be_born(int ctl, int socket) noexcept {
  const long kept[6] = {socket, -1, -1, -1, -1, -1};
  close_others(ctl, kept);
  Stage stage{socket};
  receive(&stage);
  launch::Machine machine{slots, nullptr, 0};
  const launch::Outcome outcome = launch::execute(stage.plan, machine, Special{stage});
  if (!outcome.ok) report_failure(socket, 0, outcome.op, outcome.error);
}

}  // namespace

[[noreturn]] void leave(int status) noexcept {
  for (;;) call_unfiltered(nr::exit_group, status);
}

int parse_number(const char* text) noexcept {
  int number = 0;
  for (; *text >= '0' && *text <= '9'; text++) number = number * 10 + (*text - '0');
  return *text == 0 ? number : -1;
}

void forget_progress() noexcept {
  if (progress_page != nullptr)
    sys::raw_syscall(nr::munmap, reinterpret_cast<long>(progress_page), launch::kProgressSize);
  progress_page = nullptr;
}

[[noreturn]] void run(int ctl, int progress_fd, int progress_cell, int birth) noexcept {
  volatile uint32_t* const progress = map_progress(progress_fd, progress_cell);
  // Node closes its own standard streams on exec, so descriptors received below would land on 0, 1
  // and 2 and be overwritten when the payload's streams are connected. The control socket stands in
  // for them until then.
  for (int fd = 0; fd < 3; fd++) sys::raw_syscall(nr::dup3, ctl, fd, 0);
  if (birth >= 0) be_born(ctl, birth);
  ctl = move_up(ctl);
  slots[0] = ctl;
  // Whatever else the host process leaks ends here, before any of it can be parked or reach a
  // payload; and what it took to be born.
  sys::raw_syscall(nr::close_range, 3, ctl - 1, 0);
  sys::raw_syscall(nr::close_range, ctl + 1, 0xffffffff, 0);
  Stage stage{ctl};
  for (;; stage.index++) {
    if (progress != nullptr)
      *progress = launch::progress_base(stage.index) | launch::kProgressReceiving;
    receive(&stage);
    begin_times(stage);
    const bool timed = stage.index < kToldStages;
    launch::Machine machine{slots, timed ? stamps[stage.index] : nullptr,
                            timed ? times[stage.index].start_cycles : 0};
    machine.progress = progress;
    machine.progress_base = launch::progress_base(stage.index);
    const launch::Outcome outcome = launch::execute(stage.plan, machine, Special{stage});
    if (!outcome.ok) report_failure(ctl, stage.index, outcome.op, outcome.error);
    end_times(stage);
    tell_waiting(&stage);
  }
}

}  // namespace slipway::init
