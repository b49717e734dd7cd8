// What the tar reader tells the applier: one archive entry with every override resolved, then its
// data.
#pragma once
#include <stdint.h>
#include <time.h>

#include <string>
#include <string_view>
#include <vector>

namespace slipway::layer {

// Why a layer could not be unpacked. `step` set: a system call failed with `error`. Otherwise the
// layer is refused.
struct Failure {
  std::string entry;  // name of the archive entry, or of the path below the root
  std::string why;
  const char* step = nullptr;
  int error = 0;

  [[nodiscard]] bool set() const { return step != nullptr || !why.empty(); }
};

// Bounds on what an archive may ask for; a layer beyond one of them is refused, never cut short.
struct Limits {
  uint64_t max_entries = 4'000'000;
  uint64_t max_bytes = uint64_t{1} << 40;  // sum of file data
  bool allow_devices = true;
  bool plain = false;  // not a layer: all names are names, and nothing is left for layers below
  int user_namespace = -1;  // to unpack in, or -1 for the engine's own

  static constexpr size_t kPathBytes = 4096;  // PATH_MAX, with the final NUL
  static constexpr size_t kNameBytes = 255;   // NAME_MAX
  static constexpr size_t kDepth = 256;       // directories are recursed into, one descriptor each
  static constexpr uint64_t kExtendedBytes =
      1 << 20;                                  // one extended header; the same as Go's archive/tar
  static constexpr size_t kXattrs = 256;        // per entry
  static constexpr size_t kXattrBytes = 65536;  // XATTR_SIZE_MAX, xattr(7)
  static constexpr size_t kSegments = 1 << 20;  // data segments of a sparse file
};

struct Xattr {
  std::string name;
  std::string value;

  bool operator==(const Xattr& other) const = default;
};

// One run of data in a sparse file; what lies between runs is a hole.
struct Segment {
  uint64_t offset;
  uint64_t size;
};

enum class Kind { kFile, kHardLink, kSymlink, kCharDevice, kBlockDevice, kDirectory, kFifo };

struct Entry {
  Kind kind = Kind::kFile;
  std::string name;  // as in the archive
  std::string link;
  uint32_t mode = 0;  // permission bits, setuid and friends included: 07777
  uint32_t uid = 0;
  uint32_t gid = 0;
  uint64_t size = 0;  // of the file, holes included
  uint64_t data_size = 0;
  timespec mtime{};
  timespec atime{};
  uint32_t major = 0;
  uint32_t minor = 0;
  std::vector<Xattr> xattrs;
  bool sparse = false;
  std::vector<Segment> segments;
};

// Names that take something of the layers below away: image-spec layer.md, Whiteouts.
inline constexpr std::string_view kWhiteoutPrefix = ".wh.", kOpaqueMarker = ".wh..wh..opq";

// Receives entries. Each function returns false to stop; the receiver has then said why.
class EntrySink {
 public:
  EntrySink() = default;
  EntrySink(const EntrySink&) = delete;
  EntrySink& operator=(const EntrySink&) = delete;
  virtual ~EntrySink() = default;

  virtual bool begin(const Entry& entry) = 0;
  // Data of the current entry, in ascending order of `offset`.
  virtual bool data(uint64_t offset, const uint8_t* bytes, size_t size) = 0;
  virtual bool end() = 0;
};

}  // namespace slipway::layer
