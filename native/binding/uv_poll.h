// Watches descriptors on the host's event loop. libuv's functions are looked up at run time: its
// header is not part of Node-API's, and a host without libuv gets a clear error instead of a failed
// load.
#pragma once
#include <napi.h>

#include <functional>

namespace slipway::binding {

// Calls `ready` on the JavaScript thread each time `fd` is readable, until stop(). Does not own the
// descriptor.
class FdWatch {
 public:
  FdWatch() = default;
  FdWatch(const FdWatch&) = delete;
  FdWatch& operator=(const FdWatch&) = delete;
  ~FdWatch() { stop(); }

  // False when the host has no libuv, or refuses the descriptor.
  bool start(napi_env env, int fd, std::function<void()> ready);
  void stop();
  void unref();
  void ref();
  [[nodiscard]] bool active() const { return handle_ != nullptr; }

  struct Handle;

 private:
  Handle* handle_ = nullptr;
};

}  // namespace slipway::binding
