// The queue between the JavaScript thread and the applier.
#include "layer/apply_thread.h"

#include <sched.h>
#include <sys/stat.h>

#include <utility>

#include "layer/tar_reader.h"
#include "sys/inside.h"

namespace slipway::layer {

ApplyThread::ApplyThread(std::string directory, const Limits& limits, std::function<void()> drained,
                         std::function<void()> finished)
    : directory_(std::move(directory)),
      limits_(limits),
      drained_(std::move(drained)),
      finished_(std::move(finished)) {
  worker_.post([this] { run(); });
}

ApplyThread::~ApplyThread() {
  abort();
  worker_.stop();
}

Answer ApplyThread::write(const uint8_t* bytes, size_t size) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (failed_ || aborted_) {
    consumed_++;
    return Answer::kGoOn;
  }
  chunks_.push_back({bytes, size});
  waiting_ += size;
  wake_.notify_one();
  if (writer_waits_) return Answer::kStillWait;
  writer_waits_ = waiting_ > kHighWater;
  return writer_waits_ ? Answer::kWait : Answer::kGoOn;
}

void ApplyThread::end() {
  const std::lock_guard<std::mutex> lock(mutex_);
  ended_ = true;
  wake_.notify_one();
}

void ApplyThread::abort() {
  const std::lock_guard<std::mutex> lock(mutex_);
  aborted_ = true;
  wake_.notify_one();
}

uint64_t ApplyThread::consumed() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return consumed_;
}

bool ApplyThread::failed() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return failed_;
}

// False at the end of the stream.
bool ApplyThread::next(Chunk* chunk) {
  std::unique_lock<std::mutex> lock(mutex_);
  wake_.wait(lock, [this] { return aborted_ || ended_ || !chunks_.empty(); });
  if (aborted_ || chunks_.empty()) return false;
  *chunk = chunks_.front();
  chunks_.pop_front();
  return true;
}

void ApplyThread::consumed_one(size_t size) {
  bool wake_writer;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    consumed_++;
    waiting_ -= size;
    wake_writer = writer_waits_ && waiting_ <= kHighWater / 2;
    if (wake_writer) writer_waits_ = false;
  }
  if (wake_writer) drained_();
}

// Nothing more will be used: whoever waits to write goes on, and learns from the result.
void ApplyThread::drain() {
  bool wake_writer;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    failed_ = true;
    consumed_ += chunks_.size();
    chunks_.clear();
    waiting_ = 0;
    wake_writer = std::exchange(writer_waits_, false);
  }
  if (wake_writer) drained_();
}

bool ApplyThread::apply_all(TarReader* reader) {
  Chunk chunk;
  while (next(&chunk)) {
    const bool ok = reader->feed(chunk.bytes, chunk.size);
    consumed_one(chunk.size);
    if (!ok) return false;
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  if (aborted_) applied_.failure.why = "it was stopped";
  return !aborted_;
}

void work_inside(int user_namespace, Failure* failure, const std::function<void()>& work) {
  if (user_namespace < 0) return work();
  const int error = sys::run_inside(user_namespace, work);
  if (error == 0) return;
  *failure = Failure{};
  failure->step = "enter_user_namespace";
  failure->error = error;
}

void ApplyThread::apply() {
  // A umask of this thread alone; where that is refused (seccomp), modes are set by chmod.
  const bool exact_mode = unshare(CLONE_FS) == 0;
  if (exact_mode) umask(0);
  Applier applier(limits_, &applied_.failure);
  TarReader reader(&applier, limits_, &applied_.failure);
  const bool ok = applier.open(directory_.c_str(), exact_mode) && apply_all(&reader) &&
                  reader.finish() && applier.close();
  applied_.stats = applier.stats();
  if (!ok && !applied_.failure.set()) applied_.failure.why = "it could not be unpacked";
}

void ApplyThread::run() {
  work_inside(limits_.user_namespace, &applied_.failure, [this] { apply(); });
  if (applied_.failure.set()) drain();
  // A failed layer's stream may still be going on: the result waits for its end.
  std::unique_lock<std::mutex> lock(mutex_);
  wake_.wait(lock, [this] { return aborted_ || ended_; });
  consumed_ += chunks_.size();
  chunks_.clear();
  lock.unlock();
  finished_();
}

}  // namespace slipway::layer
