// The JavaScript side of a queue of chunks: what is borrowed stays alive until it is used up, and
// who waits for room is told.
#pragma once
#include <napi.h>

#include <deque>
#include <utility>
#include <vector>

#include "layer/chunk_queue.h"

namespace slipway::binding {

class Writers {
 public:
  // Hands a Uint8Array over. Unless the answer is kGoOn, `answer` waits for settle().
  layer::Answer write(const Napi::Value& chunk, layer::ChunkQueue* queue,
                      const Napi::Promise::Deferred& answer) {
    const auto bytes = chunk.As<Napi::Uint8Array>();
    release_consumed(queue);
    borrowed_.push_back(Napi::Persistent(chunk.As<Napi::Object>()));
    const layer::Answer next = queue->write(bytes.Data(), bytes.ByteLength());
    if (next != layer::Answer::kGoOn) waiting_.push_back(answer);
    return next;
  }

  // There is room again: all who wait learn whether `more` is of use.
  void drained(Napi::Env env, layer::ChunkQueue* queue, bool more) {
    release_consumed(queue);
    settle(env, more);
  }

  // The queue's thread has finished: nothing is borrowed any more, and nothing more is of use.
  void finished(Napi::Env env) {
    borrowed_.clear();
    settle(env, false);
  }

 private:
  void release_consumed(layer::ChunkQueue* queue) {
    const uint64_t consumed = queue->consumed();
    for (; released_ < consumed; released_++) borrowed_.pop_front();
  }

  void settle(Napi::Env env, bool more) {
    for (const Napi::Promise::Deferred& writer : std::exchange(waiting_, {}))
      writer.Resolve(Napi::Boolean::New(env, more));
  }

  std::vector<Napi::Promise::Deferred> waiting_;
  std::deque<Napi::ObjectReference> borrowed_;
  uint64_t released_ = 0;
};

}  // namespace slipway::binding
