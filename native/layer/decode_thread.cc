// The queues between the JavaScript thread and the decoder.
#include "layer/decode_thread.h"

#include <utility>

namespace slipway::layer {

DecodeThread::DecodeThread(std::unique_ptr<Decoder> decoder, Events events)
    : decoder_(std::move(decoder)),
      events_(std::move(events)),
      chunks_(kHighWater, events_.drained) {
  worker_.post([this] { run(); });
}

DecodeThread::~DecodeThread() {
  abort();
  worker_.stop();
}

void DecodeThread::read(uint8_t* bytes, size_t size) {
  const std::lock_guard<std::mutex> lock(mutex_);
  buffers_.push_back({bytes, size});
  wake_.notify_one();
}

void DecodeThread::abort() {
  chunks_.abort();
  const std::lock_guard<std::mutex> lock(mutex_);
  wake_.notify_one();
}

bool DecodeThread::next(Output* buffer) {
  std::unique_lock<std::mutex> lock(mutex_);
  wake_.wait(lock, [this] { return chunks_.aborted() || !buffers_.empty(); });
  if (chunks_.aborted()) return false;
  *buffer = buffers_.front();
  buffers_.pop_front();
  return true;
}

// The chunk in hand is used up: on with the next one. False when there will be none.
bool DecodeThread::feed() {
  Chunk chunk;
  if (!chunks_.next(&chunk)) return false;
  rest_ = {chunk.bytes, chunk.size};
  in_hand_ = chunk.size;
  return true;
}

void DecodeThread::let_go() {
  if (in_hand_) chunks_.release(*std::exchange(in_hand_, std::nullopt));
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
      more = feed();
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
  if (chunks_.aborted()) why_ = "it was stopped";
  let_go();
  chunks_.close();
  events_.finished();
}

}  // namespace slipway::layer
