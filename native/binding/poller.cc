// The watching thread and its JavaScript side. A descriptor is watched once and then armed anew
// (EPOLLONESHOT): the thread never sees again what JavaScript has not yet looked at.
#include "binding/poller.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <utility>

#include "sys/worker.h"

namespace slipway::binding {
namespace {

constexpr int kEventsAtOnce = 64;

struct Registry {
  std::mutex mutex;
  std::map<napi_env, std::shared_ptr<Poller>> pollers;
};

// Never destroyed: a process that exits without taking its environments down has threads that still
// run.
Registry& registry() {
  static auto* all = new Registry;
  return *all;
}

}  // namespace

std::shared_ptr<Poller> Poller::known(napi_env env) {
  const std::lock_guard<std::mutex> lock(registry().mutex);
  const auto found = registry().pollers.find(env);
  return found == registry().pollers.end() ? nullptr : found->second;
}

std::shared_ptr<Poller> Poller::of(napi_env env) {
  if (std::shared_ptr<Poller> before = known(env)) return before;
  auto made = std::make_shared<Poller>();
  if (!made->open(env)) return nullptr;
  const std::lock_guard<std::mutex> lock(registry().mutex);
  return registry().pollers[env] = made;
}

void Poller::end(napi_env env) {
  std::shared_ptr<Poller> ended;
  {
    const std::lock_guard<std::mutex> lock(registry().mutex);
    const auto found = registry().pollers.find(env);
    if (found == registry().pollers.end()) return;
    ended = std::move(found->second);
    registry().pollers.erase(found);
  }
  if (ended) ended->close();
}

bool Poller::open(napi_env env) {
  env_ = env;
  epoll_.reset(epoll_create1(EPOLL_CLOEXEC));
  stop_.reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  epoll_event stop{};
  stop.events = EPOLLIN;
  if (!epoll_ || !stop_ || epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, stop_.get(), &stop) != 0)
    return false;
  napi_value name;
  napi_create_string_utf8(env, "slipway.poller", NAPI_AUTO_LENGTH, &name);
  // Found anew each time: a call may come when the poller is gone.
  const auto call = [](napi_env running, napi_value, void*, void*) {
    if (const auto poller = known(running)) poller->deliver();
  };
  if (napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr, nullptr, nullptr,
                                      call, &wake_javascript_) != napi_ok)
    return false;
  napi_unref_threadsafe_function(env, wake_javascript_);
  // Hooks run in reverse: this one before the function's own, and before those of whoever watches.
  napi_add_env_cleanup_hook(env, [](void* data) { end(static_cast<napi_env>(data)); }, env);
  thread_ = sys::quiet_thread([this] { loop(); });
  return true;
}

void Poller::close() {
  const uint64_t one = 1;
  (void)!write(stop_.get(), &one, sizeof one);
  if (thread_.joinable()) thread_.join();
  watches_.clear();
  // Not left to the destructor: a stream that was never finalized holds this for ever.
  epoll_.reset();
  stop_.reset();
  napi_release_threadsafe_function(std::exchange(wake_javascript_, nullptr), napi_tsfn_abort);
}

void Poller::loop() {
  std::array<epoll_event, kEventsAtOnce> events{};
  for (;;) {
    const int count = epoll_wait(epoll_.get(), events.data(), kEventsAtOnce, -1);
    if (count < 0) continue;
    bool first;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      first = ready_.empty();
      for (int i = 0; i < count; i++) {
        if (events[static_cast<size_t>(i)].data.u64 == 0) return;
        ready_.push_back(events[static_cast<size_t>(i)]);
      }
    }
    if (first) napi_call_threadsafe_function(wake_javascript_, nullptr, napi_tsfn_nonblocking);
  }
}

void Poller::deliver() {
  std::vector<epoll_event> ready;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    ready.swap(ready_);
  }
  for (const epoll_event& event : ready) {
    const auto found = watches_.find(event.data.u64);
    if (found == watches_.end()) continue;   // removed meanwhile
    const Ready tell = found->second.ready;  // it may remove itself
    tell(event.data.u64, event.events);
  }
}

uint64_t Poller::add(int fd, Ready ready) {
  watches_[++last_id_] = {fd, std::move(ready)};
  return last_id_;
}

bool Poller::arm(uint64_t id, uint32_t events) {
  const auto found = watches_.find(id);
  if (found == watches_.end() || wake_javascript_ == nullptr) return false;
  epoll_event event{};
  event.events = events | EPOLLONESHOT;
  event.data.u64 = id;
  const int how = std::exchange(found->second.armed_before, true) ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
  return epoll_ctl(epoll_.get(), how, found->second.fd, &event) == 0;
}

void Poller::remove(uint64_t id) {
  const auto found = watches_.find(id);
  if (found == watches_.end()) return;
  unref(id);
  (void)epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, found->second.fd, nullptr);
  watches_.erase(found);
}

void Poller::ref(uint64_t id) {
  const auto found = watches_.find(id);
  if (found == watches_.end() || std::exchange(found->second.referenced, true)) return;
  if (referenced_++ == 0) napi_ref_threadsafe_function(env_, wake_javascript_);
}

void Poller::unref(uint64_t id) {
  const auto found = watches_.find(id);
  if (found == watches_.end() || !std::exchange(found->second.referenced, false)) return;
  if (--referenced_ == 0) napi_unref_threadsafe_function(env_, wake_javascript_);
}

}  // namespace slipway::binding
