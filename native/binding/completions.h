// Carries finished work from threads of our own to the JavaScript thread: a queue, and an eventfd
// the loop watches.
#pragma once
#include <napi.h>

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "binding/fd_watch.h"
#include "sys/unique_fd.h"

namespace slipway::binding {

// What is thrown where open() has failed.
inline constexpr char kNoLoop[] = "this JavaScript host has no event loop this addon can use";

class Completions {
 public:
  Completions() = default;
  Completions(const Completions&) = delete;
  Completions& operator=(const Completions&) = delete;

  bool open(napi_env env);
  // The environment is going away: nothing is delivered any more.
  void close_watch();
  // JavaScript thread: one more answer is awaited, so the loop stays alive until it came.
  void expect();
  // Any thread: `done` runs later on the JavaScript thread, inside a handle scope. `awaited`: false
  // once unexpect() has been called for this answer; none when it cannot be.
  void post(std::function<void()> done, std::shared_ptr<bool> awaited = nullptr);
  // JavaScript thread: the loop need not stay alive for this answer any more.
  void unexpect(const std::shared_ptr<bool>& awaited);

 private:
  void drain();

  napi_env env_ = nullptr;
  // An eventfd. A thread that posts shares it for that long, since the environment may end
  // meanwhile.
  std::shared_ptr<sys::UniqueFd> event_;
  FdWatch watch_;
  std::mutex mutex_;
  struct Answer {
    std::function<void()> done;
    std::shared_ptr<bool> awaited;
  };
  void settle();
  std::deque<Answer> done_;
  size_t expected_ = 0;
};

// Calls `function`. In an environment that is going away nothing is called and nothing fails.
void call_javascript(napi_env env, const Napi::FunctionReference& function,
                     const std::vector<napi_value>& args);

// Runs `body` where JavaScript may be called from: a handle scope, microtasks after it, an
// exception made fatal.
void enter_javascript(napi_env env, const std::function<void()>& body);

}  // namespace slipway::binding
