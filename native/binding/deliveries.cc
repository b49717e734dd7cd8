#include "binding/deliveries.h"

namespace slipway::binding {

bool Deliveries::open(Napi::Env env, const char* name) {
  if (!context_ && !watches_by_thread()) context_ = std::make_unique<Napi::AsyncContext>(env, name);
  if (completions_->open(env)) return true;
  Napi::Error::New(env, kNoLoop).ThrowAsJavaScriptException();
  return false;
}

void Deliveries::close() {
  completions_->close_watch();
  context_.reset();
}

// False in a worker thread that is being terminated: its loop still turns, but nothing may be
// called any more.
bool Deliveries::runs_javascript(napi_env env) {
  napi_value global;
  bool found;
  return napi_get_global(env, &global) == napi_ok &&
         napi_has_named_property(env, global, "Object", &found) == napi_ok;
}

}  // namespace slipway::binding
