// prepare → clone3 → after → send. A failure ends the child and says where it happened; the
// engine's cleaning plan, the same one that follows every container's end, removes the rest.
#include "launch/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <linux/sockios.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "launch/executor.h"
#include "launch/progress.h"
#include "launch/protocol.h"
#include "launch/user_namespace.h"
#include "sys/clone.h"
#include "sys/cmsg.h"
#include "sys/raw.h"
#include "sys/unique_fd.h"

namespace slipway::launch {
namespace {

namespace nr = sys::nr;

constexpr size_t kStackSize = 64 << 10;
// Past this the default socket buffer (net.core.wmem_default, 208 KiB) may not hold what is sent
// before the child reads.
constexpr size_t kRoomySocket = 96 << 10;

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

struct Cloned {
  Phase phase;
  uint32_t op;
  int error;
};

struct ChildArgs {
  Job* job;
  int ctl;
  int birth;  // the socket of one that joins namespaces, or -1
  char ctl_text[12];
  char progress_text[12];
  char cell_text[12];
  char birth_text[12];
};

// CHILD: shares memory with the engine until execveat, and is in nobody's namespaces but the
// engine's and its own. Nothing here may allocate, lock or return.
[[noreturn]] void child_failed(int ctl, uint32_t op, int error) noexcept {
  const struct {
    ReportHeader header;
    FailedBody body;
  } report{{static_cast<uint32_t>(ReportType::kFailed), sizeof(FailedBody)},
           {kStageBeforeExec, op, error}};
  sys::raw_syscall(nr::write, ctl, sys::ptr(&report), sizeof report);
  for (;;) sys::raw_syscall(nr::exit_group, 127);
}

[[noreturn]] void child_main(ChildArgs* args) noexcept {
  const Job& job = *args->job;
  Machine machine{args->job->slots.data(), nullptr, 0};
  machine.progress = job.progress;
  machine.progress_base = kProgressInChild << 16;
  const Outcome outcome = execute(args->job->in_child.plan(), machine, EngineSpecial{});
  if (!outcome.ok) child_failed(args->ctl, outcome.op, outcome.error);
  if (job.progress != nullptr) {
    *job.progress = 0;
    sys::raw_syscall(nr::fcntl, job.progress_fd, F_SETFD, 0);
  }
  sys::raw_syscall(nr::fcntl, args->ctl, F_SETFD, 0);
  if (args->birth >= 0) sys::raw_syscall(nr::fcntl, args->birth, F_SETFD, 0);
  const char* const argv[] = {"slipway-init",
                              args->ctl_text,
                              job.progress == nullptr ? "" : args->progress_text,
                              args->cell_text,
                              args->birth < 0 ? nullptr : args->birth_text,
                              nullptr};
  const char* const envp[] = {nullptr};
  const long result = sys::raw_syscall(nr::execveat, args->job->helper_fd, sys::ptr(""),
                                       sys::ptr(argv), sys::ptr(envp), AT_EMPTY_PATH);
  child_failed(args->ctl, kOpProtocol, static_cast<int>(-result));
}

// Stacks of the launch thread: launches on a thread follow one another, and CLONE_VFORK returns
// after the exec.
void* child_stack() {
  thread_local void* stack = mmap(nullptr, kStackSize, PROT_READ | PROT_WRITE,
                                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  return stack;
}

// What the process that joins has to say on its socket: who was born in the namespaces it has
// entered, or at which of its operations it failed. It ends in either case.
Cloned read_birth(Job* job, int socket) {
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
  const timeval limit{10, 0};
  (void)setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  const ssize_t got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_WAITALL);
  // One that is killed says nothing.
  if (got < 0) return {Phase::kClone, 0, errno == EAGAIN ? ETIMEDOUT : errno};
  if (got != sizeof report.header) return {Phase::kClone, 0, ECHILD};
  const cmsghdr* rights = sys::first_control(&message);
  if (rights != nullptr && rights->cmsg_type == SCM_RIGHTS)
    memcpy(&job->pidfd, CMSG_DATA(rights), sizeof job->pidfd);
  const size_t size = std::min<size_t>(report.header.size, sizeof report.body);
  if (recv(socket, &report.body, size, MSG_WAITALL) != static_cast<ssize_t>(size))
    return {Phase::kClone, 0, ECHILD};
  if (report.header.type == static_cast<uint32_t>(ReportType::kFailed))
    return {Phase::kJoin, report.body.failed.op, report.body.failed.error};
  if (job->pidfd < 0) return {Phase::kClone, 0, kErrProtocol};
  job->pid = report.body.pid;
  return {Phase::kClone, 0, 0};
}

// The pid of a process that executes the helper, or -errno. `how`: what it has of its own.
long clone_helper(Job* job, int child_ctl, int birth, clone_args* how) {
  void* stack = child_stack();
  if (stack == MAP_FAILED) return -ENOMEM;
  ChildArgs args{job, child_ctl, birth, {}, {}, {}, {}};
  snprintf(args.ctl_text, sizeof args.ctl_text, "%d", child_ctl);
  snprintf(args.progress_text, sizeof args.progress_text, "%d", job->progress_fd);
  snprintf(args.cell_text, sizeof args.cell_text, "%u", job->progress_cell);
  snprintf(args.birth_text, sizeof args.birth_text, "%d", birth);
  how->flags |= job->script->clone_flags | CLONE_VM | CLONE_VFORK | CLONE_CLEAR_SIGHAND;
  // A child that is to be our parent's needs a maker that is.
  how->exit_signal = (how->flags & CLONE_PARENT) != 0 ? 0 : SIGCHLD;
  how->stack = reinterpret_cast<uint64_t>(stack);
  how->stack_size = kStackSize;
  return sys::clone_onto(how, child_main, &args);
}

Cloned clone_child(Job* job, int child_ctl) {
  int pidfd = -1;
  clone_args how{};
  how.flags = CLONE_PIDFD;
  how.pidfd = reinterpret_cast<uint64_t>(&pidfd);
  if (const uint32_t cgroup = job->script->cgroup_slot; cgroup != kNoSlot) {
    how.flags |= CLONE_INTO_CGROUP;
    how.cgroup = static_cast<uint64_t>(job->slots[cgroup]);
  }
  const long pid = clone_helper(job, child_ctl, -1, &how);
  if (sys::failed(pid)) return {Phase::kClone, 0, static_cast<int>(-pid)};
  job->pid = static_cast<int32_t>(pid);
  job->pidfd = pidfd;
  return {Phase::kClone, 0, 0};
}

// The helper enters the namespaces, and what it forks is born in them: a few pages that know
// nothing, seen by whoever is in there already. No thread of the engine and none of its memory ever
// is.
Cloned clone_joining(Job* job, int child_ctl) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
    return {Phase::kClone, 0, errno};
  const sys::UniqueFd own(pair[0]);
  sys::UniqueFd theirs(pair[1]);
  const Stage& join = job->script->join;
  make_room(own.get(), join.bytes.size());
  const int error = send_stage(own.get(), join, join.bytes, true, job->slots);
  if (error != 0) return {Phase::kSend, 0, error};
  clone_args how{};
  const long joiner = clone_helper(job, child_ctl, theirs.get(), &how);
  theirs.reset();
  if (sys::failed(joiner)) return {Phase::kClone, 0, static_cast<int>(-joiner)};
  const Cloned born = read_birth(job, own.get());
  // Gone with its report. One that is our parent's is that one's to wait for.
  (void)waitid(P_PID, static_cast<id_t>(joiner), nullptr, WEXITED);
  return born;
}

void close_slots(const std::vector<uint16_t>& which, std::vector<int64_t>* slots) {
  for (const uint16_t slot : which) {
    if ((*slots)[slot] < 0) continue;
    close(static_cast<int>((*slots)[slot]));
    (*slots)[slot] = -1;
  }
}

Ran result_of(Beside* beside) { return beside->ran.valid() ? beside->ran.get() : Ran{true, 0, 0}; }

// The second thread has written all it will into the job.
void await_beside(Job* job) {
  for (Beside* beside : {&job->layers, &job->network}) (void)result_of(beside);
}

// What the launch's own programs have opened and not closed, but for `kept`.
void close_all_opened(Job* job, const std::vector<uint16_t>& kept) {
  for (const PlanBytes* bytes : {&job->prepare, &job->after, &job->layers.plan, &job->network.plan})
    close_opened(bytes->plan(), &job->slots, job->borrowed, kept);
}

// The child's end is not waited for here: one that waits for a dead file system holds up no other
// start.
void fail(Job* job, Phase phase, uint32_t op, int error) {
  job->failed_phase = phase;
  job->failed_op = op;
  job->error = error;
  if (job->pidfd >= 0) sys::raw_syscall(nr::pidfd_send_signal, job->pidfd, SIGKILL, 0, 0);
  if (job->ctl >= 0) close(job->ctl);
  job->ctl = -1;
  await_beside(job);
  close_all_opened(job, {});
}

// Sends the stages marked as wanted. Returns 0 or a positive errno.
int send_stages(Job* job, When when) {
  const std::vector<Stage>& stages = job->script->stages;
  for (size_t i = 0; i < stages.size(); i++) {
    if (stages[i].when != when) continue;
    const bool more = i + 1 < stages.size() && stages[i + 1].when != When::kLater;
    const int error = send_stage(job->ctl, stages[i], job->stage_bytes[i], more, job->slots);
    if (error != 0) return error;
  }
  return 0;
}

bool is_cancelled(const Job& job) { return job.cancelled != nullptr && *job.cancelled; }

bool is_dismissed(Job* job) {
  Job::Course course = Job::Course::kOpen;
  const Job::Course wanted = is_cancelled(*job) ? Job::Course::kDismiss : Job::Course::kGo;
  return (job->course.compare_exchange_strong(course, wanted) ? wanted : course) ==
         Job::Course::kDismiss;
}

// Nothing has been started; what was opened for it goes.
void dismiss(Job* job) {
  await_beside(job);
  close_all_opened(job, {});
}

size_t total_size(const Job& job) {
  size_t size = 0;
  for (const std::vector<uint8_t>& bytes : job.stage_bytes) size += bytes.size();
  return size;
}

// The socket pair, and a bound on how long a child that never reads can hold up the launch thread.
int open_ctl(Job* job, int* child_end) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) return errno;
  job->ctl = pair[0];
  *child_end = pair[1];
  make_room(job->ctl, total_size(*job));
  const timeval limit{10, 0};
  (void)setsockopt(job->ctl, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  return 0;
}

// EPIPE and ECONNRESET: the child has died or refused a stage, and its own report tells more than
// this error would.
bool all_was_sent(int error) { return error == 0 || error == EPIPE || error == ECONNRESET; }

bool send_on(Job* job, When when) {
  // One that was cancelled waits for what it would need to go on, and is killed by whoever waits
  // for it.
  if (is_cancelled(*job)) return true;
  const int error = send_stages(job, when);
  if (all_was_sent(error)) return true;
  fail(job, Phase::kSend, 0, error);
  return false;
}

// To a child that waited. Returns 0 or a positive errno.
int send_rest(Job* job) {
  make_room(job->ctl, total_size(*job) + job->last.bytes.size());
  const std::vector<Stage>& stages = job->script->stages;
  for (size_t i = 0; i < stages.size(); i++) {
    const int error = send_stage(job->ctl, stages[i], job->stage_bytes[i], true, job->slots);
    if (error != 0) return error;
  }
  return send_stage(job->ctl, job->last, job->last.bytes, false, job->last_slots);
}

void clone_and_send(Job* job) {
  int child_end = -1;
  if (const int error = open_ctl(job, &child_end)) return fail(job, Phase::kClone, 0, error);
  if (const int error = send_stages(job, When::kEarly)) {
    close(child_end);
    return fail(job, Phase::kSend, 0, error);
  }
  const Cloned cloned =
      job->script->join.bytes.empty() ? clone_child(job, child_end) : clone_joining(job, child_end);
  close(child_end);
  job->cloned_ns = now_ns();
  if (cloned.error != 0) return fail(job, cloned.phase, cloned.op, cloned.error);
  const Ran ran =
      run_plan(&job->after, &job->slots, &job->after_stamps, job->begun_cycles, job->pid);
  if (!ran.ok) return fail(job, Phase::kAfter, ran.op, ran.error);
  const Ran layers = result_of(&job->layers);
  if (!layers.ok) return fail(job, Phase::kLayers, layers.op, layers.error);
  if (!send_on(job, When::kAfter)) return;
  const Ran network = result_of(&job->network);
  if (!network.ok) return fail(job, Phase::kNetwork, network.op, network.error);
  (void)send_on(job, When::kLast);
}

void start(Job* job) {
  job->begun_ns = now_ns();
  job->begun_cycles = sys::cycles();
  const Ran ran = run_plan(&job->prepare, &job->slots, &job->prepare_stamps, job->begun_cycles);
  job->prepared_ns = now_ns();
  if (!ran.ok) return fail(job, Phase::kPrepare, ran.op, ran.error);
  if (is_cancelled(*job)) return dismiss(job);
  clone_and_send(job);
}

const std::vector<uint8_t>* program_of(const Script& script, uint32_t index) {
  switch (static_cast<ProgramIndex>(index)) {
    case ProgramIndex::kPrepare:
      return &script.prepare;
    case ProgramIndex::kInChild:
      return &script.in_child;
    case ProgramIndex::kAfter:
      return &script.after;
    case ProgramIndex::kLayers:
      return &script.layers;
    case ProgramIndex::kNetwork:
      return &script.network;
    default: {
      const size_t stage = index - static_cast<uint32_t>(ProgramIndex::kFirstStage);
      return stage < script.stages.size() ? &script.stages[stage].bytes : nullptr;
    }
  }
}

// Of the calling thread. Asked of a socket, so that no /proc is needed (Linux 4.9). -1 and errno.
int open_network_namespace() {
  const sys::UniqueFd any(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return any ? ioctl(any.get(), SIOCGSKNS) : -1;
}

std::vector<uint8_t> with_own_text(const Job& job, ProgramIndex program) {
  std::vector<uint8_t> bytes = *program_of(*job.script, static_cast<uint32_t>(program));
  for (const Patch& patch : job.script->patches) {
    if (patch.program == static_cast<uint32_t>(program))
      memcpy(bytes.data() + patch.at, job.own.data() + patch.from, patch.length);
  }
  return bytes;
}

Ran run_one_beside(Job* job, Beside* beside, ProgramIndex program) {
  if (is_dismissed(job)) return {true, 0, 0};
  if (!beside->plan.assign(with_own_text(*job, program))) return {false, kOpProtocol, kErrProtocol};
  beside->begun_ns = now_ns();
  return run_plan(&beside->plan, &job->slots, &beside->stamps, sys::cycles());
}

// The script's programs with this start's own text in them. False for what `validate` would not
// have let through.
bool assemble(Job* job) {
  const Script& script = *job->script;
  for (uint32_t i = 0; i < script.stages.size(); i++)
    job->stage_bytes.push_back(with_own_text(
        *job, static_cast<ProgramIndex>(static_cast<uint32_t>(ProgramIndex::kFirstStage) + i)));
  return job->prepare.assign(with_own_text(*job, ProgramIndex::kPrepare)) &&
         job->in_child.assign(with_own_text(*job, ProgramIndex::kInChild)) &&
         job->after.assign(with_own_text(*job, ProgramIndex::kAfter));
}

// Own text goes into data only, so it cannot change an operation that was checked.
bool fits(const Script& script, const Patch& patch) {
  const std::vector<uint8_t>* program = program_of(script, patch.program);
  if (program == nullptr || program->size() < sizeof(Header)) return false;
  Header header;
  memcpy(&header, program->data(), sizeof header);
  return patch.at >= data_offset(header) && patch.at <= program->size() &&
         patch.length <= program->size() - patch.at;
}

bool sound_program(const std::vector<uint8_t>& bytes, bool (*allowed)(uint32_t nr)) {
  PlanBytes plan;
  return plan.assign(bytes) && plan.uses_only(allowed);
}

bool sound_fds(const Stage& stage, size_t slot_count) {
  return stage.fds.size() <= kMaxStageFds && slots_below(stage.fds, slot_count);
}

}  // namespace

Ran away_from_home(const std::function<Ran()>& body) {
  static thread_local sys::UniqueFd home;
  if (!home) home.reset(open_network_namespace());
  if (!home) return {false, kOpProtocol, errno};
  const Ran ran = body();
  // Whatever happened: what this thread does next is another container's.
  const long back = sys::raw_syscall(nr::setns, home.get(), CLONE_NEWNET);
  return sys::failed(back) ? Ran{false, kOpProtocol, static_cast<int>(-back)} : ran;
}

void make_room(int socket, size_t size) {
  if (size < kRoomySocket) return;
  // The kernel counts its own bookkeeping too, so ask for twice the bytes; FORCE passes
  // net.core.wmem_max.
  const int wanted = static_cast<int>(std::min<size_t>(size * 2, 64u << 20));
  if (setsockopt(socket, SOL_SOCKET, SO_SNDBUFFORCE, &wanted, sizeof wanted) != 0) {
    (void)setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &wanted, sizeof wanted);
  }
}

bool slots_below(const std::vector<uint16_t>& which, size_t count) {
  return std::all_of(which.begin(), which.end(), [&](uint16_t slot) { return slot < count; });
}

bool PlanBytes::assign(const std::vector<uint8_t>& bytes) {
  storage_.assign((bytes.size() + 7) / 8, 0);
  if (bytes.empty()) return true;
  memcpy(storage_.data(), bytes.data(), bytes.size());
  return decode_plan(reinterpret_cast<uint8_t*>(storage_.data()), bytes.size(), &plan_);
}

bool PlanBytes::uses_only(bool (*allowed)(uint32_t nr)) const {
  return std::all_of(plan_.ops, plan_.ops + plan_.op_count, [&](const Op& op) {
    return op.kind != static_cast<uint16_t>(OpKind::kSyscall) || allowed(op.nr);
  });
}

bool Script::validate() {
  if (slot_count > kMaxSlots) return false;
  if (cgroup_slot != kNoSlot && cgroup_slot >= slot_count) return false;
  if (network_slot != kNoSlot && network_slot >= slot_count) return false;
  if (!slots_below(keep, slot_count) || !slots_below(close, slot_count)) return false;
  for (const Stage& stage : stages) {
    if (!sound_fds(stage, slot_count)) return false;
  }
  // The helper runs it, so it may call what it likes.
  if (PlanBytes joining; !sound_fds(join, slot_count) || !joining.assign(join.bytes)) return false;
  if (!sound_program(prepare, allowed_in_engine) || !sound_program(after, allowed_in_engine) ||
      !sound_program(in_child, allowed_in_sharing_child) ||
      !sound_program(layers, allowed_in_engine) || !sound_program(network, allowed_in_network))
    return false;
  // Neither the sharing child nor the second thread can add slots, and none are added meanwhile.
  for (const std::vector<uint8_t>* bytes : {&prepare, &in_child, &after, &layers, &network}) {
    PlanBytes program;
    if (!program.assign(*bytes) || program.plan().slot_count > slot_count) return false;
  }
  own_size = 0;
  for (const Patch& patch : patches) {
    if (!fits(*this, patch) || patch.from > kMaxPlanSize || patch.length > kMaxPlanSize)
      return false;
    own_size = std::max(own_size, patch.from + patch.length);
  }
  return true;
}

void close_opened(const Plan& plan, std::vector<int64_t>* slots, size_t borrowed,
                  const std::vector<uint16_t>& kept) {
  // An ioctl(2) whose result is kept gives a descriptor: of a namespace, or of a terminal.
  static constexpr long kOpening[] = {nr::openat,  nr::openat2, nr::open_tree,   nr::fsopen,
                                      nr::fsmount, nr::bpf,     nr::pidfd_open,  nr::eventfd2,
                                      nr::socket,  nr::ioctl,   nr::memfd_create};
  for (uint32_t i = 0; i < plan.op_count; i++) {
    const Op& op = plan.ops[i];
    const bool opens = op.kind == static_cast<uint16_t>(OpKind::kSyscall)
                           ? std::find(std::begin(kOpening), std::end(kOpening),
                                       static_cast<long>(op.nr)) != std::end(kOpening)
                           : op.kind == static_cast<uint16_t>(OpKind::kUserNamespace);
    if (!opens || op.result_slot == kNoSlot || op.result_slot < borrowed ||
        op.result_slot >= slots->size())
      continue;
    if (std::find(kept.begin(), kept.end(), op.result_slot) != kept.end()) continue;
    int64_t& slot = (*slots)[op.result_slot];
    if (slot >= 0) close(static_cast<int>(slot));
    slot = -1;
  }
}

uint64_t now_ns() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1000000000 + static_cast<uint64_t>(time.tv_nsec);
}

Ran run_plan(PlanBytes* bytes, std::vector<int64_t>* slots, std::vector<uint32_t>* stamps,
             uint64_t start_cycles, int32_t pid) {
  const Plan& plan = bytes->plan();
  if (slots->size() < plan.slot_count) slots->resize(plan.slot_count, -1);
  if (stamps != nullptr) stamps->assign(plan.op_count, 0);
  Machine machine{slots->data(), stamps == nullptr ? nullptr : stamps->data(), start_cycles, 0,
                  pid};
  const Outcome outcome = execute(plan, machine, EngineSpecial{});
  return {outcome.ok, outcome.op, outcome.error};
}

int send_stage(int ctl, const Stage& stage, const std::vector<uint8_t>& bytes, bool more,
               const std::vector<int64_t>& slots) {
  StageHeader header{kStageMagic, static_cast<uint32_t>(bytes.size()),
                     static_cast<uint32_t>(stage.fds.size()), stage.base, more ? 1u : 0u};
  iovec parts[2] = {{&header, sizeof header}, {const_cast<uint8_t*>(bytes.data()), bytes.size()}};
  alignas(8) char control[CMSG_SPACE(sizeof(int) * kMaxStageFds)] = {};
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = 2;
  if (!stage.fds.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * stage.fds.size());
    cmsghdr* rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int) * stage.fds.size());
    int* fds = reinterpret_cast<int*>(CMSG_DATA(rights));
    for (size_t i = 0; i < stage.fds.size(); i++) fds[i] = static_cast<int>(slots[stage.fds[i]]);
  }
  size_t left = sizeof header + bytes.size();
  while (left > 0) {
    const ssize_t sent = sendmsg(ctl, &message, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return errno;
    left -= static_cast<size_t>(sent);
    size_t passed = static_cast<size_t>(sent);
    for (iovec& part : parts) {
      const size_t here = std::min(passed, part.iov_len);
      part.iov_base = static_cast<char*>(part.iov_base) + here;
      part.iov_len -= here;
      passed -= here;
    }
    message.msg_control = nullptr;
    message.msg_controllen = 0;
  }
  return 0;
}

void launch(Job* job) {
  if (job->network_fd >= 0)
    job->slots[job->script->network_slot] = std::exchange(job->network_fd, -1);
  // One that was cancelled before it began is told so by having neither a child nor a failure.
  if (is_dismissed(job)) {
    dismiss(job);
  } else if (assemble(job)) {
    start(job);
  } else {
    fail(job, Phase::kPrepare, kOpProtocol, kErrProtocol);
  }
  close_slots(job->script->close, &job->slots);
  close_all_opened(job, job->script->keep);
  job->done_ns = now_ns();
  job->done_cycles = sys::cycles();
}

void go_on(Job* job) {
  job->begun_ns = job->prepared_ns = job->cloned_ns = now_ns();
  job->begun_cycles = sys::cycles();
  const Ran ran = assemble(job) ? run_plan(&job->after, &job->slots, &job->after_stamps,
                                           job->begun_cycles, job->pid)
                                : Ran{false, kOpProtocol, kErrProtocol};
  if (!ran.ok) {
    fail(job, Phase::kAfter, ran.op, ran.error);
  } else if (const int error = send_rest(job); !all_was_sent(error)) {
    fail(job, Phase::kSend, 0, error);
  }
  if (job->ctl >= 0) close(job->ctl);
  job->ctl = -1;
  close_slots(job->script->close, &job->slots);
  close_all_opened(job, {});
  job->done_ns = now_ns();
  job->done_cycles = sys::cycles();
}

bool expect_beside(Job* job) {
  if (!job->script->layers.empty()) job->layers.ran = job->layers.done.get_future();
  job->network.wanted = !job->script->network.empty() && job->network_fd < 0;
  if (job->network.wanted) job->network.ran = job->network.done.get_future();
  return job->layers.ran.valid() || job->network.ran.valid();
}

void run_beside(Job* job) {
  Ran layers{true, 0, 0};
  // The launch thread may have the futures already.
  if (!job->script->layers.empty()) {
    layers = run_one_beside(job, &job->layers, ProgramIndex::kLayers);
    job->layers.done.set_value(layers);
  }
  if (!job->network.wanted) return;
  const auto network = [job] { return run_one_beside(job, &job->network, ProgramIndex::kNetwork); };
  job->network.done.set_value(layers.ok ? away_from_home(network) : layers);
}

bool allowed_in_engine(uint32_t number) {
  static constexpr long kAllowed[] = {
      nr::read,       nr::write,         nr::close,      nr::openat,     nr::openat2,
      nr::mkdirat,    nr::unlinkat,      nr::pread64,    nr::pwrite64,   nr::renameat2,
      nr::open_tree,  nr::mount_setattr, nr::fchownat,   nr::pipe2,      nr::nanosleep,
      nr::symlinkat,  nr::fchmodat,      nr::pidfd_open, nr::kill,       nr::pidfd_send_signal,
      nr::socketpair, nr::setsockopt,    nr::flock,      nr::lseek,      nr::fcntl,
      nr::linkat,     nr::sendmsg,       nr::eventfd2,   nr::newfstatat, nr::memfd_create,
      nr::ioctl,      nr::bpf,           nr::fsopen,     nr::fsconfig,   nr::fsmount,
      nr::socket,     nr::recvfrom,      nr::bind,       nr::listen,     nr::connect,
      nr::recvmsg};
  return std::find(std::begin(kAllowed), std::end(kAllowed), static_cast<long>(number)) !=
         std::end(kAllowed);
}

bool allowed_in_network(uint32_t number) {
  return allowed_in_engine(number) || number == static_cast<uint32_t>(nr::unshare) ||
         number == static_cast<uint32_t>(nr::setns);
}

// prctl and capset change the calling task only; the plan uses them to carry capabilities over the
// helper's exec when a new user namespace has no mapping yet. Neither clears the dumpable flag of
// the shared memory: no permitted set grows.
bool allowed_in_sharing_child(uint32_t number) {
  return number == static_cast<uint32_t>(nr::prctl) ||
         number == static_cast<uint32_t>(nr::capset) || number == static_cast<uint32_t>(nr::fcntl);
}

}  // namespace slipway::launch
