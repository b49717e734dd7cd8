// An eventfd costs 2–3 µs per answer where a thread-safe function costs 42–50 (docs/native.md).
#include "binding/completions.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <utility>

namespace slipway::binding {

namespace {

// False once the environment is being taken down. Node turns its loop a few more times then, and
// makes no Buffer any more: what was to be told stays for the cleanup hook.
bool can_run_javascript(napi_env env) {
  napi_value global, object;
  return napi_get_global(env, &global) == napi_ok &&
         napi_coerce_to_object(env, global, &object) == napi_ok;
}

}  // namespace

void enter_javascript(napi_env env, const std::function<void()>& body) {
  const Napi::HandleScope scope{Napi::Env(env)};
  if (can_run_javascript(env)) body();
}

void call_javascript(napi_env env, const Napi::FunctionReference& function,
                     const std::vector<napi_value>& args) {
  if (function.IsEmpty()) return;
  const Napi::HandleScope scope{Napi::Env(env)};
  napi_value receiver, result;
  napi_get_undefined(env, &receiver);
  const napi_status status =
      napi_call_function(env, receiver, function.Value(), args.size(), args.data(), &result);
  if (status != napi_pending_exception) return;
  napi_value error;
  if (napi_get_and_clear_last_exception(env, &error) == napi_ok) napi_fatal_exception(env, error);
}

void Completions::close_watch() {
  watch_.stop();
  const std::lock_guard<std::mutex> lock(mutex_);
  event_.reset();
}

bool Completions::open(napi_env env) {
  if (event_) return true;
  env_ = env;
  auto event = std::make_shared<sys::UniqueFd>(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (event->get() < 0 || !watch_.start(env, event->get(), [this] { drain(); })) return false;
  event_ = std::move(event);
  watch_.unref();
  return true;
}

void Completions::expect() {
  if (expected_++ == 0) watch_.ref();
}

void Completions::settle() {
  if (--expected_ == 0) watch_.unref();
}

void Completions::unexpect(const std::shared_ptr<bool>& awaited) {
  if (std::exchange(*awaited, false)) settle();
}

void Completions::post(std::function<void()> done, std::shared_ptr<bool> awaited) {
  std::shared_ptr<sys::UniqueFd> event;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    done_.push_back({std::move(done), std::move(awaited)});
    event = event_;
  }
  if (!event) return;
  // Not under the lock: the loop wakes at once, often on this very CPU, and would wait for it.
  const uint64_t one = 1;
  (void)!write(event->get(), &one, sizeof one);
}

void Completions::drain() {
  uint64_t count;
  (void)!read(event_->get(), &count, sizeof count);
  std::deque<Answer> ready;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    ready.swap(done_);
  }
  for (const Answer& answer : ready) {
    if (!answer.awaited || std::exchange(*answer.awaited, false)) settle();
    enter_javascript(env_, answer.done);
  }
}

}  // namespace slipway::binding
