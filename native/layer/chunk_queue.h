// A stream on its way from the JavaScript thread to the one thread that uses it.
#pragma once
#include <stddef.h>
#include <stdint.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <utility>

namespace slipway::layer {

// Borrowed bytes.
struct Chunk {
  const uint8_t* bytes = nullptr;
  size_t size = 0;
};

enum class Answer {
  kGoOn,
  kWait,       // `drained` will be called, once
  kStillWait,  // the same call of `drained` is for this writer, too
};

class ChunkQueue {
 public:
  // `high_water`: bytes that may wait before the writer is asked to pause. `drained`: called on the
  // thread that uses the chunks, when there is room again.
  ChunkQueue(size_t high_water, std::function<void()> drained)
      : high_water_(high_water), drained_(std::move(drained)) {}

  // The writer's side. The bytes stay the caller's and must live until consumed() has counted them.
  Answer write(const uint8_t* bytes, size_t size);
  void end();
  void abort();
  // Chunks that are no longer needed, in the order of their writing.
  [[nodiscard]] uint64_t consumed();

  // The user's side: waits for the next chunk; false at the end of the stream and after abort().
  bool next(Chunk* chunk);
  // The chunk that next() gave, of `size` bytes, is used up.
  void release(size_t size);
  // Nothing more will be used: whoever waits to write goes on, and what comes counts as consumed.
  void close();
  // Returns once end() or abort() was called; drops what is left.
  void wait_for_end();

  [[nodiscard]] bool aborted();
  [[nodiscard]] bool closed();

 private:
  void drop_rest();

  const size_t high_water_;
  const std::function<void()> drained_;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Chunk> chunks_;
  size_t waiting_ = 0;  // bytes
  uint64_t consumed_ = 0;
  bool ended_ = false, aborted_ = false, closed_ = false, writer_waits_ = false;
};

}  // namespace slipway::layer
