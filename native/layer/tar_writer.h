// One archive entry as bytes: a ustar header, and an extended one before it for what has no room
// there (POSIX.1-2017, pax). Nothing in them tells who wrote the archive, or when.
#pragma once
#include <stdint.h>

#include <string>
#include <string_view>

#include "layer/entry.h"

namespace slipway::layer {

class TarWriter {
 public:
  // Borrows the descriptor, a pipe, socket or file.
  TarWriter(int fd, Failure* failure) : fd_(fd), failure_(failure) {}

  // The header. `entry.data_size` bytes of data follow by data(), of a sparse file those of its
  // segments.
  bool begin(const Entry& entry);
  bool data(const uint8_t* data, size_t size);
  // Fills the last block up.
  bool end();
  // The end of the archive.
  bool close();

  uint64_t entries = 0;
  uint64_t bytes = 0;  // of the whole archive

 private:
  bool put(const void* data, size_t size);
  bool flush();
  bool header(char type, std::string_view name, std::string_view link, const Entry& entry,
              uint64_t size);

  int fd_;
  Failure* failure_;
  std::string buffer_;
  uint64_t in_entry_ = 0;
};

}  // namespace slipway::layer
