// Nodes of trees that hostile programs may be changing: opened without being followed or woken up.
#pragma once
#include <sys/stat.h>

#include <map>
#include <string>
#include <vector>

#include "layer/entry.h"
#include "sys/unique_fd.h"

namespace slipway::layer {

// A node held by an O_PATH descriptor: what its name leads to from now on is of no interest, and a
// device or pipe is not opened by it.
struct Node {
  sys::UniqueFd fd;
  struct stat status{};

  [[nodiscard]] bool is_directory() const { return S_ISDIR(status.st_mode); }
  [[nodiscard]] bool is_file() const { return S_ISREG(status.st_mode); }
  [[nodiscard]] bool is_link() const { return S_ISLNK(status.st_mode); }
};

[[nodiscard]] inline bool same_owner_and_mode(const Node& a, const Node& b) {
  return a.status.st_mode == b.status.st_mode && a.status.st_uid == b.status.st_uid &&
         a.status.st_gid == b.status.st_gid;
}

// All of these: false, with errno set, on failure.
bool open_node(int parent, const char* name, Node* node);
// A file or directory for reading, through its node: the very same one.
sys::UniqueFd reopen(const Node& node, int flags);
bool read_target(const Node& node, std::string* target);
// In the order of their names, without those of overlay and of security modules (but capabilities).
bool read_xattrs(const Node& node, std::vector<Xattr>* xattrs);
// Empty when there is none; `present` tells that from one without a value.
bool read_xattr(const Node& node, const char* name, std::string* value, bool* present = nullptr);
// Names of a directory, without `.` and `..`, in the order of their bytes.
bool read_names(int directory, std::vector<std::string>* names);

}  // namespace slipway::layer
