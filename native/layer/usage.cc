// Depth first, with one directory open at a time: the way up is `..`, which must be where the walk
// came from.
#include "layer/usage.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <set>
#include <utility>

#include "layer/node.h"
#include "layer/tree.h"

namespace slipway::layer {
namespace {

class Usage {
 public:
  explicit Usage(Failure* failure) : failure_(failure) {}

  bool count(const std::string& path, uint64_t* size) {
    struct stat status;
    *size = 0;
    if (lstat(path.c_str(), &status) != 0) return errno == ENOENT || fail(path);
    *size += blocks(status);
    if (!S_ISDIR(status.st_mode)) return true;
    sys::UniqueFd fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd) return errno == ENOENT || fail(path);
    return walk(path, std::move(fd), size);
  }

 private:
  struct Level {
    dev_t device;
    ino_t inode;
    std::vector<std::string> left;  // directories still to be entered
  };

  bool fail(const std::string& path) {
    *failure_ = Failure{path, "", "usage_walk", errno};
    return false;
  }

  uint64_t blocks(const struct stat& status) {
    if (!S_ISDIR(status.st_mode) && status.st_nlink > 1 &&
        !seen_.emplace(status.st_dev, status.st_ino).second)
      return 0;
    return static_cast<uint64_t>(status.st_blocks) * 512;
  }

  bool walk(const std::string& path, sys::UniqueFd here, uint64_t* size) {
    std::vector<Level> levels;
    if (!enter(path, here.get(), &levels, size)) return false;
    while (!levels.empty()) {
      Level& level = levels.back();
      if (level.left.empty()) {
        levels.pop_back();
        if (levels.empty()) return true;
        sys::UniqueFd up(openat(here.get(), "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        struct stat status;
        if (!up || fstat(up.get(), &status) != 0) return fail(path);
        // Moved elsewhere by a container while it was counted.
        errno = ESTALE;
        if (status.st_dev != levels.back().device || status.st_ino != levels.back().inode)
          return fail(path);
        here = std::move(up);
        continue;
      }
      const std::string name = std::move(level.left.back());
      level.left.pop_back();
      sys::UniqueFd child = open_child_directory(here.get(), name.c_str());
      if (!child) continue;  // it is gone, or no directory any more
      if (!enter(path, child.get(), &levels, size)) return false;
      here = std::move(child);
    }
    return true;
  }

  bool enter(const std::string& path, int fd, std::vector<Level>* levels, uint64_t* size) {
    struct stat own;
    std::vector<std::string> names;
    if (fstat(fd, &own) != 0 || !read_names(fd, &names)) return fail(path);
    Level level{own.st_dev, own.st_ino, {}};
    for (std::string& name : names) {
      struct stat status;
      if (fstatat(fd, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno == ENOENT) continue;
        return fail(path);
      }
      *size += blocks(status);
      if (S_ISDIR(status.st_mode)) level.left.push_back(std::move(name));
    }
    levels->push_back(std::move(level));
    return true;
  }

  Failure* failure_;
  std::set<std::pair<dev_t, ino_t>> seen_;
};

}  // namespace

bool disk_usage(const std::vector<std::string>& paths, std::vector<uint64_t>* sizes,
                Failure* failure) {
  Usage usage(failure);
  for (const std::string& path : paths) {
    uint64_t size = 0;
    if (!usage.count(path, &size)) return false;
    sizes->push_back(size);
  }
  return true;
}

}  // namespace slipway::layer
