// The thread between the queue and the applier.
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
      finished_(std::move(finished)),
      chunks_(kHighWater, std::move(drained)) {
  worker_.post([this] { run(); });
}

ApplyThread::~ApplyThread() {
  chunks_.abort();
  worker_.stop();
}

bool ApplyThread::apply_all(TarReader* reader) {
  Chunk chunk;
  while (chunks_.next(&chunk)) {
    const bool ok = reader->feed(chunk.bytes, chunk.size);
    chunks_.release(chunk.size);
    if (!ok) return false;
  }
  const bool aborted = chunks_.aborted();
  if (aborted) applied_.failure.why = "it was stopped";
  return !aborted;
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
  if (applied_.failure.set()) chunks_.close();
  // A failed layer's stream may still be going on: the result waits for its end.
  chunks_.wait_for_end();
  finished_();
}

}  // namespace slipway::layer
