// Copies inside one file system, so the kernel may share the data.
#include "layer/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include "layer/node.h"

namespace slipway::layer {
namespace {

bool copy_data(int from, int to, off_t size) {
  off_t left = size;
  while (left > 0) {
    const ssize_t copied =
        copy_file_range(from, nullptr, to, nullptr, static_cast<size_t>(left), 0);
    if (copied < 0 && errno == EINTR) continue;
    if (copied <= 0) return false;
    left -= copied;
  }
  return true;
}

bool copy_file(int from, const char* name, const struct stat& status, int to, const char* as) {
  const sys::UniqueFd source(openat(from, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  const sys::UniqueFd target(
      openat(to, as, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  return source && target && copy_data(source.get(), target.get(), status.st_size) &&
         copy_metadata(source.get(), target.get()) == 0;
}

bool copy_link(int from, const char* name, int to, const char* as) {
  char target[PATH_MAX];
  const ssize_t size = readlinkat(from, name, target, sizeof target - 1);
  if (size < 0) return false;
  target[size] = '\0';
  return symlinkat(target, to, as) == 0;
}

}  // namespace

int copy_metadata(int from, int to) {
  struct stat status;
  if (fstat(from, &status) != 0 || fchown(to, status.st_uid, status.st_gid) != 0 ||
      copy_xattrs(from, to) != 0)
    return -1;
  const timespec times[2] = {status.st_atim, status.st_mtim};
  return fchmod(to, status.st_mode & 07777) != 0 ? -1 : futimens(to, times);
}

bool copy_node(int from, const char* name, const struct stat& status, int to, const char* as) {
  if (S_ISREG(status.st_mode)) return copy_file(from, name, status, to, as);
  const bool made = S_ISLNK(status.st_mode) ? copy_link(from, name, to, as)
                                            : mknodat(to, as, status.st_mode, status.st_rdev) == 0;
  if (!made || fchownat(to, as, status.st_uid, status.st_gid, AT_SYMLINK_NOFOLLOW) != 0)
    return false;
  if (!S_ISLNK(status.st_mode) && fchmodat(to, as, status.st_mode & 07777, 0) != 0) return false;
  const timespec times[2] = {status.st_atim, status.st_mtim};
  return utimensat(to, as, times, AT_SYMLINK_NOFOLLOW) == 0;
}

}  // namespace slipway::layer
