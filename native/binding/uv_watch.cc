// The ten lines of libuv's interface this addon needs (uv_poll_t, docs.libuv.org), without its
// header.
#include "binding/uv_watch.h"

#include <dlfcn.h>

#include <cstdlib>
#include <utility>

namespace slipway::binding {
namespace {

constexpr int kUvPollType = 8;  // uv_handle_type UV_POLL; stable since libuv 1.0
constexpr int kUvReadable = 1;
constexpr int kUvDisconnect = 4;

struct Uv {
  size_t (*handle_size)(int);
  int (*poll_init)(void*, void*, int);
  int (*poll_start)(void*, int, void (*)(void*, int, int));
  int (*poll_stop)(void*);
  void (*close)(void*, void (*)(void*));
  void (*set_data)(void*, void*);
  void* (*get_data)(const void*);
  void (*ref)(void*);
  void (*unref)(void*);

  [[nodiscard]] bool whole() const {
    return handle_size && poll_init && poll_start && poll_stop && close && set_data && get_data &&
           ref && unref;
  }
};

template <typename Function>
void find(Function*& target, const char* name) {
  target = reinterpret_cast<Function*>(dlsym(RTLD_DEFAULT, name));
}

const Uv& uv() {
  static const Uv found = [] {
    Uv api{};
    find(api.handle_size, "uv_handle_size");
    find(api.poll_init, "uv_poll_init");
    find(api.poll_start, "uv_poll_start");
    find(api.poll_stop, "uv_poll_stop");
    find(api.close, "uv_close");
    find(api.set_data, "uv_handle_set_data");
    find(api.get_data, "uv_handle_get_data");
    find(api.ref, "uv_ref");
    find(api.unref, "uv_unref");
    return api;
  }();
  return found;
}

struct uv_loop_s* loop_of(napi_env env) {
  struct uv_loop_s* loop = nullptr;
  return napi_get_uv_event_loop(env, &loop) == napi_ok ? loop : nullptr;
}

}  // namespace

struct UvWatch::Handle {
  void* poll;
  std::function<void()> ready;

  static void on_ready(void* poll, int, int) {
    auto* self = static_cast<Handle*>(uv().get_data(poll));
    if (self->ready) {
      const std::function<void()> ready = self->ready;  // it may stop this watch
      ready();
    }
  }

  static void on_closed(void* poll) {
    auto* self = static_cast<Handle*>(uv().get_data(poll));
    free(self->poll);
    delete self;
  }
};

bool UvWatch::available(napi_env env) { return uv().whole() && loop_of(env) != nullptr; }

bool UvWatch::start(napi_env env, int fd, std::function<void()> ready) {
  if (!available(env)) return false;
  struct uv_loop_s* loop = loop_of(env);
  void* poll = calloc(1, uv().handle_size(kUvPollType));
  if (poll == nullptr) return false;
  if (uv().poll_init(loop, poll, fd) != 0) {
    free(poll);
    return false;
  }
  handle_ = new Handle{poll, std::move(ready)};
  uv().set_data(poll, handle_);
  return uv().poll_start(poll, kUvReadable | kUvDisconnect, &Handle::on_ready) == 0;
}

void UvWatch::stop() {
  if (handle_ == nullptr) return;
  Handle* handle = std::exchange(handle_, nullptr);
  handle->ready = nullptr;
  uv().poll_stop(handle->poll);
  uv().close(handle->poll, &Handle::on_closed);
}

void UvWatch::unref() {
  if (handle_ != nullptr) uv().unref(handle_->poll);
}

void UvWatch::ref() {
  if (handle_ != nullptr) uv().ref(handle_->poll);
}

}  // namespace slipway::binding
