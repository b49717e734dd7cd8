#include "init/monitor_base.h"

#include <sys/uio.h>

namespace slipway::init {
namespace {

namespace nr = sys::nr;

struct Time {
  int64_t seconds, nanoseconds;
};

Time time_of(int clock) noexcept {
  Time time{};
  sys::raw_syscall(nr::clock_gettime, clock, sys::ptr(&time));
  return time;
}

// Bytes of the character that begins here, 0 where none does. Truncated: `*cut`.
size_t character(const uint8_t* bytes, size_t size, bool* cut) noexcept {
  const uint8_t first = bytes[0];
  if (first < 0x80) return 1;
  const size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4) return 0;
  for (size_t i = 1; i < length; i++) {
    if (i == size) {
      *cut = true;
      return 0;
    }
    // No overlong forms, no surrogates, nothing above U+10FFFF. RFC 3629, section 4.
    const uint8_t low = i > 1 ? 0x80 : first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    const uint8_t high = i > 1 ? 0xbf : first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (bytes[i] < low || bytes[i] > high) return 0;
  }
  return length;
}

// 0 for a name that is none.
uint32_t segment_number(const char* name) noexcept {
  uint32_t value = 0;
  for (unsigned i = 0; i < 8; i++) {
    if (name[i] < '0' || name[i] > '9') return 0;
    value = value * 10 + static_cast<uint32_t>(name[i] - '0');
  }
  return name[8] == 0 ? value : 0;
}

struct Blanks {
  char text[1024];
  constexpr Blanks() noexcept : text() {
    for (char& each : text) each = ' ';
  }
};

bool write_all(int fd, const Text& text) noexcept {
  return call(nr::write, fd, sys::ptr(text.bytes()), static_cast<long>(text.size())) ==
         static_cast<long>(text.size());
}

}  // namespace

alignas(8) uint8_t buffer[kBufferSize];
Given given;

int64_t now_ms() noexcept {
  const Time time = time_of(1 /* CLOCK_MONOTONIC */);
  return time.seconds * 1000 + time.nanoseconds / 1000000;
}

int64_t wall_ns() noexcept {
  const Time time = time_of(0 /* CLOCK_REALTIME */);
  return time.seconds * 1000000000 + time.nanoseconds;
}

Text& Text::number(int64_t value) noexcept {
  if (value < 0) put('-');
  char reversed[20];
  size_t size = 0;
  auto rest = value < 0 ? 0 - static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
  do {
    reversed[size++] = static_cast<char>('0' + rest % 10);
    rest /= 10;
  } while (rest > 0);
  while (size > 0) put(reversed[--size]);
  return *this;
}

Text& Text::digits(uint64_t value, unsigned width) noexcept {
  uint64_t unit = 1;
  for (unsigned i = 1; i < width; i++) unit *= 10;
  for (; unit > 0; unit /= 10) put(static_cast<char>('0' + value / unit % 10));
  return *this;
}

Text& Text::add(const void* bytes, size_t size) noexcept {
  const auto* from = static_cast<const char*>(bytes);
  size_t left = size < room() ? size : room();
  for (; left >= sizeof(uint64_t); left -= sizeof(uint64_t), from += sizeof(uint64_t)) {
    __builtin_memcpy(at_, from, sizeof(uint64_t));
    at_ += sizeof(uint64_t);
  }
  while (left-- > 0) *at_++ = *from++;
  return *this;
}

// Those at the beginning that stand for themselves in JSON, eight at a time: most of what is
// written is nothing else. How many.
size_t Text::add_plain(const uint8_t* bytes, size_t size) noexcept {
  constexpr uint64_t kOnes = 0x0101010101010101, kHigh = 0x80 * kOnes;
  // The high bit of each byte that is zero, and perhaps of one above such a byte.
  const auto zeros = [](uint64_t word) { return (word - kOnes) & ~word & kHigh; };
  size_t done = 0;
  for (uint64_t word; size - done >= sizeof word && room() >= sizeof word; done += sizeof word) {
    __builtin_memcpy(&word, bytes + done, sizeof word);
    const uint64_t below_space = (word - 0x20 * kOnes) & ~word;
    const uint64_t marks = zeros(word ^ '"' * kOnes) | zeros(word ^ '\\' * kOnes);
    if (((word | below_space | marks) & kHigh) != 0) break;
    __builtin_memcpy(at_, &word, sizeof word);
    at_ += sizeof word;
  }
  return done;
}

Text& Text::json(const uint8_t* bytes, size_t size) noexcept {
  static constexpr char kHex[] = "0123456789abcdef";
  for (size_t at = add_plain(bytes, size); at < size; at += add_plain(bytes + at, size - at)) {
    const uint8_t byte = bytes[at];
    if (byte == '"' || byte == '\\') {
      put('\\');
      put(static_cast<char>(byte));
      at++;
    } else if (byte == '\n' || byte == '\r' || byte == '\t') {
      put('\\');
      put(byte == '\n' ? 'n' : byte == '\r' ? 'r' : 't');
      at++;
    } else if (byte < 0x20) {
      add("\\u00");
      put(kHex[byte >> 4]);
      put(kHex[byte & 15]);
      at++;
    } else {
      bool cut = false;
      const size_t length = character(bytes + at, size - at, &cut);
      if (length == 0)
        add("\xef\xbf\xbd");
      else
        add(bytes + at, length);
      at += length == 0 ? 1 : length;
    }
  }
  return *this;
}

Segments segments_in(int directory) noexcept {
  Segments found{UINT32_MAX, 0};
  call(nr::lseek, directory, 0, 0);
  for (;;) {
    const long got = call(nr::getdents64, directory, sys::ptr(buffer), sizeof buffer);
    if (got <= 0) break;
    for (long at = 0; at < got;) {
      const auto* entry = reinterpret_cast<const DirectoryEntry*>(buffer + at);
      const uint32_t number = segment_number(entry->name);
      if (number > found.newest) found.newest = number;
      if (number > 0 && number < found.oldest) found.oldest = number;
      at += entry->size;
    }
  }
  return found.newest == 0 ? Segments{} : found;
}

size_t whole_characters(const uint8_t* bytes, size_t size) noexcept {
  for (size_t back = 1; back <= 3 && back <= size; back++) {
    bool cut = false;
    if (bytes[size - back] < 0xc0) continue;
    (void)character(bytes + size - back, back, &cut);
    return cut ? size - back : size;
  }
  return size;
}

void forget_pages(void* begin, size_t size) noexcept {
  constexpr uintptr_t kPage = 4096;
  const auto at = reinterpret_cast<uintptr_t>(begin);
  const uintptr_t first = (at + kPage - 1) & ~(kPage - 1), end = (at + size) & ~(kPage - 1);
  if (end > first)
    call(nr::madvise, static_cast<long>(first), static_cast<long>(end - first),
         4 /* MADV_DONTNEED */);
}

int replace_file(int directory, const char* name, const char* temporary, const Text& text,
                 bool flushed) noexcept {
  int fd = open_at(directory, temporary, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (fd < 0) return -fd;
  long result = write_all(fd, text) ? 0 : -28 /* ENOSPC */;
  if (result == 0 && flushed) result = call(nr::fsync, fd);
  close_it(&fd);
  if (result == 0)
    result = call(nr::renameat2, directory, sys::ptr(temporary), directory, sys::ptr(name), 0);
  if (result == 0 && flushed) result = call(nr::fsync, directory);
  if (result != 0) call(nr::unlinkat, directory, sys::ptr(temporary), 0);
  return static_cast<int>(-result);
}

int overwrite(int directory, const char* name, const Text& text, bool flushed) noexcept {
  static constexpr Blanks kBlanks;
  int fd = open_at(directory, name, O_WRONLY);
  if (fd < 0) return -fd;
  const auto size = static_cast<long>(text.size());
  const long before = call(nr::lseek, fd, 0, 2 /* SEEK_END */);
  const long more = before > size ? before - size : 0;
  const bool is_padded = more <= static_cast<long>(sizeof kBlanks.text);
  // In one write: whoever reads meanwhile finds a whole line. JSON ends in any number of blanks.
  const iovec parts[2] = {{const_cast<char*>(text.bytes()), text.size()},
                          {const_cast<char*>(kBlanks.text), static_cast<size_t>(more)}};
  const long wanted = is_padded ? size + more : size;
  const long written = call(nr::pwritev, fd, sys::ptr(parts), is_padded && more > 0 ? 2 : 1, 0, 0);
  long result = sys::failed(written) ? written : written == wanted ? 0 : -28 /* ENOSPC */;
  if (result == 0 && !is_padded) result = call(nr::ftruncate, fd, size);
  if (result == 0 && flushed) result = call(nr::fsync, fd);
  close_it(&fd);
  return static_cast<int>(-result);
}

int write_over(int directory, const char* name, const char* temporary, const Text& text,
               bool flushed) noexcept {
  const int error = replace_file(directory, name, temporary, text, flushed);
  if (error == 0 || overwrite(directory, name, text, flushed) == 0) return 0;
  return error;
}

}  // namespace slipway::init
