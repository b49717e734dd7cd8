// A user namespace whose maps JavaScript has written: by newuidmap(1), or by itself.
#include "launch/user_namespace.h"

#include <unistd.h>

#include "binding/exports.h"

namespace slipway::binding {
namespace {

// cloneIntoUserNamespace(): [pid, pidfd] of the process that keeps a new one, or a negative errno.
Napi::Value clone_into(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  int pidfd = -1;
  const long pid = launch::clone_into_user_namespace(&pidfd);
  if (pid < 0) return Napi::Number::New(env, static_cast<double>(pid));
  const Napi::Array result = Napi::Array::New(env, 2);
  result.Set(0u, Napi::Number::New(env, static_cast<double>(pid)));
  result.Set(1u, Napi::Number::New(env, pidfd));
  return result;
}

// endClone(pidfd): kills that process, waits for its end, which is at once, and closes the pidfd.
void end(const Napi::CallbackInfo& info) {
  const int pidfd = info[0].As<Napi::Number>().Int32Value();
  launch::end_clone(pidfd);
  close(pidfd);
}

}  // namespace

void register_user_namespace(Napi::Env env, Napi::Object exports) {
  exports.Set("cloneIntoUserNamespace", Napi::Function::New(env, clone_into));
  exports.Set("endClone", Napi::Function::New(env, end));
}

}  // namespace slipway::binding
