// Depth first, with the root and one directory open at a time: the way up is `..`, where that is
// where the walk came from.
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
    const sys::UniqueFd fd = open_directory(path);
    if (!fd) return errno == ENOENT || fail(path);
    return walk(path, fd, size);
  }

 private:
  struct Level {
    std::string name;
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

  bool walk(const std::string& path, const sys::UniqueFd& root, uint64_t* size) {
    std::vector<Level> levels;
    sys::UniqueFd here(fcntl(root.get(), F_DUPFD_CLOEXEC, 0));
    if (!here) return fail(path);
    if (!enter(path, "", here.get(), &levels, size)) return false;
    for (;;) {
      Level& level = levels.back();
      if (level.left.empty()) {
        levels.pop_back();
        if (levels.empty()) return true;
        sys::UniqueFd up(openat(here.get(), "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (!up || !is_at(up.get(), levels.back())) up = descend(root.get(), &levels);
        if (!up) return fail(path);
        here = std::move(up);
        continue;
      }
      const std::string name = std::move(level.left.back());
      level.left.pop_back();
      sys::UniqueFd child = open_child_directory(here.get(), name.c_str());
      if (!child) continue;  // it is gone, or no directory any more
      if (!enter(path, name, child.get(), &levels, size)) return false;
      here = std::move(child);
    }
  }

  static bool is_at(int fd, const Level& level) {
    struct stat status;
    return fstat(fd, &status) == 0 && status.st_dev == level.device && status.st_ino == level.inode;
  }

  // What was being counted has moved: a container's directory, or a layer that got its name. From
  // the root down to the deepest level that is still where it was; what is below has gone
  // elsewhere.
  static sys::UniqueFd descend(int root, std::vector<Level>* levels) {
    sys::UniqueFd here(fcntl(root, F_DUPFD_CLOEXEC, 0));
    for (size_t depth = 1; here && depth < levels->size(); depth++) {
      sys::UniqueFd child = open_child_directory(here.get(), (*levels)[depth].name.c_str());
      if (!child || !is_at(child.get(), (*levels)[depth])) {
        levels->resize(depth);
        break;
      }
      here = std::move(child);
    }
    return here;
  }

  bool enter(const std::string& path, const std::string& own_name, int fd,
             std::vector<Level>* levels, uint64_t* size) {
    struct stat own;
    std::vector<std::string> names;
    if (fstat(fd, &own) != 0 || !read_names(fd, &names)) return fail(path);
    Level level{own_name, own.st_dev, own.st_ino, {}};
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
