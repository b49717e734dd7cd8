// One layer, one thread: chunks of the uncompressed tar go in from the JavaScript thread, a result
// comes out.
#pragma once
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>

#include "layer/applier.h"
#include "layer/entry.h"
#include "sys/worker.h"

namespace slipway::layer {

struct Applied {
  Failure failure;
  Stats stats;
};

enum class Answer {
  kGoOn,
  kWait,       // `drained` will be called, once
  kStillWait,  // the same call of `drained` is for this writer, too
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

  // The bytes stay the caller's and must live until consumed() has counted them.
  Answer write(const uint8_t* bytes, size_t size);
  void end();
  // Stops after the chunk in hand; the result is then a failure.
  void abort();
  // Chunks that are no longer needed, in the order of their writing.
  [[nodiscard]] uint64_t consumed();
  [[nodiscard]] bool failed();
  // After `finished`.
  [[nodiscard]] const Applied& applied() const { return applied_; }

 private:
  struct Chunk {
    const uint8_t* bytes;
    size_t size;
  };

  void run();
  void apply();
  bool apply_all(class TarReader* reader);
  bool next(Chunk* chunk);
  void consumed_one(size_t size);
  void drain();

  std::string directory_;
  Limits limits_;
  std::function<void()> drained_, finished_;
  Applied applied_;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Chunk> chunks_;
  size_t waiting_ = 0;  // bytes
  uint64_t consumed_ = 0;
  bool ended_ = false, aborted_ = false, failed_ = false, writer_waits_ = false;
  sys::Worker worker_;  // last: its thread uses all of the above
};

}  // namespace slipway::layer
