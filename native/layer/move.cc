// One rename for each name: whoever uses the directory keeps it, and sees each file whole.
#include "layer/move.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vector>

#include "layer/copy.h"
#include "layer/node.h"
#include "layer/remove.h"
#include "layer/tree.h"
#include "sys/unique_fd.h"

namespace slipway::layer {
namespace {

bool fail(const std::string& path, const char* step, Failure* failure) {
  *failure = Failure{path, "", step, errno};
  return false;
}

}  // namespace

bool move_entries(const std::string& from, const std::string& into, uint64_t* moved,
                  Failure* failure) {
  const sys::UniqueFd source = open_directory(from);
  if (!source) return errno == ENOENT || fail(from, "move_open", failure);
  const sys::UniqueFd target = open_directory(into);
  if (!target) return fail(into, "move_open", failure);
  struct stat status;
  if (fstat(source.get(), &status) != 0) return fail(from, "move_open", failure);
  // Once again at the end: each name that comes changes the directory's time.
  if (copy_metadata(source.get(), target.get()) != 0) return fail(into, "move_metadata", failure);
  std::vector<std::string> names;
  if (!read_names(source.get(), &names)) return fail(from, "move_read", failure);
  for (const std::string& name : names) {
    const int error =
        renameat2(source.get(), name.c_str(), target.get(), name.c_str(), RENAME_NOREPLACE);
    if (error == 0) {
      ++*moved;
    } else if (errno != EEXIST) {
      return fail(into + "/" + name, "move_rename", failure);
    }
  }
  const timespec times[2] = {status.st_atim, status.st_mtim};
  if (futimens(target.get(), times) != 0) return fail(into, "move_metadata", failure);
  uint64_t removed = 0;
  return remove_path(from, &removed, failure);
}

}  // namespace slipway::layer
