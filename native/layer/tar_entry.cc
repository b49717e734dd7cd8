// From a header and the extended headers before it to one entry: which name, size, owner and time
// counts.
#include <algorithm>
#include <utility>

#include "layer/tar_reader.h"

namespace slipway::layer {
namespace {

// The whole 32-bit range but its last value, which chown(2) reads as "leave it".
constexpr int64_t kMaxId = 0xfffffffe;

template <typename T>
std::optional<T> either(const std::optional<T>& first, const std::optional<T>& second) {
  return first ? first : second;
}

}  // namespace

bool TarReader::begin_entry() {
  skip_ = false;
  const char* why = resolve_names();
  if (why == nullptr) why = resolve_type();
  if (why == nullptr) why = resolve_ids();
  if (why == nullptr) why = resolve_sizes();
  if (why == nullptr) why = resolve_sparse();
  if (why != nullptr) return refuse(why);
  resolve_times();
  entry_.xattrs = std::move(local_.xattrs);
  for (const Xattr& xattr : global_.xattrs) {
    const bool known = std::any_of(entry_.xattrs.begin(), entry_.xattrs.end(),
                                   [&xattr](const Xattr& own) { return own.name == xattr.name; });
    if (!known) entry_.xattrs.push_back(xattr);
  }
  local_ = PaxRecords{};
  long_name_.clear();
  long_link_.clear();
  has_extended_ = false;
  return state_ == State::kSparseBlocks || state_ == State::kSparseMap || open_entry();
}

// GNU's long names before pax before the header's own, as in Go's archive/tar, which the other
// engines read with.
const char* TarReader::resolve_names() {
  entry_.name = local_.path.value_or(header_.name);
  entry_.link = local_.link.value_or(header_.link);
  if (!long_name_.empty()) entry_.name = long_name_;
  if (!long_link_.empty()) entry_.link = long_link_;
  if (local_.sparse_name) entry_.name = *local_.sparse_name;
  return nullptr;
}

const char* TarReader::resolve_type() {
  const bool slash = entry_.name.ends_with('/');
  switch (header_.type) {
    case '\0':
    case '0':
    case '7':
    case 'S':
      entry_.kind =
          slash ? Kind::kDirectory : Kind::kFile;  // V7 knows directories by their name only
      break;
    case '1':
      entry_.kind = Kind::kHardLink;
      break;
    case '2':
      entry_.kind = Kind::kSymlink;
      break;
    case '3':
      entry_.kind = Kind::kCharDevice;
      break;
    case '4':
      entry_.kind = Kind::kBlockDevice;
      break;
    case '5':
    case 'D':  // GNU incremental: a directory with a list of names as its data
      entry_.kind = Kind::kDirectory;
      break;
    case '6':
      entry_.kind = Kind::kFifo;
      break;
    case 'V':  // a volume's label
      skip_ = true;
      break;
    default:
      return "the entry is of an unknown type";
  }
  const bool device = entry_.kind == Kind::kCharDevice || entry_.kind == Kind::kBlockDevice;
  // Linux device numbers have 12 + 20 bits (makedev(3)).
  if (device && (header_.major < 0 || header_.major > 0xfff || header_.minor < 0 ||
                 header_.minor > 0xfffff)) {
    return "the device number is out of range";
  }
  entry_.major = static_cast<uint32_t>(header_.major);
  entry_.minor = static_cast<uint32_t>(header_.minor);
  return nullptr;
}

const char* TarReader::resolve_ids() {
  const int64_t uid = either(local_.uid, global_.uid).value_or(header_.uid);
  const int64_t gid = either(local_.gid, global_.gid).value_or(header_.gid);
  if (uid < 0 || uid > kMaxId || gid < 0 || gid > kMaxId)
    return "the owner's number is out of range";
  entry_.uid = static_cast<uint32_t>(uid);
  entry_.gid = static_cast<uint32_t>(gid);
  entry_.mode = static_cast<uint32_t>(header_.mode & 07777);
  return nullptr;
}

// Only files carry data. Links, devices and directories may name a size that is not in the archive
// (old writers); Go's archive/tar and GNU tar read none either. A volume label or a dump's
// directory list is passed over.
const char* TarReader::resolve_sizes() {
  const bool has_data = entry_.kind == Kind::kFile || header_.type == 'D' || skip_;
  const auto size = static_cast<uint64_t>(local_.size.value_or(header_.size));
  if (size > uint64_t{1} << 53) return "the size is out of range";
  const bool named_directory =
      entry_.kind == Kind::kDirectory && header_.type != '5' && header_.type != 'D';
  if (named_directory && (size > 0 || header_.type == 'S'))
    return "a file's name ends with a slash";
  tape_size_ = has_data ? size : 0;
  remaining_ = tape_size_;
  entry_.size = tape_size_;
  entry_.data_size = tape_size_;
  return nullptr;
}

void TarReader::resolve_times() {
  entry_.mtime = either(local_.mtime, global_.mtime).value_or(timespec{header_.mtime, 0});
  entry_.atime = either(local_.atime, global_.atime).value_or(entry_.mtime);
}

const char* TarReader::resolve_sparse() {
  if (entry_.kind != Kind::kFile || !(header_.type == 'S' || local_.sparse)) return nullptr;
  entry_.sparse = true;
  if (header_.type == 'S') {
    entry_.size = static_cast<uint64_t>(header_.real_size);
    entry_.segments = std::move(header_.segments);
    if (header_.more_segments) state_ = State::kSparseBlocks;
    return nullptr;
  }
  if (!local_.sparse_size) return "the sparse file has no size";
  entry_.size = static_cast<uint64_t>(*local_.sparse_size);
  if (local_.sparse_major.value_or(0) == 1) {
    state_ = State::kSparseMap;
    number_.clear();
    numbers_.clear();
    return nullptr;
  }
  const std::vector<int64_t>& numbers = local_.sparse_numbers;
  if (numbers.size() % 2 != 0) return "unreadable map of a sparse file";
  for (size_t i = 0; i < numbers.size(); i += 2) {
    entry_.segments.push_back(
        {static_cast<uint64_t>(numbers[i]), static_cast<uint64_t>(numbers[i + 1])});
  }
  return nullptr;
}

// Runs ascend, do not overlap, lie within the file, and together are exactly the data that follows.
const char* TarReader::check_segments() const {
  uint64_t end = 0, total = 0;
  for (const Segment& segment : entry_.segments) {
    if (segment.offset < end || segment.offset > entry_.size ||
        segment.size > entry_.size - segment.offset) {
      return "the map of a sparse file is impossible";
    }
    end = segment.offset + segment.size;
    total += segment.size;
  }
  return total == remaining_ ? nullptr : "the map of a sparse file does not fit its data";
}

}  // namespace slipway::layer
