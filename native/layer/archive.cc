// Walks a lower and an upper tree side by side. No overlay is mounted for it: one that is in use
// must not be mounted again (Documentation/filesystems/overlayfs.rst, Sharing and copying layers).
#include "layer/archive.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <unordered_map>
#include <utility>

#include "layer/node.h"
#include "layer/tar_writer.h"
#include "layer/tree.h"

namespace slipway::layer {
namespace {

constexpr size_t kReadBytes = 256 << 10;
// Holes of so many bytes in one file are left out of the archive, in pax's sparse form. Docker can
// load such a layer but not save it again ("could not verify layer data", Docker 20 to 28), so that
// smaller ones are written as the zeros they read as; the applier makes them holes again.
constexpr uint64_t kSparseBytes = 64 << 20;

// Both sides of one directory. A descriptor of -1: that side has none.
struct Pair {
  int lower = -1;
  int upper = -1;
  bool hides = false;  // the upper directory hides what the lower one has
};

// Receives what a walk finds.
class Visitor {
 public:
  Visitor() = default;
  Visitor(const Visitor&) = delete;
  Visitor& operator=(const Visitor&) = delete;
  virtual ~Visitor() = default;
  // `known`: the lower tree has something under this name.
  virtual bool node(const std::string& path, const Node& node, bool known) = 0;
  // Nothing is there any more. Never called for a merged tree.
  virtual bool gone(const std::string& path) = 0;
  // After node(): what the lower directory has is not in this one.
  virtual bool emptied(const std::string& path, int lower, int upper) = 0;
};

class Walk {
 public:
  Walk(const Trees& trees, bool changes, Visitor* visitor, Failure* failure)
      : trees_(trees), changes_(changes), visitor_(visitor), failure_(failure) {}

  // One tree that is in use, from a node of it on.
  bool run_from(const Node& node, const std::string& name) {
    in_use_ = true;
    device_ = node.status.st_dev;
    return from_lower(name, node, 0);
  }

  bool run() {
    Node lower, upper;
    if (!open_root(trees_.lower, &lower, &lower_) || !open_root(trees_.upper, &upper, &upper_))
      return false;
    if (upper_ && !find_prefix(upper)) return fail("archive_xattr", "");
    const Node& top = upper_ ? upper : lower;
    if (!changes_ ? !visitor_->node("", top, lower_.get() >= 0)
                  : upper_ && lower_ && !root_change(lower, upper))
      return false;
    return directory("", Pair{lower_.get(), upper_.get(), false}, 0);
  }

 private:
  bool fail(const char* step, const std::string& path) {
    *failure_ = Failure{path, "", step, errno};
    return false;
  }
  bool refuse(const std::string& path, const char* why) {
    *failure_ = Failure{path, why, nullptr, 0};
    return false;
  }

  bool open_root(const std::string& path, Node* node, sys::UniqueFd* fd) {
    if (path.empty()) return true;
    if (!open_node(AT_FDCWD, path.c_str(), node)) return fail("archive_open", path);
    *fd = reopen(*node, O_RDONLY | O_DIRECTORY);
    return *fd || fail("archive_open", path);
  }

  // Every overlay leaves a note on its root. In a user namespace notes are user.* attributes, which
  // a container without one could write itself: they count only where there are no others.
  bool find_prefix(const Node& upper) {
    std::string value;
    bool found = false, own = false;
    for (const char* name : {".overlay.uuid", ".overlay.impure", ".overlay.origin"}) {
      bool present = false;
      if (!read_xattr(upper, (std::string("trusted") + name).c_str(), &value, &present))
        return false;
      found = found || present;
      if (!read_xattr(upper, (std::string("user") + name).c_str(), &value, &present)) return false;
      own = own || present;
    }
    own_prefix_ = own && !found;
    return true;
  }

  // Its times change with every start; nothing else does by itself.
  bool root_change(const Node& lower, const Node& upper) {
    std::vector<Xattr> before, after;
    if (!read_xattrs(lower, &before) || !read_xattrs(upper, &after))
      return fail("archive_xattr", "");
    return (same_owner_and_mode(lower, upper) && before == after) ||
           visitor_->node("", upper, true);
  }

  bool names_of(const Pair& pair, const std::string& path, std::vector<std::string>* names) {
    std::vector<std::string> below;
    if (pair.upper >= 0 && !read_names(pair.upper, names)) return fail("archive_read", path);
    if (pair.lower < 0 || pair.hides || changes_) return true;
    if (!read_names(pair.lower, &below)) return fail("archive_read", path);
    std::vector<std::string> all;
    std::set_union(names->begin(), names->end(), below.begin(), below.end(),
                   std::back_inserter(all));
    *names = std::move(all);
    return true;
  }

  bool directory(const std::string& path, const Pair& pair, size_t depth) {
    if (depth > Limits::kDepth) return refuse(path, "directories are nested too deep for a layer");
    std::vector<std::string> names;
    if (!names_of(pair, path, &names)) return false;
    for (const std::string& name : names) {
      const std::string child = path.empty() ? name : path + "/" + name;
      if (child.size() >= Limits::kPathBytes)
        return refuse(child, "the path is too long for a layer");
      if (!visit(child, name, pair, depth)) return false;
    }
    return true;
  }

  // Names come and go while a container runs: what is gone since its directory was read is not
  // there.
  static bool find(int parent, const std::string& name, Node* node) {
    if (parent >= 0 && open_node(parent, name.c_str(), node)) return true;
    if (parent < 0) errno = ENOENT;
    node->fd.reset();
    return false;
  }

  bool visit(const std::string& path, const std::string& name, const Pair& pair, size_t depth) {
    Node upper, lower;
    const int below = pair.hides ? -1 : pair.lower;
    if (!find(pair.upper, name, &upper) && errno != ENOENT) return fail("archive_stat", path);
    if (!find(pair.lower, name, &lower) && errno != ENOENT) return fail("archive_stat", path);
    const bool known = lower.fd && !is_whiteout(lower.status) && below >= 0;
    if (upper.fd && is_whiteout(upper.status)) return !changes_ || !known || visitor_->gone(path);
    if (upper.fd) return from_upper(path, upper, lower, known, depth);
    if (changes_ || !known) return true;
    return from_lower(path, lower, depth);
  }

  bool from_lower(const std::string& path, const Node& node, size_t depth) {
    const bool made_up = in_use_ && is_made_up(node);
    if (made_up && !node.is_directory()) return true;
    if (!visitor_->node(path, node, true)) return false;
    if (made_up || !node.is_directory()) return true;
    const sys::UniqueFd fd = reopen(node, O_RDONLY | O_DIRECTORY);
    return fd ? directory(path, Pair{fd.get(), -1, false}, depth + 1) : fail("archive_open", path);
  }

  // Mount points are few: most nodes are on the device of the one before them.
  bool is_made_up(const Node& node) {
    if (node.status.st_dev == device_) return made_up_;
    device_ = node.status.st_dev;
    return made_up_ = is_made_by_kernel(node.fd.get());
  }

  bool from_upper(const std::string& path, const Node& node, const Node& lower, bool known,
                  size_t depth) {
    if (changes_ && !known && is_hidden(path, node)) return true;
    if (!node.is_directory()) return is_complete(path, node) && visitor_->node(path, node, known);
    const sys::UniqueFd fd = reopen(node, O_RDONLY | O_DIRECTORY);
    if (!fd) return fail("archive_open", path);
    const bool merges = known && lower.is_directory();
    sys::UniqueFd below;
    if (merges) below = reopen(lower, O_RDONLY | O_DIRECTORY);
    if (merges && !below) return fail("archive_open", path);
    Pair pair{below.get(), fd.get(), false};
    if (!look_for_marks(path, node, &pair.hides)) return false;
    if (changes_ && !pair.hides && (merges || !known)) {
      bool untouched = false;
      if (!only_hidden(path, merges ? &lower : nullptr, node, fd.get(), &untouched)) return false;
      if (untouched) return true;
    }
    if (!visitor_->node(path, node, known)) return false;
    if (changes_ && merges && pair.hides && !visitor_->emptied(path, below.get(), fd.get()))
      return false;
    return directory(path, pair, depth + 1);
  }

  // A directory that was copied up, or made, only because the engine put a mount point into it.
  bool only_hidden(const std::string& path, const Node* lower, const Node& upper, int fd,
                   bool* untouched) {
    if (std::none_of(
            trees_.hidden.begin(), trees_.hidden.end(), [&path](const std::string& hidden) {
              return hidden.size() > path.size() && hidden.compare(0, path.size(), path) == 0 &&
                     hidden[path.size()] == '/';
            }))
      return true;
    std::vector<std::string> names;
    std::vector<Xattr> before, after;
    if (!read_names(fd, &names)) return fail("archive_read", path);
    if ((lower != nullptr && !read_xattrs(*lower, &before)) || !read_xattrs(upper, &after))
      return fail("archive_xattr", path);
    *untouched = !names.empty() &&
                 (lower == nullptr || (same_owner_and_mode(*lower, upper) && before == after));
    for (const std::string& name : names) {
      Node node;
      if (!find(fd, name, &node)) continue;
      *untouched = *untouched && is_hidden(path + "/" + name, node);
    }
    return true;
  }

  [[nodiscard]] bool is_hidden(const std::string& path, const Node& node) const {
    if (std::find(trees_.hidden.begin(), trees_.hidden.end(), path) == trees_.hidden.end())
      return false;
    if (node.is_file()) return node.status.st_size == 0;
    std::vector<std::string> names;
    const sys::UniqueFd fd =
        node.is_directory() ? reopen(node, O_RDONLY | O_DIRECTORY) : sys::UniqueFd();
    return fd && read_names(fd.get(), &names) && names.empty();
  }

  bool note(const Node& node, const char* name, std::string* value, bool* present = nullptr) {
    const std::string whole = std::string(own_prefix_ ? "user" : "trusted") + name;
    return read_xattr(node, whole.c_str(), value, present);
  }

  bool look_for_marks(const std::string& path, const Node& node, bool* opaque) {
    std::string value;
    if (!note(node, ".overlay.opaque", &value)) return fail("archive_xattr", path);
    *opaque = value == "y";
    if (!note(node, ".overlay.redirect", &value)) return fail("archive_xattr", path);
    return value.empty() ||
           refuse(path, "the directory was renamed by an overlay with redirect_dir=on");
  }

  bool is_complete(const std::string& path, const Node& node) {
    std::string value;
    bool present = false;
    if (!node.is_file()) return true;
    if (!note(node, ".overlay.metacopy", &value, &present)) return fail("archive_xattr", path);
    return !present || refuse(path, "the file's data is elsewhere: the overlay has metacopy=on");
  }

  const Trees& trees_;
  bool changes_;
  Visitor* visitor_;
  Failure* failure_;
  sys::UniqueFd lower_, upper_;
  bool own_prefix_ = false;
  bool in_use_ = false, made_up_ = false;
  dev_t device_ = 0;
};

class Archiver final : public Visitor {
 public:
  Archiver(int fd, bool changes, Archived* archived, Failure* failure)
      : out_(fd, failure),
        changes_(changes),
        archived_(archived),
        failure_(failure),
        buffer_(kReadBytes) {}

  bool node(const std::string& path, const Node& node, bool /*known*/) override {
    if (changes_ && is_marker(path))
      return refuse(path, "a layer cannot hold a name that begins with .wh.");
    if (S_ISSOCK(node.status.st_mode)) {
      archived_->sockets++;
      return true;
    }
    Entry entry;
    entry.name = path.empty() ? "./" : node.is_directory() ? path + "/" : path;
    if (!describe(node, &entry)) return false;
    if (is_linked(path, node, &entry)) return out_.begin(entry);
    if (!read_xattrs(node, &entry.xattrs)) return fail("archive_xattr", path);
    return node.is_file() ? file(path, node, &entry) : out_.begin(entry);
  }

  bool gone(const std::string& path) override {
    const size_t slash = path.rfind('/') + 1;
    return marker(path.substr(0, slash).append(kWhiteoutPrefix) + path.substr(slash));
  }

  bool emptied(const std::string& path, int /*lower*/, int /*upper*/) override {
    return marker((path + "/").append(kOpaqueMarker));
  }

  bool close() {
    const bool ok = out_.close();
    archived_->entries = out_.entries;
    archived_->bytes = out_.bytes;
    return ok;
  }

 private:
  bool fail(const char* step, const std::string& path) {
    *failure_ = Failure{path, "", step, errno};
    return false;
  }
  bool refuse(const std::string& path, const char* why) {
    *failure_ = Failure{path, why, nullptr, 0};
    return false;
  }

  static bool is_marker(const std::string& path) {
    return path.compare(path.rfind('/') + 1, kWhiteoutPrefix.size(), kWhiteoutPrefix) == 0;
  }

  // An empty file that belongs to nobody: who removed it, and when, is no part of a layer.
  bool marker(const std::string& path) {
    Entry entry;
    entry.name = path;
    return out_.begin(entry);
  }

  bool describe(const Node& node, Entry* entry) {
    const struct stat& status = node.status;
    entry->mode = status.st_mode & 07777;
    entry->uid = status.st_uid;
    entry->gid = status.st_gid;
    entry->mtime = status.st_mtim;
    switch (status.st_mode & S_IFMT) {
      case S_IFDIR:
        entry->kind = Kind::kDirectory;
        return true;
      case S_IFLNK:
        entry->kind = Kind::kSymlink;
        return read_target(node, &entry->link) || fail("archive_readlink", entry->name);
      case S_IFIFO:
        entry->kind = Kind::kFifo;
        return true;
      case S_IFCHR:
      case S_IFBLK:
        entry->kind = S_ISCHR(status.st_mode) ? Kind::kCharDevice : Kind::kBlockDevice;
        entry->major = major(status.st_rdev);
        entry->minor = minor(status.st_rdev);
        return true;
      default:
        return true;
    }
  }

  // A second name of a node that is in the archive already.
  bool is_linked(const std::string& path, const Node& node, Entry* entry) {
    if (node.is_directory() || node.status.st_nlink < 2) return false;
    const auto key = std::pair(node.status.st_dev, node.status.st_ino);
    const auto [first, fresh] = links_.try_emplace(key, path);
    if (fresh) return false;
    entry->kind = Kind::kHardLink;
    entry->link = first->second;
    return true;
  }

  bool file(const std::string& path, const Node& node, Entry* entry) {
    const sys::UniqueFd fd = reopen(node, O_RDONLY);
    if (!fd) return fail("archive_open", path);
    entry->size = entry->data_size = static_cast<uint64_t>(node.status.st_size);
    if (!find_holes(fd.get(), node, entry)) return fail("archive_seek", path);
    if (!out_.begin(*entry)) return false;
    if (!entry->sparse) return copy(path, fd.get(), 0, entry->size) && out_.end();
    for (const Segment& segment : entry->segments)
      if (!copy(path, fd.get(), segment.offset, segment.size)) return false;
    return out_.end();
  }

  // lseek(2), SEEK_DATA. A file without holes, or on a file system that tells of none, is no sparse
  // one.
  static bool find_holes(int fd, const Node& node, Entry* entry) {
    const off_t size = node.status.st_size;
    if (node.status.st_blocks * 512 >= size) return true;
    std::vector<Segment> segments;
    uint64_t data_size = 0;
    for (off_t at = 0; at < size;) {
      const off_t data = lseek(fd, at, SEEK_DATA);
      if (data < 0 && errno == ENXIO) break;
      if (data < 0) return errno == EINVAL;
      if (data >= size) break;
      const off_t hole = lseek(fd, data, SEEK_HOLE);
      if (hole < 0 && errno != ENXIO) return false;
      const off_t end = hole < 0 || hole > size ? size : hole;
      segments.push_back({static_cast<uint64_t>(data), static_cast<uint64_t>(end - data)});
      data_size += static_cast<uint64_t>(end - data);
      if (segments.size() > Limits::kSegments / 2) return true;  // written out in full
      at = end;
    }
    if (static_cast<uint64_t>(size) - data_size < kSparseBytes) return true;
    const bool ends_in_hole = segments.empty() || segments.back().offset + segments.back().size <
                                                      static_cast<uint64_t>(size);
    // GNU tar marks the end that way.
    if (ends_in_hole) segments.push_back({static_cast<uint64_t>(size), 0});
    entry->sparse = true;
    entry->segments = std::move(segments);
    entry->data_size = data_size;
    return true;
  }

  // As many bytes as the header says: a file that shrinks meanwhile is filled up with zeros, one
  // that grows is cut.
  bool copy(const std::string& path, int fd, uint64_t offset, uint64_t size) {
    while (size > 0) {
      const size_t wanted = static_cast<size_t>(std::min<uint64_t>(size, buffer_.size()));
      const ssize_t got = pread(fd, buffer_.data(), wanted, static_cast<off_t>(offset));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return fail("archive_read", path);
      size_t count = static_cast<size_t>(got);
      if (count == 0) {
        std::fill_n(buffer_.begin(), wanted, uint8_t{0});
        count = wanted;
      }
      if (!out_.data(buffer_.data(), count)) return false;
      offset += count;
      size -= count;
    }
    return true;
  }

  TarWriter out_;
  bool changes_;
  Archived* archived_;
  Failure* failure_;
  std::vector<uint8_t> buffer_;
  std::map<std::pair<dev_t, ino_t>, std::string> links_;
};

class Lister final : public Visitor {
 public:
  Lister(std::vector<Change>* changes, Failure* failure) : changes_(changes), failure_(failure) {}

  bool node(const std::string& path, const Node& /*node*/, bool known) override {
    changes_->push_back({known ? 'C' : 'A', path});
    return true;
  }
  bool gone(const std::string& path) override {
    changes_->push_back({'D', path});
    return true;
  }
  // What the lower directory has and this one has not. What both have is told with the others, as
  // new.
  bool emptied(const std::string& path, int lower, int upper) override {
    std::vector<std::string> before, after, lost;
    if (!read_names(lower, &before) || !read_names(upper, &after)) {
      *failure_ = Failure{path, "", "archive_read", errno};
      return false;
    }
    std::set_difference(before.begin(), before.end(), after.begin(), after.end(),
                        std::back_inserter(lost));
    for (const std::string& name : lost) changes_->push_back({'D', path + "/" + name});
    return true;
  }

 private:
  std::vector<Change>* changes_;
  Failure* failure_;
};

}  // namespace

bool archive(const Trees& trees, bool changes, int fd, Archived* archived, Failure* failure) {
  Archiver archiver(fd, changes, archived, failure);
  return Walk(trees, changes, &archiver, failure).run() && archiver.close();
}

bool archive_place(const Place& place, bool follow, const std::string& name, int fd,
                   Archived* archived, Failure* failure) {
  Node node;
  if (!open_place(place, follow, &node)) {
    *failure = Failure{place.path, "", "copy_open", errno};
    return false;
  }
  if (is_made_by_kernel(node.fd.get())) {
    *failure = Failure{place.path, "the kernel makes it up as it is read: there is no file to copy",
                       nullptr, 0};
    return false;
  }
  if (S_ISSOCK(node.status.st_mode)) {
    *failure = Failure{place.path, "it is a socket, which no archive can hold", nullptr, 0};
    return false;
  }
  if (name.empty() && !node.is_directory()) {
    *failure = Failure{place.path, "", "copy_open", ENOTDIR};
    return false;
  }
  Archiver archiver(fd, false, archived, failure);
  return Walk(Trees{}, false, &archiver, failure).run_from(node, name) && archiver.close();
}

bool list_changes(const Trees& trees, std::vector<Change>* changes, Failure* failure) {
  Lister lister(changes, failure);
  return Walk(trees, true, &lister, failure).run();
}

}  // namespace slipway::layer
