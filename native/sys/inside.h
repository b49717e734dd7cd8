// Work in a user namespace, for a thread of a process that is in another one.
#pragma once

#include <functional>

namespace slipway::sys {

// Runs `body` as root of the user namespace, and returns when it has ended: 0 or an errno, with
// which nothing was run. A threaded process may not enter a user namespace (setns(2)), so a second
// process does, which shares memory and descriptors with this one and runs in place of the calling
// thread: with its thread-local storage, and while it sleeps. So `body` may do whatever the thread
// may: allocate, lock, post. It must have all signals blocked (sys/worker.h), since the second
// process has the handlers of this one.
//
// ECHILD: the process was killed before `body` came to its end.
int run_inside(int user_namespace, const std::function<void()>& body);

// Whether the calling thread is within `run_inside`.
bool is_inside_user_namespace() noexcept;

}  // namespace slipway::sys
