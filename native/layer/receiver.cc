// Each node is whole before it has its name: what stood there is replaced at once, and a reader
// sees the old file or the new one. Between the two calls which that takes it has a name of its
// own, and whoever is killed then, they come to their end (sys/unbroken.h).
#include "layer/receiver.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>

#include "layer/remove.h"
#include "layer/tar_reader.h"

namespace slipway::layer {

// What one of the steps of a name said.
struct Put {
  const char* step = nullptr;
  const char* why = nullptr;
  int error = 0;

  bool fail(const char* what) {
    step = what;
    error = errno;
    return false;
  }
  bool refuse(const char* what) {
    why = what;
    return false;
  }
};

namespace {

constexpr size_t kReadBytes = 256 << 10;
constexpr char kOfTheKernel[] =
    "it is on a file system of the kernel's own making, which takes no files";

constexpr char kMounted[] = "it is a mount of its own, which cannot be replaced";

constexpr char kPrefix[] = ".slipway-";

std::string draw_name() {
  uint64_t number = 0;
  while (getrandom(&number, sizeof number, 0) != sizeof number) {
  }
  return kPrefix + std::to_string(number);
}

bool is_drawn(const char* name) {
  const size_t size = sizeof kPrefix - 1;
  if (strncmp(name, kPrefix, size) != 0 || name[size] == '\0') return false;
  return name[size + strspn(name + size, "0123456789")] == '\0';
}

// Removes a file that nobody who lives is writing.
void remove_abandoned(int directory, const char* name) {
  const sys::UniqueFd file(
      openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  struct stat status;
  if (!file || fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) return;
  if (flock(file.get(), LOCK_EX | LOCK_NB) == 0) (void)unlinkat(directory, name, 0);
}

void remove_abandoned_in(int directory) {
  const int copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* stream = copy < 0 ? nullptr : fdopendir(copy);
  if (stream == nullptr) {
    if (copy >= 0) (void)close(copy);
    return;
  }
  for (dirent* entry = readdir(stream); entry != nullptr; entry = readdir(stream))
    if (is_drawn(entry->d_name)) remove_abandoned(directory, entry->d_name);
  closedir(stream);
}

// A node that others see under its own name is moved to the wanted one.
bool rename_to(int directory, const char* from, const char* to, Put* put) {
  if (renameat(directory, from, directory, to) != 0) {
    if (errno == EBUSY) return put->refuse(kMounted);
    if (errno == EISDIR || errno == ENOTEMPTY || errno == EEXIST)
      return put->refuse("cannot overwrite a directory with a non-directory");
    return put->fail("copy_rename");
  }
  // Two names of one file: rename(2) has done nothing then.
  (void)unlinkat(directory, from, 0);
  return true;
}

// A umask of zero, of this thread alone; where that is refused (seccomp), it is the process's.
class OwnUmask {
 public:
  OwnUmask() : own_(unshare(CLONE_FS) == 0), before_(own_ ? umask(0) : 0) {}
  OwnUmask(const OwnUmask&) = delete;
  OwnUmask& operator=(const OwnUmask&) = delete;
  ~OwnUmask() {
    if (own_) (void)umask(before_);
  }

 private:
  const bool own_;
  const mode_t before_;
};

constexpr uid_t kUnchanged = static_cast<uid_t>(-1);

// By a descriptor of the very node. Somebody who can write here may have put another one under the
// name: what has more names than this one is not touched.
bool own(int directory, const char* name, mode_t kind, uid_t owner, gid_t group,
         const timespec (&times)[2], Put* put) {
  const int fd = openat(directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  struct stat status;
  bool ok = fd >= 0 && fstat(fd, &status) == 0;
  if (!ok) (void)put->fail("copy_stat");
  if (ok && (status.st_nlink != 1 || (status.st_mode & S_IFMT) != kind))
    ok = put->refuse("it was replaced while it was copied");
  if (ok && owner != kUnchanged && fchownat(fd, "", owner, group, AT_EMPTY_PATH) != 0)
    ok = put->fail("copy_chown");
  if (ok && utimensat(fd, "", times, AT_EMPTY_PATH) != 0) ok = put->fail("copy_time");
  if (fd >= 0) (void)close(fd);
  return ok;
}

// Capabilities are root's to give, and some file systems have no attributes: as tar(1), a copy goes
// without what the place cannot have.
void set_xattrs(int fd, const std::vector<Xattr>& xattrs) {
  for (const Xattr& xattr : xattrs)
    (void)fsetxattr(fd, xattr.name.c_str(), xattr.value.data(), xattr.value.size(), 0);
}

}  // namespace

bool Receiver::refuse(const char* why) {
  failure_->why = why;
  return false;
}

bool Receiver::fail(const char* step) {
  failure_->step = step;
  failure_->error = errno;
  return false;
}

bool Receiver::open() {
  Node node;
  if (!open_place(wanted_.directory, true, &node)) return fail("copy_open_directory");
  if (!node.is_directory()) {
    errno = ENOTDIR;
    return fail("copy_open_directory");
  }
  if (is_made_by_kernel(node.fd.get())) return refuse(kOfTheKernel);
  sys::UniqueFd fd = reopen(node, O_RDONLY | O_DIRECTORY);
  return fd ? push("", std::move(fd)) : fail("copy_open_directory");
}

bool Receiver::push(const std::string& name, sys::UniqueFd fd) {
  struct stat status;
  if (fstat(fd.get(), &status) != 0) return fail("copy_stat");
  if (!levels_.empty() && levels_.back().device != status.st_dev && is_made_by_kernel(fd.get()))
    return refuse(kOfTheKernel);
  levels_.push_back(Level{name, std::move(fd), status.st_dev, status.st_ino});
  return true;
}

bool Receiver::pop() {
  const Level& level = levels_.back();
  const auto found = attributes_.find({level.device, level.inode});
  bool ok = true;
  if (found != attributes_.end()) {
    const Attributes& wanted = found->second;
    const timespec times[2] = {{0, UTIME_OMIT}, wanted.mtime};
    if (wanted.sets_mode && fchmod(level.fd.get(), wanted.mode) != 0) ok = fail("copy_chmod");
    if (ok && futimens(level.fd.get(), times) != 0) ok = fail("copy_time");
    if (!ok) failure_->entry = level.name;
  }
  levels_.pop_back();
  return ok;
}

bool Receiver::close() {
  drop_temporary();
  file_.reset();
  const Failure first = *failure_;
  bool ok = true;
  while (!levels_.empty()) ok = pop() && ok;
  if (first.set()) *failure_ = first;
  return ok && !first.set();
}

bool Receiver::begin(const Entry& entry) {
  if (apply(entry)) return true;
  if (failure_->entry.empty()) failure_->entry = entry.name;
  drop_temporary();
  return false;
}

bool Receiver::apply(const Entry& entry) {
  const char* why = clean_path(entry.name, &path_);
  if (why != nullptr) return refuse(why);
  received_->entries++;
  // The directory that is copied into: it stays what it is.
  if (path_.parts.empty())
    return entry.kind == Kind::kDirectory || refuse("the place that is copied into is a directory");
  name_ = path_.parts.back();
  if (entry.kind == Kind::kHardLink) return hard_link(entry);
  if (!enter(path_, path_.parts.size() - 1, true)) return false;
  switch (entry.kind) {
    case Kind::kDirectory:
      return directory(entry);
    case Kind::kFile:
      return file(entry);
    default:
      return node(entry);
  }
}

// Archives are depth first: most entries need no look-up at all.
bool Receiver::enter(const CleanPath& path, size_t count, bool make) {
  size_t common = 1;
  while (common < levels_.size() && common <= count &&
         levels_[common].name == path.parts[common - 1])
    common++;
  while (levels_.size() > common) {
    if (!pop()) return false;
  }
  for (size_t i = common - 1; i < count; i++) {
    const std::string part(path.parts[i]);
    sys::UniqueFd fd = open_beneath(top(), part.c_str());
    if (!fd && errno == ENOENT && make) {
      if (mkdirat(top(), part.c_str(), 0755) != 0 && errno != EEXIST) return fail("copy_mkdir");
      fd = open_beneath(top(), part.c_str());
    }
    if (!fd && errno == ELOOP && wanted_.follow_links) fd = follow(part);
    if (!fd && (errno == ELOOP || errno == ENOTDIR))
      return refuse("a part of its path is no directory");
    if (!fd) return fail("copy_open_directory");
    if (!push(part, std::move(fd))) return false;
  }
  return true;
}

// As a process inside would: the root is the one that everything began in.
sys::UniqueFd Receiver::follow(std::string_view part) {
  std::string path = wanted_.directory.path;
  for (size_t i = 1; i < levels_.size(); i++) path += "/" + levels_[i].name;
  Node node;
  if (!open_place(Place{wanted_.directory.root, (path + "/").append(part)}, true, &node)) return {};
  if (node.is_directory()) return reopen(node, O_RDONLY | O_DIRECTORY);
  errno = ENOTDIR;
  return {};
}

// Of what stands under the name. True where nothing is in the way: a file is replaced when its
// successor is whole.
bool Receiver::make_room(bool for_directory) {
  struct statx found;
  if (statx(top(), name_.c_str(), AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_TYPE, &found) != 0)
    return errno == ENOENT || fail("copy_stat");
  const bool is_directory = S_ISDIR(found.stx_mode);
  // Not in our mount namespace: rename(2) would take the mount away from the container.
  if ((found.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0 && !is_directory) return refuse(kMounted);
  if (is_directory == for_directory) return true;
  if (!wanted_.replace)
    return refuse(for_directory ? "cannot overwrite a non-directory with a directory"
                                : "cannot overwrite a directory with a non-directory");
  uint64_t removed = 0;
  return remove_tree(top(), name_.c_str(), &removed, failure_);
}

bool Receiver::directory(const Entry& entry) {
  if (!make_room(true)) return false;
  // Until everything is in it, it is nobody else's; a file system's own bits are kept.
  if (mkdirat(top(), name_.c_str(), 0700) != 0 && errno != EEXIST) return fail("copy_mkdir");
  sys::UniqueFd fd = open_beneath(top(), name_.c_str());
  if (!fd && (errno == ELOOP || errno == ENOTDIR))
    return refuse("it was replaced while it was copied");
  if (!fd) return fail("copy_open_directory");
  if (wanted_.keep_owner && fchown(fd.get(), entry.uid, entry.gid) != 0) return fail("copy_chown");
  set_xattrs(fd.get(), entry.xattrs);
  if (!push(name_, std::move(fd))) return false;
  const Level& level = levels_.back();
  attributes_[{level.device, level.inode}] = Attributes{true, entry.mode & 07777, entry.mtime};
  return true;
}

bool Receiver::file(const Entry& entry) {
  if (!make_room(false)) return false;
  // Without a name it goes with us, also by SIGKILL. Some file systems have no such files.
  file_.reset(openat(top(), ".", O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600));
  if (!file_ && !make_named_file()) return fail("copy_create");
  if (entry.sparse && ftruncate(file_.get(), static_cast<off_t>(entry.size)) != 0)
    return fail("copy_write");
  current_ = entry;
  return true;
}

// One that a killed process leaves is removed by whoever copies into that directory next: who
// lives has a lock on its own.
bool Receiver::make_named_file() {
  Level& level = levels_.back();
  if (!level.is_swept) remove_abandoned_in(top());
  level.is_swept = true;
  for (;;) {
    temporary_ = draw_name();
    file_.reset(openat(top(), temporary_.c_str(),
                       O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file_) return temporary_.clear(), false;
    struct stat status;
    const bool is_locked = flock(file_.get(), LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
    // Somebody was here between both calls.
    if (is_locked && fstat(file_.get(), &status) == 0 && status.st_nlink > 0) return true;
  }
}

bool Receiver::data(uint64_t offset, const uint8_t* bytes, size_t size) {
  received_->bytes += size;
  while (file_ && size > 0) {
    const ssize_t put = pwrite(file_.get(), bytes, size, static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) {
      failure_->entry = current_.name;
      return fail("copy_write");
    }
    bytes += put;
    offset += static_cast<uint64_t>(put);
    size -= static_cast<size_t>(put);
  }
  return true;
}

bool Receiver::end() {
  if (!file_ || finish_file()) return true;
  failure_->entry = current_.name;
  return false;
}

// Owner before mode and capabilities: chown(2) clears setuid bits and security.capability.
bool Receiver::finish_file() {
  const sys::UniqueFd file = std::move(file_);
  if (wanted_.keep_owner && fchown(file.get(), current_.uid, current_.gid) != 0)
    return fail("copy_chown");
  set_xattrs(file.get(), current_.xattrs);
  if (fchmod(file.get(), current_.mode & 07777) != 0) return fail("copy_chmod");
  const timespec times[2] = {{0, UTIME_OMIT}, current_.mtime};
  if (futimens(file.get(), times) != 0) return fail("copy_time");
  if (temporary_.empty()) return name_file(file.get());
  Put put;
  if (rename_to(top(), temporary_.c_str(), name_.c_str(), &put)) temporary_.clear();
  return tell(put);
}

// Under a name of its own `make` makes it, whole; then it takes its place. All of it or nothing.
template <typename Make>
bool Receiver::take_place(const Make& make) {
  const std::string drawn = draw_name();
  const char *from = drawn.c_str(), *to = name_.c_str();
  const int directory = top();
  Put put;
  auto steps = [&] {
    if (!make(from, &put) || !rename_to(directory, from, to, &put))
      (void)unlinkat(directory, from, 0);
  };
  unbroken_.run(steps);
  return tell(put);
}

bool Receiver::tell(const Put& put) {
  if (put.why != nullptr) return refuse(put.why);
  errno = put.error;
  return put.step == nullptr || fail(put.step);
}

// What stands under the name is not replaced by link(2): there it has another name first.
bool Receiver::name_file(int fd) {
  char path[32];
  (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  const int directory = top();
  const auto link_as = [&](const char* name) {
    return linkat(AT_FDCWD, path, directory, name, AT_SYMLINK_FOLLOW) == 0;
  };
  if (link_as(name_.c_str())) return true;
  if (errno != EEXIST) return fail("copy_link");
  return take_place(
      [&](const char* name, Put* put) { return link_as(name) || put->fail("copy_link"); });
}

void Receiver::drop_temporary() {
  if (temporary_.empty() || levels_.empty()) return;
  (void)unlinkat(top(), temporary_.c_str(), 0);
  temporary_.clear();
}

// Links, pipes and devices are never opened.
bool Receiver::node(const Entry& entry) {
  if (!make_room(false)) return false;
  const bool link = entry.kind == Kind::kSymlink, pipe = entry.kind == Kind::kFifo;
  const mode_t kind = pipe ? S_IFIFO : entry.kind == Kind::kCharDevice ? S_IFCHR : S_IFBLK;
  const mode_t mode = kind | (entry.mode & 07777);
  const dev_t device = pipe ? 0 : makedev(entry.major, entry.minor);
  const char* target = entry.link.c_str();
  const int directory = top();
  const uid_t owner = wanted_.keep_owner ? entry.uid : kUnchanged;
  const gid_t group = wanted_.keep_owner ? entry.gid : kUnchanged;
  const timespec times[2] = {{0, UTIME_OMIT}, entry.mtime};
  const auto make = [&](const char* name, Put* put) {
    const int made =
        link ? symlinkat(target, directory, name) : mknodat(directory, name, mode, device);
    if (made != 0) return put->fail(link ? "copy_symlink" : "copy_mknod");
    return own(directory, name, link ? S_IFLNK : kind, owner, group, times, put);
  };
  if (take_place(make)) return true;
  const bool is_not_allowed = failure_->step != nullptr && failure_->error == EPERM && !link &&
                              !pipe && strcmp(failure_->step, "copy_mknod") == 0;
  if (!is_not_allowed) return false;
  *failure_ = Failure{};
  received_->skipped_devices++;
  return true;
}

bool Receiver::hard_link(const Entry& entry) {
  CleanPath target;
  const char* why = clean_path(entry.link, &target);
  if (why != nullptr || target.parts.empty())
    return refuse("the hard link's target leads out of the place that is copied into");
  if (target.parts == path_.parts) return refuse("the hard link leads to itself");
  if (!enter(target, target.parts.size() - 1, false)) return false;
  const std::string old(target.parts.back());
  // The stack moves on to the link's own directory: keep the target's.
  const sys::UniqueFd from(fcntl(top(), F_DUPFD_CLOEXEC, 0));
  if (!from) return fail("copy_link");
  if (!enter(path_, path_.parts.size() - 1, true) || !make_room(false)) return false;
  const int directory = top();
  return take_place([&](const char* name, Put* put) {
    return linkat(from.get(), old.c_str(), directory, name, 0) == 0 || put->fail("copy_link");
  });
}

bool receive(int from, const Receiving& wanted, Received* received, Failure* failure) {
  const OwnUmask none;
  Limits limits;
  limits.plain = true;
  Receiver receiver(wanted, received, failure);
  TarReader reader(&receiver, limits, failure);
  std::vector<uint8_t> buffer(kReadBytes);
  bool ok = receiver.open();
  while (ok) {
    const ssize_t got = read(from, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      *failure = Failure{"", "", "copy_read", errno};
      ok = false;
    }
    if (got <= 0) break;
    ok = reader.feed(buffer.data(), static_cast<size_t>(got));
  }
  ok = ok && reader.finish();
  return receiver.close() && ok;
}

}  // namespace slipway::layer
