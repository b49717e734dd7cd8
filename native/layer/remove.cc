// Depth first, by descriptor. Directories deeper than kDepth are moved up to the root of the tree
// first.
#include "layer/remove.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include <string>

#include "layer/node.h"

namespace slipway::layer {
namespace {

constexpr int kOpenLevels = 48;

class Remover {
 public:
  Remover(uint64_t* removed, Failure* failure) : removed_(removed), failure_(failure) {}

  bool remove(int parent, const char* name, int level) {
    if (unlinkat(parent, name, 0) == 0) return count();
    if (errno == ENOENT) return true;
    if (errno != EISDIR && errno != EPERM) return fail("remove_unlink", name);
    const int refused = errno;
    sys::UniqueFd directory = open_child_directory(parent, name);
    if (!directory) {
      if (errno == ENOENT) return true;
      if (errno == ENOTDIR || errno == ELOOP) errno = refused;  // a file that may not be removed
      return fail("remove_open", name);
    }
    if (level == 0) top_ = directory.get();
    if (!empty(directory.get(), level)) return false;
    return unlinkat(parent, name, AT_REMOVEDIR) == 0
               ? count()
               : errno == ENOENT || fail("remove_rmdir", name);
  }

 private:
  bool count() {
    ++*removed_;
    return true;
  }

  bool fail(const char* step, const char* name) {
    *failure_ = Failure{name, "", step, errno};
    return false;
  }

  // Reads until a pass finds nothing: removing while reading may hide names from one pass
  // (readdir(3)).
  bool empty(int directory, int level) {
    const int copy = fcntl(directory, F_DUPFD_CLOEXEC, 0);
    DIR* stream = copy < 0 ? nullptr : fdopendir(copy);
    if (stream == nullptr) {
      if (copy >= 0) close(copy);
      return fail("remove_read", ".");
    }
    bool found = true, ok = true;
    while (ok && found) {
      found = false;
      rewinddir(stream);
      for (dirent* entry = readdir(stream); ok && entry != nullptr; entry = readdir(stream)) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        found = true;
        ok = take(directory, entry->d_name, level);
      }
    }
    closedir(stream);
    return ok;
  }

  bool take(int directory, const char* name, int level) {
    if (level + 1 < kOpenLevels) return remove(directory, name, level + 1);
    // Too deep to hold a descriptor per level: it becomes a child of the tree's root, which is read
    // again until empty.
    if (unlinkat(directory, name, 0) == 0) return count();
    if (errno == ENOENT) return true;
    const std::string moved = ".slipway-deep-" + std::to_string(moved_++);
    return renameat(directory, name, top_, moved.c_str()) == 0 || fail("remove_move", name);
  }

  uint64_t* removed_;
  Failure* failure_;
  int top_ = -1;
  uint64_t moved_ = 0;
};

}  // namespace

bool remove_tree(int parent, const char* name, uint64_t* removed, Failure* failure) {
  return Remover(removed, failure).remove(parent, name, 0);
}

bool remove_path(const std::string& path, uint64_t* removed, Failure* failure) {
  const size_t slash = path.rfind('/');
  const std::string folder = slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
  const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  const bool usable = slash != std::string::npos && !name.empty() && name != "." && name != "..";
  errno = EINVAL;
  const sys::UniqueFd parent(usable ? open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC) : -1);
  if (parent) return remove_tree(parent.get(), name.c_str(), removed, failure);
  if (errno == ENOENT) return true;
  *failure = Failure{path, "", "remove_open", errno};
  return false;
}

}  // namespace slipway::layer
