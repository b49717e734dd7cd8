// One command, timed from outside: from before its vfork to after its waitpid.
#pragma once
#include <stdint.h>

#include <string>
#include <vector>

namespace slipway::launch {

struct Command {
  // What to run. `argv[0]` is a path: nothing is searched for.
  std::vector<std::string> argv, env;
  // Borrowed: standard input, output and error; and a mount namespace to enter first, or -1.
  int fds[3] = {-1, -1, -1};
  int mount_namespace = -1;
  // Then the command and its process group are killed.
  int timeout_ms = 0;

  // What became of it. `error`: why nothing was started, a positive errno.
  int error = 0;
  int wait_status = 0;
  bool timed_out = false;
  int64_t elapsed_ns = 0;

  // Blocks until the command has ended.
  void run();
};

}  // namespace slipway::launch
