// Watches descriptors from a thread of our own, which waits with epoll(7) and calls JavaScript
// through a thread-safe function: for hosts without libuv's loop. Bun has libuv's names and panics
// when most of them are called; Deno has them for sockets alone.
#pragma once
#include <node_api.h>
#include <sys/epoll.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "sys/unique_fd.h"

namespace slipway::binding {

// One for each JavaScript environment. Everything but the loop runs on its JavaScript thread.
class Poller {
 public:
  using Ready = std::function<void(uint64_t id, uint32_t events)>;

  // The environment's own, made when it is first asked for; none when it cannot be made, or is
  // gone.
  static std::shared_ptr<Poller> of(napi_env env);

  Poller() = default;
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;

  // A number for `fd`, by which `ready` is told whose turn it is.
  uint64_t add(int fd, Ready ready);
  // `ready` is called once, when one of `events` holds. False when the kernel cannot watch the
  // descriptor.
  bool arm(uint64_t id, uint32_t events);
  // Before the descriptor is closed.
  void remove(uint64_t id);
  // The event loop stays alive while one watch is referenced. None is at first.
  void ref(uint64_t id);
  void unref(uint64_t id);

 private:
  struct Watch {
    int fd;
    Ready ready;
    bool armed_before = false;
    bool referenced = false;
  };

  static std::shared_ptr<Poller> known(napi_env env);
  static void end(napi_env env);
  bool open(napi_env env);
  void close();
  void loop();
  void deliver();

  napi_env env_ = nullptr;
  napi_threadsafe_function wake_javascript_ = nullptr;
  sys::UniqueFd epoll_;
  sys::UniqueFd stop_;  // eventfd
  std::thread thread_;
  std::map<uint64_t, Watch> watches_;
  uint64_t last_id_ = 0;
  int referenced_ = 0;
  std::mutex mutex_;
  std::vector<epoll_event> ready_;  // seen by the thread, not yet told
};

}  // namespace slipway::binding
