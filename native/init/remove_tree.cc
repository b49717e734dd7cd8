// A directory that is not empty is brought up into the tree's own root under a name nobody else
// has, and looked at in its turn: so nothing here goes down more than one level.
#include "init/remove_tree.h"

#include "init/monitor_base.h"

namespace slipway::init {
namespace {

namespace nr = sys::nr;

constexpr long kEisdir = 21, kEnotempty = 39;
constexpr int kRemoveDirectory = 0x200;  // AT_REMOVEDIR
constexpr unsigned kBroughtUp = 1u << 31;

bool is_dots(const char* name) noexcept {
  return name[0] == '.' && (name[1] == 0 || (name[1] == '.' && name[2] == 0));
}

int open_directory(int parent, const char* name) noexcept {
  return open_at(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

long unlink_at(int parent, const char* name, int flags) noexcept {
  const long result = call(nr::unlinkat, parent, sys::ptr(name), flags);
  return result == -kEnoent ? 0 : result;
}

// Ten digits and NUL: no name that a container chose is in the way for long, since those it meets
// are skipped.
struct Name {
  static constexpr unsigned kDigits = 10;
  char text[kDigits + 1];
  explicit Name(unsigned number) noexcept {
    Text(text, kDigits).digits(number, kDigits);
    text[kDigits] = 0;
  }
};

// RENAME_NOREPLACE.
long bring_up(int from, const char* name, int root, unsigned* number) noexcept {
  for (;;) {
    const Name next((*number)++ | kBroughtUp);
    const long result = call(nr::renameat2, from, sys::ptr(name), root, sys::ptr(next.text), 1);
    if (result != -kEexist) return result;
  }
}

long remove_one(int from, const char* name, int root, unsigned* number) noexcept {
  const long plain = unlink_at(from, name, 0);
  if (plain != -kEisdir && plain != -kEperm) return plain;
  const long empty = unlink_at(from, name, kRemoveDirectory);
  // In the root itself it is looked into where it is.
  if (empty != -kEnotempty || from == root) return empty;
  return bring_up(from, name, root, number);
}

// What is in the directory goes, or is in `root` then. The first error.
long empty_into(int directory, int root, unsigned* number) noexcept {
  long first = 0;
  for (;;) {
    const long got = call(nr::getdents64, directory, sys::ptr(buffer), sizeof buffer);
    if (got <= 0) return first != 0 ? first : got;
    for (long at = 0; at < got;) {
      const auto* entry = reinterpret_cast<const DirectoryEntry*>(buffer + at);
      at += entry->size;
      if (is_dots(entry->name)) continue;
      const long result = remove_one(directory, entry->name, root, number);
      if (result < 0 && result != -kEnotempty && first == 0) first = result;
    }
  }
}

// The name of a directory in `root`, or none. Other entries have been removed by then.
bool any_entry(int root, char* name, unsigned size) noexcept {
  call(nr::lseek, root, 0, 0);
  const long got = call(nr::getdents64, root, sys::ptr(buffer), sizeof buffer);
  for (long at = 0; at < got;) {
    const auto* entry = reinterpret_cast<const DirectoryEntry*>(buffer + at);
    at += entry->size;
    if (is_dots(entry->name)) continue;
    unsigned length = 0;
    while (length + 1 < size && entry->name[length] != 0) {
      name[length] = entry->name[length];
      length++;
    }
    name[length] = 0;
    return true;
  }
  return false;
}

}  // namespace

long remove_tree(int parent, const char* name) noexcept {
  const int root = open_directory(parent, name);
  if (root == -kEnoent) return 0;
  if (root < 0) return root;
  unsigned number = 0;
  long error = empty_into(root, root, &number);
  char inner[256];
  while (error == 0 && any_entry(root, inner, sizeof inner)) {
    const int directory = open_directory(root, inner);
    error = directory < 0 ? directory : empty_into(directory, root, &number);
    if (directory >= 0) call(nr::close, directory);
    if (error == 0) error = unlink_at(root, inner, kRemoveDirectory);
  }
  call(nr::close, root);
  return error != 0 ? error : unlink_at(parent, name, kRemoveDirectory);
}

}  // namespace slipway::init
