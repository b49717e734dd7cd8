// A few system calls that belong together, for a process that may be killed between any two.
#pragma once

#include <stddef.h>

namespace slipway::sys {

// Where such calls run: memory for one thread, which makes one sequence at a time.
class Unbroken {
 public:
  Unbroken() noexcept;
  Unbroken(const Unbroken&) = delete;
  Unbroken& operator=(const Unbroken&) = delete;
  ~Unbroken();

  // Runs `body` and returns when it has ended. A second process does, which shares memory and
  // descriptors with this one, while the calling thread sleeps: whoever kills this one does not
  // kill that one, and it goes on to the end. By then other threads may have died with any lock in
  // their hands, so `body` makes system calls and nothing else: it neither allocates nor locks.
  // The calling thread has all signals blocked (sys/worker.h), since the second process has the
  // handlers of this one. Where no process is to be had the thread itself runs it.
  template <typename Body>
  void run(Body& body) noexcept {
    run_apart([](void* data) { (*static_cast<Body*>(data))(); }, &body);
  }

 private:
  void run_apart(void (*main)(void*), void* data) noexcept;

  void* stack_;
};

}  // namespace slipway::sys
