// What threads of our own tell promises: the answers come back on the JavaScript thread, and what
// waits for them runs.
#pragma once
#include <napi.h>

#include <memory>

#include "binding/completions.h"

namespace slipway::binding {

class Deliveries {
 public:
  // Throws where the host has no event loop we can use. `name`: of the asynchronous resource.
  bool open(Napi::Env env, const char* name);
  // Shared with a thread whose job may outlast the environment.
  [[nodiscard]] const std::shared_ptr<Completions>& completions() const { return completions_; }
  void close();

  // On the JavaScript thread: promises that `body` settles are acted on before this returns.
  template <typename Body>
  void deliver(Napi::Env env, Body body) {
    if (!runs_javascript(env)) return;
    if (!context_) return body();
    const Napi::CallbackScope scope(env, *context_);
    body();
  }

 private:
  static bool runs_javascript(napi_env env);

  std::shared_ptr<Completions> completions_ = std::make_shared<Completions>();
  // None where a thread watches: what it calls runs in a scope of its host's, and Deno cannot
  // destroy one of ours at its end.
  std::unique_ptr<Napi::AsyncContext> context_;
};

}  // namespace slipway::binding
