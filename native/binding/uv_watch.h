// Watches a descriptor on the host's libuv loop. Its functions are looked up at run time: their
// header is not part of Node-API's, and a host without libuv gets a clear error instead of a failed
// load.
#pragma once
#include <napi.h>

#include <functional>

namespace slipway::binding {

// Calls `ready` on the JavaScript thread each time `fd` is readable, until stop(). Does not own the
// descriptor.
class UvWatch {
 public:
  UvWatch() = default;
  UvWatch(const UvWatch&) = delete;
  UvWatch& operator=(const UvWatch&) = delete;
  ~UvWatch() { stop(); }

  static bool available(napi_env env);
  // False when the host has no libuv, or refuses the descriptor.
  bool start(napi_env env, int fd, std::function<void()> ready);
  void stop();
  void unref();
  void ref();

  struct Handle;

 private:
  Handle* handle_ = nullptr;
};

}  // namespace slipway::binding
