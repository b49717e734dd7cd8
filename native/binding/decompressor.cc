// Decompression for JavaScript, on a thread for each stream. See src/native/layer-addon.ts for the
// shapes.
#include <deque>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "binding/deliveries.h"
#include "binding/exports.h"
#include "binding/writers.h"
#include "layer/decode_thread.h"

namespace slipway::binding {
namespace {

class Decompressor;

// Everything that belongs to one JavaScript environment.
struct Streams {
  Deliveries deliveries;
  std::set<Decompressor*> live;

  static void end_of_environment(void* data);
};

layer::Compression compression_of(const Napi::Value& value) {
  return value.ToString().Utf8Value() == "zstd" ? layer::Compression::kZstd
                                                : layer::Compression::kGzip;
}

// new Decompressor('gzip' | 'zstd'); then write() until done, and end(); read() until it gives 0 or
// a text; abort() ends it early.
class Decompressor : public Napi::ObjectWrap<Decompressor> {
 public:
  static Napi::Function define(Napi::Env env, Streams* streams) {
    return DefineClass(
        env, "Decompressor",
        {InstanceMethod("write", &Decompressor::write), InstanceMethod("end", &Decompressor::end),
         InstanceMethod("read", &Decompressor::read),
         InstanceMethod("abort", &Decompressor::abort)},
        streams);
  }

  explicit Decompressor(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<Decompressor>(info), streams_(static_cast<Streams*>(info.Data())) {
    std::unique_ptr<layer::Decoder> decoder = layer::open_decoder(compression_of(info[0]));
    if (!decoder) {
      Napi::Error::New(info.Env(), "no library for it here").ThrowAsJavaScriptException();
      return;
    }
    if (!streams_->deliveries.open(info.Env(), "slipway.decompressor")) return;
    this->Ref();  // until it has finished
    streams_->live.insert(this);
    // Its end alone keeps the loop alive.
    streams_->deliveries.completions()->expect();
    thread_ = std::make_unique<layer::DecodeThread>(
        std::move(decoder),
        layer::DecodeThread::Events{
            .drained = [this] { tell(unawaited_, [this] { drained(); }); },
            .filled = [this](size_t bytes) { tell(unawaited_, [this, bytes] { filled(bytes); }); },
            .finished = [this] { tell(nullptr, [this] { finished(); }); },
        });
  }

  ~Decompressor() override {
    if (!thread_) return;
    stop();
    streams_->live.erase(this);
  }

  // The environment is going away.
  void stop() { thread_.reset(); }

 private:
  struct Reader {
    Napi::Promise::Deferred answer;
    Napi::ObjectReference buffer;
  };

  // From the thread.
  template <typename Body>
  void tell(std::shared_ptr<bool> awaited, Body body) {
    streams_->deliveries.completions()->post(
        [this, body] { streams_->deliveries.deliver(Env(), body); }, std::move(awaited));
  }

  // write(chunk): resolves when there is room for more; with false when nothing more is needed.
  Napi::Value write(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    Napi::Promise::Deferred answer(env);
    if (!thread_) {
      answer.Resolve(Napi::Boolean::New(env, false));
      return answer.Promise();
    }
    if (writers_.write(info[0], thread_->chunks(), answer) == layer::Answer::kGoOn)
      answer.Resolve(Napi::Boolean::New(env, true));
    return answer.Promise();
  }

  void end(const Napi::CallbackInfo&) {
    if (thread_) thread_->chunks()->end();
  }

  void abort(const Napi::CallbackInfo&) {
    if (thread_) thread_->abort();
  }

  // read(into): resolves with how many bytes are in it, all of its size until the last one; with 0
  // behind the end, and with why the stream is not whole.
  Napi::Value read(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    Napi::Promise::Deferred answer(env);
    if (!thread_) {
      answer.Resolve(outcome());
      return answer.Promise();
    }
    auto bytes = info[0].As<Napi::Uint8Array>();
    readers_.push_back({answer, Napi::Persistent(info[0].As<Napi::Object>())});
    thread_->read(bytes.Data(), bytes.ByteLength());
    return answer.Promise();
  }

  Napi::Value outcome() {
    if (why_.empty()) return Napi::Number::New(Env(), 0);
    return Napi::String::New(Env(), why_);
  }

  void drained() { writers_.drained(Env(), thread_->chunks(), true); }

  void filled(size_t bytes) {
    const Reader reader = std::move(readers_.front());
    readers_.pop_front();
    reader.answer.Resolve(Napi::Number::New(Env(), static_cast<double>(bytes)));
  }

  void finished() {
    why_ = thread_->why();
    thread_.reset();
    writers_.finished(Env());
    for (const Reader& reader : std::exchange(readers_, {})) reader.answer.Resolve(outcome());
    streams_->live.erase(this);
    this->Unref();
  }

  Streams* streams_;
  const std::shared_ptr<bool> unawaited_ = std::make_shared<bool>(false);
  std::string why_;
  Writers writers_;
  std::deque<Reader> readers_;
  std::unique_ptr<layer::DecodeThread> thread_;
};

void Streams::end_of_environment(void* data) {
  const std::unique_ptr<Streams> streams(static_cast<Streams*>(data));
  for (Decompressor* each : streams->live) each->stop();
  streams->deliveries.close();
}

// canDecompress('gzip' | 'zstd'): whether a Decompressor can be made.
Napi::Value can_decompress(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), layer::open_decoder(compression_of(info[0])) != nullptr);
}

}  // namespace

void register_decompressor(Napi::Env env, Napi::Object exports) {
  auto* streams = new Streams;
  napi_add_env_cleanup_hook(env, &Streams::end_of_environment, streams);
  exports.Set("Decompressor", Decompressor::define(env, streams));
  exports.Set("canDecompress", Napi::Function::New(env, can_decompress, "canDecompress"));
}

}  // namespace slipway::binding
