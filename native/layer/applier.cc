// Makes nodes: every call is relative to the descriptor of a directory that lies inside the root.
#include "layer/applier.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "layer/node.h"
#include "layer/remove.h"
#include "sys/inside.h"

namespace slipway::layer {
namespace {

// AUFS' own bookkeeping: image-spec layer.md, Whiteouts.
constexpr std::string_view kAufs = ".wh..wh.";

// Zeros in such a run become a hole: an archive tells of none, but for sparse files.
constexpr size_t kHoleBytes = 64 << 10;

size_t zeros_at(const uint8_t* bytes, size_t size) {
  if (size < kHoleBytes || bytes[0] != 0) return 0;
  return memcmp(bytes, bytes + 1, kHoleBytes - 1) == 0 ? kHoleBytes : 0;
}

// Bytes until the next run of zeros begins.
size_t data_at(const uint8_t* bytes, size_t size) {
  size_t at = std::min(size, kHoleBytes);
  while (at < size && zeros_at(bytes + at, size - at) == 0) at = std::min(size, at + kHoleBytes);
  return at;
}

enum class Place { kNode, kWhiteout, kIgnored, kRefused };

Place place_of(const CleanPath& path) {
  for (size_t i = 0; i < path.parts.size(); i++) {
    const std::string_view part = path.parts[i];
    const bool last = i + 1 == path.parts.size();
    if (last && part == kOpaqueMarker) return Place::kWhiteout;
    if (part.starts_with(kAufs)) return Place::kIgnored;
    if (part.starts_with(kWhiteoutPrefix)) return last ? Place::kWhiteout : Place::kRefused;
  }
  return Place::kNode;
}

}  // namespace

bool Applier::refuse(const char* why) {
  failure_->why = why;
  return false;
}

bool Applier::fail(const char* step) {
  failure_->step = step;
  failure_->error = errno;
  return false;
}

// The kernel's word for an id that the user namespace does not map (chown(2), EINVAL).
bool Applier::fail_chown(const Entry& entry) {
  if (errno != EINVAL || !sys::is_inside_user_namespace()) return fail("layer_chown");
  failure_->why = "it belongs to uid " + std::to_string(entry.uid) + " and gid " +
                  std::to_string(entry.gid) + ", and the user namespace has no such id";
  return false;
}

bool Applier::open(const char* root, bool exact_mode) {
  exact_mode_ = exact_mode;
  return stack_.open(root);
}

Stats Applier::stats() const {
  Stats stats = stats_;
  stats.implicit_directories = stack_.implicit;
  return stats;
}

bool Applier::begin(const Entry& entry) {
  if (apply(entry)) return true;
  failure_->entry = entry.name;
  return false;
}

bool Applier::apply(const Entry& entry) {
  if (++stats_.entries > limits_.max_entries)
    return refuse("the layer has more entries than allowed");
  if (entry.data_size > limits_.max_bytes - stats_.bytes)
    return refuse("the layer's files are larger than allowed");
  const char* why = clean_path(entry.name, &path_);
  if (why != nullptr) return refuse(why);
  if (path_.parts.empty())
    return entry.kind == Kind::kDirectory ? directory(entry) : refuse("the root is a directory");
  const Place place = limits_.plain ? Place::kNode : place_of(path_);
  if (place == Place::kRefused) return refuse("a whiteout is no directory");
  if (place == Place::kIgnored) return true;
  name_ = path_.parts.back();
  if (place == Place::kNode && entry.kind == Kind::kDirectory) return directory(entry);
  if (place == Place::kNode && entry.kind == Kind::kHardLink) return hard_link(entry);
  parent_ = stack_.parent_of(path_, true);
  if (parent_ == nullptr) return false;
  parent_->touched = true;
  return place == Place::kWhiteout ? whiteout(path_.parts.back()) : apply_named(entry);
}

bool Applier::apply_named(const Entry& entry) {
  switch (entry.kind) {
    case Kind::kFile:
      return file(entry);
    case Kind::kSymlink:
      return symlink(entry);
    default:
      return device(entry);
  }
}

bool Applier::remove_existing() {
  stack_.forget();
  uint64_t removed = 0;
  const std::string entry = failure_->entry;
  if (remove_tree(parent_->fd.get(), name_.c_str(), &removed, failure_)) return true;
  failure_->entry = entry;
  return false;
}

// The last entry of a name wins, whatever stood there.
template <typename Make>
bool Applier::make_node(const char* step, Make make) {
  if (make() >= 0) return true;
  if (errno != EEXIST && errno != EISDIR) return fail(step);
  if (!remove_existing()) return false;
  return make() >= 0 || fail(step);
}

// Hides a name of the layers below. What this very layer has under the name stays (image-spec
// layer.md), but a directory then starts empty.
bool Applier::whiteout(std::string_view marker) {
  if (marker == kOpaqueMarker) return opaque();
  const std::string hidden(marker.substr(kWhiteoutPrefix.size()));
  if (hidden.empty() || hidden == "." || hidden == "..")
    return refuse("a whiteout must name a file");
  stats_.whiteouts++;
  if (mknodat(parent_->fd.get(), hidden.c_str(), S_IFCHR, 0) == 0) return true;
  if (errno != EEXIST) return fail("layer_whiteout");
  const sys::UniqueFd own = open_child_directory(parent_->fd.get(), hidden.c_str());
  if (!own) return errno == ENOTDIR || errno == ELOOP || fail("layer_whiteout");
  return fsetxattr(own.get(), attributes().opaque, "y", 1, 0) == 0 || fail("layer_opaque");
}

bool Applier::opaque() {
  stats_.whiteouts++;
  return fsetxattr(parent_->fd.get(), attributes().opaque, "y", 1, 0) == 0 || fail("layer_opaque");
}

bool Applier::directory(const Entry& entry) {
  Directory* directory = stack_.directory(path_);
  if (directory == nullptr) return false;
  const int fd = directory->fd.get();
  if (path_.parts.empty() && !limits_.plain) (void)fremovexattr(fd, attributes().implicit);
  if (fchown(fd, entry.uid, entry.gid) != 0) return fail_chown(entry);
  if (!set_xattrs(entry, fd)) return false;
  if (fchmod(fd, entry.mode) != 0) return fail("layer_chmod");
  directory->setgid = (entry.mode & S_ISGID) != 0;
  directory->touched = true;
  stack_.set_time(*directory, entry.mtime);
  return true;
}

bool Applier::file(const Entry& entry) {
  const bool made = make_node("layer_create", [this, &entry] {
    const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    file_.reset(openat(parent_->fd.get(), name_.c_str(), flags, entry.mode & 0777));
    return file_.get();
  });
  if (!made) return false;
  if (entry.sparse && ftruncate(file_.get(), static_cast<off_t>(entry.size)) != 0)
    return fail("layer_truncate");
  current_ = entry;
  return true;
}

bool Applier::data(uint64_t offset, const uint8_t* bytes, size_t size) {
  stats_.bytes += size;
  while (file_ && size > 0) {
    // The holes of a sparse file are between its segments.
    const size_t zeros = current_.sparse ? 0 : zeros_at(bytes, size);
    const size_t piece = current_.sparse ? size : data_at(bytes, size);
    const ssize_t put = zeros > 0 ? static_cast<ssize_t>(zeros)
                                  : pwrite(file_.get(), bytes, piece, static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) {
      failure_->entry = current_.name;
      return fail("layer_write");
    }
    ends_in_hole_ = zeros > 0;
    bytes += put;
    offset += static_cast<uint64_t>(put);
    size -= static_cast<size_t>(put);
  }
  return true;
}

bool Applier::end() {
  if (!file_ || finish_file()) return true;
  failure_->entry = current_.name;
  return false;
}

// Owner before mode and capabilities: chown(2) clears setuid bits and security.capability.
bool Applier::finish_file() {
  const sys::UniqueFd file = std::move(file_);
  const int fd = file.get();
  if (std::exchange(ends_in_hole_, false) && ftruncate(fd, static_cast<off_t>(current_.size)) != 0)
    return fail("layer_truncate");
  if (stack_.inherits_acl) drop_inherited_acl(fd);
  const bool owned = current_.uid != 0 || current_.gid != 0 || parent_->setgid;
  if (owned && fchown(fd, current_.uid, current_.gid) != 0) return fail_chown(current_);
  if (!set_xattrs(current_, fd)) return false;
  const bool mode_is_right = exact_mode_ && !stack_.inherits_acl && (current_.mode & 07000) == 0 &&
                             current_.xattrs.empty();
  if (!mode_is_right && fchmod(fd, current_.mode) != 0) return fail("layer_chmod");
  const timespec times[2] = {current_.atime, current_.mtime};
  return futimens(fd, times) == 0 || fail("layer_time");
}

bool Applier::symlink(const Entry& entry) {
  if (entry.link.empty() || entry.link.size() >= Limits::kPathBytes)
    return refuse("the symbolic link's target is empty or too long");
  const bool made = make_node("layer_symlink", [this, &entry] {
    return symlinkat(entry.link.c_str(), parent_->fd.get(), name_.c_str());
  });
  return made && finish_node(entry, false);
}

bool Applier::device(const Entry& entry) {
  const bool fifo = entry.kind == Kind::kFifo;
  if (!fifo && !limits_.allow_devices) return refuse("device nodes are not allowed");
  const mode_t kind = fifo ? S_IFIFO : entry.kind == Kind::kCharDevice ? S_IFCHR : S_IFBLK;
  const dev_t number = fifo ? 0 : makedev(entry.major, entry.minor);
  // In overlay's form this very node is a whiteout; other engines on overlayfs read it the same
  // way.
  if (kind == S_IFCHR && number == 0 && !limits_.plain)
    return whiteout(std::string(kWhiteoutPrefix) + name_);
  if (!fifo && sys::is_inside_user_namespace()) return skip_device();
  const bool made = make_node("layer_mknod", [this, &entry, kind, number] {
    return mknodat(parent_->fd.get(), name_.c_str(), kind | (entry.mode & 0777), number);
  });
  return made && finish_node(entry, true);
}

// No user namespace has the right to make one (mknod(2), EPERM), and none of its mounts would let
// it be opened. What stood under the name is gone all the same.
bool Applier::skip_device() {
  stats_.skipped_devices++;
  return remove_existing();
}

// For nodes that are not opened. The node was made a moment ago in a directory nobody else writes
// to, so fchmodat(2), which cannot be told not to follow links before Linux 6.6, meets that node.
bool Applier::finish_node(const Entry& entry, bool change_mode) {
  const int at = parent_->fd.get();
  const char* name = name_.c_str();
  if (stack_.inherits_acl) drop_inherited_acl_at(at, name);
  const bool owned = entry.uid != 0 || entry.gid != 0 || parent_->setgid;
  if (owned && fchownat(at, name, entry.uid, entry.gid, AT_SYMLINK_NOFOLLOW) != 0)
    return fail_chown(entry);
  if (!set_xattrs(entry, -1)) return false;
  if (change_mode && fchmodat(at, name, entry.mode, 0) != 0) return fail("layer_chmod");
  const timespec times[2] = {entry.atime, entry.mtime};
  return utimensat(at, name, times, AT_SYMLINK_NOFOLLOW) == 0 || fail("layer_time");
}

bool Applier::hard_link(const Entry& entry) {
  CleanPath target;
  const char* why = clean_path(entry.link, &target);
  if (why != nullptr || target.parts.empty())
    return refuse("the hard link's target leads out of the layer or is none");
  if (!limits_.plain && place_of(target) == Place::kIgnored)
    return refuse("the hard link's target is AUFS bookkeeping");
  if (target.parts == path_.parts) return refuse("the hard link leads to itself");
  const Directory* holder = stack_.parent_of(target, false);
  if (holder == nullptr && failure_->error != ENOENT) return false;
  const bool missing_holder = holder == nullptr;
  *failure_ = Failure{};
  // The stack moves on to the link's own directory: keep the target's.
  const sys::UniqueFd from(missing_holder ? -1 : fcntl(holder->fd.get(), F_DUPFD_CLOEXEC, 0));
  if (!missing_holder && !from) return fail("layer_link");
  parent_ = stack_.parent_of(path_, true);
  if (parent_ == nullptr) return false;
  parent_->touched = true;
  const std::string old(target.parts.back());
  struct stat status{}, own{};
  if (missing_holder || fstatat(from.get(), old.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0 ||
      (is_whiteout(status) && !limits_.plain)) {
    return pending_link(entry.link);
  }
  if (S_ISDIR(status.st_mode)) return refuse("the hard link's target is a directory");
  const bool exists = fstatat(parent_->fd.get(), name_.c_str(), &own, AT_SYMLINK_NOFOLLOW) == 0;
  if (exists && own.st_ino == status.st_ino) return true;
  return make_node("layer_link", [&] {
    return linkat(from.get(), old.c_str(), parent_->fd.get(), name_.c_str(), 0);
  });
}

// The target can only be in a layer below, which this layer's directory must not depend on: the
// stack resolves it.
bool Applier::pending_link(const std::string& target) {
  if (limits_.plain) return refuse("the hard link's target is not in the archive before it");
  stats_.pending_links++;
  sys::UniqueFd placeholder;
  const bool made = make_node("layer_link", [this, &placeholder] {
    placeholder.reset(openat(parent_->fd.get(), name_.c_str(),
                             O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0));
    return placeholder.get();
  });
  if (!made) return false;
  return fsetxattr(placeholder.get(), attributes().pending_link, target.data(), target.size(), 0) ==
             0 ||
         fail("layer_link");
}

bool Applier::close() {
  const bool links = stats_.pending_links > 0;
  if (links && fsetxattr(root_fd(), attributes().has_pending_links, "y", 1, 0) != 0)
    return fail("layer_mark_root");
  return stack_.close();
}

}  // namespace slipway::layer
