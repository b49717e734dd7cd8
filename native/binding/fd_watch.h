// Watches a descriptor for a JavaScript environment: on the host's own libuv loop, or, where there
// is none that works, from a thread of ours. Which of the two is said once for each process, before
// anything is watched.
#pragma once
#include <napi.h>

#include <cstdint>
#include <functional>
#include <memory>

#include "binding/poller.h"
#include "binding/uv_watch.h"

namespace slipway::binding {

// False when the host has not got what was asked for.
bool choose_watch(napi_env env, bool by_thread);
bool watches_by_thread();

// Calls `ready` on the JavaScript thread each time `fd` is readable, until stop(). Does not own the
// descriptor.
class FdWatch {
 public:
  FdWatch() = default;
  FdWatch(const FdWatch&) = delete;
  FdWatch& operator=(const FdWatch&) = delete;
  ~FdWatch() { stop(); }

  // False when the host has no event loop to use, or refuses the descriptor.
  bool start(napi_env env, int fd, std::function<void()> ready);
  void stop();
  void unref();
  void ref();

 private:
  bool start_by_thread(napi_env env, int fd, std::function<void()> ready);

  UvWatch uv_;
  std::shared_ptr<Poller> poller_;
  uint64_t id_ = 0;
};

}  // namespace slipway::binding
