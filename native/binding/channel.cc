// A non-blocking descriptor for JavaScript: read, write, and a call when either can go on. For
// hosts whose own streams take no descriptor from outside.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <memory>
#include <utility>

#include "binding/completions.h"
#include "binding/exports.h"
#include "binding/poller.h"
#include "binding/values.h"

namespace slipway::binding {
namespace {

// write(2) into a pipe nobody reads gives EPIPE, and no signal, whatever the host does with
// SIGPIPE.
ssize_t write_quietly(int fd, const uint8_t* bytes, size_t size) {
  sigset_t pipe, before, pending;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  sigpending(&pending);
  pthread_sigmask(SIG_BLOCK, &pipe, &before);
  const ssize_t put = write(fd, bytes, size);
  const int error = errno;
  const timespec at_once{};
  if (put < 0 && error == EPIPE && sigismember(&pending, SIGPIPE) == 0)
    (void)sigtimedwait(&pipe, nullptr, &at_once);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = error;
  return put;
}

Napi::Value count_or_errno(Napi::Env env, ssize_t count) {
  return Napi::Number::New(env, static_cast<double>(count < 0 ? -errno : count));
}

// new Channel(fd, ready): borrows the descriptor until close(), and makes it non-blocking: a
// terminal is handed over as it is, and one that nobody reads must not stop the event loop.
class Channel : public Napi::ObjectWrap<Channel> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(
        env, "Channel",
        {InstanceMethod("read", &Channel::read), InstanceMethod("write", &Channel::write),
         InstanceMethod("wait", &Channel::wait), InstanceMethod("close", &Channel::close)});
  }

  explicit Channel(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Channel>(info) {
    fd_ = info[0].As<Napi::Number>().Int32Value();
    (void)fcntl(fd_, F_SETFL, fcntl(fd_, F_GETFL) | O_NONBLOCK);
    poller_ = Poller::of(info.Env());
    if (!poller_) {
      Napi::Error::New(info.Env(), kNoLoop).ThrowAsJavaScriptException();
      return;
    }
    ready_ = Napi::Persistent(info[1].As<Napi::Function>());
    id_ = poller_->add(fd_, [this](uint64_t, uint32_t events) { woken(events); });
  }

  ~Channel() override { forget(); }

 private:
  // read(buffer): how many bytes came, 0 at the end of file, or a negative errno.
  Napi::Value read(const Napi::CallbackInfo& info) {
    auto into = info[0].As<Napi::Uint8Array>();
    return count_or_errno(info.Env(), ::read(fd_, into.Data(), into.ByteLength()));
  }

  // write(bytes): how many bytes went, or a negative errno.
  Napi::Value write(const Napi::CallbackInfo& info) {
    const auto bytes = info[0].As<Napi::Uint8Array>();
    return count_or_errno(info.Env(), write_quietly(fd_, bytes.Data(), bytes.ByteLength()));
  }

  // wait(events): ready(readable, writable) is called once, when what is waited for can go on.
  // Keeps the event loop alive until then. Returns 0 or a positive errno.
  Napi::Value wait(const Napi::CallbackInfo& info) {
    wanted_ |= is_true(info[0]) ? EPOLLOUT : EPOLLIN;
    if (!poller_) return Napi::Number::New(info.Env(), EBADF);
    if (!poller_->arm(id_, wanted_)) return Napi::Number::New(info.Env(), errno);
    if (!std::exchange(waiting_, true)) {
      this->Ref();
      poller_->ref(id_);
    }
    return Napi::Number::New(info.Env(), 0);
  }

  void close(const Napi::CallbackInfo&) {
    rest();
    forget();
    fd_ = -1;
  }

  // A hang-up or an error is for both directions: the next call tells which it is.
  void woken(uint32_t events) {
    const uint32_t wanted = std::exchange(wanted_, 0);
    const bool broken = (events & (EPOLLHUP | EPOLLERR)) != 0;
    const bool readable = (wanted & EPOLLIN) != 0 && (broken || (events & EPOLLIN) != 0);
    const bool writable = (wanted & EPOLLOUT) != 0 && (broken || (events & EPOLLOUT) != 0);
    // The other direction goes on waiting.
    wanted_ = wanted & ~((readable ? EPOLLIN : 0U) | (writable ? EPOLLOUT : 0U));
    const Napi::Env env = Env();
    const Napi::HandleScope scope(env);
    const Napi::Value keep = this->Value();  // alive until the end of this call
    if (wanted_ != 0) {
      poller_->arm(id_, wanted_);
    } else {
      rest();
    }
    enter_javascript(env, [&] {
      call_javascript(env, ready_,
                      {Napi::Boolean::New(env, readable), Napi::Boolean::New(env, writable)});
    });
    (void)keep;
  }

  // Nothing is waited for any more.
  void rest() {
    if (!std::exchange(waiting_, false)) return;
    poller_->unref(id_);
    this->Unref();
  }

  void forget() {
    if (poller_) poller_->remove(id_);
    poller_.reset();
  }

  int fd_ = -1;
  uint64_t id_ = 0;
  uint32_t wanted_ = 0;
  bool waiting_ = false;
  std::shared_ptr<Poller> poller_;
  Napi::FunctionReference ready_;
};

// writeFd(fd, bytes): how many bytes went, or a negative errno.
Napi::Value write_fd(const Napi::CallbackInfo& info) {
  const auto bytes = info[1].As<Napi::Uint8Array>();
  const int fd = info[0].As<Napi::Number>().Int32Value();
  return count_or_errno(info.Env(), write_quietly(fd, bytes.Data(), bytes.ByteLength()));
}

}  // namespace

void register_channel(Napi::Env env, Napi::Object exports) {
  exports.Set("Channel", Channel::define(env));
  exports.Set("writeFd", Napi::Function::New(env, write_fd));
}

}  // namespace slipway::binding
