// Decodes header blocks; every field is untrusted.
#include "layer/tar_header.h"

#include <string.h>

#include <string_view>

namespace slipway::layer {
namespace {

// Field positions: tar(5). GNU keeps its sparse map where ustar keeps the name's prefix.
struct Field {
  size_t at;
  size_t size;
};
constexpr Field kName{0, 100}, kMode{100, 8}, kUid{108, 8}, kGid{116, 8}, kSize{124, 12},
    kMtime{136, 12}, kSum{148, 8}, kLink{157, 100}, kMajor{329, 8}, kMinor{337, 8},
    kPrefix{345, 155}, kStarPrefix{345, 131}, kRealSize{483, 12};
constexpr size_t kTypeAt = 156, kMagicAt = 257, kStarTrailerAt = 508, kGnuSparseAt = 386,
                 kGnuMoreAt = 482, kExtensionMoreAt = 504, kSegmentBytes = 24, kGnuSegments = 4,
                 kExtensionSegments = 21;

std::string text(const uint8_t* block, Field field) {
  const char* start = reinterpret_cast<const char*>(block) + field.at;
  return {start, strnlen(start, field.size)};
}

bool number(const uint8_t* block, Field field, int64_t* value) {
  return decode_number(block + field.at, field.size, value);
}

// Old writers summed signed characters; both sums are accepted, as everywhere.
bool sum_matches(const uint8_t* block) {
  int64_t expected;
  if (!number(block, kSum, &expected)) return false;
  int64_t plain = 0, with_sign = 0;
  for (size_t i = 0; i < kBlockBytes; i++) {
    const bool blank = i >= kSum.at && i < kSum.at + kSum.size;
    plain += blank ? ' ' : block[i];
    with_sign += blank ? ' ' : static_cast<int8_t>(block[i]);
  }
  return expected == plain || expected == with_sign;
}

bool decode_segment(const uint8_t* at, std::vector<Segment>* segments, bool* last) {
  *last = at[0] == 0 && at[12] == 0;
  if (*last) return true;
  int64_t offset, size;
  if (!decode_number(at, 12, &offset) || !decode_number(at + 12, 12, &size) || offset < 0 ||
      size < 0)
    return false;
  segments->push_back({static_cast<uint64_t>(offset), static_cast<uint64_t>(size)});
  return true;
}

bool decode_segments(const uint8_t* at, size_t count, std::vector<Segment>* segments) {
  bool last = false;
  for (size_t i = 0; i < count && !last; i++) {
    if (!decode_segment(at + i * kSegmentBytes, segments, &last)) return false;
  }
  return true;
}

enum class Format { kV7, kUstar, kStar, kGnu };

Format format_of(const uint8_t* block) {
  const std::string_view magic(reinterpret_cast<const char*>(block) + kMagicAt, 8);
  if (magic == std::string_view("ustar  \0", 8)) return Format::kGnu;
  if (magic.substr(0, 6) != std::string_view("ustar\0", 6)) return Format::kV7;
  return memcmp(block + kStarTrailerAt, "tar", 4) == 0 ? Format::kStar : Format::kUstar;
}

void add_prefix(const uint8_t* block, Field field, Header* header) {
  const std::string prefix = text(block, field);
  if (!prefix.empty()) header->name = prefix + "/" + header->name;
}

const char* decode_gnu_sparse(const uint8_t* block, Header* header) {
  if (!number(block, kRealSize, &header->real_size) || header->real_size < 0)
    return "unreadable size of a sparse file";
  if (!decode_segments(block + kGnuSparseAt, kGnuSegments, &header->segments))
    return "unreadable map of a sparse file";
  header->more_segments = block[kGnuMoreAt] != 0;
  return nullptr;
}

bool is_blank(uint8_t c) { return c == ' ' || c == 0; }

// Two's complement, big endian, after the marker bit (GNU tar manual, "Extending tar").
bool decode_base256(const uint8_t* field, size_t size, int64_t* value) {
  const bool negative = (field[0] & 0x40) != 0;
  const uint8_t fill = negative ? 0xff : 0;
  uint64_t result = negative ? ~uint64_t{0} : 0;
  for (size_t i = 0; i < size; i++) {
    const uint8_t byte =
        i == 0 ? static_cast<uint8_t>((field[0] & 0x3f) | (negative ? 0xc0 : 0)) : field[i];
    const bool beyond = size - i > 8;
    if (beyond && byte != fill) return false;
    if (!beyond) result = (result << 8) | byte;
  }
  *value = static_cast<int64_t>(result);
  return (*value < 0) == negative;
}

}  // namespace

bool is_zero_block(const uint8_t* block) {
  static const uint8_t zeros[kBlockBytes] = {};
  return memcmp(block, zeros, kBlockBytes) == 0;
}

bool decode_number(const uint8_t* field, size_t size, int64_t* value) {
  if ((field[0] & 0x80) != 0) return decode_base256(field, size, value);
  size_t at = 0, end = size;
  while (at < end && is_blank(field[at])) at++;
  // Blanks end the number; what stands behind the first blank is not part of it.
  size_t stop = at;
  while (stop < end && !is_blank(field[stop])) stop++;
  uint64_t result = 0;
  for (; at < stop; at++) {
    if (field[at] < '0' || field[at] > '7') return false;
    result = (result << 3) | static_cast<uint64_t>(field[at] - '0');  // 12 digits: 36 bits at most
  }
  *value = static_cast<int64_t>(result);
  return true;
}

const char* decode_sparse_block(const uint8_t* block, std::vector<Segment>* segments, bool* more) {
  if (!decode_segments(block, kExtensionSegments, segments))
    return "unreadable map of a sparse file";
  *more = block[kExtensionMoreAt] != 0;
  return nullptr;
}

const char* decode_header(const uint8_t* block, Header* header) {
  if (!sum_matches(block)) return "the header's checksum is wrong";
  header->type = static_cast<char>(block[kTypeAt]);
  header->name = text(block, kName);
  header->link = text(block, kLink);
  const bool read = number(block, kMode, &header->mode) && number(block, kUid, &header->uid) &&
                    number(block, kGid, &header->gid) && number(block, kSize, &header->size) &&
                    number(block, kMtime, &header->mtime);
  if (!read) return "a number in the header is unreadable";
  if (header->size < 0) return "the size is negative";
  const Format format = format_of(block);
  if (format == Format::kUstar) add_prefix(block, kPrefix, header);
  if (format == Format::kStar) add_prefix(block, kStarPrefix, header);
  const bool device = header->type == '3' || header->type == '4';
  if (device && !(number(block, kMajor, &header->major) && number(block, kMinor, &header->minor))) {
    return "the device number is unreadable";
  }
  return header->type == 'S' ? decode_gnu_sparse(block, header) : nullptr;
}

}  // namespace slipway::layer
