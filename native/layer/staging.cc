// Staging directories: made, then locked, then checked to be still there.
#include "layer/staging.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "layer/node.h"
#include "layer/remove.h"

namespace slipway::layer {
namespace {

std::string random_name() {
  uint8_t bytes[8];
  (void)!getrandom(bytes, sizeof bytes, 0);
  std::string name;
  for (const uint8_t byte : bytes) {
    name += "0123456789abcdef"[byte >> 4];
    name += "0123456789abcdef"[byte & 15];
  }
  return name;
}

bool fail(const std::string& path, const char* step, Failure* failure) {
  *failure = Failure{path, "", step, errno};
  return false;
}

// True when this process now holds the lock of a directory that still has a name.
bool own(int directory) {
  struct stat status;
  return flock(directory, LOCK_EX | LOCK_NB) == 0 && fstat(directory, &status) == 0 &&
         status.st_nlink > 0;
}

}  // namespace

sys::UniqueFd open_staging(const std::string& parent, std::string* path, Failure* failure) {
  for (int attempt = 0; attempt < 16; attempt++) {
    *path = parent + "/" + random_name();
    if (mkdir(path->c_str(), 0700) != 0 && errno != EEXIST) {
      (void)fail(*path, "staging_mkdir", failure);
      return {};
    }
    // A sweeper may come in between and take it for a dead one's: then a new one is made.
    sys::UniqueFd directory = open_directory(*path);
    if (directory && own(directory.get())) return directory;
  }
  (void)fail(*path, "staging_lock", failure);
  return {};
}

bool sync_staging(int directory, const std::string& path, Failure* failure) {
  return syncfs(directory) == 0 || fail(path, "syncfs", failure);
}

bool sweep_staging(const std::string& parent, uint64_t* removed, Failure* failure) {
  DIR* stream = opendir(parent.c_str());
  if (stream == nullptr) return errno == ENOENT || fail(parent, "staging_read", failure);
  bool ok = true;
  for (dirent* entry = readdir(stream); ok && entry != nullptr; entry = readdir(stream)) {
    if (entry->d_name[0] == '.') continue;
    const sys::UniqueFd directory = open_child_directory(dirfd(stream), entry->d_name);
    const bool dead = !directory || own(directory.get());
    ok = !dead || remove_tree(dirfd(stream), entry->d_name, removed, failure);
  }
  closedir(stream);
  return ok;
}

}  // namespace slipway::layer
