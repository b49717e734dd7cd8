// The way from the root to the directory being filled, held open. Archives are depth first, so most
// entries need no look-up at all, and one new directory costs one openat2.
#pragma once
#include <stdint.h>
#include <time.h>

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "layer/entry.h"
#include "sys/unique_fd.h"

namespace slipway::layer {

struct Directory {
  std::string name;  // as in the archive; the descriptor may be that of a symbolic link's target
                     // inside the root
  sys::UniqueFd fd;
  uint64_t inode = 0;
  size_t depth = 0;     // real distance from the root
  bool setgid = false;  // new nodes inherit its group (inode(7))
  bool touched = false;
};

// An archive name, split: no empty part, no `.`, no `..`, nothing too long. Views into the entry's
// name.
struct CleanPath {
  std::vector<std::string_view> parts;
};
// nullptr, or why the name is refused.
const char* clean_path(std::string_view name, CleanPath* path);

class DirStack {
 public:
  // `plain`: directories are made without notes for overlays.
  explicit DirStack(Failure* failure, bool plain) : failure_(failure), plain_(plain) {}

  bool open(const char* root);
  // The directory that holds the path's last part; makes missing ones when `make` is set. nullptr:
  // see the failure, which has `ENOENT` and no reason when something is missing and may not be
  // made.
  Directory* parent_of(const CleanPath& path, bool make);
  // The directory itself, made or taken over by an explicit entry.
  Directory* directory(const CleanPath& path);
  [[nodiscard]] Directory* top() { return &open_.back(); }
  [[nodiscard]] Directory* root() { return &open_.front(); }
  // The modification time a directory gets once nothing more is put into it.
  void set_time(const Directory& directory, timespec time) { times_[directory.inode] = time; }
  // A directory or link was removed: what is held open may no longer be where its name says.
  void forget() { stale_ = true; }
  // Leaves all directories. False when a time could not be set.
  bool close();

  uint64_t implicit = 0;      // directories made for no entry of their own
  bool inherits_acl = false;  // some directory has a default ACL: new nodes must be freed of it

 private:
  enum class Make { kNothing, kImplicit, kExplicit };

  bool enter(const CleanPath& path, size_t count, Make make);
  bool descend(std::string_view part, Make make);
  bool make_directory(const std::string& name, Make make, bool over_whiteout);
  bool replace(const std::string& name, Make make);
  bool follow_link(const std::string& name);
  bool push(const std::string& name, sys::UniqueFd fd, size_t depth, bool fresh);
  bool pop();
  bool refuse(const std::string& why);
  bool fail(const char* step, int error);

  Failure* failure_;
  bool plain_;
  std::vector<Directory> open_;
  std::unordered_map<uint64_t, timespec> times_;
  std::string root_path_;
  bool stale_ = false;
};

}  // namespace slipway::layer
