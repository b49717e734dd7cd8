// Two trees of images beside each other. Layers they share are the same nodes, which are not read.
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>

#include "layer/archive.h"
#include "layer/node.h"
#include "layer/tree.h"

namespace slipway::layer {
namespace {

constexpr size_t kReadBytes = 64 << 10;

class Comparison {
 public:
  Comparison(std::vector<Change>* changes, Failure* failure)
      : changes_(changes), failure_(failure) {}

  bool run(const std::string& before, const std::string& after) {
    Node a, b;
    if (!open_node(AT_FDCWD, before.c_str(), &a)) return fail("archive_open", before);
    if (!open_node(AT_FDCWD, after.c_str(), &b)) return fail("archive_open", after);
    return both("", a, b);
  }

 private:
  bool fail(const char* step, const std::string& path) {
    *failure_ = Failure{path, "", step, errno};
    return false;
  }

  bool both(const std::string& path, const Node& a, const Node& b) {
    const size_t place = changes_->size();
    bool same = true;
    if (!(a.is_directory() && b.is_directory())) {
      if (!equal(path, a, b, &same)) return false;
      if (same) return true;
      changes_->push_back({'C', path});
      return !b.is_directory() || below(path, b);
    }
    if (!same_metadata(path, a, b, &same) || !children(path, a, b)) return false;
    // A directory counts as changed with whatever is in it, as Docker has it; the root is not told
    // then.
    if (same && (changes_->size() == place || path.empty())) return true;
    changes_->insert(changes_->begin() + static_cast<std::ptrdiff_t>(place), {'C', path});
    return true;
  }

  bool children(const std::string& path, const Node& a, const Node& b) {
    std::vector<std::string> before, after, all;
    const sys::UniqueFd from = reopen(a, O_RDONLY | O_DIRECTORY),
                        to = reopen(b, O_RDONLY | O_DIRECTORY);
    if (!from || !to) return fail("archive_open", path);
    if (!read_names(from.get(), &before) || !read_names(to.get(), &after))
      return fail("archive_read", path);
    std::set_union(before.begin(), before.end(), after.begin(), after.end(),
                   std::back_inserter(all));
    for (const std::string& name : all) {
      const std::string child = path.empty() ? name : path + "/" + name;
      Node old, now;
      const bool was = std::binary_search(before.begin(), before.end(), name);
      const bool is = std::binary_search(after.begin(), after.end(), name);
      if (was && !open_node(from.get(), name.c_str(), &old)) return fail("archive_stat", child);
      if (is && !open_node(to.get(), name.c_str(), &now)) return fail("archive_stat", child);
      if (!is) {
        changes_->push_back({'D', child});
      } else if (!was) {
        changes_->push_back({'A', child});
        if (now.is_directory() && !below(child, now)) return false;
      } else if (!both(child, old, now)) {
        return false;
      }
    }
    return true;
  }

  // Everything in a new directory is new.
  bool below(const std::string& path, const Node& directory) {
    std::vector<std::string> names;
    const sys::UniqueFd fd = reopen(directory, O_RDONLY | O_DIRECTORY);
    if (!fd) return fail("archive_open", path);
    if (!read_names(fd.get(), &names)) return fail("archive_read", path);
    for (const std::string& name : names) {
      Node node;
      const std::string child = path + "/" + name;
      if (!open_node(fd.get(), name.c_str(), &node)) return fail("archive_stat", child);
      changes_->push_back({'A', child});
      if (node.is_directory() && !below(child, node)) return false;
    }
    return true;
  }

  bool equal(const std::string& path, const Node& a, const Node& b, bool* same) {
    const struct stat &x = a.status, &y = b.status;
    if (x.st_dev == y.st_dev && x.st_ino == y.st_ino) return true;
    // Both were made by the applier, which gives neither a time.
    if (is_whiteout(x) && is_whiteout(y)) return true;
    std::string before, after;
    if (!read_xattr(a, attributes().pending_link, &before) ||
        !read_xattr(b, attributes().pending_link, &after))
      return fail("archive_xattr", path);
    if (!before.empty() && before == after) return true;
    *same = (x.st_mode & S_IFMT) == (y.st_mode & S_IFMT) && x.st_rdev == y.st_rdev &&
            x.st_size == y.st_size && x.st_mtim.tv_sec == y.st_mtim.tv_sec &&
            x.st_mtim.tv_nsec == y.st_mtim.tv_nsec;
    if (!*same) return true;
    if (!same_metadata(path, a, b, same)) return false;
    if (!*same) return true;
    if (a.is_link()) return same_target(path, a, b, same);
    return !a.is_file() || same_content(path, a, b, same);
  }

  bool same_metadata(const std::string& path, const Node& a, const Node& b, bool* same) {
    std::vector<Xattr> before, after;
    if (!read_xattrs(a, &before) || !read_xattrs(b, &after)) return fail("archive_xattr", path);
    *same = same_owner_and_mode(a, b) && before == after;
    return true;
  }

  bool same_target(const std::string& path, const Node& a, const Node& b, bool* same) {
    std::string before, after;
    if (!read_target(a, &before) || !read_target(b, &after)) return fail("archive_readlink", path);
    *same = before == after;
    return true;
  }

  bool same_content(const std::string& path, const Node& a, const Node& b, bool* same) {
    const sys::UniqueFd from = reopen(a, O_RDONLY), to = reopen(b, O_RDONLY);
    if (!from || !to) return fail("archive_open", path);
    std::vector<char> before(kReadBytes), after(kReadBytes);
    for (off_t at = 0;;) {
      const ssize_t x = pread(from.get(), before.data(), before.size(), at);
      const ssize_t y = pread(to.get(), after.data(), after.size(), at);
      if (x < 0 || y < 0) return fail("archive_read", path);
      *same = x == y && memcmp(before.data(), after.data(), static_cast<size_t>(x)) == 0;
      if (!*same || x == 0) return true;
      at += x;
    }
  }

  std::vector<Change>* changes_;
  Failure* failure_;
};

}  // namespace

bool compare(const std::string& before, const std::string& after, std::vector<Change>* changes,
             Failure* failure) {
  return Comparison(changes, failure).run(before, after);
}

}  // namespace slipway::layer
