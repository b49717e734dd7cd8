// prepare → clone3 → after → send. A failure ends the child and says where it happened; the
// engine's cleaning plan, the same one that follows every container's end, removes the rest.
#include "launch/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include "launch/engine_side.h"
#include "sys/raw.h"
#include "sys/unique_fd.h"

namespace slipway::launch {
namespace {

namespace nr = sys::nr;

constexpr size_t kStackSize = 64 << 10;

struct Cloned {
  Phase phase;
  uint32_t op;
  int error;
};

// Stacks of the launch thread: launches on a thread follow one another, and CLONE_VFORK returns
// after the exec.
void* child_stack() {
  thread_local void* stack = mmap(nullptr, kStackSize, PROT_READ | PROT_WRITE,
                                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  return stack;
}

// The pid of a process that executes the helper, or -errno. `how`: what it has of its own.
long clone_for(Job* job, int child_ctl, int birth, clone_args* how) {
  void* stack = child_stack();
  if (stack == MAP_FAILED) return -ENOMEM;
  HelperStart start{&job->in_child.plan(), job->slots.data(), job->helper_fd, child_ctl, birth};
  start.progress = job->progress;
  start.progress_cell = job->progress_cell;
  start.progress_fd = job->progress_fd;
  how->flags |= job->script->clone_flags;
  how->stack = reinterpret_cast<uint64_t>(stack);
  how->stack_size = kStackSize;
  return clone_helper(&start, how);
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
  const long pid = clone_for(job, child_ctl, -1, &how);
  if (sys::failed(pid)) return {Phase::kClone, 0, static_cast<int>(-pid)};
  job->pid = static_cast<int32_t>(pid);
  job->pidfd = pidfd;
  return {Phase::kClone, 0, 0};
}

Ran run_after(Job* job) {
  return run_plan(&job->after, &job->slots, &job->after_stamps, job->begun_cycles, job->pid);
}

// Such a plan is about the child, and waits for it.
bool names_child(const Plan& plan) {
  return std::any_of(plan.ops, plan.ops + plan.op_count, [](const Op& op) {
    return op.kind == static_cast<uint16_t>(OpKind::kPutPid);
  });
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
  const long joiner = clone_for(job, child_ctl, theirs.get(), &how);
  theirs.reset();
  if (sys::failed(joiner)) return {Phase::kClone, 0, static_cast<int>(-joiner)};
  job->joiner = static_cast<int32_t>(joiner);
  // There is time for it: the helper has to execute, to enter and to fork.
  if (!names_child(job->after.plan())) job->after_ran = run_after(job);
  const Birth born = read_birth(own.get());
  job->pid = born.pid;
  job->pidfd = born.pidfd;
  return {born.in_join ? Phase::kJoin : Phase::kClone, born.op, born.error};
}

// It is gone with its report. One that is our parent's is that one's to wait for.
void reap_joiner(Job* job) {
  const int32_t joiner = std::exchange(job->joiner, 0);
  if (joiner > 0) (void)waitid(P_PID, static_cast<id_t>(joiner), nullptr, WEXITED);
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
  limit_wait(job->ctl, SO_SNDTIMEO);
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
  const Ran ran = job->after_ran ? *job->after_ran : run_after(job);
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
  if (!home) {
    const long opened = open_network_namespace();
    if (sys::failed(opened)) return {false, kOpProtocol, static_cast<int>(-opened)};
    home.reset(static_cast<int>(opened));
  }
  const Ran ran = body();
  // Whatever happened: what this thread does next is another container's.
  const long back = sys::raw_syscall(nr::setns, home.get(), CLONE_NEWNET);
  return sys::failed(back) ? Ran{false, kOpProtocol, static_cast<int>(-back)} : ran;
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
  for (uint32_t i = 0; i < plan.op_count; i++) {
    const Op& op = plan.ops[i];
    if (!opens(op) || op.result_slot == kNoSlot || op.result_slot < borrowed ||
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
  const StageHeader header{kStageMagic, static_cast<uint32_t>(bytes.size()),
                           static_cast<uint32_t>(stage.fds.size()), stage.base, more ? 1u : 0u};
  int fds[kMaxStageFds];
  for (size_t i = 0; i < stage.fds.size(); i++) fds[i] = static_cast<int>(slots[stage.fds[i]]);
  return send_stage(ctl, header, bytes.data(), fds);
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
  reap_joiner(job);
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
  static constexpr long kAllowed[] = {nr::read,         nr::write,      nr::close,
                                      nr::openat,       nr::openat2,    nr::mkdirat,
                                      nr::unlinkat,     nr::pread64,    nr::pwrite64,
                                      nr::renameat2,    nr::open_tree,  nr::mount_setattr,
                                      nr::fchownat,     nr::pipe2,      nr::nanosleep,
                                      nr::symlinkat,    nr::fchmodat,   nr::clock_gettime,
                                      nr::pidfd_open,   nr::kill,       nr::pidfd_send_signal,
                                      nr::socketpair,   nr::setsockopt, nr::flock,
                                      nr::lseek,        nr::fcntl,      nr::linkat,
                                      nr::sendmsg,      nr::eventfd2,   nr::newfstatat,
                                      nr::memfd_create, nr::ioctl,      nr::bpf,
                                      nr::fsopen,       nr::fsconfig,   nr::fsmount,
                                      nr::socket,       nr::recvfrom,   nr::bind,
                                      nr::listen,       nr::connect,    nr::recvmsg};
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
