// gzip by the process' own zlib: Node lets addons use it and ships its header (docs/native.md).
// zstd by the process' own or the system's libzstd. What is declared here is their stable
// interface: zlib.h 1.2, "z_stream"; zstd.h 1.4, "Streaming decompression".
#include "layer/decoder.h"

#include <limits.h>

#include <algorithm>

#include "sys/library.h"

namespace slipway::layer {
namespace {

struct ZStream {
  const uint8_t* next_in;
  unsigned avail_in;
  unsigned long total_in;
  uint8_t* next_out;
  unsigned avail_out;
  unsigned long total_out;
  const char* msg;
  void* state;
  void* zalloc;
  void* zfree;
  void* opaque;
  int data_type;
  unsigned long adler;
  unsigned long reserved;
};
constexpr int kZOk = 0, kZStreamEnd = 1, kZBufError = -5;
constexpr int kZNoFlush = 0;
// The largest window, and gzip's header and checksum alone.
constexpr int kGzipWindow = 15 + 16;

struct Zlib {
  int (*inflate_init)(ZStream*, int, const char*, int) = nullptr;
  int (*inflate)(ZStream*, int) = nullptr;
  int (*inflate_reset)(ZStream*) = nullptr;
  int (*inflate_end)(ZStream*) = nullptr;

  Zlib() {
    const sys::Library library("libz.so.1", "inflate");
    library.find("inflateInit2_", &inflate_init);
    library.find("inflate", &inflate);
    library.find("inflateReset", &inflate_reset);
    library.find("inflateEnd", &inflate_end);
  }
  [[nodiscard]] bool whole() const {
    return inflate_init != nullptr && inflate != nullptr && inflate_reset != nullptr &&
           inflate_end != nullptr;
  }
};

class Gzip final : public Decoder {
 public:
  explicit Gzip(const Zlib& zlib) : zlib_(zlib) {
    // Only the first digit of the version counts.
    open_ = zlib_.inflate_init(&stream_, kGzipWindow, "1", sizeof stream_) == kZOk;
  }
  ~Gzip() override {
    if (open_) (void)zlib_.inflate_end(&stream_);
  }
  [[nodiscard]] bool open() const { return open_; }

  bool decode(Input* in, Output* out, std::string* why) override {
    while (out->size > 0) {
      if (ended_ && !next_member(in)) return true;
      const int result = inflate(in, out);
      if (result == kZStreamEnd) {
        ended_ = true;
      } else if (result == kZBufError) {
        return true;  // nothing more to take or to give
      } else if (result != kZOk) {
        *why = stream_.msg != nullptr ? stream_.msg : "it is damaged";
        return false;
      }
    }
    return true;
  }

  [[nodiscard]] bool complete() const override { return ended_; }

 private:
  // Zeros behind the last member are padding, as for gzip(1), and whatever follows them.
  bool next_member(Input* in) {
    if (in->size == 0) return false;
    padded_ = padded_ || *in->bytes == 0;
    if (padded_) {
      *in = Input{};
      return false;
    }
    ended_ = false;
    (void)zlib_.inflate_reset(&stream_);
    return true;
  }

  int inflate(Input* in, Output* out) {
    stream_.next_in = in->bytes;
    stream_.avail_in = static_cast<unsigned>(std::min<size_t>(in->size, UINT_MAX));
    stream_.next_out = out->bytes;
    stream_.avail_out = static_cast<unsigned>(std::min<size_t>(out->size, UINT_MAX));
    const int result = zlib_.inflate(&stream_, kZNoFlush);
    in->size -= static_cast<size_t>(stream_.next_in - in->bytes);
    in->bytes = stream_.next_in;
    out->size -= static_cast<size_t>(stream_.next_out - out->bytes);
    out->bytes = stream_.next_out;
    return result;
  }

  const Zlib& zlib_;
  ZStream stream_{};
  bool open_ = false, ended_ = false, padded_ = false;
};

struct ZstdIn {
  const void* bytes;
  size_t size, at;
};
struct ZstdOut {
  void* bytes;
  size_t size, at;
};
constexpr int kWindowLogMax = 100;  // ZSTD_d_windowLogMax
// Windows up to 128 MiB, as zstd(1) without --long: a frame may ask for memory of this size.
constexpr int kWindowLog = 27;

struct Zstd {
  void* (*create)() = nullptr;
  size_t (*set_parameter)(void*, int, int) = nullptr;
  size_t (*decompress)(void*, ZstdOut*, ZstdIn*) = nullptr;
  unsigned (*is_error)(size_t) = nullptr;
  const char* (*error_name)(size_t) = nullptr;
  size_t (*free)(void*) = nullptr;

  Zstd() {
    const sys::Library library("libzstd.so.1", "ZSTD_decompressStream");
    library.find("ZSTD_createDCtx", &create);
    library.find("ZSTD_DCtx_setParameter", &set_parameter);
    library.find("ZSTD_decompressStream", &decompress);
    library.find("ZSTD_isError", &is_error);
    library.find("ZSTD_getErrorName", &error_name);
    library.find("ZSTD_freeDCtx", &free);
  }
  [[nodiscard]] bool whole() const {
    return create != nullptr && set_parameter != nullptr && decompress != nullptr &&
           is_error != nullptr && error_name != nullptr && free != nullptr;
  }
};

// Frames that are to be skipped (RFC 8878 §3.1.2), as those of zstd:chunked, are the library's own
// business.
class ZstdDecoder final : public Decoder {
 public:
  explicit ZstdDecoder(const Zstd& zstd) : zstd_(zstd), context_(zstd.create()) {
    open_ = context_ != nullptr &&
            zstd_.is_error(zstd_.set_parameter(context_, kWindowLogMax, kWindowLog)) == 0;
  }
  ~ZstdDecoder() override { (void)zstd_.free(context_); }
  [[nodiscard]] bool open() const { return open_; }

  bool decode(Input* in, Output* out, std::string* why) override {
    ZstdIn from{in->bytes, in->size, 0};
    ZstdOut to{out->bytes, out->size, 0};
    // Once more when the input is used up: a frame's last bytes may wait inside.
    while (to.at < to.size) {
      const size_t had = to.at;
      if (from.at == from.size && ended_) break;
      const size_t result = zstd_.decompress(context_, &to, &from);
      if (zstd_.is_error(result) != 0) {
        *why = zstd_.error_name(result);
        return false;
      }
      ended_ = result == 0;
      if (from.at == from.size && to.at == had) break;
    }
    *in = Input{in->bytes + from.at, in->size - from.at};
    *out = Output{out->bytes + to.at, out->size - to.at};
    return true;
  }

  [[nodiscard]] bool complete() const override { return ended_; }

 private:
  const Zstd& zstd_;
  void* context_;
  bool open_ = false;
  bool ended_ = true;
};

template <typename Kind, typename Functions>
std::unique_ptr<Decoder> open_with(const Functions& functions) {
  if (!functions.whole()) return nullptr;
  auto decoder = std::make_unique<Kind>(functions);
  if (!decoder->open()) return nullptr;
  return decoder;
}

}  // namespace

std::unique_ptr<Decoder> open_decoder(Compression compression) {
  if (compression == Compression::kGzip) {
    static const Zlib zlib;
    return open_with<Gzip>(zlib);
  }
  static const Zstd zstd;
  return open_with<ZstdDecoder>(zstd);
}

}  // namespace slipway::layer
