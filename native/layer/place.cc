// Every look-up is the kernel's, in one call.
#include "layer/place.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>

#ifndef MQUEUE_MAGIC
#define MQUEUE_MAGIC 0x19800202
#endif

namespace slipway::layer {
namespace {

// EAGAIN: a rename or a mount raced with a `..` (openat2(2)). Who does nothing else all day must
// not keep us for ever.
constexpr int kMostTries = 10'000;

sys::UniqueFd open_resolved(int at, const char* path, uint64_t flags, uint64_t resolve) {
  open_how how{};
  how.flags = flags | O_CLOEXEC;
  how.resolve = resolve;
  long fd = -1;
  for (int tries = 0; tries < kMostTries; tries++) {
    fd = syscall(SYS_openat2, at, path, &how, sizeof how);
    if (fd >= 0 || (errno != EINTR && errno != EAGAIN)) break;
  }
  return sys::UniqueFd(static_cast<int>(fd));
}

constexpr long kOfTheKernel[] = {
    PROC_SUPER_MAGIC, SYSFS_MAGIC,    CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC,  DEVPTS_SUPER_MAGIC,
    MQUEUE_MAGIC,     DEBUGFS_MAGIC,  TRACEFS_MAGIC,      SECURITYFS_MAGIC,     BPF_FS_MAGIC,
    PSTOREFS_MAGIC,   EFIVARFS_MAGIC, SELINUX_MAGIC,      SMACK_MAGIC,          BINFMTFS_MAGIC,
    NSFS_MAGIC,       SOCKFS_MAGIC,   PIPEFS_MAGIC,       RDTGROUP_SUPER_MAGIC,
};

}  // namespace

bool open_place(const Place& place, bool follow, Node* node) {
  const uint64_t flags = O_PATH | (follow ? 0 : O_NOFOLLOW);
  const bool hosts = place.root < 0;
  const std::string path = place.path.empty() ? "/" : place.path;
  node->fd = open_resolved(hosts ? AT_FDCWD : place.root, path.c_str(), flags,
                           hosts ? 0 : RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
  return node->fd && fstat(node->fd.get(), &node->status) == 0;
}

sys::UniqueFd open_beneath(int parent, const char* name) {
  return open_resolved(parent, name, O_RDONLY | O_DIRECTORY | O_NONBLOCK,
                       RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
}

bool is_made_by_kernel(int fd) {
  struct statfs found;
  if (fstatfs(fd, &found) != 0) return false;
  const auto type = static_cast<long>(static_cast<unsigned long>(found.f_type) & 0xffffffffUL);
  return std::find(std::begin(kOfTheKernel), std::end(kOfTheKernel), type) !=
         std::end(kOfTheKernel);
}

}  // namespace slipway::layer
