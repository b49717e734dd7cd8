// Wrappers that make one call each, or one call until it has an answer.
#include "layer/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/xattr.h>

#include <algorithm>
#include <string_view>

#include "layer/node.h"

namespace slipway::layer {
namespace {

// There are no calls for attributes of an O_PATH descriptor; its link in /proc leads to the node
// itself, be it a symbolic link.
std::string proc_path(int fd) { return "/proc/self/fd/" + std::to_string(fd); }

bool is_wanted(std::string_view name) {
  if (name.starts_with("trusted.overlay.") || name.starts_with("user.overlay.")) return false;
  if (name == "security.capability" || name == kAccessAcl || name == kDefaultAcl) return true;
  // An equals sign would end the key of a pax record.
  return !name.starts_with("security.") && !name.starts_with("system.") &&
         name.find('=') == std::string_view::npos;
}

bool is_none(int error) { return error == ENODATA || error == EOPNOTSUPP; }

}  // namespace

bool open_node(int parent, const char* name, Node* node) {
  node->fd.reset(openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
  return node->fd && fstat(node->fd.get(), &node->status) == 0;
}

sys::UniqueFd reopen(const Node& node, int flags) {
  return sys::UniqueFd(open(proc_path(node.fd.get()).c_str(), flags | O_CLOEXEC | O_NONBLOCK));
}

bool read_target(const Node& node, std::string* target) {
  char text[PATH_MAX];
  const ssize_t size = readlinkat(node.fd.get(), "", text, sizeof text);
  if (size < 0) return false;
  target->assign(text, static_cast<size_t>(size));
  return true;
}

bool read_xattr(const Node& node, const char* name, std::string* value, bool* present) {
  value->resize(Limits::kXattrBytes);
  const ssize_t size =
      getxattr(proc_path(node.fd.get()).c_str(), name, value->data(), value->size());
  value->resize(size < 0 ? 0 : static_cast<size_t>(size));
  if (present != nullptr) *present = size >= 0;
  return size >= 0 || is_none(errno);
}

bool read_xattrs(const Node& node, std::vector<Xattr>* xattrs) {
  xattrs->clear();
  const std::string path = proc_path(node.fd.get());
  const ssize_t size = listxattr(path.c_str(), nullptr, 0);
  if (size <= 0) return size == 0 || is_none(errno);
  std::vector<char> names(static_cast<size_t>(size) + 1);
  const ssize_t got = listxattr(path.c_str(), names.data(), static_cast<size_t>(size));
  if (got < 0) return false;
  for (const char* name = names.data(); name < names.data() + got; name += strlen(name) + 1) {
    if (!is_wanted(name)) continue;
    Xattr xattr{name, ""};
    if (!read_xattr(node, name, &xattr.value)) return false;
    xattrs->push_back(std::move(xattr));
  }
  std::sort(xattrs->begin(), xattrs->end(),
            [](const Xattr& a, const Xattr& b) { return a.name < b.name; });
  return true;
}

bool read_names(int directory, std::vector<std::string>* names) {
  names->clear();
  const int copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* stream = copy < 0 ? nullptr : fdopendir(copy);
  if (stream == nullptr) {
    const int error = errno;
    if (copy >= 0) (void)close(copy);
    errno = error;
    return error == ENOENT;  // it was removed since it was opened, so there is nothing in it
  }
  errno = 0;
  for (const dirent* entry = readdir(stream); entry != nullptr; entry = readdir(stream)) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names->emplace_back(name);
  }
  const int error = errno;
  (void)closedir(stream);
  errno = error;
  if (error != 0) return false;
  std::sort(names->begin(), names->end());
  return true;
}

}  // namespace slipway::layer
