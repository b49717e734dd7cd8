#include "init/monitor_log.h"

#include <sys/uio.h>

namespace slipway::init {
namespace {

namespace nr = sys::nr;

constexpr char kMagic[8] = {'S', 'L', 'L', 'O', 'G', '1', '\n', 0};
constexpr size_t kPart = 16 << 10;  // of a longer line, as Docker has it
// The FIFO is locked while its bytes go to the file, and a file takes many at once far faster.
constexpr size_t kLargest = 256 << 10;
constexpr uint8_t kLost = 1;  // Head::flags

struct Head {
  uint32_t size;
  uint8_t stream;
  uint8_t flags;
  uint16_t reserved;
  int64_t time;
};
static_assert(sizeof(Head) == 16);

// A part of a line grows at most sixfold, and its frame is small.
char encoded[kPart * 6 + 4096];

int fd = -1;
uint32_t number = 0, oldest = 1;  // of the segment that is written; of the first one that is there
int64_t written = 0;              // its size
int64_t last = 0;                 // where the bytes of the last record begin
uint64_t lost[3] = {};

bool is_json() noexcept { return given.has(kJsonLog); }
int64_t first_record() noexcept { return is_json() ? 0 : static_cast<int64_t>(sizeof kMagic); }

long write_at(const void* bytes, size_t size, int64_t at) noexcept {
  return call(nr::pwrite64, fd, static_cast<long>(reinterpret_cast<uintptr_t>(bytes)),
              static_cast<long>(size), at);
}

long read_at(void* bytes, size_t size, int64_t at) noexcept {
  return call(nr::pread64, fd, sys::ptr(static_cast<char*>(bytes)), static_cast<long>(size), at);
}

void cut(int64_t size) noexcept {
  call(nr::ftruncate, fd, size);
  written = size;
}

// `oldest` and `number` of what is there.
void look_around() noexcept {
  const Segments there = segments_in(given.log);
  oldest = there.oldest;
  number = there.newest;
}

// A size that never came, or more than there is: as much as is there.
void repair_record(int64_t at, Head head, int64_t end) noexcept {
  const int64_t size = end - at - static_cast<int64_t>(sizeof head);
  if (size <= 0 || size > static_cast<int64_t>(kLargest)) return cut(at);
  head.size = static_cast<uint32_t>(size);
  if (write_at(&head, sizeof head, at) != sizeof head) return cut(at);
  written = end;
}

void repair_compact(int64_t end) noexcept {
  int64_t at = sizeof kMagic;
  int64_t begin = 0, have = 0;  // what `buffer` holds of the file
  while (at < end) {
    Head head;
    if (end - at < static_cast<int64_t>(sizeof head)) return cut(at);
    if (at < begin || at + static_cast<int64_t>(sizeof head) > begin + have) {
      begin = at;
      have = read_at(buffer, sizeof buffer, at);
      if (have < static_cast<int64_t>(sizeof head)) return cut(at);
    }
    __builtin_memcpy(&head, buffer + (at - begin), sizeof head);
    const int64_t next = at + static_cast<int64_t>(sizeof head) + head.size;
    // Zeros are what a file has whose bytes never came to the disk.
    if (head.stream != 1 && head.stream != 2) return cut(at);
    if (head.size == 0 || head.size > kLargest || next > end) return repair_record(at, head, end);
    at = next;
  }
  written = at;
}

// Whole lines stay. A line that was cut is in the FIFO still.
void repair_json(int64_t end) noexcept {
  int64_t at = end;
  while (at > 0) {
    const int64_t size = at < static_cast<int64_t>(sizeof buffer) ? at : sizeof buffer;
    if (read_at(buffer, static_cast<size_t>(size), at - size) != size) break;
    for (int64_t i = size; i > 0; i--)
      if (buffer[i - 1] == '\n') return cut(at - size + i);
    at -= size;
  }
  cut(at);
}

bool begin_segment(uint32_t next) noexcept {
  close_it(&fd);
  const int made = open_at(given.log, SegmentName(next).text, O_RDWR | O_CREAT | O_EXCL, 0600);
  if (made < 0) return false;
  fd = made;
  number = next;
  written = 0;
  if (!is_json() && write_at(kMagic, sizeof kMagic, 0) != sizeof kMagic) {
    close_it(&fd);
    call(nr::unlinkat, given.log, sys::ptr(SegmentName(next).text), 0);
    number = next - 1;
    return false;
  }
  written = first_record();
  const uint32_t most = given.table->log.max_files > 0 ? given.table->log.max_files : 1;
  for (; number - oldest >= most; oldest++)
    call(nr::unlinkat, given.log, sys::ptr(SegmentName(oldest).text), 0);
  return true;
}

// A segment with room for so much.
bool make_ready(size_t size) noexcept {
  if (fd < 0) return begin_segment(number + 1);
  const bool fits = written + static_cast<int64_t>(size) <= given.table->log.max_bytes;
  return fits || written == first_record() || begin_segment(number + 1);
}

Head head_of(unsigned stream, uint32_t size, uint8_t flags) noexcept {
  return {size, static_cast<uint8_t>(stream), flags, 0, wall_ns()};
}

bool write_record(unsigned stream, uint8_t flags, const void* bytes, size_t size) noexcept {
  const Head head = head_of(stream, static_cast<uint32_t>(size), flags);
  if (!make_ready(sizeof head + size)) return false;
  iovec parts[2] = {{const_cast<Head*>(&head), sizeof head}, {const_cast<void*>(bytes), size}};
  const long whole = static_cast<long>(sizeof head + size);
  if (call(nr::pwritev, fd, sys::ptr(parts), 2, written, 0) != whole) {
    cut(written);
    return false;
  }
  last = written + static_cast<int64_t>(sizeof head);
  written += whole;
  return true;
}

// Days since 1970 into a date, in the proleptic Gregorian calendar; years begin in March here, so
// that a leap day is the last of one.
void put_date(Text* text, int64_t days) noexcept {
  const int64_t from_march = days + 719468;  // since 0000-03-01
  const int64_t era = from_march / 146097;
  const int64_t day_of_era = from_march - era * 146097;
  const int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const int64_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int64_t from_march_month = (5 * day_of_year + 2) / 153;
  const int64_t day = day_of_year - (153 * from_march_month + 2) / 5 + 1;
  const int64_t month = from_march_month + (from_march_month < 10 ? 3 : -9);
  const int64_t year = year_of_era + era * 400 + (month <= 2 ? 1 : 0);
  text->digits(static_cast<uint64_t>(year), 4).add("-");
  text->digits(static_cast<uint64_t>(month), 2).add("-");
  text->digits(static_cast<uint64_t>(day), 2);
}

// What follows the bytes of a line: the same for all that are taken at once.
class LineEnd {
 public:
  explicit LineEnd(unsigned stream) noexcept {
    const int64_t now = wall_ns();
    const int64_t seconds = now / 1000000000, of_day = seconds % 86400;
    text_.add(stream == 1 ? "\",\"stream\":\"stdout\",\"time\":\""
                          : "\",\"stream\":\"stderr\",\"time\":\"");
    put_date(&text_, seconds / 86400);
    text_.add("T").digits(static_cast<uint64_t>(of_day / 3600), 2).add(":");
    text_.digits(static_cast<uint64_t>(of_day / 60 % 60), 2).add(":");
    text_.digits(static_cast<uint64_t>(of_day % 60), 2).add(".");
    text_.digits(static_cast<uint64_t>(now % 1000000000), 9).add("Z\"}\n");
  }
  [[nodiscard]] const Text& text() const noexcept { return text_; }

 private:
  char bytes_[80];
  Text text_{bytes_, sizeof bytes_};
};

void put_line(Text* text, const LineEnd& end, const uint8_t* bytes, size_t size) noexcept {
  text->add("{\"log\":\"").json(bytes, size).add(end.text().bytes(), end.text().size());
}

bool write_text(const Text& text) noexcept {
  if (!make_ready(text.size())) return false;
  if (write_at(text.bytes(), text.size(), written) != static_cast<long>(text.size())) {
    cut(written);
    return false;
  }
  written += static_cast<int64_t>(text.size());
  return true;
}

// Of json-file; apart from `encoded`, where lines may be waiting that come behind it.
bool tell_lost_line(unsigned stream) noexcept {
  char words[80], bytes[320];
  Text text(words, sizeof words), line(bytes, sizeof bytes);
  text.add("slipway: ")
      .number(static_cast<int64_t>(lost[stream]))
      .add(" bytes of output were lost\n");
  put_line(&line, LineEnd(stream), reinterpret_cast<const uint8_t*>(text.bytes()), text.size());
  return write_text(line);
}

bool tell_lost(unsigned stream) noexcept {
  const uint64_t count = lost[stream];
  if (count == 0) return true;
  if (!(is_json() ? tell_lost_line(stream) : write_record(stream, kLost, &count, sizeof count)))
    return false;
  lost[stream] = 0;
  return true;
}

// Of the next record: a line, as much as fits into one of a longer one, or all there is. 0: the
// line is not over yet.
size_t next_part(const uint8_t* bytes, size_t size, bool all) noexcept {
  const size_t seen = size < kPart ? size : kPart;
  for (size_t i = 0; i < seen; i++)
    if (bytes[i] == '\n') return i + 1;
  if (size < kPart) return all ? size : 0;
  const size_t whole = whole_characters(bytes, kPart);
  return whole > 0 ? whole : kPart;
}

}  // namespace

void open_log() noexcept {
  if (given.has(kNoLog)) return;
  look_around();
  if (number == 0) return;
  fd = open_at(given.log, SegmentName(number).text, O_RDWR);
  if (fd < 0) return;
  const long end = call(nr::lseek, fd, 0, 2 /* SEEK_END */);
  char magic[sizeof kMagic] = {};
  bool has_magic = read_at(magic, sizeof magic, 0) == sizeof magic;
  for (size_t i = 0; i < sizeof magic; i++) has_magic = has_magic && magic[i] == kMagic[i];
  // Of the other form: it stays as it is, and another one is begun.
  if (end < 0 || (end > 0 && has_magic == is_json())) return close_it(&fd);
  if (is_json()) return repair_json(end);
  if (end == 0) {
    if (write_at(kMagic, sizeof kMagic, 0) != sizeof kMagic) return close_it(&fd);
    written = first_record();
    return;
  }
  repair_compact(end);
}

size_t log_limit() noexcept {
  const int64_t room =
      given.table->log.max_bytes - static_cast<int64_t>(sizeof kMagic + sizeof(Head));
  return room > static_cast<int64_t>(kLargest) ? kLargest
         : room < 1                            ? 1
                                               : static_cast<size_t>(room);
}

long log_splice(unsigned stream, int fifo, size_t size) noexcept {
  const Head head = head_of(stream, 0, 0);
  if (!tell_lost(stream) || !make_ready(sizeof head + size)) return 0;
  if (write_at(&head, sizeof head, written) != sizeof head) {
    cut(written);
    return 0;
  }
  int64_t at = written + static_cast<int64_t>(sizeof head);
  const long moved = call(nr::splice, fifo, 0, fd, sys::ptr(&at), static_cast<long>(size),
                          2 /* SPLICE_F_NONBLOCK */);
  if (moved <= 0) {
    cut(written);
    return moved == -kEinval || moved == -kEagain ? moved : 0;
  }
  const auto count = static_cast<uint32_t>(moved);
  last = at - moved;
  if (write_at(&count, sizeof count, written) != sizeof count) {
    cut(written);
    log_lost(stream, count);
    return moved;
  }
  written = at;
  return moved;
}

bool read_logged(size_t size) noexcept {
  return read_at(buffer, size, last) == static_cast<long>(size);
}

bool log_bytes(unsigned stream, const uint8_t* bytes, size_t size) noexcept {
  return tell_lost(stream) && write_record(stream, 0, bytes, size);
}

size_t log_lines(unsigned stream, const uint8_t* bytes, size_t size, bool all) noexcept {
  size_t done = 0;
  const LineEnd end(stream);
  Text lines(encoded, sizeof encoded);
  size_t waiting = 0;  // bytes whose lines are in the buffer
  const auto flush = [&] {
    // What was lost before stands before.
    if (waiting > 0 && !(tell_lost(stream) && write_text(lines))) log_lost(stream, waiting);
    lines = Text(encoded, sizeof encoded);
    waiting = 0;
  };
  if (lost[stream] > 0 && !tell_lost(stream) && next_part(bytes, size, all) > 0) {
    // As long as there is no room for that, there is none for more.
    while (const size_t part = next_part(bytes + done, size - done, all)) done += part;
    log_lost(stream, done);
    return done;
  }
  while (const size_t part = next_part(bytes + done, size - done, all)) {
    const size_t at_most = part * 6 + 128;
    const bool is_full = lines.size() + at_most > sizeof encoded;
    const bool rotates = written + static_cast<int64_t>(lines.size() + at_most) >
                         static_cast<int64_t>(given.table->log.max_bytes);
    if (is_full || rotates) flush();
    put_line(&lines, end, bytes + done, part);
    waiting += part;
    done += part;
  }
  flush();
  return done;
}

void log_lost(unsigned stream, uint64_t size) noexcept { lost[stream] += size; }

void finish_log() noexcept {
  for (unsigned stream = 1; stream <= 2; stream++)
    if (!given.has(kNoLog)) (void)tell_lost(stream);
}

void forget_log_buffer() noexcept { forget_pages(encoded, sizeof encoded); }

}  // namespace slipway::init
