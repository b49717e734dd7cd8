// The worker thread: all signals blocked, so that the host's handlers never run on it.
#include "sys/worker.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <utility>

namespace slipway::sys {

std::thread quiet_thread(std::function<void()> body) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread thread(std::move(body));
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread;
}

void Worker::post(std::function<void()> task) {
  std::unique_lock<std::mutex> lock(mutex_);
  if (stopping_) return;
  tasks_.push_back(std::move(task));
  if (!thread_.joinable()) thread_ = quiet_thread([this] { loop(); });
  lock.unlock();
  wake_.notify_one();
}

void Worker::stop() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
    wake_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

void Worker::loop() {
  // 0: this thread alone. It is never raised again, so no right is needed.
  if (nice_ > 0) (void)setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + nice_);
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || !tasks_.empty(); });
    if (tasks_.empty()) return;
    std::function<void()> task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    task();
    lock.lock();
  }
}

struct Workers::Shared {
  std::mutex mutex;
  std::condition_variable wake;   // a task, or the end
  std::condition_variable quiet;  // a thread has ended
  std::deque<std::function<void()>> tasks;
  size_t threads = 0, idle = 0;
  bool stopping = false;
  bool abandoned = false;
};

void Workers::post(std::function<void()> task) {
  if (!shared_) shared_ = std::make_shared<Shared>();
  const std::lock_guard<std::mutex> lock(shared_->mutex);
  if (shared_->stopping) return;
  shared_->tasks.push_back(std::move(task));
  if (shared_->idle >= shared_->tasks.size()) return shared_->wake.notify_one();
  shared_->threads++;
  quiet_thread([shared = shared_] { loop(shared); }).detach();
}

void Workers::stop() {
  if (!shared_) return;
  std::unique_lock<std::mutex> lock(shared_->mutex);
  shared_->stopping = true;
  shared_->wake.notify_all();
  shared_->abandoned = !shared_->quiet.wait_for(lock, std::chrono::seconds(1),
                                                [this] { return shared_->threads == 0; });
}

void Workers::loop(const std::shared_ptr<Shared>& shared) {
  std::unique_lock<std::mutex> lock(shared->mutex);
  for (;;) {
    shared->idle++;
    shared->wake.wait(lock, [&] { return shared->stopping || !shared->tasks.empty(); });
    shared->idle--;
    if (shared->tasks.empty()) break;
    std::function<void()> task = std::move(shared->tasks.front());
    shared->tasks.pop_front();
    lock.unlock();
    task();
    lock.lock();
    // What the task holds belongs to a JavaScript environment that is gone.
    while (shared->abandoned) {
      lock.unlock();
      pause();
      lock.lock();
    }
  }
  shared->threads--;
  shared->quiet.notify_all();
}

}  // namespace slipway::sys
