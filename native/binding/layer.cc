// Layers for JavaScript: an applier fed with chunks, and the long jobs around it. Nothing here
// blocks the caller's thread. See src/adapters/layer-native.ts for the shapes.
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "binding/deliveries.h"
#include "binding/exports.h"
#include "binding/values.h"
#include "binding/writers.h"
#include "layer/apply_thread.h"
#include "layer/archive.h"
#include "layer/flatten.h"
#include "layer/move.h"
#include "layer/place.h"
#include "layer/receiver.h"
#include "layer/remove.h"
#include "layer/staging.h"
#include "layer/usage.h"
#include "sys/unique_fd.h"
#include "sys/worker.h"

namespace slipway::binding {
namespace {

using layer::Failure;

class LayerApplier;

// Everything that belongs to one JavaScript environment.
struct Layers {
  Deliveries deliveries;
  std::set<LayerApplier*> live;
  sys::Workers tasks;  // long jobs, side by side; nobody waits for a thread's end on the loop

  static void end_of_environment(void* data);
};

double as_number(uint64_t value) { return static_cast<double>(value); }

Napi::Object failure_object(Napi::Env env, const Failure& failure) {
  Napi::Object result = Napi::Object::New(env);
  put(result, "ok", false);
  if (!failure.entry.empty()) put(result, "entry", failure.entry);
  if (failure.step != nullptr) {
    put(result, "step", failure.step);
    put(result, "errno", failure.error);
  } else {
    put(result, "why", failure.why);
  }
  return result;
}

bool open_deliveries(Napi::Env env, Layers* layers) {
  return layers->deliveries.open(env, "slipway.layer");
}

std::vector<std::string> read_texts(const Napi::Value& value) {
  std::vector<std::string> texts;
  const auto array = value.As<Napi::Array>();
  for (uint32_t i = 0; i < array.Length(); i++)
    texts.push_back(get_at(array, i).As<Napi::String>());
  return texts;
}

// A descriptor, borrowed; -1 for anything else.
int read_namespace(const Napi::Value& value) {
  return value.IsNumber() ? value.As<Napi::Number>().Int32Value() : -1;
}

layer::Limits read_limits(const Napi::Value& value) {
  layer::Limits limits;
  if (!value.IsObject()) return limits;
  const auto object = value.As<Napi::Object>();
  const Napi::Value entries = get(object, "maxEntries"), bytes = get(object, "maxBytes"),
                    devices = get(object, "devices"), plain = get(object, "plain");
  if (entries.IsNumber())
    limits.max_entries = static_cast<uint64_t>(entries.As<Napi::Number>().Int64Value());
  if (bytes.IsNumber())
    limits.max_bytes = static_cast<uint64_t>(bytes.As<Napi::Number>().Int64Value());
  if (devices.IsBoolean()) limits.allow_devices = devices.As<Napi::Boolean>();
  if (plain.IsBoolean()) limits.plain = plain.As<Napi::Boolean>();
  limits.user_namespace = read_namespace(get(object, "userNamespace"));
  return limits;
}

// new LayerApplier(directory, limits?); then write() until done, and end() or abort() exactly once.
class LayerApplier : public Napi::ObjectWrap<LayerApplier> {
 public:
  static Napi::Function define(Napi::Env env, Layers* layers) {
    return DefineClass(
        env, "LayerApplier",
        {InstanceMethod("write", &LayerApplier::write), InstanceMethod("end", &LayerApplier::end),
         InstanceMethod("abort", &LayerApplier::abort)},
        layers);
  }

  explicit LayerApplier(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<LayerApplier>(info), layers_(static_cast<Layers*>(info.Data())) {
    if (!info[0].IsString()) {
      Napi::TypeError::New(info.Env(), "LayerApplier needs a directory")
          .ThrowAsJavaScriptException();
      return;
    }
    if (!open_deliveries(info.Env(), layers_)) return;
    this->Ref();  // until it has finished
    layers_->live.insert(this);
    Deliveries* deliveries = &layers_->deliveries;
    Completions* completions = deliveries->completions().get();
    completions->expect();
    thread_ = std::make_unique<layer::ApplyThread>(
        info[0].As<Napi::String>(), read_limits(info[1]),
        [this, deliveries, completions] {
          completions->post(
              [this, deliveries] { deliveries->deliver(Env(), [this] { drained(); }); });
        },
        [this, deliveries, completions] {
          completions->post(
              [this, deliveries] { deliveries->deliver(Env(), [this] { finished(); }); });
        });
  }

  // One that has not finished is referenced, so its environment is at its end: Deno finalizes
  // objects first, and runs cleanup hooks then.
  ~LayerApplier() override {
    if (!thread_) return;
    stop();
    layers_->live.erase(this);
  }

  // The environment is going away.
  void stop() { thread_.reset(); }

 private:
  // write(chunk): resolves with true when more may come, with false when the layer has failed and
  // end() says why.
  Napi::Value write(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    if (!thread_ || !info[0].IsTypedArray()) {
      Napi::TypeError::New(env, "write needs a Uint8Array, before the end")
          .ThrowAsJavaScriptException();
      return env.Undefined();
    }
    Napi::Promise::Deferred answer(env);
    const layer::Answer next = writers_.write(info[0], thread_->chunks(), answer);
    if (next == layer::Answer::kWait) layers_->deliveries.completions()->expect();
    if (next == layer::Answer::kGoOn) answer.Resolve(Napi::Boolean::New(env, may_go_on()));
    return answer.Promise();
  }

  // end(): resolves with what was made, or with why not; never rejects.
  Napi::Value end(const Napi::CallbackInfo& info) {
    if (thread_) thread_->chunks()->end();
    return result(info.Env());
  }

  // abort(): stops early; resolves like end() once nothing is written any more.
  Napi::Value abort(const Napi::CallbackInfo& info) {
    if (thread_) thread_->chunks()->abort();
    return result(info.Env());
  }

  Napi::Value result(Napi::Env env) {
    Napi::Promise::Deferred answer(env);
    if (thread_) {
      waiting_.push_back(answer);
    } else {
      answer.Resolve(result_.Value());
    }
    return answer.Promise();
  }

  bool may_go_on() { return !thread_->chunks()->closed(); }

  void drained() { writers_.drained(Env(), thread_->chunks(), may_go_on()); }

  void finished() {
    const layer::Applied& applied = thread_->applied();
    const Napi::Object result = applied.failure.set() ? failure_object(Env(), applied.failure)
                                                      : stats_object(applied.stats);
    result_ = Napi::Persistent(result);
    for (const Napi::Promise::Deferred& answer : std::exchange(waiting_, {}))
      answer.Resolve(result);
    thread_.reset();
    writers_.finished(Env());
    layers_->live.erase(this);
    this->Unref();
  }

  Napi::Object stats_object(const layer::Stats& stats) {
    Napi::Object result = Napi::Object::New(Env());
    put(result, "ok", true);
    put(result, "entries", as_number(stats.entries));
    put(result, "bytes", as_number(stats.bytes));
    put(result, "whiteouts", as_number(stats.whiteouts));
    put(result, "pendingLinks", as_number(stats.pending_links));
    put(result, "implicitDirectories", as_number(stats.implicit_directories));
    put(result, "skippedDevices", as_number(stats.skipped_devices));
    put(result, "skippedXattrs", as_number(stats.skipped_xattrs));
    return result;
  }

  Layers* layers_;
  Napi::ObjectReference result_;
  std::vector<Napi::Promise::Deferred> waiting_;
  Writers writers_;
  std::unique_ptr<layer::ApplyThread> thread_;
};

void Layers::end_of_environment(void* data) {
  const std::unique_ptr<Layers> layers(static_cast<Layers*>(data));
  for (LayerApplier* applier : layers->live) applier->stop();
  layers->tasks.stop();
  layers->deliveries.close();
}

// Runs `work` on a thread of its own, as root of a user namespace where one is given, then resolves
// with what `show` makes of it.
template <typename Job>
Napi::Value run(const Napi::CallbackInfo& info, std::shared_ptr<Job> job, int user_namespace = -1) {
  const Napi::Env env = info.Env();
  auto* layers = static_cast<Layers*>(info.Data());
  if (!open_deliveries(env, layers)) return env.Undefined();
  auto answer = std::make_shared<Napi::Promise::Deferred>(env);
  Deliveries* deliveries = &layers->deliveries;
  deliveries->completions()->expect();
  layers->tasks.post(
      [deliveries, job, answer, env, user_namespace, answers = deliveries->completions()] {
        layer::work_inside(user_namespace, &job->failure, [&job] { job->work(); });
        answers->post([deliveries, job, answer, env] {
          deliveries->deliver(env, [&] {
            const bool failed = job->failure.set();
            Napi::Object result = failed ? failure_object(env, job->failure) : job->show(env);
            if (failed) job->explain(&result);
            answer->Resolve(result);
          });
        });
      });
  return answer->Promise();
}

Napi::Object ok_object(Napi::Env env) {
  Napi::Object result = Napi::Object::New(env);
  put(result, "ok", true);
  return result;
}

struct FlattenJob {
  std::vector<std::string> layers;
  std::string target, scratch;
  bool over = false;
  layer::FlattenStats stats;
  size_t failed_layer = 0;
  Failure failure;

  void work() {
    (void)layer::flatten(layers, target, scratch, over, &stats, &failure, &failed_layer);
  }
  void explain(Napi::Object* result) const { put(*result, "layer", as_number(failed_layer)); }
  [[nodiscard]] Napi::Object show(Napi::Env env) const {
    Napi::Object result = ok_object(env);
    put(result, "directories", as_number(stats.directories));
    put(result, "links", as_number(stats.links));
    put(result, "copies", as_number(stats.copies));
    return result;
  }
};

// flattenLayers(directories, target, scratch, over?, userNamespace?): bottom layer first. Resolves
// with counts or with why not.
Napi::Value flatten_layers(const Napi::CallbackInfo& info) {
  auto job = std::make_shared<FlattenJob>();
  job->layers = read_texts(info[0]);
  job->target = info[1].As<Napi::String>();
  job->scratch = info[2].As<Napi::String>();
  job->over = is_true(info[3]);
  return run(info, job, read_namespace(info[4]));
}

struct RemoveJob {
  std::string path;
  bool sweep = false;  // a staging folder, of which only what the dead left is removed
  uint64_t removed = 0;
  Failure failure;

  void explain(Napi::Object*) const {}
  void work() {
    if (sweep) {
      (void)layer::sweep_staging(path, &removed, &failure);
    } else {
      (void)layer::remove_path(path, &removed, &failure);
    }
  }
  [[nodiscard]] Napi::Object show(Napi::Env env) const {
    Napi::Object result = ok_object(env);
    put(result, "entries", as_number(removed));
    return result;
  }
};

// removeTree(path, userNamespace?): path and all below it; resolves with the number of names
// removed.
Napi::Value remove_tree(const Napi::CallbackInfo& info) {
  auto job = std::make_shared<RemoveJob>();
  job->path = info[0].As<Napi::String>();
  return run(info, job, read_namespace(info[1]));
}

// sweepStaging(folder, userNamespace?): removes the staging directories of dead processes.
Napi::Value sweep_staging(const Napi::CallbackInfo& info) {
  auto job = std::make_shared<RemoveJob>();
  job->path = info[0].As<Napi::String>();
  job->sweep = true;
  return run(info, job, read_namespace(info[1]));
}

struct MoveJob {
  std::string from, into;
  uint64_t moved = 0;
  Failure failure;

  void explain(Napi::Object*) const {}
  void work() { (void)layer::move_entries(from, into, &moved, &failure); }
  [[nodiscard]] Napi::Object show(Napi::Env env) const {
    Napi::Object result = ok_object(env);
    put(result, "entries", as_number(moved));
    return result;
  }
};

// moveEntries(from, into, userNamespace?): all that is in a directory into another one.
Napi::Value move_entries(const Napi::CallbackInfo& info) {
  auto job = std::make_shared<MoveJob>();
  job->from = info[0].As<Napi::String>();
  job->into = info[1].As<Napi::String>();
  return run(info, job, read_namespace(info[2]));
}

struct StagingJob {
  std::string folder, path;
  sys::UniqueFd lock;
  Failure failure;

  void explain(Napi::Object*) const {}
  void work() { lock = layer::open_staging(folder, &path, &failure); }
  Napi::Object show(Napi::Env env) {
    Napi::Object result = ok_object(env);
    put(result, "path", path);
    put(result, "lockFd", lock.release());
    return result;
  }
};

// openStaging(folder): a new locked directory; the caller closes lockFd.
Napi::Value open_staging(const Napi::CallbackInfo& info) {
  auto job = std::make_shared<StagingJob>();
  job->folder = info[0].As<Napi::String>();
  return run(info, job);
}

struct SyncJob {
  int fd = -1;
  std::string path;
  Failure failure;

  void explain(Napi::Object*) const {}
  void work() { (void)layer::sync_staging(fd, path, &failure); }
  [[nodiscard]] Napi::Object show(Napi::Env env) const { return ok_object(env); }
};

// syncStaging(lockFd, path): everything in it is on the disk; the path is for the message.
Napi::Value sync_staging(const Napi::CallbackInfo& info) {
  auto job = std::make_shared<SyncJob>();
  job->fd = info[0].As<Napi::Number>();
  job->path = info[1].As<Napi::String>();
  return run(info, job);
}

layer::Trees read_trees(const Napi::Object& object) {
  layer::Trees trees;
  const Napi::Value lower = get(object, "lower"), upper = get(object, "upper"),
                    hidden = get(object, "hidden");
  if (lower.IsString()) trees.lower = lower.As<Napi::String>();
  if (upper.IsString()) trees.upper = upper.As<Napi::String>();
  if (hidden.IsArray()) trees.hidden = read_texts(hidden);
  return trees;
}

// Writes an archive to a descriptor.
struct ArchivingJob {
  sys::UniqueFd fd;
  layer::Archived archived;
  Failure failure;

  void explain(Napi::Object*) const {}
  [[nodiscard]] Napi::Object show(Napi::Env env) const {
    Napi::Object result = ok_object(env);
    put(result, "entries", as_number(archived.entries));
    put(result, "bytes", as_number(archived.bytes));
    put(result, "sockets", as_number(archived.sockets));
    return result;
  }
};

struct ArchiveJob : ArchivingJob {
  layer::Trees trees;
  bool changes = false;

  void work() {
    (void)layer::archive(trees, changes, fd.get(), &archived, &failure);
    fd.reset();  // the reader sees the end before it hears how it was
  }
};

// archiveTree(trees, changes, fd, userNamespace?): takes ownership of fd, and closes it at the end.
Napi::Value archive_tree(const Napi::CallbackInfo& info) {
  auto job = std::make_shared<ArchiveJob>();
  job->trees = read_trees(info[0].As<Napi::Object>());
  job->changes = info[1].As<Napi::Boolean>();
  job->fd.reset(info[2].As<Napi::Number>().Int32Value());
  return run(info, job, read_namespace(info[3]));
}

layer::Place read_place(const Napi::Object& object) {
  layer::Place place;
  const Napi::Value root = get(object, "root");
  if (root.IsNumber()) place.root = root.As<Napi::Number>().Int32Value();
  place.path = get(object, "path").As<Napi::String>();
  return place;
}

struct StatJob {
  layer::Place place;
  bool follow = false;
  layer::Node node;
  std::string link;
  Failure failure;

  void explain(Napi::Object*) const {}
  void work() {
    if (!layer::open_place(place, follow, &node)) {
      failure = Failure{place.path, "", "copy_stat_path", errno};
    } else if (node.is_link() && !layer::read_target(node, &link)) {
      failure = Failure{place.path, "", "archive_readlink", errno};
    }
    node.fd.reset();
  }
  [[nodiscard]] Napi::Object show(Napi::Env env) const {
    Napi::Object result = ok_object(env);
    const struct stat& status = node.status;
    put(result, "mode", static_cast<double>(status.st_mode));
    put(result, "size", as_number(static_cast<uint64_t>(status.st_size)));
    put(result, "mtimeMs",
        static_cast<double>(status.st_mtim.tv_sec) * 1e3 +
            static_cast<double>(status.st_mtim.tv_nsec) / 1e6);
    if (node.is_link()) put(result, "link", link);
    return result;
  }
};

// statPlace(place, follow, userNamespace?): what is there, and where a symbolic link leads.
Napi::Value stat_place(const Napi::CallbackInfo& info) {
  auto job = std::make_shared<StatJob>();
  job->place = read_place(info[0].As<Napi::Object>());
  job->follow = is_true(info[1]);
  return run(info, job, read_namespace(info[2]));
}

struct PlaceJob : ArchivingJob {
  layer::Place place;
  bool follow = false;
  std::string name;

  void work() {
    (void)layer::archive_place(place, follow, name, fd.get(), &archived, &failure);
    fd.reset();  // the reader sees the end before it hears how it was
  }
};

// archivePlace(place, follow, name, fd, userNamespace?): takes ownership of fd, and closes it at
// the end.
Napi::Value archive_place(const Napi::CallbackInfo& info) {
  auto job = std::make_shared<PlaceJob>();
  job->place = read_place(info[0].As<Napi::Object>());
  job->follow = is_true(info[1]);
  job->name = info[2].As<Napi::String>();
  job->fd.reset(info[3].As<Napi::Number>().Int32Value());
  return run(info, job, read_namespace(info[4]));
}

struct ReceiveJob {
  layer::Receiving wanted;
  sys::UniqueFd fd;
  layer::Received received;
  Failure failure;

  void explain(Napi::Object*) const {}
  void work() {
    (void)layer::receive(fd.get(), wanted, &received, &failure);
    fd.reset();  // who writes into it stops
  }
  [[nodiscard]] Napi::Object show(Napi::Env env) const {
    Napi::Object result = ok_object(env);
    put(result, "entries", as_number(received.entries));
    put(result, "bytes", as_number(received.bytes));
    put(result, "skippedDevices", as_number(received.skipped_devices));
    return result;
  }
};

// receiveArchive(directory, choices, fd, userNamespace?): takes ownership of fd, and closes it at
// the end.
Napi::Value receive_archive(const Napi::CallbackInfo& info) {
  auto job = std::make_shared<ReceiveJob>();
  const auto choices = info[1].As<Napi::Object>();
  job->wanted.directory = read_place(info[0].As<Napi::Object>());
  job->wanted.keep_owner = is_true(get(choices, "keepOwner"));
  job->wanted.replace = is_true(get(choices, "replace"));
  job->wanted.follow_links = is_true(get(choices, "followLinks"));
  job->fd.reset(info[2].As<Napi::Number>().Int32Value());
  return run(info, job, read_namespace(info[3]));
}

struct ChangesJob {
  layer::Trees trees;
  std::string before, after;  // set: two whole trees are compared
  std::vector<layer::Change> changes;
  Failure failure;

  void explain(Napi::Object*) const {}
  void work() {
    if (before.empty()) {
      (void)layer::list_changes(trees, &changes, &failure);
    } else {
      (void)layer::compare(before, after, &changes, &failure);
    }
  }
  [[nodiscard]] Napi::Object show(Napi::Env env) const {
    Napi::Object result = ok_object(env);
    Napi::Array list = Napi::Array::New(env, changes.size());
    for (uint32_t i = 0; i < changes.size(); i++)
      put_at(list, i, Napi::String::New(env, changes[i].kind + ("/" + changes[i].path)));
    put(result, "changes", list);
    return result;
  }
};

// listChanges(trees, userNamespace?): the kind and the path of each change as one text, e.g.
// `A/etc/new`.
Napi::Value list_changes(const Napi::CallbackInfo& info) {
  auto job = std::make_shared<ChangesJob>();
  job->trees = read_trees(info[0].As<Napi::Object>());
  return run(info, job, read_namespace(info[1]));
}

// compareTrees(before, after, userNamespace?): the same for two trees.
Napi::Value compare_trees(const Napi::CallbackInfo& info) {
  auto job = std::make_shared<ChangesJob>();
  job->before = info[0].As<Napi::String>();
  job->after = info[1].As<Napi::String>();
  return run(info, job, read_namespace(info[2]));
}

struct UsageJob {
  std::vector<std::string> paths;
  std::vector<uint64_t> sizes;
  Failure failure;

  void explain(Napi::Object*) const {}
  void work() { (void)layer::disk_usage(paths, &sizes, &failure); }
  [[nodiscard]] Napi::Object show(Napi::Env env) const {
    Napi::Object result = ok_object(env);
    Napi::Array list = Napi::Array::New(env, sizes.size());
    for (uint32_t i = 0; i < sizes.size(); i++)
      put_at(list, i, Napi::Number::New(env, as_number(sizes[i])));
    put(result, "sizes", list);
    return result;
  }
};

// diskUsage(paths, userNamespace?): bytes for each, a node with several names once.
Napi::Value disk_usage(const Napi::CallbackInfo& info) {
  auto job = std::make_shared<UsageJob>();
  job->paths = read_texts(info[0]);
  return run(info, job, read_namespace(info[1]));
}

}  // namespace

void register_layer(Napi::Env env, Napi::Object exports) {
  auto* layers = new Layers;
  napi_add_env_cleanup_hook(env, &Layers::end_of_environment, layers);
  exports.Set("LayerApplier", LayerApplier::define(env, layers));
  exports.Set("flattenLayers", Napi::Function::New(env, flatten_layers, "flattenLayers", layers));
  exports.Set("archiveTree", Napi::Function::New(env, archive_tree, "archiveTree", layers));
  exports.Set("statPlace", Napi::Function::New(env, stat_place, "statPlace", layers));
  exports.Set("archivePlace", Napi::Function::New(env, archive_place, "archivePlace", layers));
  exports.Set("receiveArchive",
              Napi::Function::New(env, receive_archive, "receiveArchive", layers));
  exports.Set("listChanges", Napi::Function::New(env, list_changes, "listChanges", layers));
  exports.Set("compareTrees", Napi::Function::New(env, compare_trees, "compareTrees", layers));
  exports.Set("diskUsage", Napi::Function::New(env, disk_usage, "diskUsage", layers));
  exports.Set("removeTree", Napi::Function::New(env, remove_tree, "removeTree", layers));
  exports.Set("moveEntries", Napi::Function::New(env, move_entries, "moveEntries", layers));
  exports.Set("sweepStaging", Napi::Function::New(env, sweep_staging, "sweepStaging", layers));
  exports.Set("syncStaging", Napi::Function::New(env, sync_staging, "syncStaging", layers));
  exports.Set("openStaging", Napi::Function::New(env, open_staging, "openStaging", layers));
}

}  // namespace slipway::binding
