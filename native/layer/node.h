// One thin wrapper per kernel interface the layer code needs; all relative to a directory
// descriptor.
#pragma once
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

#include <string>

#include "layer/entry.h"
#include "sys/unique_fd.h"

namespace slipway::layer {

// Names of the attributes that steer overlayfs, and of our own, which are hidden inside a mounted
// overlay like all of their prefix (Documentation/filesystems/overlayfs.rst). In a user namespace
// nobody may set one of trusted.*: there overlay is mounted with the option `userxattr`.
struct Attributes {
  const char* prefix;
  const char* opaque;
  // A directory that no entry of the archive names: the layers below know its owner and mode
  // better.
  const char* implicit;
  // An empty file in place of a hard link whose target is in a layer below; the value is the
  // target.
  const char* pending_link;
  // On a layer's root: there are such files in it.
  const char* has_pending_links;
};

// Those of the calling thread: see sys/inside.h.
const Attributes& attributes() noexcept;

// All return a descriptor, or -1 with errno set.
// A directory by its path; the last name is no symbolic link.
sys::UniqueFd open_directory(const std::string& path);
// A directory right below `parent`: never through a symbolic link, never across a mount.
sys::UniqueFd open_child_directory(int parent, const char* name);
// Follows symbolic links as a process with `root` as its root directory would; cannot leave it
// (openat2(2)).
sys::UniqueFd open_directory_in_root(int root, const std::string& path);

inline constexpr char kDefaultAcl[] = "system.posix_acl_default";
inline constexpr char kAccessAcl[] = "system.posix_acl_access";

inline bool is_whiteout(const struct stat& node) {
  return S_ISCHR(node.st_mode) && node.st_rdev == 0;
}

// Zero, or -1 with errno set. Works on every kind of node, never follows `name`.
int set_xattr_at(int parent, const char* name, const char* xattr, const std::string& value);

// Copies extended attributes between open files, but overlay's own. Zero, or -1 with errno set.
int copy_xattrs(int from, int to);

// Removes what a directory's default access control list has put on a new node in it (acl(5)).
void drop_inherited_acl(int fd);
void drop_inherited_acl_at(int parent, const char* name);

}  // namespace slipway::layer
