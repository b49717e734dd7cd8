// Decompression, with what the process or the system has for it.
#pragma once
#include <stddef.h>
#include <stdint.h>

#include <memory>
#include <string>

namespace slipway::layer {

enum class Compression { kGzip, kZstd };

struct Input {
  const uint8_t* bytes = nullptr;
  size_t size = 0;
};
struct Output {
  uint8_t* bytes = nullptr;
  size_t size = 0;
};

// All members or frames of one stream, one after the other.
class Decoder {
 public:
  Decoder() = default;
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;
  virtual ~Decoder() = default;

  // Moves both on as far as they go: until the input is used up and all it means is given, or the
  // output is full. False when the stream is damaged; `why` then says how.
  virtual bool decode(Input* in, Output* out, std::string* why) = 0;
  // The stream may end here.
  [[nodiscard]] virtual bool complete() const = 0;
};

// nullptr where this process has nothing that can.
std::unique_ptr<Decoder> open_decoder(Compression compression);

}  // namespace slipway::layer
