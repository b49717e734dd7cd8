// One interface over the two ways to hear of a descriptor.
#include "binding/fd_watch.h"

#include <sys/epoll.h>

#include <atomic>
#include <utility>

namespace slipway::binding {
namespace {

std::atomic<bool> by_thread = false;

// End of file and hang-up make a descriptor readable, too.
constexpr uint32_t kReadable = EPOLLIN | EPOLLRDHUP;

}  // namespace

bool choose_watch(napi_env env, bool thread) {
  by_thread = thread;
  return thread ? Poller::of(env) != nullptr : UvWatch::available(env);
}

bool watches_by_thread() { return by_thread; }

bool FdWatch::start(napi_env env, int fd, std::function<void()> ready) {
  if (by_thread) return start_by_thread(env, fd, std::move(ready));
  return uv_.start(env, fd, std::move(ready));
}

bool FdWatch::start_by_thread(napi_env env, int fd, std::function<void()> ready) {
  std::shared_ptr<Poller> poller = Poller::of(env);
  if (!poller) return false;
  // `ready` may stop this watch: then the poller no longer knows its number.
  const auto tell = [owner = poller.get(), ready = std::move(ready)](uint64_t id, uint32_t) {
    ready();
    owner->arm(id, kReadable);
  };
  const uint64_t id = poller->add(fd, tell);
  if (!poller->arm(id, kReadable)) {
    poller->remove(id);
    return false;
  }
  poller->ref(id);
  poller_ = std::move(poller);
  id_ = id;
  return true;
}

void FdWatch::stop() {
  uv_.stop();
  if (poller_) poller_->remove(id_);
  poller_.reset();
}

void FdWatch::unref() {
  uv_.unref();
  if (poller_) poller_->unref(id_);
}

void FdWatch::ref() {
  uv_.ref();
  if (poller_) poller_->ref(id_);
}

}  // namespace slipway::binding
