// How a name in an archive becomes a directory descriptor that cannot lie outside the root.
#include "layer/dir_stack.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <algorithm>
#include <utility>

#include "layer/node.h"
#include "layer/remove.h"

namespace slipway::layer {
namespace {

// The kernel's name of an open directory, empty when it has none that fits.
std::string path_of(int fd) {
  char link[32], path[PATH_MAX];
  (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t size = readlink(link, path, sizeof path);
  if (size <= 0 || size == static_cast<ssize_t>(sizeof path)) return {};
  return {path, static_cast<size_t>(size)};
}

size_t slashes(std::string_view path) {
  return static_cast<size_t>(std::count(path.begin(), path.end(), '/'));
}

}  // namespace

const char* clean_path(std::string_view name, CleanPath* path) {
  path->parts.clear();
  if (name.empty()) return "the name is empty";
  if (name.size() >= Limits::kPathBytes) return "the name is too long";
  while (!name.empty()) {
    const size_t slash = std::min(name.find('/'), name.size());
    const std::string_view part = name.substr(0, slash);
    name.remove_prefix(std::min(slash + 1, name.size()));
    if (part.empty() || part == ".") continue;
    if (part == "..") return "the name leads out of the layer by '..'";
    if (part.size() > Limits::kNameBytes) return "a part of the name is too long";
    path->parts.push_back(part);
  }
  return path->parts.size() > Limits::kDepth ? "the name is nested too deeply" : nullptr;
}

bool DirStack::refuse(const std::string& why) {
  failure_->why = why;
  return false;
}

bool DirStack::fail(const char* step, int error) {
  failure_->step = step;
  failure_->error = error;
  return false;
}

bool DirStack::open(const char* root) {
  sys::UniqueFd fd = open_directory(root);
  if (!fd) return fail("layer_open_root", errno);
  drop_inherited_acl(fd.get());
  root_path_ = path_of(fd.get());
  if (!plain_ && fsetxattr(fd.get(), attributes().implicit, "y", 1, 0) != 0)
    return fail("layer_mark_root", errno);
  return push("", std::move(fd), 0, true);
}

bool DirStack::push(const std::string& name, sys::UniqueFd fd, size_t depth, bool fresh) {
  struct stat status;
  if (fstat(fd.get(), &status) != 0) return fail("layer_stat", errno);
  if (fresh) times_[status.st_ino] = timespec{};  // until an entry gives it one: always the same
  open_.push_back(
      Directory{name, std::move(fd), status.st_ino, depth, (status.st_mode & S_ISGID) != 0, fresh});
  return true;
}

bool DirStack::pop() {
  const Directory& directory = open_.back();
  const auto time = times_.find(directory.inode);
  if (directory.touched && time != times_.end()) {
    const timespec times[2] = {time->second, time->second};
    if (futimens(directory.fd.get(), times) != 0) return fail("layer_directory_time", errno);
  }
  open_.pop_back();
  return true;
}

bool DirStack::close() {
  while (!open_.empty()) {
    if (!pop()) return false;
  }
  return true;
}

Directory* DirStack::parent_of(const CleanPath& path, bool make) {
  const size_t count = path.parts.empty() ? 0 : path.parts.size() - 1;
  return enter(path, count, make ? Make::kImplicit : Make::kNothing) ? top() : nullptr;
}

Directory* DirStack::directory(const CleanPath& path) {
  return enter(path, path.parts.size(), Make::kExplicit) ? top() : nullptr;
}

// Only the last part of an explicit entry's path is explicit.
bool DirStack::enter(const CleanPath& path, size_t count, Make make) {
  const size_t floor = stale_ ? 1 : count + 1;
  stale_ = false;
  size_t common = 1;
  const size_t most = std::min(floor, open_.size());
  while (common < most && open_[common].name == path.parts[common - 1]) common++;
  // An explicit entry goes through descend() even when its directory is open, so that it takes it
  // over.
  if (make == Make::kExplicit && common == count + 1 && count > 0) common--;
  while (open_.size() > common) {
    if (!pop()) return false;
  }
  for (size_t i = common - 1; i < count; i++) {
    const bool last = i + 1 == count;
    if (!descend(path.parts[i], make == Make::kExplicit && !last ? Make::kImplicit : make))
      return false;
  }
  return true;
}

bool DirStack::descend(std::string_view part, Make make) {
  const std::string name(part);
  if (make == Make::kExplicit) {  // most are new
    if (mkdirat(top()->fd.get(), name.c_str(), 0755) == 0) return make_directory(name, make, false);
    if (errno != EEXIST) return fail("layer_mkdir", errno);
  }
  sys::UniqueFd fd = open_child_directory(top()->fd.get(), name.c_str());
  if (fd) {
    if (make == Make::kExplicit) (void)fremovexattr(fd.get(), attributes().implicit);
    return push(name, std::move(fd), top()->depth + 1, false);
  }
  if (errno == ENOENT) {
    if (make == Make::kNothing) return fail("layer_lookup", ENOENT);
    if (mkdirat(top()->fd.get(), name.c_str(), 0755) != 0) return fail("layer_mkdir", errno);
    return make_directory(name, make, false);
  }
  return errno == ELOOP || errno == ENOTDIR ? replace(name, make)
                                            : fail("layer_open_directory", errno);
}

// Something that is no directory stands where one is needed.
bool DirStack::replace(const std::string& name, Make make) {
  struct stat status;
  if (fstatat(top()->fd.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0)
    return fail("layer_stat", errno);
  if (make != Make::kExplicit && S_ISLNK(status.st_mode)) return follow_link(name);
  const bool whiteout = !plain_ && is_whiteout(status);
  if (make == Make::kNothing && whiteout) return fail("layer_lookup", ENOENT);
  if (make != Make::kExplicit && !whiteout) return refuse("a part of its path is no directory");
  if (unlinkat(top()->fd.get(), name.c_str(), 0) != 0) return fail("layer_replace", errno);
  forget();
  if (mkdirat(top()->fd.get(), name.c_str(), 0755) != 0) return fail("layer_mkdir", errno);
  return make_directory(name, make, whiteout);
}

// A directory was just made. Over a whiteout it hides what the layers below have there: it is
// opaque.
bool DirStack::make_directory(const std::string& name, Make make, bool over_whiteout) {
  top()->touched = true;
  const size_t depth = top()->depth + 1;
  if (depth > Limits::kDepth) return refuse("the name is nested too deeply");
  sys::UniqueFd fd = open_child_directory(top()->fd.get(), name.c_str());
  if (!fd) return fail("layer_open_directory", errno);
  if (inherits_acl) drop_inherited_acl(fd.get());
  if (over_whiteout && fsetxattr(fd.get(), attributes().opaque, "y", 1, 0) != 0)
    return fail("layer_opaque", errno);
  if (make == Make::kImplicit) {
    implicit++;
    const bool done = fchown(fd.get(), 0, 0) == 0 && fchmod(fd.get(), 0755) == 0 &&
                      (plain_ || fsetxattr(fd.get(), attributes().implicit, "y", 1, 0) == 0);
    if (!done) return fail("layer_implicit_directory", errno);
  }
  return push(name, std::move(fd), depth, true);
}

// As a process inside the container would see it: absolute targets and `..` stay beneath the root.
// The kernel does the resolving, and nobody else writes here meanwhile.
bool DirStack::follow_link(const std::string& name) {
  std::string path;
  for (size_t i = 1; i < open_.size(); i++) path += open_[i].name + "/";
  sys::UniqueFd fd = open_directory_in_root(root()->fd.get(), path + name);
  if (!fd && errno == ELOOP)
    return refuse("a part of its path is a symbolic link that leads in a circle");
  if (!fd && errno == ENAMETOOLONG) return refuse("the name is too long");
  if (!fd && (errno == ENOENT || errno == ENOTDIR)) {
    return refuse("a part of its path is a symbolic link to no directory of this layer");
  }
  if (!fd) return fail("layer_open_directory", errno);
  const std::string real = path_of(fd.get());
  if (root_path_.empty() || real.empty() || !real.starts_with(root_path_))
    return refuse("the name is too long");
  return push(name, std::move(fd), slashes(real) - slashes(root_path_), false);
}

}  // namespace slipway::layer
