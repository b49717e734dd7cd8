// One layer, one thread: chunks of the uncompressed tar go in from the JavaScript thread, a result
// comes out.
#pragma once
#include <functional>
#include <string>

#include "layer/applier.h"
#include "layer/chunk_queue.h"
#include "layer/entry.h"
#include "sys/worker.h"

namespace slipway::layer {

struct Applied {
  Failure failure;
  Stats stats;
};

// Runs `work`, as root of the user namespace unless that is -1. Fails with the step
// "enter_user_namespace".
void work_inside(int user_namespace, Failure* failure, const std::function<void()>& work);

class ApplyThread {
 public:
  // Bytes that may wait before the writer is asked to pause.
  static constexpr size_t kHighWater = 4 << 20;

  // `drained` and `finished` are called on the thread.
  ApplyThread(std::string directory, const Limits& limits, std::function<void()> drained,
              std::function<void()> finished);
  ~ApplyThread();

  // Where the tar goes in. After abort() the result is a failure; where the layer has failed, it is
  // closed.
  [[nodiscard]] ChunkQueue* chunks() { return &chunks_; }
  // After `finished`.
  [[nodiscard]] const Applied& applied() const { return applied_; }

 private:
  void run();
  void apply();
  bool apply_all(class TarReader* reader);

  std::string directory_;
  Limits limits_;
  std::function<void()> finished_;
  Applied applied_;
  ChunkQueue chunks_;
  sys::Worker worker_;  // last: its thread uses all of the above
};

}  // namespace slipway::layer
