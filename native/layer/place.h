// Where a copy begins or ends: a path in a root that hostile programs may be changing meanwhile.
#pragma once
#include <string>

#include "layer/entry.h"
#include "layer/node.h"
#include "layer/tree.h"
#include "sys/unique_fd.h"

namespace slipway::layer {

struct Place {
  int root = -1;     // a directory, borrowed; -1: the host's, by an absolute path
  std::string path;  // as a process with that root would name it
};

// The node itself, or with `follow` what a symbolic link there leads to. The kernel resolves it in
// one call, which cannot leave the root (openat2(2), RESOLVE_IN_ROOT), and wakes up nothing:
// O_PATH. False with errno set.
bool open_place(const Place& place, bool follow, Node* node);

// A directory right below `parent`, on whatever mount: never through a link. -1 with errno set.
sys::UniqueFd open_beneath(int parent, const char* name);

// Whether it is on a file system of the kernel's own making, as proc and sysfs: what is there are
// no files to copy, and reading some of them waits, or does something.
bool is_made_by_kernel(int fd);

}  // namespace slipway::layer
