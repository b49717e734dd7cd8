// Extended headers of pax: records `<length> <key>=<value>\n` that override the next header
// (POSIX.1-2017, pax).
#pragma once
#include <stdint.h>
#include <time.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "layer/entry.h"

namespace slipway::layer {

struct PaxRecords {
  std::optional<std::string> path;
  std::optional<std::string> link;
  std::optional<int64_t> size;
  std::optional<int64_t> uid;
  std::optional<int64_t> gid;
  std::optional<timespec> mtime;
  std::optional<timespec> atime;
  std::vector<Xattr> xattrs;
  // GNU sparse files in pax archives (GNU tar manual, "Storing Sparse Files").
  std::optional<std::string> sparse_name;
  std::optional<int64_t> sparse_size;
  std::optional<int64_t> sparse_major;
  std::vector<int64_t> sparse_numbers;  // offset, size, offset, size …
  bool sparse = false;
};

// Adds the records of one extended header. Returns nullptr, or why it is refused.
const char* parse_pax(std::string_view body, PaxRecords* records);

// A decimal number without sign, blank or overflow.
bool parse_decimal(std::string_view text, int64_t* value);

}  // namespace slipway::layer
