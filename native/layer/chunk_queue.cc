#include "layer/chunk_queue.h"

#include <utility>

namespace slipway::layer {

Answer ChunkQueue::write(const uint8_t* bytes, size_t size) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (closed_ || aborted_) {
    consumed_++;
    return Answer::kGoOn;
  }
  chunks_.push_back({bytes, size});
  waiting_ += size;
  wake_.notify_one();
  if (writer_waits_) return Answer::kStillWait;
  writer_waits_ = waiting_ > high_water_;
  return writer_waits_ ? Answer::kWait : Answer::kGoOn;
}

void ChunkQueue::end() {
  const std::lock_guard<std::mutex> lock(mutex_);
  ended_ = true;
  wake_.notify_one();
}

void ChunkQueue::abort() {
  const std::lock_guard<std::mutex> lock(mutex_);
  aborted_ = true;
  wake_.notify_one();
}

uint64_t ChunkQueue::consumed() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return consumed_;
}

bool ChunkQueue::next(Chunk* chunk) {
  std::unique_lock<std::mutex> lock(mutex_);
  wake_.wait(lock, [this] { return aborted_ || ended_ || !chunks_.empty(); });
  if (aborted_ || chunks_.empty()) return false;
  *chunk = chunks_.front();
  chunks_.pop_front();
  return true;
}

void ChunkQueue::release(size_t size) {
  bool wake_writer;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    consumed_++;
    waiting_ -= size;
    wake_writer = writer_waits_ && waiting_ <= high_water_ / 2;
    if (wake_writer) writer_waits_ = false;
  }
  if (wake_writer) drained_();
}

void ChunkQueue::close() {
  bool wake_writer;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    closed_ = true;
    drop_rest();
    wake_writer = std::exchange(writer_waits_, false);
  }
  if (wake_writer) drained_();
}

void ChunkQueue::wait_for_end() {
  std::unique_lock<std::mutex> lock(mutex_);
  wake_.wait(lock, [this] { return aborted_ || ended_; });
  drop_rest();
}

void ChunkQueue::drop_rest() {
  consumed_ += chunks_.size();
  chunks_.clear();
  waiting_ = 0;
}

bool ChunkQueue::aborted() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return aborted_;
}

bool ChunkQueue::closed() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return closed_;
}

}  // namespace slipway::layer
