// Headers and their order of bytes.
#include "layer/tar_writer.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>

#include "layer/tar_header.h"

namespace slipway::layer {
namespace {

constexpr size_t kBuffer = 256 << 10;
constexpr size_t kNameField = 100, kLinkField = 100;
constexpr uint64_t kMaxOctal7 = 07777777, kMaxOctal11 = 077777777777;

char type_of(Kind kind) {
  switch (kind) {
    case Kind::kFile:
      return '0';
    case Kind::kHardLink:
      return '1';
    case Kind::kSymlink:
      return '2';
    case Kind::kCharDevice:
      return '3';
    case Kind::kBlockDevice:
      return '4';
    case Kind::kDirectory:
      return '5';
    case Kind::kFifo:
      return '6';
  }
  return '0';
}

// `<length> <key>=<value>\n`: the length counts its own digits.
void add_record(std::string* records, const std::string& key, std::string_view value) {
  const size_t rest = key.size() + value.size() + 3;
  size_t length = rest + std::to_string(rest).size();
  if (std::to_string(length).size() != std::to_string(rest).size())
    length = rest + std::to_string(length).size();
  records->append(std::to_string(length)).append(" ").append(key).append("=");
  records->append(value).append("\n");
}

// Seconds with as many digits behind the point as are needed; before 1970 the fraction counts from
// the number itself, not from the second below.
std::string time_text(const timespec& time) {
  const bool negative = time.tv_sec < 0 && time.tv_nsec > 0;
  const int64_t seconds = negative ? time.tv_sec + 1 : time.tv_sec;
  const long fraction = negative ? 1'000'000'000 - time.tv_nsec : time.tv_nsec;
  std::string text = negative && seconds == 0 ? "-0" : std::to_string(seconds);
  if (fraction == 0) return text;
  char digits[16];
  (void)snprintf(digits, sizeof digits, "%09ld", fraction);
  text.append(".").append(digits);
  return text.substr(0, text.find_last_not_of('0') + 1);
}

void octal(char* field, size_t size, uint64_t value) {
  (void)snprintf(field, size, "%0*llo", static_cast<int>(size - 1),
                 static_cast<unsigned long long>(value));
}

std::string sparse_map(const Entry& entry) {
  std::string map = std::to_string(entry.segments.size()) + "\n";
  for (const Segment& segment : entry.segments)
    map += std::to_string(segment.offset) + "\n" + std::to_string(segment.size) + "\n";
  map.resize((map.size() + kBlockBytes - 1) / kBlockBytes * kBlockBytes, '\0');
  return map;
}

}  // namespace

bool TarWriter::begin(const Entry& entry) {
  entries++;
  const std::string map = entry.sparse ? sparse_map(entry) : "";
  const uint64_t size = map.size() + entry.data_size;
  std::string records;
  // GNU tar manual, "Storing Sparse Files", version 1.0: a reader that does not know it finds
  // another name.
  const std::string name = entry.sparse ? "GNUSparseFile.0/" + entry.name : entry.name;
  if (entry.sparse) {
    add_record(&records, "GNU.sparse.major", "1");
    add_record(&records, "GNU.sparse.minor", "0");
    add_record(&records, "GNU.sparse.name", entry.name);
    add_record(&records, "GNU.sparse.realsize", std::to_string(entry.size));
  }
  if (!entry.sparse && name.size() > kNameField) add_record(&records, "path", name);
  if (entry.link.size() > kLinkField) add_record(&records, "linkpath", entry.link);
  if (entry.uid > kMaxOctal7) add_record(&records, "uid", std::to_string(entry.uid));
  if (entry.gid > kMaxOctal7) add_record(&records, "gid", std::to_string(entry.gid));
  if (size > kMaxOctal11) add_record(&records, "size", std::to_string(size));
  const bool plain_time = entry.mtime.tv_nsec == 0 && entry.mtime.tv_sec >= 0 &&
                          static_cast<uint64_t>(entry.mtime.tv_sec) <= kMaxOctal11;
  if (!plain_time) add_record(&records, "mtime", time_text(entry.mtime));
  for (const Xattr& xattr : entry.xattrs)
    add_record(&records, "SCHILY.xattr." + xattr.name, xattr.value);
  if (!records.empty()) {
    Entry plain;
    plain.mode = 0644;
    if (!header('x', "pax", "", plain, records.size()) || !put(records.data(), records.size()) ||
        !end())
      return false;
  }
  if (!header(type_of(entry.kind), name, entry.link, entry, size)) return false;
  return map.empty() || put(map.data(), map.size());
}

bool TarWriter::header(char type, std::string_view name, std::string_view link, const Entry& entry,
                       uint64_t size) {
  char block[kBlockBytes] = {};
  memcpy(block, name.data(), std::min(name.size(), kNameField));
  octal(block + 100, 8, entry.mode & 07777);
  octal(block + 108, 8, entry.uid > kMaxOctal7 ? 0 : entry.uid);
  octal(block + 116, 8, entry.gid > kMaxOctal7 ? 0 : entry.gid);
  octal(block + 124, 12, size > kMaxOctal11 ? 0 : size);
  const bool fits =
      entry.mtime.tv_sec >= 0 && static_cast<uint64_t>(entry.mtime.tv_sec) <= kMaxOctal11;
  octal(block + 136, 12, fits ? static_cast<uint64_t>(entry.mtime.tv_sec) : 0);
  block[156] = type;
  memcpy(block + 157, link.data(), std::min(link.size(), kLinkField));
  memcpy(block + 257, "ustar\00000", 8);
  octal(block + 329, 8, entry.major);
  octal(block + 337, 8, entry.minor);
  memset(block + 148, ' ', 8);
  unsigned sum = 0;
  for (const char byte : block) sum += static_cast<unsigned char>(byte);
  octal(block + 148, 7, sum);
  in_entry_ = 0;
  const bool ok = put(block, sizeof block);
  in_entry_ = 0;
  return ok;
}

bool TarWriter::data(const uint8_t* data, size_t size) { return put(data, size); }

bool TarWriter::end() {
  static const char zeros[kBlockBytes] = {};
  const size_t odd = in_entry_ % kBlockBytes;
  return odd == 0 || put(zeros, kBlockBytes - odd);
}

bool TarWriter::close() {
  static const char zeros[2 * kBlockBytes] = {};
  return put(zeros, sizeof zeros) && flush();
}

bool TarWriter::put(const void* data, size_t size) {
  in_entry_ += size;
  bytes += size;
  buffer_.append(static_cast<const char*>(data), size);
  return buffer_.size() < kBuffer || flush();
}

bool TarWriter::flush() {
  for (size_t at = 0; at < buffer_.size();) {
    const ssize_t put = write(fd_, buffer_.data() + at, buffer_.size() - at);
    if (put > 0) {
      at += static_cast<size_t>(put);
    } else if (errno == EAGAIN) {
      pollfd ready = {fd_, POLLOUT, 0};
      (void)poll(&ready, 1, -1);
    } else if (errno != EINTR) {
      *failure_ = Failure{"", "", "archive_write", errno};
      return false;
    }
  }
  buffer_.clear();
  return true;
}

}  // namespace slipway::layer
