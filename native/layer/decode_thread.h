// One compressed stream, one thread: compressed chunks and empty buffers go in from the JavaScript
// thread, filled buffers come out.
#pragma once
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "layer/chunk_queue.h"
#include "layer/decoder.h"
#include "sys/worker.h"

namespace slipway::layer {

class DecodeThread {
 public:
  // Compressed bytes that may wait before the writer is asked to pause.
  static constexpr size_t kHighWater = 2 << 20;

  // Called on the thread. `drained`: as the queue has it. `filled`: the oldest buffer that was
  // given has so many bytes now, and none less than its size but the last. `finished`: nothing that
  // was given is used any more.
  struct Events {
    std::function<void()> drained;
    std::function<void(size_t bytes)> filled;
    std::function<void()> finished;
  };

  DecodeThread(std::unique_ptr<Decoder> decoder, Events events);
  ~DecodeThread();

  // Where the compressed stream goes in.
  [[nodiscard]] ChunkQueue* chunks() { return &chunks_; }
  // A buffer to fill: it must live until `filled` or `finished`.
  void read(uint8_t* bytes, size_t size);
  void abort();
  // After `finished`: why the stream is not whole; empty when it is.
  [[nodiscard]] const std::string& why() const { return why_; }

 private:
  void run();
  bool fill(Output buffer);
  bool next(Output* buffer);
  bool feed();
  void let_go();

  std::unique_ptr<Decoder> decoder_;
  Events events_;
  std::string why_;
  Input rest_;                     // of the chunk in hand
  std::optional<size_t> in_hand_;  // its whole size

  ChunkQueue chunks_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Output> buffers_;
  sys::Worker worker_;  // last: its thread uses all of the above
};

}  // namespace slipway::layer
