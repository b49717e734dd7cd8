// One thread of our own with a queue: blocking work never runs on the JavaScript thread nor in
// libuv's pool.
#pragma once
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

namespace slipway::sys {

// A new thread that takes no signal: the host's handlers never run on it.
std::thread quiet_thread(std::function<void()> body);

class Worker {
 public:
  // `nice`: of the thread, and of the processes it makes.
  explicit Worker(int nice = 0) : nice_(nice) {}
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  ~Worker() { stop(); }

  // Starts the thread with the first task.
  void post(std::function<void()> task);
  // Runs what is queued, then joins.
  void stop();

 private:
  void loop();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> tasks_;
  std::thread thread_;
  bool stopping_ = false;
  int nice_;
};

// As many threads as there are tasks at a time: a task that never returns, as one that waits for a
// dead file system, keeps its thread and nobody else's. Idle threads are used again.
class Workers {
 public:
  Workers() = default;
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;
  ~Workers() { stop(); }

  void post(std::function<void()> task);
  // Waits a second at most. A thread still busy then never comes back from its task: what the task
  // holds is neither used nor freed any more.
  void stop();

 private:
  struct Shared;
  static void loop(const std::shared_ptr<Shared>& shared);
  std::shared_ptr<Shared> shared_;
};

}  // namespace slipway::sys
