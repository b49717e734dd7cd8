#include "init/monitor_launch.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include "init/kill.h"
#include "init/monitor_table.h"
#include "init/remove_links.h"
#include "init/remove_tree.h"
#include "launch/engine_side.h"
#include "launch/progress.h"
#include "sys/cmsg.h"

namespace slipway::init {
namespace {

namespace nr = sys::nr;
using launch::Plan;

constexpr uint32_t kPrepare = 1, kClone = 2, kAfter = 3, kSend = 4, kLayers = 5, kNetwork = 6,
                   kJoin = 7;                              // launch::Phase
constexpr uint32_t kEarly = 0, kWhenAfter = 1, kLast = 2;  // launch::When
constexpr uint32_t kTerminalTag = 1;                       // src/plan/terminal.ts
constexpr size_t kStackSize = 64 << 10;
constexpr long kNewNet = 0x40000000;

int64_t slots[launch::kMaxSlots];
volatile uint32_t* progress = nullptr;  // of the start that is under way

// A plan that was decoded has pointers in it, and is written into when it is run.
class PlanCopy {
 public:
  explicit PlanCopy(Section section) noexcept : pages_(section.size == 0 ? 1 : section.size) {
    if (pages_.begin() == nullptr) return;
    __builtin_memcpy(pages_.begin(), given.at(section), section.size);
    is_sound_ = section.size == 0 || launch::decode_plan(pages_.begin(), section.size, &plan_);
  }
  [[nodiscard]] bool is_sound() const noexcept { return is_sound_; }
  [[nodiscard]] const Plan& plan() const noexcept { return plan_; }

 private:
  Pages pages_;
  Plan plan_;
  bool is_sound_ = false;
};

const uint16_t* numbers(Section section) noexcept {
  return reinterpret_cast<const uint16_t*>(given.at(section));
}

void close_slot(uint32_t slot) noexcept {
  if (slots[slot] >= 0) call(nr::close, slots[slot]);
  slots[slot] = -1;
}

// What the launch's own programs have opened and not closed.
void close_opened(Section section, uint32_t borrowed) noexcept {
  // One that is not sound was not carried out, and may say anything here.
  const auto* header = reinterpret_cast<const launch::Header*>(given.at(section));
  if (section.size < sizeof *header ||
      header->op_count > (section.size - sizeof *header) / sizeof(launch::Op))
    return;
  const auto* ops = reinterpret_cast<const launch::Op*>(header + 1);
  for (uint32_t i = 0; i < header->op_count; i++) {
    const uint32_t slot = ops[i].result_slot;
    if (launch::opens(ops[i]) && slot < launch::kMaxSlots && slot >= borrowed) close_slot(slot);
  }
}

// A page that is shared with the child, which has no other way to tell where it was killed. -1: it
// is not told.
int make_progress() noexcept {
  int fd = static_cast<int>(call(nr::memfd_create, sys::ptr("slipway-progress"), 1 /* CLOEXEC */));
  if (fd < 0) return -1;
  long page = call(nr::ftruncate, fd, launch::kProgressSize);
  if (page == 0)
    page = call(nr::mmap, 0, launch::kProgressSize, 3 /* READ|WRITE */, 1 /* SHARED */, fd, 0);
  if (sys::failed(page))
    close_it(&fd);
  else
    progress = reinterpret_cast<volatile uint32_t*>(page);
  return fd;
}

class Launching {
 public:
  Launching(const MonitorLaunch& launch, Child* child, Failure* failure,
            int (*on_born)(const Child&) noexcept) noexcept
      : launch_(launch), child_(child), failure_(failure), on_born_(on_born) {}

  bool run(const int (&streams)[3]) noexcept {
    lend(streams);
    const bool ok = carry_out();
    const uint32_t borrowed = launch_.borrowed.size / 2;
    for (uint32_t i = 0; i < launch_.close.size / 2; i++)
      if (numbers(launch_.close)[i] >= borrowed) close_slot(numbers(launch_.close)[i]);
    for (const Section& program : {launch_.prepare, launch_.after, launch_.layers, launch_.network})
      close_opened(program, borrowed);
    if (!ok) {
      if (child_->pidfd >= 0) call(nr::pidfd_send_signal, child_->pidfd, 9, 0, 0);
      close_it(&child_->ctl);
    }
    return ok;
  }

 private:
  void lend(const int (&streams)[3]) noexcept {
    for (int64_t& slot : slots) slot = -1;
    for (uint32_t i = 0; i < launch_.borrowed.size / 2; i++) {
      const uint16_t own = numbers(launch_.borrowed)[i];
      if (own != kNotBorrowed) slots[i] = given.slots[own];
    }
    for (int i = 0; i < 3; i++) slots[1 + i] = streams[i];
  }

  bool carry_out() noexcept {
    if (!run_plan(launch_.prepare, kPrepare) || !open_ctl()) return false;
    const bool began =
        send_stages(kEarly) && (launch_.join.size == 0 ? clone_child() : clone_joining());
    close_it(&child_end_);
    const int unnoted = began && on_born_ != nullptr ? on_born_(*child_) : 0;
    if (unnoted != 0) return fail(kMonitorPhase, launch::kOpProtocol, unnoted);
    return began && run_plan(launch_.after, kAfter) && run_plan(launch_.layers, kLayers) &&
           send_stages(kWhenAfter) && away_from_home() && send_stages(kLast);
  }

  bool fail(uint32_t phase, uint32_t op, long error) noexcept {
    *failure_ = {phase, 0, op, static_cast<int32_t>(error)};
    return false;
  }

  bool run_plan(Section section, uint32_t phase) noexcept {
    if (section.size == 0) return true;
    const PlanCopy copy(section);
    if (!copy.is_sound()) return fail(phase, launch::kOpProtocol, launch::kErrProtocol);
    launch::Machine machine{slots, nullptr, 0};
    machine.child_pid = child_->pid;
    const launch::Outcome outcome = execute(copy.plan(), machine, launch::EngineSpecial{});
    return outcome.ok || fail(phase, outcome.op, outcome.error);
  }

  // The program takes this process to another network namespace, and what it does next is its own.
  bool away_from_home() noexcept {
    if (launch_.network.size == 0) return true;
    const long home = launch::open_network_namespace();
    if (sys::failed(home)) return fail(kNetwork, launch::kOpProtocol, -home);
    const bool ok = run_plan(launch_.network, kNetwork);
    const long back = call(nr::setns, home, kNewNet);
    call(nr::close, home);
    return sys::failed(back) ? fail(kNetwork, launch::kOpProtocol, -back) : ok;
  }

  bool open_ctl() noexcept {
    int pair[2];
    const long made = call(nr::socketpair, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sys::ptr(pair));
    if (sys::failed(made)) return fail(kClone, 0, -made);
    child_->ctl = pair[0];
    child_end_ = pair[1];
    size_t size = 0;
    for (uint32_t i = 0; i < launch_.stage_count; i++) size += stage(i).bytes.size;
    launch::make_room(child_->ctl, size);
    launch::limit_wait(child_->ctl, SO_SNDTIMEO);
    return true;
  }

  [[nodiscard]] const StageEntry& stage(uint32_t index) const noexcept {
    return reinterpret_cast<const StageEntry*>(given.at(launch_.stages))[index];
  }

  static int send(int ctl, Section fds, Section bytes, uint32_t base, bool more) noexcept {
    int sent[launch::kMaxStageFds];
    const uint32_t count = fds.size / 2;
    for (uint32_t i = 0; i < count; i++) sent[i] = static_cast<int>(slots[numbers(fds)[i]]);
    const launch::StageHeader header{launch::kStageMagic, bytes.size, count, base, more ? 1u : 0u};
    return launch::send_stage(ctl, header, given.at(bytes), sent);
  }

  bool send_stages(uint32_t when) noexcept {
    for (uint32_t i = 0; i < launch_.stage_count; i++) {
      const StageEntry& entry = stage(i);
      if (entry.when != when) continue;
      const int error =
          send(child_->ctl, entry.fds, entry.bytes, entry.base, i + 1 < launch_.stage_count);
      // EPIPE and ECONNRESET: it has died or refused a stage, and its own report tells more.
      if (error != 0 && error != kEpipe && error != 104) return fail(kSend, 0, error);
    }
    return true;
  }

  long clone(int birth, clone_args* how) noexcept {
    const PlanCopy in_child(launch_.in_child);
    const Pages stack(kStackSize);
    if (!in_child.is_sound() || stack.begin() == nullptr) return -12 /* ENOMEM */;
    launch::HelperStart start{&in_child.plan(), slots, given.helper, child_end_, birth};
    // Of one that joins another process does the work, and a probe is no start.
    if (birth < 0) start.progress_fd = make_progress();
    if (start.progress_fd >= 0) start.progress = progress;
    how->flags |= launch_.clone_flags;
    how->stack = reinterpret_cast<uint64_t>(stack.begin());
    how->stack_size = kStackSize;
    const long pid = launch::clone_helper(&start, how);
    close_it(&start.progress_fd);
    return pid;
  }

  bool clone_child() noexcept {
    int pidfd = -1;
    clone_args how{};
    how.flags = CLONE_PIDFD;
    how.pidfd = reinterpret_cast<uint64_t>(&pidfd);
    if (launch_.cgroup_slot != launch::kNoSlot) {
      how.flags |= CLONE_INTO_CGROUP;
      how.cgroup = static_cast<uint64_t>(slots[launch_.cgroup_slot]);
    }
    const long pid = clone(-1, &how);
    if (sys::failed(pid)) return fail(kClone, 0, -pid);
    child_->pid = static_cast<int32_t>(pid);
    child_->pidfd = pidfd;
    return true;
  }

  // As launch.cc has it: the helper enters the namespaces, and what it forks is born in them.
  bool clone_joining() noexcept {
    int pair[2];
    const long made = call(nr::socketpair, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sys::ptr(pair));
    if (sys::failed(made)) return fail(kClone, 0, -made);
    launch::make_room(pair[0], launch_.join.size);
    const int error = send(pair[0], launch_.join_fds, launch_.join, launch_.join_base, true);
    clone_args how{};
    const long joiner = error != 0 ? -error : clone(pair[1], &how);
    call(nr::close, pair[1]);
    if (sys::failed(joiner)) {
      call(nr::close, pair[0]);
      return fail(error != 0 ? kSend : kClone, 0, -joiner);
    }
    const launch::Birth born = launch::read_birth(pair[0]);
    call(nr::close, pair[0]);
    // One that has not answered is not to hold up anybody.
    if (born.error != 0) call(nr::kill, joiner, 9);
    call(nr::wait4, joiner, 0, 0, 0);
    child_->pid = born.pid;
    child_->pidfd = born.pidfd;
    return born.error == 0 || fail(born.in_join ? kJoin : kClone, born.op, born.error);
  }

  const MonitorLaunch& launch_;
  Child* child_;
  Failure* failure_;
  int (*on_born_)(const Child&) noexcept;
  int child_end_ = -1;
};

}  // namespace

bool launch_child(const MonitorLaunch& launch, const int (&streams)[3], Child* child,
                  Failure* failure, int (*on_born)(const Child&) noexcept) noexcept {
  return Launching(launch, child, failure, on_born).run(streams);
}

uint32_t take_progress() noexcept {
  if (progress == nullptr) return 0;
  const uint32_t reached = *progress;
  call(nr::munmap, reinterpret_cast<long>(progress), launch::kProgressSize);
  progress = nullptr;
  return reached;
}

bool reap(const Child& child, Ended* ended) noexcept {
  constexpr int32_t kExited = 1;  // CLD_EXITED
  int32_t info[32] = {};          // siginfo_t: si_signo, si_errno, si_code, …, si_status
  const long result = call(nr::waitid, 3 /* P_PIDFD */, child.pidfd, sys::ptr(info),
                           4 /* WEXITED */ | 1 /* WNOHANG */, 0);
  if (sys::failed(result) || info[0] == 0) return false;
  if (info[2] == kExited)
    ended->code = info[6];
  else
    ended->signal = info[6];
  return true;
}

void await_end(const Child& child) noexcept {
  Ended ended;
  for (int round = 0; child.pidfd >= 0 && round < kKillRounds && !reap(child, &ended); round++)
    pause_ms(1);
}

struct Apart : launch::EngineSpecial {
  long other(const launch::Op& op, const long* args, uint32_t index) const noexcept {
    const auto kind = static_cast<launch::OpKind>(op.kind);
    const bool is_tree = kind == launch::OpKind::kRemoveTree;
    if ((!is_tree && kind != launch::OpKind::kRemoveLinks) ||
        launch::arg_kind(op, 1) != launch::ArgKind::kData)
      return launch::EngineSpecial::other(op, args, index);
    const auto directory = static_cast<int>(args[0]);
    const auto* text = reinterpret_cast<const char*>(args[1]);
    return is_tree ? remove_tree(directory, text) : remove_links(directory, text);
  }
};

void run_apart(Section section) noexcept {
  if (section.size == 0) return;
  const PlanCopy copy(section);
  if (!copy.is_sound()) return;
  for (int64_t& slot : slots) slot = -1;
  slots[0] = given.slots[kContainersSlot];
  launch::Machine machine{slots, nullptr, 0};
  (void)execute(copy.plan(), machine, Apart{});
}

// A piece of the next report. A descriptor comes with its first byte. False when there is no more,
// for now or ever.
bool Reports::receive(int ctl) noexcept {
  constexpr uint32_t kHeader = sizeof header_;
  iovec part{reinterpret_cast<uint8_t*>(header_) + have_, kHeader - have_};
  if (have_ >= kHeader) {
    // Of the times of every operation the first few tell enough.
    const uint32_t at = have_ - kHeader;
    const bool is_kept = at < sizeof body_;
    part = {is_kept ? body_ + at : buffer, is_kept ? sizeof body_ - at : sizeof buffer};
    if (part.iov_len > header_[1] - at) part.iov_len = header_[1] - at;
  }
  alignas(8) char control[CMSG_SPACE(sizeof(int))];
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const long got = call(nr::recvmsg, ctl, sys::ptr(&message), MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (got <= 0) {
    is_over_ = got != -kEagain;
    return false;
  }
  have_ += static_cast<uint32_t>(got);
  const cmsghdr* rights = sys::first_control(&message);
  if (rights != nullptr && rights->cmsg_type == SCM_RIGHTS) {
    close_it(&fd_);
    fd_ = *reinterpret_cast<const int*>(CMSG_DATA(rights));
  }
  return true;
}

// True for a terminal.
bool Reports::understand() noexcept {
  const auto type = static_cast<launch::ReportType>(header_[0]);
  const auto* words = reinterpret_cast<const uint32_t*>(body_);
  if (type == launch::ReportType::kTimings)
    stages_done_ = reinterpret_cast<const launch::TimingsBody*>(body_)->stage + 1;
  if (type == launch::ReportType::kFailed)
    failure_ = {0, words[0], words[1], static_cast<int32_t>(words[2])};
  if (type == launch::ReportType::kFd && words[0] == kTerminalTag) return true;
  // One that is to be answered: nobody is here who could.
  if (type == launch::ReportType::kFd) {
    failure_ = {0, stages_done_, launch::kOpProtocol, kEopnotsupp};
    is_over_ = true;
  }
  close_it(&fd_);
  return false;
}

Reports::News Reports::read(int ctl, int* fd) noexcept {
  while (!is_over_ && receive(ctl)) {
    if (have_ < sizeof header_ || have_ < sizeof header_ + header_[1]) continue;
    have_ = 0;
    if (!understand()) continue;
    *fd = fd_;
    fd_ = -1;
    return News::kTerminal;
  }
  return is_over_ ? News::kOver : News::kNothing;
}

}  // namespace slipway::init
