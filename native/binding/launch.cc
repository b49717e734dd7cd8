// Launches for JavaScript: a script in, events out. See src/native/addon.ts for the shapes.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "binding/completions.h"
#include "binding/exports.h"
#include "binding/fd_watch.h"
#include "binding/values.h"
#include "launch/command.h"
#include "launch/engine_side.h"
#include "launch/launch.h"
#include "launch/progress.h"
#include "launch/protocol.h"
#include "sys/cmsg.h"
#include "sys/raw.h"
#include "sys/worker.h"

namespace slipway::binding {
namespace {

namespace nr = sys::nr;
using launch::Job;

// Timings of the longest plan are a quarter of this.
constexpr size_t kMaxReport = 64 << 10;

// A tenth of the share of a thread that has work to do now.
constexpr int kLaterNice = 10;

// <linux/pidfd.h> of Linux 6.11: PIDFD_GET_IPC_NAMESPACE and PIDFD_GET_NET_NAMESPACE.
constexpr unsigned long kPidfdIpcNamespace = _IO(0xff, 2);
constexpr unsigned long kPidfdNetworkNamespace = _IO(0xff, 4);

class Launch;

// Everything that belongs to one JavaScript environment (the main thread, or one worker thread).
struct Instance {
  // Shared with a thread that may be stuck for longer than this lives.
  std::shared_ptr<Completions> answers = std::make_shared<Completions>();
  Completions& completions = *answers;
  sys::Worker launcher;  // its end is the end of what it started: PDEATHSIG
  sys::Worker beside;    // what goes on beside the clone, in a network namespace it makes meanwhile
  // The same two for sandboxes made ahead: a start that is wanted now never waits behind one.
  sys::Worker later_launcher{kLaterNice};
  sys::Worker later_beside{kLaterNice};
  sys::Worker reaper;
  sys::Workers lookups;  // whatever may wait for a foreign file system
  launch::ProgressPage progress;
  std::set<Launch*> live;
  // Descriptors JavaScript is to close, with the inodes they had: where it ends first, those that
  // are still the same are closed for it.
  std::map<int, ino_t> held;
  int helper_fd = -1;

  void hold(int fd) {
    struct stat seen;
    if (fstat(fd, &seen) == 0) held[fd] = seen.st_ino;
  }
  // Runs before the environment's handles are closed for the last time; a second time does nothing.
  void end_of_environment();
  ~Instance();
};

Instance& instance(Napi::Env env) { return *env.GetInstanceData<Instance>(); }

std::vector<uint16_t> slot_list(const Napi::Value& value) {
  std::vector<uint16_t> slots;
  if (!value.IsTypedArray()) return slots;
  const auto array = value.As<Napi::Uint16Array>();
  slots.assign(array.Data(), array.Data() + array.ElementLength());
  return slots;
}

std::vector<uint8_t> bytes_of(const Napi::Value& value) {
  if (!value.IsTypedArray()) return {};
  const auto bytes = value.As<Napi::Uint8Array>();
  return {bytes.Data(), bytes.Data() + bytes.ByteLength()};
}

launch::Stage read_stage(const Napi::Object& from) {
  launch::Stage stage;
  stage.bytes = bytes_of(get(from, "plan"));
  stage.fds = slot_list(get(from, "fds"));
  stage.base = get(from, "base").As<Napi::Number>().Uint32Value();
  const std::string when = get(from, "when").As<Napi::String>();
  stage.when = when == "early"   ? launch::When::kEarly
               : when == "last"  ? launch::When::kLast
               : when == "later" ? launch::When::kLater
                                 : launch::When::kAfter;
  return stage;
}

std::vector<launch::Patch> read_patches(const Napi::Value& value) {
  std::vector<launch::Patch> patches;
  if (!value.IsTypedArray()) return patches;
  const auto rows = value.As<Napi::Uint32Array>();
  for (size_t i = 0; i + 4 <= rows.ElementLength(); i += 4)
    patches.push_back({rows[i], rows[i + 1], rows[i + 2], rows[i + 3]});
  return patches;
}

launch::Script read_script(const Napi::Object& from) {
  launch::Script script;
  script.prepare = bytes_of(get(from, "prepare"));
  script.in_child = bytes_of(get(from, "inChild"));
  script.after = bytes_of(get(from, "after"));
  script.layers = bytes_of(get(from, "layers"));
  script.network = bytes_of(get(from, "network"));
  script.patches = read_patches(get(from, "patches"));
  script.slot_count = get(from, "slotCount").As<Napi::Number>().Uint32Value();
  script.clone_flags =
      static_cast<uint64_t>(get(from, "cloneFlags").As<Napi::Number>().Int64Value());
  const Napi::Value cgroup = get(from, "cgroupSlot");
  if (cgroup.IsNumber()) script.cgroup_slot = cgroup.As<Napi::Number>().Uint32Value();
  const Napi::Value network = get(from, "networkSlot");
  if (network.IsNumber()) script.network_slot = network.As<Napi::Number>().Uint32Value();
  const Napi::Value join = get(from, "join");
  if (join.IsObject()) script.join = read_stage(join.As<Napi::Object>());
  script.eager = is_true(get(from, "eager"));
  script.keep = slot_list(get(from, "keep"));
  script.close = slot_list(get(from, "close"));
  const auto stages = get(from, "stages").As<Napi::Array>();
  for (uint32_t i = 0; i < stages.Length(); i++)
    script.stages.push_back(read_stage(get_at(stages, i).As<Napi::Object>()));
  return script;
}

// What all starts of one shape share, checked once.
class ScriptObject : public Napi::ObjectWrap<ScriptObject> {
 public:
  static Napi::Function define(Napi::Env env) { return DefineClass(env, "Script", {}); }

  // new Script(script). A malformed one is a bug in the TypeScript that made it.
  explicit ScriptObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<ScriptObject>(info) {
    auto script = std::make_shared<launch::Script>(read_script(info[0].As<Napi::Object>()));
    if (script->validate()) {
      script_ = std::move(script);
    } else {
      Napi::TypeError::New(info.Env(), "malformed launch script").ThrowAsJavaScriptException();
    }
  }

  [[nodiscard]] const std::shared_ptr<const launch::Script>& script() const { return script_; }

 private:
  std::shared_ptr<const launch::Script> script_;
};

// False for slots and text that do not fit the script.
bool read_job(const Napi::CallbackInfo& info, Job* job) {
  const ScriptObject* script = ScriptObject::Unwrap(info[0].As<Napi::Object>());
  if (script == nullptr || !script->script()) return false;
  job->script = script->script();
  const auto slots = info[1].As<Napi::Int32Array>();
  if (job->script->slot_count < slots.ElementLength()) return false;
  job->borrowed = slots.ElementLength();
  job->slots.assign(job->script->slot_count, -1);
  std::copy(slots.Data(), slots.Data() + slots.ElementLength(), job->slots.begin());
  job->own = info[2].As<Napi::String>();
  return job->own.size() >= job->script->own_size;
}

// Bytes as a string of as many characters: it lies in the JavaScript heap, where a buffer would be
// an allocation of its own that the garbage collector has to give back.
Napi::Value byte_string(Napi::Env env, const std::vector<char>& bytes) {
  napi_value text;
  napi_create_string_latin1(env, bytes.data(), bytes.size(), &text);
  return {env, text};
}

template <typename T>
void append(std::vector<char>* bytes, const T* values, size_t count) {
  const auto* from = reinterpret_cast<const char*>(values);
  bytes->insert(bytes->end(), from, from + count * sizeof(T));
}

// As src/native/times.ts reads it.
std::vector<char> engine_times(const Job& job) {
  const uint64_t head[] = {job.queued_ns,
                           job.begun_ns,
                           job.prepared_ns,
                           job.cloned_ns,
                           job.done_ns,
                           job.begun_cycles,
                           job.done_cycles,
                           job.layers.begun_ns,
                           job.network.begun_ns,
                           job.prepare_stamps.size(),
                           job.after_stamps.size(),
                           job.layers.stamps.size()};
  std::vector<char> bytes;
  append(&bytes, head, std::size(head));
  for (const auto* stamps :
       {&job.prepare_stamps, &job.after_stamps, &job.layers.stamps, &job.network.stamps})
    append(&bytes, stamps->data(), stamps->size());
  return bytes;
}

double as_number(uint64_t value) { return static_cast<double>(value); }

// One start, from the call to the end of the payload. Lives until it has reported its end.
class Launch : public Napi::ObjectWrap<Launch> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(
        env, "Launch",
        {InstanceMethod("kill", &Launch::kill), InstanceMethod("send", &Launch::send),
         InstanceMethod("goOn", &Launch::go_on), InstanceMethod("hear", &Launch::hear),
         InstanceMethod("abandon", &Launch::abandon), InstanceMethod("pidfd", &Launch::pidfd),
         InstanceMethod("ref", &Launch::ref), InstanceMethod("unref", &Launch::unref)});
  }

  // new Launch(script, slots, ownText, onEvent, background, networkFd)
  explicit Launch(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Launch>(info) {
    const Napi::Env env = info.Env();
    auto job = std::make_shared<Job>();
    if (!read_job(info, job.get())) {
      Napi::TypeError::New(env, "launch does not fit its script").ThrowAsJavaScriptException();
      return;
    }
    Instance& owner = instance(env);
    if (!owner.completions.open(env)) {
      Napi::Error::New(env, kNoLoop).ThrowAsJavaScriptException();
      return;
    }
    on_event_ = Napi::Persistent(info[3].As<Napi::Function>());
    eager_ = job->script->eager;
    job->helper_fd = owner.helper_fd;
    cell_ = owner.progress.take();
    job->progress = owner.progress.at(cell_);
    job->progress_fd = owner.progress.fd();
    job->progress_cell = cell_;
    job->cancelled = &cancelled_;
    job->queued_ns = launch::now_ns();
    this->Ref();
    owner.live.insert(this);
    owner_ = &owner;
    owner.completions.expect();
    job_ = job;
    if (info[5].IsNumber() && job->script->network_slot != launch::kNoSlot)
      job->network_fd = info[5].As<Napi::Number>().Int32Value();
    const bool beside = launch::expect_beside(job.get());
    background_ = is_true(info[4]);
    sys::Worker& launcher = background_ ? owner.later_launcher : owner.launcher;
    launcher.post([this, job, &owner] {
      launch::launch(job.get());
      owner.completions.post([this, job] { launched(job); });
    });
    if (beside) {
      sys::Worker& second = background_ ? owner.later_beside : owner.beside;
      second.post([job] { launch::run_beside(job.get()); });
    }
  }

  // One that lives is referenced, so its environment is at its end: Deno finalizes objects first,
  // and runs cleanup hooks then.
  ~Launch() override {
    if (owner_ != nullptr) owner_->end_of_environment();
    release();
  }

  // The environment is going away: what has not begun does not begin.
  void cancel() { cancelled_ = true; }

  // The launch thread has ended: what was started goes with the environment, and nobody is told.
  // One that does not keep the loop alive is the guardian: it ends by itself, when the descriptors
  // held for it are closed. Gives the pidfd of a process that still has to be waited for, or -1.
  int end_of_environment() {
    owner_ = nullptr;
    if (job_ && job_->failed_phase == launch::Phase::kNone) {
      pidfd_ = job_->pidfd;  // it was started, and JavaScript has not heard of it
      ctl_ = job_->ctl;
      for (const uint16_t slot : job_->script->keep) close(static_cast<int>(job_->slots[slot]));
    }
    if (pidfd_ >= 0 && !unref_) sys::raw_syscall(nr::pidfd_send_signal, pidfd_, SIGKILL, 0, 0);
    on_event_.Reset();
    untold_.clear();
    const int left = std::exchange(pidfd_, -1);
    release();
    return left;
  }

 private:
  // What nobody acts on by itself is told with the next event that somebody does: entering
  // JavaScript costs more than all there is to tell.
  void tell_later(std::function<void()> tell) {
    if (eager_) return tell();
    untold_.push_back(std::move(tell));
  }

  void emit(const char* name, const std::vector<napi_value>& values) {
    for (const std::function<void()>& tell : std::exchange(untold_, {})) tell();
    call(name, values);
  }

  void call(const char* name, const std::vector<napi_value>& values) {
    std::vector<napi_value> args{Napi::String::New(Env(), name)};
    args.insert(args.end(), values.begin(), values.end());
    call_javascript(Env(), on_event_, args);
  }

  void emit_failed(uint32_t phase, uint32_t stage, uint32_t op, int error) {
    const Napi::Env env = Env();
    emit("failed", {Napi::Number::New(env, phase), Napi::Number::New(env, stage),
                    Napi::Number::New(env, op), Napi::Number::New(env, error)});
  }

  void launched(const std::shared_ptr<Job>& job) {
    const Napi::Env env = Env();
    job_.reset();
    pidfd_ = job->pidfd;
    if (job->failed_phase != launch::Phase::kNone) {
      if (pidfd_ < 0) return fail(*job);
      // It has been killed: the failure is told when nothing is left of it.
      exit_watch_.start(env, pidfd_, [this, job] {
        enter_javascript(Env(), [this, job] {
          if (reap(nullptr, nullptr)) fail(*job);
        });
      });
      return;
    }
    ctl_ = job->ctl;
    pid_ = job->pid;
    if (pidfd_ < 0) {
      emit("cancelled", {});
      return finish();
    }
    if (cancelled_) sys::raw_syscall(nr::pidfd_send_signal, pidfd_, SIGKILL, 0, 0);
    (void)fcntl(ctl_, F_SETFL, O_NONBLOCK);
    exit_watch_.start(env, pidfd_, [this] { enter_javascript(Env(), [this] { exited(); }); });
    ctl_watch_.start(env, ctl_, [this] { enter_javascript(Env(), [this] { read_reports(); }); });
    for (const uint16_t slot : job->script->keep)
      instance(env).hold(static_cast<int>(job->slots[slot]));
    tell_later([this, job] { cloned(*job); });
  }

  void cloned(const Job& job) {
    const Napi::Env env = Env();
    std::vector<napi_value> values{Napi::Number::New(env, job.pid),
                                   byte_string(env, engine_times(job))};
    for (const uint16_t slot : job.script->keep)
      values.push_back(Napi::Number::New(env, static_cast<double>(job.slots[slot])));
    call("cloned", values);
  }

  // Takes whole reports out of what has arrived; a descriptor belongs to the report it came with.
  void read_reports() {
    while (ctl_ >= 0) {
      char bytes[8192];
      alignas(8) char control[CMSG_SPACE(sizeof(int))];
      iovec part{bytes, sizeof bytes};
      msghdr message{};
      message.msg_iov = &part;
      message.msg_iovlen = 1;
      message.msg_control = control;
      message.msg_controllen = sizeof control;
      const ssize_t got = recvmsg(ctl_, &message, MSG_CMSG_CLOEXEC);
      if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
      // ECONNRESET is an end of file with stages left unread: the child died, or failed before it
      // read them. Then `control` holds nothing the kernel has written.
      if (got <= 0) return end_of_reports();
      take_fd(&message);
      reports_.append(bytes, static_cast<size_t>(got));
      take_reports();
    }
  }

  void take_fd(msghdr* message) {
    for (cmsghdr* part = sys::first_control(message); part != nullptr;
         part = sys::next_control(message, part)) {
      if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_RIGHTS) {
        received_.push_back(*reinterpret_cast<const int*>(CMSG_DATA(part)));
      }
    }
  }

  void take_reports() {
    launch::ReportHeader header;
    while (reports_.size() >= sizeof header) {
      memcpy(&header, reports_.data(), sizeof header);
      if (header.size > kMaxReport) return end_of_reports();
      if (reports_.size() < sizeof header + header.size) return;
      const std::string body = reports_.substr(sizeof header, header.size);
      reports_.erase(0, sizeof header + header.size);
      take_report(static_cast<launch::ReportType>(header.type), body);
    }
  }

  void take_report(launch::ReportType type, const std::string& body) {
    const Napi::Env env = Env();
    if (type == launch::ReportType::kFailed && body.size() == sizeof(launch::FailedBody)) {
      launch::FailedBody failed;
      memcpy(&failed, body.data(), sizeof failed);
      failed_ = true;
      emit_failed(0, failed.stage, failed.op, failed.error);
    } else if (type == launch::ReportType::kTimings && body.size() >= sizeof(launch::TimingsBody)) {
      report_timings(body);
    } else if (type == launch::ReportType::kFd && body.size() == 4 && !received_.empty()) {
      uint32_t tag;
      memcpy(&tag, body.data(), sizeof tag);
      const int fd = received_.front();
      received_.erase(received_.begin());
      emit("fd", {Napi::Number::New(env, tag), Napi::Number::New(env, fd)});
    } else if (type == launch::ReportType::kWaiting) {
      // A sandbox that waits is no work: the event loop may end.
      exit_watch_.unref();
      ctl_watch_.unref();
      emit("waiting", {hold_namespace(kPidfdIpcNamespace), hold_namespace(kPidfdNetworkNamespace)});
    }
  }

  // Whoever drops one last has its kernel worker woken, often on the very processor the payload
  // ends on: while JavaScript holds it, that is not the payload. -1 before Linux 6.11, or where
  // this process may not look into the other.
  napi_value hold_namespace(unsigned long which) {
    const int fd = ioctl(pidfd_, which, 0);
    if (fd >= 0) instance(Env()).hold(fd);
    return Napi::Number::New(Env(), fd);
  }

  void report_timings(const std::string& body) {
    launch::TimingsBody head;
    memcpy(&head, body.data(), sizeof head);
    int fd = -1;
    if (head.fd_count > 0 && !received_.empty()) {
      fd = received_.front();
      received_.erase(received_.begin());
    }
    if (fd >= 0) instance(Env()).hold(fd);
    tell_later([this, body, fd, stage = head.stage] {
      call("timings", {Napi::Number::New(Env(), stage),
                       byte_string(Env(), std::vector<char>(body.begin(), body.end())),
                       Napi::Number::New(Env(), fd)});
    });
  }

  void end_of_reports() {
    close_ctl();
    give_back_cell();
    if (!failed_) emit("executed", {Napi::Number::New(Env(), as_number(launch::now_ns()))});
  }

  void fail(const Job& job) {
    emit_failed(static_cast<uint32_t>(job.failed_phase), 0, job.failed_op, job.error);
    finish();
  }

  // False while the process is readable, but not yet waitable. `known`: ECHILD when somebody else
  // in this process has waited for it. The status is lost, the end is not.
  bool reap(siginfo_t* info, rusage* used, bool* known = nullptr) {
    siginfo_t unwanted{};
    if (info == nullptr) info = &unwanted;
    const long result = sys::raw_syscall(nr::waitid, P_PIDFD, pidfd_, sys::ptr(info),
                                         WEXITED | WNOHANG | __WALL, sys::ptr(used));
    if (result == 0 && info->si_pid == 0) return false;
    if (known != nullptr) *known = result == 0;
    exit_watch_.stop();
    return true;
  }

  void exited() {
    siginfo_t info{};
    rusage used{};
    bool known = false;
    if (!reap(&info, &used, &known)) return;
    exited_ = true;
    if (ctl_ >= 0) read_reports();  // reports come before the end
    const Napi::Env env = Env();
    const auto micros = [](const timeval& time) {
      return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_usec);
    };
    emit("exited", {Napi::Number::New(env, known ? info.si_code : 0),
                    Napi::Number::New(env, known ? info.si_status : -1),
                    Napi::Number::New(env, micros(used.ru_utime)),
                    Napi::Number::New(env, micros(used.ru_stime)),
                    Napi::Number::New(env, as_number(launch::now_ns())),
                    Napi::Number::New(env, give_back_cell())});
    // A descendant that never executed anything may still hold the control socket; it says nothing
    // any more.
    finish();
  }

  void close_ctl() {
    ctl_watch_.stop();
    if (ctl_ >= 0) close(ctl_);
    ctl_ = -1;
    for (const int fd : received_) close(fd);
    received_.clear();
  }

  // The child writes to it no more: it has executed the payload, or is dead.
  uint32_t give_back_cell() {
    const uint32_t cell = std::exchange(cell_, launch::kNoCell);
    if (cell != launch::kNoCell) reached_ = instance(Env()).progress.give_back(cell);
    return reached_;
  }

  void release() {
    close_ctl();
    exit_watch_.stop();
    if (pidfd_ >= 0) close(pidfd_);
    pidfd_ = -1;
  }

  void finish() {
    if (finished_) return;
    finished_ = true;
    give_back_cell();
    release();
    std::exchange(owner_, nullptr)->live.erase(this);
    on_event_.Reset();
    this->Unref();
  }

  // kill(signal): to the first process, by pidfd. Before the clone it cancels the start. Returns 0
  // or a positive errno.
  Napi::Value kill(const Napi::CallbackInfo& info) {
    if (pidfd_ < 0) {
      cancelled_ = true;
      return Napi::Number::New(info.Env(), finished_ ? ESRCH : 0);
    }
    const long result = sys::raw_syscall(nr::pidfd_send_signal, pidfd_,
                                         info[0].As<Napi::Number>().Int32Value(), 0, 0);
    return Napi::Number::New(info.Env(), static_cast<double>(-result));
  }

  // send(stage, fds): one more stage to a sandbox that waits. Returns 0 or a positive errno.
  Napi::Value send(const Napi::CallbackInfo& info) {
    launch::Stage stage;
    std::vector<int64_t> slots;
    int error = read_last(info[0], info[1], &stage, &slots);
    if (error == 0) {
      launch::make_room(ctl_, stage.bytes.size());
      error = launch::send_stage(ctl_, stage, stage.bytes, false, slots);
    }
    return Napi::Number::New(info.Env(), error);
  }

  // The last stage of a sandbox that waits, from now on wanted. Returns 0 or a positive errno.
  int read_last(const Napi::Value& from, const Napi::Value& with, launch::Stage* stage,
                std::vector<int64_t>* slots) {
    *stage = read_stage(from.As<Napi::Object>());
    const auto fds = with.As<Napi::Int32Array>();
    slots->assign(fds.Data(), fds.Data() + fds.ElementLength());
    if (stage->fds.size() > launch::kMaxStageFds || !launch::slots_below(stage->fds, slots->size()))
      return EINVAL;
    // Somebody waits for it: it runs as what asks for it does.
    if (background_ && pidfd_ >= 0)
      (void)setpriority(PRIO_PROCESS, pid_, getpriority(PRIO_PROCESS, 0));
    if (ctl_ < 0) return ESRCH;
    exit_watch_.ref();
    ctl_watch_.ref();
    return 0;
  }

  // goOn(script, slots, ownText, stage, fds): for a sandbox that lacks more than its program. The
  // script's `after` runs on the launch thread, then its stages are sent, and this one behind them.
  // Returns 0 or a positive errno; how it went is told by `wentOn` or `failed`.
  Napi::Value go_on(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    auto job = std::make_shared<Job>();
    int error = read_job(info, job.get()) ? 0 : EINVAL;
    if (error == 0) error = read_last(info[3], info[4], &job->last, &job->last_slots);
    // This side's end may be closed before the thread is done with it.
    if (error == 0 && (job->ctl = fcntl(ctl_, F_DUPFD_CLOEXEC, 0)) < 0) error = errno;
    if (error != 0) return Napi::Number::New(env, error);
    job->pid = pid_;
    job->cancelled = &cancelled_;
    job->queued_ns = launch::now_ns();
    this->Ref();
    Instance& owner = instance(env);
    owner.completions.expect();
    owner.launcher.post([this, job, &owner] {
      launch::go_on(job.get());
      owner.completions.post([this, job] { went_on(*job); });
    });
    return Napi::Number::New(env, 0);
  }

  void went_on(const Job& job) {
    if (!finished_ && job.failed_phase != launch::Phase::kNone) {
      emit_failed(static_cast<uint32_t>(job.failed_phase), 0, job.failed_op, job.error);
      if (pidfd_ >= 0) sys::raw_syscall(nr::pidfd_send_signal, pidfd_, SIGKILL, 0, 0);
    } else if (!finished_) {
      const auto tell = [this, times = engine_times(job)] {
        call("wentOn", {byte_string(Env(), times)});
      };
      // The payload may have been executed meanwhile, and no event come for long.
      if (ctl_ >= 0)
        tell_later(tell);
      else
        tell();
    }
    this->Unref();
  }

  // hear(fd): the process speaks on this socket from now on, not on the one it was made with. It is
  // this launch's, unless a positive errno comes back.
  Napi::Value hear(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    if (pidfd_ < 0) return Napi::Number::New(env, ESRCH);
    close_ctl();
    reports_.clear();
    ctl_ = info[0].As<Napi::Number>().Int32Value();
    (void)fcntl(ctl_, F_SETFL, O_NONBLOCK);
    ctl_watch_.start(env, ctl_, [this] { enter_javascript(Env(), [this] { read_reports(); }); });
    return Napi::Number::New(env, 0);
  }

  // abandon(): closes the engine's end; a sandbox that waits exits, and that is waited for.
  void abandon(const Napi::CallbackInfo&) {
    exit_watch_.ref();
    close_ctl();
  }

  // unref(): neither this process nor its reports keep the event loop alive.
  void unref(const Napi::CallbackInfo&) {
    unref_ = true;
    exit_watch_.unref();
    ctl_watch_.unref();
  }

  // ref(): the process keeps the event loop alive until its end.
  void ref(const Napi::CallbackInfo&) { exit_watch_.ref(); }

  // pidfd(): the borrowed descriptor of the first process, -1 before the clone and after the end.
  Napi::Value pidfd(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), pidfd_);
  }

  Instance* owner_ = nullptr;  // while this is one of its live ones
  Napi::FunctionReference on_event_;
  FdWatch exit_watch_, ctl_watch_;
  int pidfd_ = -1;
  int ctl_ = -1;
  int32_t pid_ = 0;
  uint32_t cell_ = launch::kNoCell;
  uint32_t reached_ = 0;
  std::atomic<bool> cancelled_ = false;
  bool failed_ = false, exited_ = false, finished_ = false, unref_ = false, eager_ = false,
       background_ = false;
  std::vector<std::function<void()>> untold_;
  std::shared_ptr<Job> job_;  // until its result has been told
  std::string reports_;
  std::vector<int> received_;
};

// Waits for processes whose environment is gone, on a thread that nobody waits for: else they stay
// zombies as long as this process lives.
void reap_later(std::vector<int> pidfds) {
  if (pidfds.empty()) return;
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread([pidfds = std::move(pidfds)] {
    for (const int pidfd : pidfds) {
      // libuv made it non-blocking, and waitid(2) heeds that (PIDFD_NONBLOCK): so it is polled.
      pollfd ended{pidfd, POLLIN, 0};
      while (poll(&ended, 1, -1) < 0 && errno == EINTR) {
      }
      siginfo_t info{};
      sys::raw_syscall(nr::waitid, P_PIDFD, pidfd, sys::ptr(&info), WEXITED | __WALL, 0);
      close(pidfd);
    }
  }).detach();
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void Instance::end_of_environment() {
  for (Launch* launch : live) launch->cancel();
  for (sys::Worker* worker : {&launcher, &later_launcher, &beside, &later_beside}) worker->stop();
  std::vector<int> left;
  for (Launch* launch : live) {
    const int pidfd = launch->end_of_environment();
    if (pidfd >= 0) left.push_back(pidfd);
  }
  live.clear();
  for (const auto& [fd, inode] : held) {
    struct stat seen;
    if (fstat(fd, &seen) == 0 && seen.st_ino == inode) close(fd);
  }
  held.clear();
  reaper.stop();
  lookups.stop();
  completions.close_watch();
  reap_later(std::move(left));
}

Instance::~Instance() {
  if (helper_fd >= 0) close(helper_fd);
}

// With F_SEAL_EXEC (Linux 6.3) nobody takes the x bits away either: a container whose first process
// is the helper finds it at /proc/1/exe, and its root owns the file as much as the host's does.
bool seal(int fd) {
  constexpr int kSeals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
  constexpr int kSealExec = 0x20;
  return fcntl(fd, F_ADD_SEALS, kSeals | kSealExec) == 0 || fcntl(fd, F_ADD_SEALS, kSeals) == 0;
}

// sealHelper(bytes): keeps the helper in a sealed memfd, which no container can write to
// (CVE-2019-5736). Returns 0 or errno.
Napi::Value seal_helper(const Napi::CallbackInfo& info) {
  const auto bytes = info[0].As<Napi::Uint8Array>();
  constexpr unsigned kExec = 0x10;  // MFD_EXEC, Linux 6.3; older kernels know no other kind
  int fd = memfd_create("slipway-init", MFD_CLOEXEC | MFD_ALLOW_SEALING | kExec);
  if (fd < 0 && errno == EINVAL) fd = memfd_create("slipway-init", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) return Napi::Number::New(info.Env(), errno);
  size_t at = 0;
  while (at < bytes.ByteLength()) {
    const ssize_t put = write(fd, bytes.Data() + at, bytes.ByteLength() - at);
    if (put <= 0) break;
    at += static_cast<size_t>(put);
  }
  if (at != bytes.ByteLength() || fchmod(fd, 0555) != 0 || !seal(fd)) {
    const int error = errno;
    close(fd);
    return Napi::Number::New(info.Env(), error == 0 ? EIO : error);
  }
  Instance& owner = instance(info.Env());
  if (owner.helper_fd >= 0) close(owner.helper_fd);
  owner.helper_fd = fd;
  return Napi::Number::New(info.Env(), 0);
}

struct Execution {
  launch::PlanBytes plan;
  std::vector<int64_t> slots;
  launch::Ran ran{};
  size_t borrowed = 0;
  bool in_network = false;
  bool told = false;  // what is open is JavaScript's now

  Execution() = default;
  Execution(const Execution&) = delete;
  Execution& operator=(const Execution&) = delete;
  ~Execution() {
    if (!told) launch::close_opened(plan.plan(), &slots, borrowed);
  }

  void run() {
    const auto body = [this] { return launch::run_plan(&plan, &slots); };
    ran = in_network ? launch::away_from_home(body) : body();
    if (!ran.ok) launch::close_opened(plan.plan(), &slots, borrowed);
  }
};

std::shared_ptr<Execution> read_execution(const Napi::CallbackInfo& info, bool in_network = false) {
  auto execution = std::make_shared<Execution>();
  execution->in_network = in_network;
  const auto slots = info[1].As<Napi::Int32Array>();
  execution->slots.assign(slots.Data(), slots.Data() + slots.ElementLength());
  execution->borrowed = slots.ElementLength();
  if (!execution->plan.assign(bytes_of(info[0])) ||
      !execution->plan.uses_only(in_network ? launch::allowed_in_network
                                            : launch::allowed_in_engine)) {
    Napi::TypeError::New(info.Env(), "malformed plan").ThrowAsJavaScriptException();
    return nullptr;
  }
  return execution;
}

Napi::Value result_of(Napi::Env env, Execution& execution) {
  execution.told = true;
  for (size_t i = execution.borrowed; execution.in_network && i < execution.slots.size(); i++)
    if (execution.slots[i] >= 0) instance(env).hold(static_cast<int>(execution.slots[i]));
  Napi::Object result = Napi::Object::New(env);
  put(result, "ok", execution.ran.ok);
  put(result, "op", execution.ran.op);
  put(result, "errno", execution.ran.error);
  const launch::Plan& plan = execution.plan.plan();
  put(result, "data", buffer_of(env, plan.data, plan.data_size));
  put(result, "slots", float64_array(env, execution.slots));
  return result;
}

Napi::Value result_of(Napi::Env env, launch::Command& command) {
  Napi::Object result = Napi::Object::New(env);
  put(result, "errno", command.error);
  put(result, "waitStatus", command.wait_status);
  put(result, "timedOut", command.timed_out);
  put(result, "elapsedNs", static_cast<double>(command.elapsed_ns));
  return result;
}

// execute(plan, slots): runs a short plan on the calling thread, for calls that cannot block.
Napi::Value execute(const Napi::CallbackInfo& info) {
  const std::shared_ptr<Execution> execution = read_execution(info);
  if (!execution) return info.Env().Undefined();
  execution->run();
  return result_of(info.Env(), *execution);
}

// Runs `job` on one of the threads and gives `function` what came of it. Returns a function that
// lets the event loop end without the answer.
template <typename Threads, typename Job>
Napi::Value answer_from(Threads Instance::* threads, Napi::Env env, const std::shared_ptr<Job>& job,
                        const Napi::Function& function) {
  Instance& owner = instance(env);
  if (!owner.completions.open(env)) {
    Napi::Error::New(env, kNoLoop).ThrowAsJavaScriptException();
    return env.Undefined();
  }
  auto done = std::make_shared<Napi::FunctionReference>(Napi::Persistent(function));
  owner.completions.expect();
  const auto awaited = std::make_shared<bool>(true);
  // The reference to the function moves on with the answer: it must be dropped on the JavaScript
  // thread.
  (owner.*threads)
      .post([env, job, done = std::move(done), awaited, answers = owner.answers]() mutable {
        job->run();
        answers->post(
            [env, job, done = std::move(done)] {
              call_javascript(env, *done, {result_of(env, *job)});
            },
            awaited);
      });
  return Napi::Function::New(env, [awaited, answers = owner.answers](const Napi::CallbackInfo&) {
    answers->unexpect(awaited);
  });
}

template <typename Threads>
Napi::Value execute_on(Threads Instance::* threads, const Napi::CallbackInfo& info,
                       bool in_network = false) {
  const std::shared_ptr<Execution> execution = read_execution(info, in_network);
  if (!execution) return info.Env().Undefined();
  return answer_from(threads, info.Env(), execution, info[2].As<Napi::Function>());
}

// executeLater(plan, slots, done): the same on the reaper thread, for calls that may block for a
// moment.
Napi::Value execute_later(const Napi::CallbackInfo& info) {
  return execute_on(&Instance::reaper, info);
}

// executeApart(plan, slots, done): the same on a thread nobody else waits for, for calls that may
// never return.
Napi::Value execute_apart(const Napi::CallbackInfo& info) {
  return execute_on(&Instance::lookups, info);
}

// executeInNetwork(plan, slots, done): the same on the thread of low priority that makes network
// namespaces ahead; the plan may change the thread's own.
Napi::Value execute_in_network(const Napi::CallbackInfo& info) {
  return execute_on(&Instance::later_beside, info, true);
}

std::vector<std::string> words_of(const Napi::Value& value) {
  std::vector<std::string> words;
  const auto array = value.As<Napi::Array>();
  for (uint32_t i = 0; i < array.Length(); i++)
    words.push_back(get_at(array, i).As<Napi::String>().Utf8Value());
  return words;
}

// timeCommand(argv, env, fds, timeoutMs, done): standard input, output, error, and a mount
// namespace or -1.
Napi::Value time_command(const Napi::CallbackInfo& info) {
  const auto command = std::make_shared<launch::Command>();
  command->argv = words_of(info[0]);
  command->env = words_of(info[1]);
  const auto fds = info[2].As<Napi::Int32Array>();
  if (command->argv.empty() || fds.ElementLength() != 4) {
    Napi::TypeError::New(info.Env(), "timeCommand(argv, env, fds, timeoutMs, done)")
        .ThrowAsJavaScriptException();
    return info.Env().Undefined();
  }
  std::copy_n(fds.Data(), 3, command->fds);
  command->mount_namespace = fds[3];
  command->timeout_ms = info[3].As<Napi::Number>().Int32Value();
  return answer_from(&Instance::lookups, info.Env(), command, info[4].As<Napi::Function>());
}

// pipe(thisProcessReads, owner): [read end, write end], both close-on-exec; this process's end is
// non-blocking, the other one belongs to the uid `owner`.
Napi::Value pipe(const Napi::CallbackInfo& info) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return Napi::Number::New(info.Env(), -errno);
  const int mine = is_true(info[0]) ? 0 : 1;
  const uint32_t owner = info[1].IsNumber() ? info[1].As<Napi::Number>().Uint32Value() : 0;
  if (owner != 0 && fchown(ends[1 - mine], owner, static_cast<gid_t>(-1)) != 0) {
    const int error = errno;
    for (const int end : ends) close(end);
    return Napi::Number::New(info.Env(), -error);
  }
  for (const int end : ends) instance(info.Env()).hold(end);
  (void)fcntl(ends[mine], F_SETFL, O_NONBLOCK);
  Napi::Array result = Napi::Array::New(info.Env(), 2);
  put_at(result, 0, Napi::Number::New(info.Env(), ends[0]));
  put_at(result, 1, Napi::Number::New(info.Env(), ends[1]));
  return result;
}

// watchDescriptors(byThread): how everything of this process is watched from now on. False when
// this host has not got it.
Napi::Value watch_descriptors(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), choose_watch(info.Env(), is_true(info[0])));
}

Napi::Value close_fds(const Napi::CallbackInfo& info) {
  const auto fds = info[0].As<Napi::Int32Array>();
  std::map<int, ino_t>& held = instance(info.Env()).held;
  for (size_t i = 0; i < fds.ElementLength(); i++) {
    if (fds[i] < 0) continue;
    held.erase(fds[i]);
    close(fds[i]);
  }
  return info.Env().Undefined();
}

// readFiles(fds): what small files of the kernel's say, which a read never waits for.
Napi::Value read_files(const Napi::CallbackInfo& info) {
  const auto fds = info[0].As<Napi::Int32Array>();
  Napi::Array texts = Napi::Array::New(info.Env(), fds.ElementLength());
  for (uint32_t i = 0; i < fds.ElementLength(); i++) {
    char text[1024];
    const ssize_t size = pread(fds[i], text, sizeof text, 0);
    napi_value value = info.Env().Undefined();
    if (size >= 0) napi_create_string_latin1(info.Env(), text, static_cast<size_t>(size), &value);
    put_at(texts, i, value);
  }
  return texts;
}

// holdFds(fds): closed with the environment, e.g. a terminated worker thread, unless they are
// closed before. Each must have an inode of its own, as files, pipes and sockets have.
Napi::Value hold_fds(const Napi::CallbackInfo& info) {
  const auto fds = info[0].As<Napi::Int32Array>();
  for (size_t i = 0; i < fds.ElementLength(); i++) instance(info.Env()).hold(fds[i]);
  return info.Env().Undefined();
}

// letGo(fds): no longer held, since a plan of the reaper thread, which ends later than anything
// held, closes them.
Napi::Value let_go(const Napi::CallbackInfo& info) {
  const auto fds = info[0].As<Napi::Int32Array>();
  for (size_t i = 0; i < fds.ElementLength(); i++) instance(info.Env()).held.erase(fds[i]);
  return info.Env().Undefined();
}

// nowNs(): CLOCK_MONOTONIC, the clock of every time in a launch's events.
Napi::Value now(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), as_number(launch::now_ns()));
}

}  // namespace

void register_launch(Napi::Env env, Napi::Object exports) {
  auto* owner = new Instance;
  env.SetInstanceData(owner);
  napi_add_env_cleanup_hook(
      env, [](void* data) { static_cast<Instance*>(data)->end_of_environment(); }, owner);
  exports.Set("Script", ScriptObject::define(env));
  exports.Set("Launch", Launch::define(env));
  exports.Set("sealHelper", Napi::Function::New(env, seal_helper));
  exports.Set("execute", Napi::Function::New(env, execute));
  exports.Set("executeLater", Napi::Function::New(env, execute_later));
  exports.Set("executeApart", Napi::Function::New(env, execute_apart));
  exports.Set("executeInNetwork", Napi::Function::New(env, execute_in_network));
  exports.Set("timeCommand", Napi::Function::New(env, time_command));
  exports.Set("watchDescriptors", Napi::Function::New(env, watch_descriptors));
  exports.Set("pipe", Napi::Function::New(env, pipe));
  exports.Set("closeFds", Napi::Function::New(env, close_fds));
  exports.Set("readFiles", Napi::Function::New(env, read_files));
  exports.Set("letGo", Napi::Function::New(env, let_go));
  exports.Set("holdFds", Napi::Function::New(env, hold_fds));
  exports.Set("nowNs", Napi::Function::New(env, now));
}

}  // namespace slipway::binding
