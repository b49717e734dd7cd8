// libFuzzer: bytes that may be a tar. The first one says in chunks of which size the reader is fed. What it tells of an entry must keep
// to the limits, the data must be as long as it said, and a reader fed in other chunks must tell the same.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <string>

#include "layer/tar_reader.h"

namespace {

using namespace slipway::layer;

void demand(bool holds, const char* what) {
  if (holds) return;
  fprintf(stderr, "broken: %s\n", what);
  abort();
}

class Checker : public EntrySink {
 public:
  // Everything that was told, in one text: two readers must agree.
  std::string told;

  bool begin(const Entry& entry) override {
    demand(!open_, "an entry begins before the last one ended");
    open_ = true;
    left_ = data_of(entry);
    size_ = entry.size;
    end_ = 0;
    demand(entry.name.size() < (1 << 20) + 2, "a name is longer than its header may be");
    demand(entry.name.find('\0') == std::string::npos, "NUL in a name");
    demand(entry.link.find('\0') == std::string::npos, "NUL in a link");
    demand((entry.mode & ~07777U) == 0, "bits of a type in a mode");
    demand(entry.uid != UINT32_MAX && entry.gid != UINT32_MAX, "an owner that means leave it");
    demand(entry.xattrs.size() <= Limits::kXattrs, "too many attributes");
    demand(left_ <= entry.size, "more data than file");
    demand(entry.mtime.tv_nsec >= 0 && entry.mtime.tv_nsec < 1'000'000'000, "nanoseconds out of range");
    for (const Xattr& xattr : entry.xattrs)
      demand(!xattr.name.empty() && xattr.name.size() <= 255 && xattr.value.size() <= Limits::kXattrBytes &&
                 xattr.name.find('\0') == std::string::npos,
             "an attribute beyond its limits");
    tell(entry);
    return true;
  }

  bool data(uint64_t offset, const uint8_t* bytes, size_t size) override {
    demand(open_, "data without an entry");
    demand(size <= left_, "more data than was told");
    demand(offset >= end_ && offset <= size_ && size <= size_ - offset, "data beyond the file");
    left_ -= size;
    end_ = offset + size;
    for (size_t i = 0; i < size; i++) sum_ = sum_ * 31 + bytes[i] + offset + i;
    return true;
  }

  bool end() override {
    demand(open_ && left_ == 0, "an entry ends before its data");
    open_ = false;
    told += "sum " + std::to_string(sum_) + "\n";
    return true;
  }

 private:
  // What a sink is given: a dump's list of names and a map of runs are passed over.
  static uint64_t data_of(const Entry& entry) {
    if (entry.kind != Kind::kFile) return 0;
    if (!entry.sparse) return entry.data_size;
    uint64_t sum = 0;
    for (const Segment& segment : entry.segments) sum += segment.size;
    return sum;
  }

  void tell(const Entry& entry) {
    told += std::to_string(static_cast<int>(entry.kind)) + " " + entry.name + " " + entry.link + " " +
            std::to_string(entry.mode) + " " + std::to_string(entry.uid) + " " + std::to_string(entry.gid) +
            " " + std::to_string(entry.size) + " " + std::to_string(entry.mtime.tv_sec) + "." +
            std::to_string(entry.mtime.tv_nsec) + " " + std::to_string(entry.major) + ":" +
            std::to_string(entry.minor) + "\n";
    for (const Xattr& xattr : entry.xattrs) told += xattr.name + "=" + xattr.value + "\n";
  }

  bool open_ = false;
  uint64_t left_ = 0, size_ = 0, end_ = 0, sum_ = 0;
};

std::string read_in_chunks(const uint8_t* bytes, size_t size, size_t step) {
  Checker checker;
  Failure failure;
  TarReader reader(&checker, Limits{}, &failure);
  bool ok = true;
  for (size_t at = 0; ok && at < size; at += step)
    ok = reader.feed(bytes + at, step < size - at ? step : size - at);
  if (ok) ok = reader.finish();
  demand(ok != failure.set(), "a failure without a reason, or a reason without a failure");
  return ok ? checker.told : checker.told + "refused: " + failure.why;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  if (size < 2) return 0;
  const size_t step = size_t{bytes[0]} + 1;
  const std::string whole = read_in_chunks(bytes + 1, size - 1, size - 1);
  demand(whole == read_in_chunks(bytes + 1, size - 1, step), "other chunks, another archive");
  return 0;
}

extern "C" size_t LLVMFuzzerMutate(uint8_t* bytes, size_t size, size_t max_size);

// Damage to a header is mostly found by its checksum, and nothing else of it is ever looked at. So most
// are put right again: blocks that still have the magic of their format.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* bytes, size_t size, size_t max_size, unsigned seed) {
  size = LLVMFuzzerMutate(bytes, size, max_size);
  if (seed % 8 == 0) return size;
  for (size_t at = 1; at + kBlockBytes <= size; at += kBlockBytes) {
    uint8_t* block = bytes + at;
    if (memcmp(block + 257, "ustar", 5) != 0) continue;
    memset(block + 148, ' ', 8);
    unsigned sum = 0;
    for (size_t i = 0; i < kBlockBytes; i++) sum += block[i];
    char digits[8];
    snprintf(digits, sizeof digits, "%06o", sum);
    memcpy(block + 148, digits, 7);
  }
  return size;
}
