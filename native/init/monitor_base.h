// What the parts of the monitor have in common: calls, clocks, texts, and the one set of
// descriptors it waits for.
#pragma once
#include <fcntl.h>
#include <sys/epoll.h>

#include <initializer_list>

#include "init/init.h"
#include "init/monitor.h"

namespace slipway::init {

inline constexpr int kEperm = 1, kEnoent = 2, kEsrch = 3, kEintr = 4, kEio = 5, kEagain = 11,
                     kEbusy = 16, kEexist = 17, kEinval = 22, kEmfile = 24, kEnotty = 25,
                     kEpipe = 32, kEopnotsupp = 95, kEcanceled = 125;
inline constexpr int64_t kNever = INT64_MAX;

inline long call(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0,
                 long f = 0) noexcept {
  for (;;) {
    const long result = sys::raw_syscall(number, a, b, c, d, e, f);
    if (result != -kEintr) return result;
  }
}

inline int open_at(int directory, const char* name, int flags, int mode = 0) noexcept {
  return static_cast<int>(
      call(sys::nr::openat, directory, sys::ptr(name), flags | O_CLOEXEC, mode));
}

// What a variable holds is open, or -1.
inline void close_it(int* fd) noexcept {
  if (*fd >= 0) sys::raw_syscall(sys::nr::close, *fd);
  *fd = -1;
}

int64_t now_ms() noexcept;   // CLOCK_MONOTONIC
int64_t wall_ns() noexcept;  // since 1970
inline int64_t wall_ms() noexcept { return wall_ns() / 1000000; }

// A child that executes something else never leaves the frames of its stack: AddressSanitizer still
// knows of them when the same addresses are mapped again.
#ifdef __SANITIZE_ADDRESS__
extern "C" void __asan_unpoison_memory_region(const volatile void* begin, size_t size);
inline void forget_frames(const void* begin, size_t size) noexcept {
  __asan_unpoison_memory_region(begin, size);
}
#else
inline void forget_frames(const void*, size_t) noexcept {}
#endif

// Memory of its own for as long as it lives.
class Pages {
 public:
  explicit Pages(size_t size) noexcept : size_(size) {
    const long made = call(sys::nr::mmap, 0, static_cast<long>(size), 3 /* READ|WRITE */,
                           0x22 /* PRIVATE|ANON */, -1, 0);
    begin_ = sys::failed(made) ? nullptr : reinterpret_cast<uint8_t*>(made);
  }
  ~Pages() {
    forget_frames(begin_, size_);
    if (begin_ != nullptr) call(sys::nr::munmap, sys::ptr(begin_), static_cast<long>(size_));
  }
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;
  // nullptr where there was none to be had.
  [[nodiscard]] uint8_t* begin() const noexcept { return begin_; }

 private:
  uint8_t* begin_;
  size_t size_;
};

// linux_dirent64 of getdents64(2).
struct DirectoryEntry {
  uint64_t inode;
  int64_t next;
  uint16_t size;
  uint8_t type;
  char name[1];
};

// Bytes in a buffer of somebody else's. What does not fit is left out.
class Text {
 public:
  constexpr Text(char* begin, size_t size) noexcept
      : begin_(begin), at_(begin), end_(begin + size) {}

  // What is there already.
  static Text of(char* begin, size_t size) noexcept {
    Text text(begin, size);
    text.at_ = text.end_;
    return text;
  }

  Text& add(const char* text) noexcept {
    while (*text != 0) put(*text++);
    return *this;
  }
  Text& add(const void* bytes, size_t size) noexcept;
  Text& number(int64_t value) noexcept;
  // `width` digits, zeros in front.
  Text& digits(uint64_t value, unsigned width) noexcept;
  // The inside of a JSON string; what is no UTF-8 becomes U+FFFD, one for each byte.
  Text& json(const uint8_t* bytes, size_t size) noexcept;

  [[nodiscard]] const char* bytes() const noexcept { return begin_; }
  [[nodiscard]] size_t size() const noexcept { return static_cast<size_t>(at_ - begin_); }

 private:
  void put(char byte) noexcept {
    if (at_ < end_) *at_++ = byte;
  }
  [[nodiscard]] size_t room() const noexcept { return static_cast<size_t>(end_ - at_); }
  size_t add_plain(const uint8_t* bytes, size_t size) noexcept;

  char *begin_, *at_, *end_;
};

// Numbers of the files in a directory that are named by eight digits, from 1 on. Of none: 1 and 0.
struct Segments {
  uint32_t oldest = 1, newest = 0;
};
struct SegmentName {
  char text[9];

  explicit SegmentName(uint32_t number) noexcept {
    Text(text, 8).digits(number, 8);
    text[8] = 0;
  }
};
// Reads into `buffer`.
Segments segments_in(int directory) noexcept;

// How many of the first bytes are whole characters of UTF-8: the rest may become one.
size_t whole_characters(const uint8_t* bytes, size_t size) noexcept;

// Replaces a file as a whole; `flushed`: and not before it is on the disk. 0 or a positive errno.
int replace_file(int directory, const char* name, const char* temporary, const Text& text,
                 bool flushed) noexcept;
// Writes over what is there, which takes no room that the file has not. 0 or a positive errno.
int overwrite(int directory, const char* name, const Text& text, bool flushed) noexcept;
// Replaces the file or, where there is no room for two, writes over it. 0 or a positive errno.
int write_over(int directory, const char* name, const char* temporary, const Text& text,
               bool flushed) noexcept;

// Who is told that a descriptor is ready.
enum class Source : uint32_t {
  kListen,
  kChild,
  kControl,
  kStdout,  // and stderr: index 0, 1
  kTerminal,
  kStdin,
  kClient,  // index: which
  kProbe,
  kProbeControl,
  kProbeOutput,
  kHeldEnd,  // index: which
  kHeldTerminal,
};

// `events` 0: not any more. A descriptor that is closed is out of the set by itself, as nobody else
// has it.
void watch(int fd, Source source, uint32_t index, uint32_t events) noexcept;

// One buffer for whoever reads something at the moment. Its pages are given back when it is quiet.
inline constexpr size_t kBufferSize = 64 << 10;
alignas(8) extern uint8_t buffer[kBufferSize];  // directory entries come into it, too
// The whole pages among these bytes, which become zeros.
void forget_pages(void* begin, size_t size) noexcept;

// What there is for groups' parents.
inline constexpr uint32_t kMaxGroups = 16;

// The table, and the descriptors that come with it.
struct Given {
  const uint8_t* bytes = nullptr;
  const MonitorTable* table = nullptr;
  int run = -1, container = -1, log = -1, helper = -1;
  int64_t slots[kGroupSlots + kMaxGroups] = {};  // the monitor's own, from the stage on

  [[nodiscard]] const uint8_t* at(Section section) const noexcept { return bytes + section.offset; }
  // NUL-terminated; empty where there is none.
  [[nodiscard]] const char* text(Section section) const noexcept {
    return section.size == 0 ? "" : reinterpret_cast<const char*>(at(section));
  }
  [[nodiscard]] bool has(uint32_t flag) const noexcept { return (table->flags & flag) != 0; }
};
extern Given given;

}  // namespace slipway::init
