// The queues between the JavaScript thread and the decoder.
#include "layer/decode_thread.h"

#include <utility>

namespace slipway::layer {

DecodeThread::DecodeThread(std::unique_ptr<Decoder> decoder, Events events)
    : decoder_(std::move(decoder)), events_(std::move(events)) {
  worker_.post([this] { run(); });
}

DecodeThread::~DecodeThread() {
  abort();
  worker_.stop();
}

Answer DecodeThread::write(const uint8_t* bytes, size_t size) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (over_ || aborted_) {
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

void DecodeThread::end() {
  const std::lock_guard<std::mutex> lock(mutex_);
  ended_ = true;
  wake_.notify_one();
}

void DecodeThread::read(uint8_t* bytes, size_t size) {
  const std::lock_guard<std::mutex> lock(mutex_);
  buffers_.push_back({bytes, size});
  wake_.notify_one();
}

void DecodeThread::abort() {
  const std::lock_guard<std::mutex> lock(mutex_);
  aborted_ = true;
  wake_.notify_one();
}

uint64_t DecodeThread::consumed() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return consumed_;
}

bool DecodeThread::next(Output* buffer) {
  std::unique_lock<std::mutex> lock(mutex_);
  wake_.wait(lock, [this] { return aborted_ || !buffers_.empty(); });
  if (aborted_) return false;
  *buffer = buffers_.front();
  buffers_.pop_front();
  return true;
}

// The chunk in hand is used up: on with the next one. False when there will be none.
bool DecodeThread::feed(Input* input) {
  std::unique_lock<std::mutex> lock(mutex_);
  wake_.wait(lock, [this] { return aborted_ || ended_ || !chunks_.empty(); });
  if (aborted_ || chunks_.empty()) return false;
  *input = chunks_.front();
  in_hand_ = input->size;
  has_chunk_ = true;
  chunks_.pop_front();
  return true;
}

void DecodeThread::let_go() {
  if (!std::exchange(has_chunk_, false)) return;
  bool wake_writer;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    consumed_++;
    waiting_ -= in_hand_;
    wake_writer = writer_waits_ && waiting_ <= kHighWater / 2;
    if (wake_writer) writer_waits_ = false;
  }
  if (wake_writer) events_.drained();
}

// False at the end of the stream, good or bad.
bool DecodeThread::fill(Output buffer) {
  const size_t size = buffer.size;
  bool more = true;
  while (more && buffer.size > 0) {
    if (!decoder_->decode(&rest_, &buffer, &why_)) {
      more = false;
    } else if (buffer.size > 0) {  // the chunk in hand has given all it has
      let_go();
      more = feed(&rest_);
      if (!more && !decoder_->complete()) why_ = "unexpected end of file";
    }
  }
  if (buffer.size < size) events_.filled(size - buffer.size);
  return more;
}

void DecodeThread::run() {
  Output buffer;
  while (next(&buffer) && fill(buffer)) {
  }
  std::unique_lock<std::mutex> lock(mutex_);
  if (aborted_) why_ = "it was stopped";
  over_ = true;
  consumed_ += chunks_.size() + (has_chunk_ ? 1 : 0);
  chunks_.clear();
  buffers_.clear();
  const bool wake_writer = std::exchange(writer_waits_, false);
  lock.unlock();
  if (wake_writer) events_.drained();
  events_.finished();
}

}  // namespace slipway::layer
