// Wrappers that make one call each.
#include "layer/node.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#include <vector>

#include "sys/inside.h"

namespace slipway::layer {
namespace {

constexpr Attributes kTrusted = {"trusted.overlay.", "trusted.overlay.opaque",
                                 "trusted.overlay.slipway.implicit", "trusted.overlay.slipway.link",
                                 "trusted.overlay.slipway.links"};
constexpr Attributes kUser = {"user.overlay.", "user.overlay.opaque",
                              "user.overlay.slipway.implicit", "user.overlay.slipway.link",
                              "user.overlay.slipway.links"};

sys::UniqueFd open_directory(int at, const char* path, uint64_t resolve) {
  open_how how{};
  how.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  how.resolve = resolve;
  long fd;
  do {
    fd = syscall(SYS_openat2, at, path, &how, sizeof how);
  } while (fd < 0 &&
           (errno == EINTR || errno == EAGAIN));  // EAGAIN: a rename raced with the look-up
  return sys::UniqueFd(static_cast<int>(fd));
}

// There is no setxattrat(2) before Linux 6.13.
std::string proc_path(int parent, const char* name) {
  return "/proc/self/fd/" + std::to_string(parent) + "/" + name;
}

}  // namespace

const Attributes& attributes() noexcept {
  return sys::is_inside_user_namespace() ? kUser : kTrusted;
}

sys::UniqueFd open_directory(const std::string& path) {
  return sys::UniqueFd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

sys::UniqueFd open_child_directory(int parent, const char* name) {
  return open_directory(
      parent, name,
      RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV);
}

sys::UniqueFd open_directory_in_root(int root, const std::string& path) {
  return open_directory(root, path.c_str(),
                        RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV);
}

int set_xattr_at(int parent, const char* name, const char* xattr, const std::string& value) {
  return lsetxattr(proc_path(parent, name).c_str(), xattr, value.data(), value.size(), 0);
}

int copy_xattrs(int from, int to) {
  const ssize_t size = flistxattr(from, nullptr, 0);
  if (size <= 0) return size < 0 && errno != EOPNOTSUPP ? -1 : 0;
  std::vector<char> names(static_cast<size_t>(size));
  const ssize_t got = flistxattr(from, names.data(), names.size());
  if (got < 0) return -1;
  std::vector<char> value(Limits::kXattrBytes);
  for (const char* name = names.data(); name < names.data() + got; name += strlen(name) + 1) {
    if (strncmp(name, attributes().prefix, strlen(attributes().prefix)) == 0) continue;
    const ssize_t bytes = fgetxattr(from, name, value.data(), value.size());
    if (bytes < 0 || fsetxattr(to, name, value.data(), static_cast<size_t>(bytes), 0) != 0)
      return -1;
  }
  return 0;
}

void drop_inherited_acl(int fd) {
  (void)fremovexattr(fd, kDefaultAcl);
  (void)fremovexattr(fd, kAccessAcl);
}

void drop_inherited_acl_at(int parent, const char* name) {
  (void)lremovexattr(proc_path(parent, name).c_str(), kAccessAcl);
}

}  // namespace slipway::layer
