// Parses extended headers; unknown keys are ignored, as POSIX asks.
#include "layer/pax.h"

#include <array>

namespace slipway::layer {
namespace {

using Setter = const char* (*)(std::string_view value, PaxRecords* records);

constexpr const char* kBadNumber = "a number in the extended header is unreadable";
constexpr const char* kNulInName = "a name holds a NUL character";

const char* set_name(std::string_view value, std::optional<std::string>* target) {
  if (value.find('\0') != std::string_view::npos) return kNulInName;
  if (value.empty()) {
    target->reset();  // an empty value takes an earlier record back
  } else {
    target->emplace(value);
  }
  return nullptr;
}

const char* set_number(std::string_view value, std::optional<int64_t>* target) {
  int64_t number = 0;
  if (value.empty()) {
    target->reset();
    return nullptr;
  }
  if (!parse_decimal(value, &number)) return kBadNumber;
  *target = number;
  return nullptr;
}

// Nanoseconds of the digits after the point; what is finer is cut off.
bool parse_fraction(std::string_view digits, long* nanos) {
  long result = 0;
  for (size_t i = 0; i < 9; i++) {
    const char c = i < digits.size() ? digits[i] : '0';
    if (c < '0' || c > '9') return false;
    result = result * 10 + (c - '0');
  }
  *nanos = result;
  return digits.find_first_not_of("0123456789") == std::string_view::npos;
}

// `-1.5` is half a second before -1: tv_nsec counts forward from tv_sec.
bool parse_time(std::string_view text, timespec* time) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  const size_t point = text.find('.');
  const std::string_view fraction =
      point == std::string_view::npos ? std::string_view() : text.substr(point + 1);
  int64_t seconds;
  long nanos;
  if (!parse_decimal(text.substr(0, point), &seconds) || !parse_fraction(fraction, &nanos))
    return false;
  if (negative) seconds = -seconds;
  if (negative && nanos != 0) {
    seconds -= 1;
    nanos = 1'000'000'000 - nanos;
  }
  *time = {seconds, nanos};
  return true;
}

const char* set_time(std::string_view value, std::optional<timespec>* target) {
  timespec time;
  if (value.empty()) {
    target->reset();
    return nullptr;
  }
  if (!parse_time(value, &time)) return kBadNumber;
  *target = time;
  return nullptr;
}

const char* add_sparse_number(std::string_view value, PaxRecords* records) {
  int64_t number;
  if (records->sparse_numbers.size() >= 2 * Limits::kSegments)
    return "the sparse file has too many segments";
  if (!parse_decimal(value, &number)) return kBadNumber;
  records->sparse_numbers.push_back(number);
  return nullptr;
}

const char* set_sparse_map(std::string_view value, PaxRecords* records) {
  records->sparse_numbers.clear();
  records->sparse = true;
  while (!value.empty()) {
    const size_t comma = value.find(',');
    const char* why = add_sparse_number(value.substr(0, comma), records);
    if (why != nullptr) return why;
    value = comma == std::string_view::npos ? std::string_view() : value.substr(comma + 1);
  }
  return nullptr;
}

struct Key {
  std::string_view name;
  Setter set;
};

constexpr std::array kKeys = {
    Key{"path", [](std::string_view v, PaxRecords* r) { return set_name(v, &r->path); }},
    Key{"linkpath", [](std::string_view v, PaxRecords* r) { return set_name(v, &r->link); }},
    Key{"size", [](std::string_view v, PaxRecords* r) { return set_number(v, &r->size); }},
    Key{"uid", [](std::string_view v, PaxRecords* r) { return set_number(v, &r->uid); }},
    Key{"gid", [](std::string_view v, PaxRecords* r) { return set_number(v, &r->gid); }},
    Key{"mtime", [](std::string_view v, PaxRecords* r) { return set_time(v, &r->mtime); }},
    Key{"atime", [](std::string_view v, PaxRecords* r) { return set_time(v, &r->atime); }},
    Key{"GNU.sparse.name",
        [](std::string_view v, PaxRecords* r) { return set_name(v, &r->sparse_name); }},
    Key{"GNU.sparse.size",
        [](std::string_view v, PaxRecords* r) {
          r->sparse = true;
          return set_number(v, &r->sparse_size);
        }},
    Key{"GNU.sparse.realsize",
        [](std::string_view v, PaxRecords* r) { return set_number(v, &r->sparse_size); }},
    Key{"GNU.sparse.major",
        [](std::string_view v, PaxRecords* r) {
          r->sparse = true;
          return set_number(v, &r->sparse_major);
        }},
    Key{"GNU.sparse.offset", add_sparse_number},
    Key{"GNU.sparse.numbytes", add_sparse_number},
    Key{"GNU.sparse.map", set_sparse_map},
};

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

std::string percent_decoded(std::string_view text) {
  std::string result;
  for (size_t i = 0; i < text.size(); i++) {
    const bool coded = text[i] == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 &&
                       hex_digit(text[i + 2]) >= 0;
    result +=
        coded ? static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2])) : text[i];
    if (coded) i += 2;
  }
  return result;
}

bool base64_decoded(std::string_view text, std::string* result) {
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text.substr(0, text.find_last_not_of('=') + 1)) {
    const size_t digit = kAlphabet.find(c);
    if (digit == std::string_view::npos) return false;
    bits = (bits << 6) | static_cast<uint32_t>(digit);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    *result += static_cast<char>((bits >> count) & 0xff);
  }
  return true;
}

const char* add_xattr(std::string name, std::string value, PaxRecords* records) {
  if (name.empty() || name.size() > Limits::kNameBytes)
    return "an extended attribute's name is empty or too long";
  if (name.find('\0') != std::string::npos) return kNulInName;
  if (value.size() > Limits::kXattrBytes) return "an extended attribute is too large";
  for (Xattr& xattr : records->xattrs) {
    if (xattr.name != name) continue;
    xattr.value = std::move(value);
    return nullptr;
  }
  if (records->xattrs.size() >= Limits::kXattrs)
    return "the entry has too many extended attributes";
  records->xattrs.push_back({std::move(name), std::move(value)});
  return nullptr;
}

const char* apply_record(std::string_view key, std::string_view value, PaxRecords* records) {
  constexpr std::string_view kSchily = "SCHILY.xattr.", kLibarchive = "LIBARCHIVE.xattr.";
  for (const Key& known : kKeys) {
    if (known.name == key) return known.set(value, records);
  }
  if (key.starts_with(kSchily))
    return add_xattr(std::string(key.substr(kSchily.size())), std::string(value), records);
  if (!key.starts_with(kLibarchive)) return nullptr;
  std::string decoded;
  if (!base64_decoded(value, &decoded)) return "an extended attribute is not base64";
  return add_xattr(percent_decoded(key.substr(kLibarchive.size())), std::move(decoded), records);
}

}  // namespace

bool parse_decimal(std::string_view text, int64_t* value) {
  if (text.empty() || text.size() > 18) return false;
  int64_t result = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return false;
    result = result * 10 + (c - '0');
  }
  *value = result;
  return true;
}

const char* parse_pax(std::string_view body, PaxRecords* records) {
  constexpr const char* kMalformed = "the extended header is malformed";
  while (!body.empty()) {
    const size_t space = body.find(' ');
    int64_t length;
    if (space == std::string_view::npos || !parse_decimal(body.substr(0, space), &length))
      return kMalformed;
    const auto size = static_cast<uint64_t>(length);
    if (size <= space + 1 || size > body.size() || body[size - 1] != '\n') return kMalformed;
    const std::string_view record = body.substr(space + 1, size - space - 2);
    const size_t equals = record.find('=');
    if (equals == std::string_view::npos || equals == 0) return kMalformed;
    const char* why = apply_record(record.substr(0, equals), record.substr(equals + 1), records);
    if (why != nullptr) return why;
    body.remove_prefix(size);
  }
  return nullptr;
}

}  // namespace slipway::layer
