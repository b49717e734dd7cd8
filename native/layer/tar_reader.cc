// The reader's states: blocks in, entries out. What an entry means is resolved in tar_entry.cc.
#include "layer/tar_reader.h"

#include <string.h>

#include <algorithm>
#include <utility>

namespace slipway::layer {
namespace {

uint64_t padding_of(uint64_t size) { return (kBlockBytes - size % kBlockBytes) % kBlockBytes; }

std::string until_nul(const std::string& text) { return text.substr(0, text.find('\0')); }

}  // namespace

bool TarReader::refuse(std::string why) {
  failure_->entry = entry_.name.empty() ? header_.name : entry_.name;
  failure_->why = std::move(why);
  return false;
}

bool TarReader::feed(const uint8_t* bytes, size_t size) {
  while (size > 0) {
    if (!step(&bytes, &size)) return false;
  }
  return true;
}

// The next whole block: out of the chunk when it is whole there, else collected. nullptr while it
// is not complete.
const uint8_t* TarReader::take_block(const uint8_t** bytes, size_t* size) {
  const size_t wanted = std::min(kBlockBytes - held_, *size);
  const uint8_t* from = *bytes;
  *bytes += wanted;
  *size -= wanted;
  if (held_ == 0 && wanted == kBlockBytes) return from;
  memcpy(block_.data() + held_, from, wanted);
  held_ = (held_ + wanted) % kBlockBytes;
  return held_ == 0 ? block_.data() : nullptr;
}

bool TarReader::step(const uint8_t** bytes, size_t* size) {
  switch (state_) {
    case State::kHeader:
    case State::kSparseBlocks:
    case State::kSparseMap: {
      const uint8_t* block = take_block(bytes, size);
      if (block == nullptr) return true;
      if (state_ == State::kHeader) return on_header(block);
      return state_ == State::kSparseBlocks ? on_sparse_block(block) : on_sparse_map(block);
    }
    case State::kExtended:
      return on_extended(bytes, size);
    case State::kData:
      return on_data(bytes, size);
    case State::kPadding: {
      const auto passed = static_cast<size_t>(std::min<uint64_t>(padding_, *size));
      *bytes += passed;
      *size -= passed;
      padding_ -= passed;
      if (padding_ == 0) state_ = State::kHeader;
      return true;
    }
    case State::kEnd:
      *size = 0;  // what follows the end of the archive is none of its entries; the digest covers
                  // it all the same
      return true;
  }
  return true;
}

bool TarReader::on_zero_block() {
  if (has_extended_) return refuse("an extended header is followed by no entry");
  if (++zero_blocks_ == 2) state_ = State::kEnd;
  return true;
}

bool TarReader::on_header(const uint8_t* block) {
  entry_ = Entry{};
  header_ = Header{};
  if (is_zero_block(block)) return on_zero_block();
  if (zero_blocks_ > 0) return refuse("a header follows a block of zeros");
  const char* why = decode_header(block, &header_);
  if (why != nullptr) return refuse(why);
  switch (header_.type) {
    case 'x':
    case 'X':  // Solaris
    case 'g':
    case 'L':
    case 'K':
      return start_extended();
    default:
      return begin_entry();
  }
}

bool TarReader::start_extended() {
  const auto size = static_cast<uint64_t>(header_.size);
  if (size > Limits::kExtendedBytes) return refuse("the extended header is too large");
  extended_.clear();
  remaining_ = size;
  has_extended_ = header_.type != 'g';
  state_ = State::kExtended;
  return size > 0 || end_extended();
}

bool TarReader::on_extended(const uint8_t** bytes, size_t* size) {
  const auto taken = static_cast<size_t>(std::min<uint64_t>(remaining_, *size));
  extended_.append(reinterpret_cast<const char*>(*bytes), taken);
  *bytes += taken;
  *size -= taken;
  remaining_ -= taken;
  return remaining_ > 0 || end_extended();
}

const char* TarReader::keep_pax(char type) {
  if (type != 'g') {
    local_ = PaxRecords{};
    return parse_pax(extended_, &local_);
  }
  const char* why = parse_pax(extended_, &global_);
  if (why != nullptr) return why;
  const bool about_one =
      global_.path || global_.link || global_.size || global_.sparse || global_.sparse_name;
  return about_one ? "a global header gives every entry the same name or size" : nullptr;
}

bool TarReader::end_extended() {
  padding_ = padding_of(extended_.size());
  state_ = padding_ > 0 ? State::kPadding : State::kHeader;
  if (header_.type == 'L') {
    long_name_ = until_nul(extended_);
  } else if (header_.type == 'K') {
    long_link_ = until_nul(extended_);
  } else {
    const char* why = keep_pax(header_.type);
    if (why != nullptr) return refuse(why);
  }
  return true;
}

bool TarReader::on_sparse_block(const uint8_t* block) {
  bool more = false;
  const char* why = decode_sparse_block(block, &entry_.segments, &more);
  if (why != nullptr) return refuse(why);
  if (entry_.segments.size() > Limits::kSegments)
    return refuse("the sparse file has too many segments");
  return more || open_entry();
}

// pax 1.0 keeps the map in front of the data: the count, then offsets and sizes, one decimal number
// a line.
bool TarReader::on_sparse_map(const uint8_t* block) {
  if (remaining_ < kBlockBytes) return refuse("the map of a sparse file is cut off");
  remaining_ -= kBlockBytes;
  for (size_t i = 0; i < kBlockBytes; i++) {
    const char c = static_cast<char>(block[i]);
    if (c != '\n') {
      number_ += c;
      if (number_.size() > 20) return refuse("unreadable map of a sparse file");
      continue;
    }
    int64_t number;
    if (!parse_decimal(number_, &number)) return refuse("unreadable map of a sparse file");
    number_.clear();
    numbers_.push_back(number);
    if (static_cast<uint64_t>(numbers_[0]) > Limits::kSegments)
      return refuse("the sparse file has too many segments");
    if (numbers_.size() == 1 + 2 * static_cast<size_t>(numbers_[0])) return end_sparse_map();
  }
  return true;
}

bool TarReader::end_sparse_map() {
  for (size_t i = 1; i < numbers_.size(); i += 2) {
    entry_.segments.push_back(
        {static_cast<uint64_t>(numbers_[i]), static_cast<uint64_t>(numbers_[i + 1])});
  }
  numbers_.clear();
  number_.clear();
  return open_entry();
}

bool TarReader::on_data(const uint8_t** bytes, size_t* size) {
  size_t taken = static_cast<size_t>(std::min<uint64_t>(remaining_, *size));
  uint64_t offset = entry_.data_size - remaining_;
  if (entry_.sparse) {
    while (in_segment_ == entry_.segments[segment_].size) {  // also passes over empty ones
      segment_++;
      in_segment_ = 0;
    }
    const Segment& segment = entry_.segments[segment_];
    offset = segment.offset + in_segment_;
    taken = static_cast<size_t>(std::min<uint64_t>(taken, segment.size - in_segment_));
    in_segment_ += taken;
  }
  if (!skip_ && entry_.kind == Kind::kFile && !sink_->data(offset, *bytes, taken)) return false;
  *bytes += taken;
  *size -= taken;
  remaining_ -= taken;
  return remaining_ > 0 || close_entry();
}

bool TarReader::open_entry() {
  if (entry_.sparse) {
    const char* why = check_segments();
    if (why != nullptr) return refuse(why);
  }
  if (!skip_ && !sink_->begin(entry_)) return false;
  segment_ = 0;
  in_segment_ = 0;
  state_ = State::kData;
  return remaining_ > 0 || close_entry();
}

bool TarReader::close_entry() {
  padding_ = padding_of(tape_size_);
  state_ = padding_ > 0 ? State::kPadding : State::kHeader;
  return skip_ || sink_->end();
}

bool TarReader::finish() {
  switch (state_) {
    case State::kHeader:
      if (held_ > 0) return refuse("the archive ends in the middle of a header");
      return !has_extended_ || refuse("an extended header is followed by no entry");
    case State::kPadding:
      // Some writers leave out the last padding; the data is whole.
      return !has_extended_ || refuse("an extended header is followed by no entry");
    case State::kEnd:
      return true;
    default:
      return refuse("the archive ends in the middle of an entry");
  }
}

}  // namespace slipway::layer
