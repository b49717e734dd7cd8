// A push parser: fed with the bytes of an uncompressed tar in chunks of any size, it tells a sink
// about each entry.
#pragma once
#include <array>
#include <string>
#include <string_view>

#include "layer/entry.h"
#include "layer/pax.h"
#include "layer/tar_header.h"

namespace slipway::layer {

class TarReader {
 public:
  TarReader(EntrySink* sink, const Limits& limits, Failure* failure)
      : sink_(sink), limits_(limits), failure_(failure) {}

  // False when the layer is refused or the sink stopped; `failure` then says why, and nothing more
  // may be fed.
  bool feed(const uint8_t* bytes, size_t size);
  // The stream is over: false when the archive is not.
  bool finish();

 private:
  enum class State { kHeader, kExtended, kSparseBlocks, kSparseMap, kData, kPadding, kEnd };

  bool refuse(std::string why);
  const uint8_t* take_block(const uint8_t** bytes, size_t* size);

  bool step(const uint8_t** bytes, size_t* size);
  bool on_header(const uint8_t* block);
  bool on_zero_block();
  bool start_extended();
  bool on_extended(const uint8_t** bytes, size_t* size);
  bool end_extended();
  const char* keep_pax(char type);
  bool on_sparse_block(const uint8_t* block);
  bool on_sparse_map(const uint8_t* block);
  bool end_sparse_map();
  bool on_data(const uint8_t** bytes, size_t* size);

  bool begin_entry();
  const char* resolve_type();
  const char* resolve_names();
  const char* resolve_ids();
  const char* resolve_sizes();
  void resolve_times();
  const char* resolve_sparse();
  bool open_entry();
  bool close_entry();
  const char* check_segments() const;

  EntrySink* sink_;
  Limits limits_;
  Failure* failure_;

  State state_ = State::kHeader;
  std::array<uint8_t, kBlockBytes> block_;
  size_t held_ = 0;  // bytes of block_ that are filled
  int zero_blocks_ = 0;

  Header header_;
  std::string extended_;
  PaxRecords global_, local_;
  std::string long_name_, long_link_;
  bool has_extended_ = false;  // an extended header waits for its entry

  Entry entry_;
  bool skip_ = false;       // the entry says nothing about the tree: its data is passed over
  uint64_t tape_size_ = 0;  // bytes of data in the archive, sparse map included
  uint64_t remaining_ = 0;  // of the data or extended header being read
  uint64_t padding_ = 0;
  size_t segment_ = 0;
  uint64_t in_segment_ = 0;
  std::string number_;  // of a pax 1.0 sparse map, possibly cut by a block's end
  std::vector<int64_t> numbers_;
};

}  // namespace slipway::layer
