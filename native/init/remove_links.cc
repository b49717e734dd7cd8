#include "init/remove_links.h"

#include "init/monitor_base.h"

namespace slipway::init {
namespace {

namespace nr = sys::nr;

constexpr int kLockExclusive = 2, kUnlock = 8;
constexpr uint8_t kLink = 10;  // DT_LNK

bool leads_to(int directory, const char* name, const char* text) noexcept {
  char target[256];
  const long size =
      call(nr::readlinkat, directory, sys::ptr(name), sys::ptr(target), sizeof target);
  for (long at = 0; text[at] != 0; at++)
    if (at >= size || target[at] != text[at]) return false;
  return true;
}

}  // namespace

long remove_links(int directory, const char* text) noexcept {
  long first = 0;
  call(nr::flock, directory, kLockExclusive);
  for (;;) {
    const long got = call(nr::getdents64, directory, sys::ptr(buffer), sizeof buffer);
    if (got <= 0) break;
    for (long at = 0; at < got;) {
      const auto* entry = reinterpret_cast<const DirectoryEntry*>(buffer + at);
      at += entry->size;
      if (entry->type != kLink || !leads_to(directory, entry->name, text)) continue;
      const long result = call(nr::unlinkat, directory, sys::ptr(entry->name), 0);
      if (result < 0 && first == 0) first = result;
    }
  }
  call(nr::flock, directory, kUnlock);
  return first;
}

}  // namespace slipway::init
