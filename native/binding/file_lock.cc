// flock(2) for JavaScript: the per-object locks of the store. The kernel drops them when their
// holder dies.
#include <errno.h>
#include <sys/file.h>

#include "binding/exports.h"

namespace slipway::binding {
namespace {

// flock(fd, operation): 0 or a positive errno. Only ever called with LOCK_NB, so it does not block
// the JavaScript thread.
Napi::Value file_lock(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() < 2 || !info[0].IsNumber() || !info[1].IsNumber()) {
    Napi::TypeError::New(env, "flock(fd, operation)").ThrowAsJavaScriptException();
    return env.Undefined();
  }
  const int fd = info[0].As<Napi::Number>().Int32Value();
  const int operation = info[1].As<Napi::Number>().Int32Value() | LOCK_NB;
  const int failed = ::flock(fd, operation) == 0 ? 0 : errno;
  return Napi::Number::New(env, failed);
}

}  // namespace

void register_file_lock(Napi::Env env, Napi::Object exports) {
  exports.Set("flock", Napi::Function::New(env, file_lock, "flock"));
}

}  // namespace slipway::binding
