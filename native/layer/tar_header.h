// The 512-byte header block of tar: V7, ustar, GNU and star (tar(5); POSIX.1-2017 pax, "ustar
// Interchange Format").
#pragma once
#include <stddef.h>
#include <stdint.h>

#include <string>
#include <vector>

#include "layer/entry.h"

namespace slipway::layer {

inline constexpr size_t kBlockBytes = 512;

struct Header {
  char type = 0;
  std::string name;
  std::string link;
  int64_t mode = 0;
  int64_t uid = 0;
  int64_t gid = 0;
  int64_t size = 0;
  int64_t mtime = 0;
  int64_t major = 0;
  int64_t minor = 0;
  // Old GNU sparse files (type 'S').
  int64_t real_size = 0;
  bool more_segments = false;
  std::vector<Segment> segments;
};

bool is_zero_block(const uint8_t* block);

// Decodes one block. Returns nullptr, or why the block is no tar header.
const char* decode_header(const uint8_t* block, Header* header);

// Decodes a continuation block of an old GNU sparse map, and whether one more follows.
const char* decode_sparse_block(const uint8_t* block, std::vector<Segment>* segments, bool* more);

// An octal or base-256 number field.
bool decode_number(const uint8_t* field, size_t size, int64_t* value);

}  // namespace slipway::layer
