// Layer after layer is laid over the target: directories are made or taken over, all else is
// linked.
#include "layer/flatten.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <unordered_map>
#include <utility>

#include "layer/copy.h"
#include "layer/dir_stack.h"
#include "layer/node.h"
#include "layer/remove.h"

namespace slipway::layer {
namespace {

class Flattener {
 public:
  Flattener(int target, int scratch, bool over, FlattenStats* stats, Failure* failure)
      : target_(target), scratch_(scratch), stats_(stats), failure_(failure), first_(!over) {}

  bool lay(int layer) {
    held_.clear();
    path_.clear();
    const bool links = fgetxattr(layer, attributes().has_pending_links, nullptr, 0) >= 0;
    if (links && !hold_links(layer)) return false;
    return directory(layer, target_, std::exchange(first_, false));
  }

 private:
  bool fail(const char* step) {
    *failure_ = Failure{path_, "", step, errno};
    return false;
  }

  template <typename Body>
  bool each(int directory, Body body) {
    const int copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR* stream = copy < 0 ? nullptr : fdopendir(copy);
    if (stream == nullptr) {
      if (copy >= 0) close(copy);
      return fail("stack_read");
    }
    bool ok = true;
    const size_t length = path_.size();
    for (dirent* entry = readdir(stream); ok && entry != nullptr; entry = readdir(stream)) {
      if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
      path_ += path_.empty() ? entry->d_name : std::string("/") + entry->d_name;
      ok = body(*entry);
      path_.resize(length);
    }
    closedir(stream);
    return ok;
  }

  // First pass: the targets of pending links are what the layers below have, before this layer
  // changes any of it.
  bool hold_links(int layer) {
    return each(layer, [&](const dirent& entry) {
      if (entry.d_type == DT_REG) return hold_link(layer, entry.d_name);
      if (entry.d_type != DT_DIR) return true;
      const sys::UniqueFd child = open_child_directory(layer, entry.d_name);
      return child ? hold_links(child.get()) : fail("stack_open");
    });
  }

  bool hold_link(int layer, const char* name) {
    struct stat status;
    if (fstatat(layer, name, &status, AT_SYMLINK_NOFOLLOW) != 0) return fail("stack_stat");
    if (status.st_size != 0 || held_.contains(status.st_ino)) return true;
    const sys::UniqueFd file(openat(layer, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    if (!file) return fail("stack_open");
    char target[Limits::kPathBytes];
    const ssize_t size = fgetxattr(file.get(), attributes().pending_link, target, sizeof target);
    if (size < 0) return errno == ENODATA || errno == EOPNOTSUPP || fail("stack_link");
    const std::string held = "link-" + std::to_string(made_++);
    if (!find(std::string(target, static_cast<size_t>(size)), held)) return false;
    held_.emplace(status.st_ino, held);
    return true;
  }

  // Links `target`, resolved inside the tree made so far, into the scratch directory.
  bool find(const std::string& target, const std::string& held) {
    CleanPath path;
    const char* why = clean_path(target, &path);
    if (why != nullptr || path.parts.empty()) return dangling(target);
    std::string parent;
    for (size_t i = 0; i + 1 < path.parts.size(); i++) parent += std::string(path.parts[i]) + "/";
    const sys::UniqueFd holder = open_directory_in_root(target_, parent.empty() ? "." : parent);
    const std::string name(path.parts.back());
    struct stat status;
    if (!holder || fstatat(holder.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0)
      return dangling(target);
    if (S_ISDIR(status.st_mode)) return dangling(target);
    return link(holder.get(), name.c_str(), scratch_, held.c_str());
  }

  bool dangling(const std::string& target) {
    *failure_ =
        Failure{path_, "a hard link to \"" + target + "\", which no layer below has", nullptr, 0};
    return false;
  }

  // Second pass. `fresh`: the target's directory was made just now and has no metadata of its own.
  bool directory(int from, int to, bool fresh) {
    struct stat before;
    if (fstat(to, &before) != 0) return fail("stack_stat");
    const bool filled = each(from, [&](const dirent& entry) { return node(from, to, entry); });
    if (!filled) return false;
    const bool implicit = fgetxattr(from, attributes().implicit, nullptr, 0) >= 0;
    if (!implicit || fresh) return copy_metadata(from, to) == 0 || fail("stack_metadata");
    const timespec times[2] = {before.st_atim, before.st_mtim};
    return futimens(to, times) == 0 || fail("stack_metadata");
  }

  bool node(int from, int to, const dirent& entry) {
    if (entry.d_type == DT_DIR) return subdirectory(from, to, entry.d_name);
    if (entry.d_type == DT_CHR) {
      struct stat status;
      if (fstatat(from, entry.d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) return fail("stack_stat");
      if (is_whiteout(status)) return remove(to, entry.d_name);
    }
    const auto held = held_.empty() ? held_.end() : held_.find(entry.d_ino);
    if (held != held_.end()) return place(scratch_, held->second.c_str(), to, entry.d_name);
    return place(from, entry.d_name, to, entry.d_name);
  }

  bool remove(int to, const char* name) {
    uint64_t removed = 0;
    return remove_tree(to, name, &removed, failure_);
  }

  bool place(int from, const char* name, int to, const char* as) {
    if (linkat(from, name, to, as, 0) == 0) {
      stats_->links++;
      return true;
    }
    if (errno == EEXIST) return remove(to, as) && link(from, name, to, as);
    return link(from, name, to, as);
  }

  bool link(int from, const char* name, int to, const char* as) {
    if (linkat(from, name, to, as, 0) == 0) {
      stats_->links++;
      return true;
    }
    return errno == EMLINK ? link_to_copy(from, name, to, as) : fail("stack_link");
  }

  // ext4 allows 65,000 links to a file. Names that share the file go on to share the copy.
  bool link_to_copy(int from, const char* name, int to, const char* as) {
    struct stat status;
    if (fstatat(from, name, &status, AT_SYMLINK_NOFOLLOW) != 0) return fail("stack_stat");
    std::string& copy = copies_[status.st_ino];
    if (!copy.empty() && linkat(scratch_, copy.c_str(), to, as, 0) == 0) return true;
    copy = "copy-" + std::to_string(made_++);
    if (!copy_node(from, name, status, scratch_, copy.c_str())) return fail("stack_copy");
    stats_->copies++;
    return linkat(scratch_, copy.c_str(), to, as, 0) == 0 || fail("stack_link");
  }

  bool subdirectory(int from, int to, const char* name) {
    const sys::UniqueFd source = open_child_directory(from, name);
    if (!source) return fail("stack_open");
    const bool opaque = fgetxattr(source.get(), attributes().opaque, nullptr, 0) > 0;
    bool fresh = false;
    const sys::UniqueFd target = target_directory(to, name, opaque, &fresh);
    return target && directory(source.get(), target.get(), fresh);
  }

  // The directory of the layers below, unless it is hidden or something else; then a new one.
  sys::UniqueFd target_directory(int to, const char* name, bool opaque, bool* fresh) {
    if (!opaque) {
      sys::UniqueFd target = open_child_directory(to, name);
      if (target) return target;
    }
    if (!remove(to, name)) return {};
    if (mkdirat(to, name, 0700) != 0) {
      (void)fail("stack_mkdir");
      return {};
    }
    *fresh = true;
    stats_->directories++;
    sys::UniqueFd target = open_child_directory(to, name);
    if (!target) (void)fail("stack_open");
    if (target) drop_inherited_acl(target.get());
    return target;
  }

  int target_, scratch_;
  FlattenStats* stats_;
  Failure* failure_;
  bool first_;
  std::string path_;
  uint64_t made_ = 0;
  std::unordered_map<uint64_t, std::string>
      held_;  // placeholder's inode -> its target in the scratch directory
  std::unordered_map<uint64_t, std::string> copies_;  // full inode -> its latest copy
};

bool open_failed(const std::string& path, const char* step, Failure* failure) {
  *failure = Failure{path, "", step, errno};
  return false;
}

bool lay_all(const std::vector<std::string>& layers, int target, int scratch, bool over,
             FlattenStats* stats, Failure* failure, size_t* failed_layer) {
  Flattener flattener(target, scratch, over, stats, failure);
  for (size_t i = 0; i < layers.size(); i++) {
    *failed_layer = i;
    const sys::UniqueFd layer = open_directory(layers[i]);
    if (!layer) return open_failed(layers[i], "stack_open_layer", failure);
    if (!flattener.lay(layer.get())) return false;
  }
  return true;
}

}  // namespace

bool flatten(const std::vector<std::string>& layers, const std::string& target,
             const std::string& scratch, bool over, FlattenStats* stats, Failure* failure,
             size_t* failed_layer) {
  const sys::UniqueFd root = open_directory(target);
  if (!root) return open_failed(target, "stack_open_target", failure);
  if (!over) drop_inherited_acl(root.get());
  if (mkdir(scratch.c_str(), 0700) != 0) return open_failed(scratch, "stack_mkdir", failure);
  const sys::UniqueFd held = open_directory(scratch);
  if (!held) return open_failed(scratch, "stack_open_target", failure);
  if (!lay_all(layers, root.get(), held.get(), over, stats, failure, failed_layer)) return false;
  uint64_t removed = 0;
  return remove_path(scratch, &removed, failure);
}

}  // namespace slipway::layer
