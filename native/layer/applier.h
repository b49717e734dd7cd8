// Carries archive entries out inside one directory, in overlayfs' on-disk form (docs/layers.md).
#pragma once
#include <stdint.h>

#include <string>

#include "layer/dir_stack.h"
#include "layer/entry.h"
#include "sys/unique_fd.h"

namespace slipway::layer {

struct Stats {
  uint64_t entries = 0;
  uint64_t bytes = 0;          // of file data written
  uint64_t whiteouts = 0;      // opaque directories included
  uint64_t pending_links = 0;  // hard links whose target must be in a layer below
  uint64_t implicit_directories = 0;
  uint64_t skipped_devices = 0;  // in a user namespace
  uint64_t skipped_xattrs = 0;   // not meant for this host, or not possible on this file system
};

class Applier final : public EntrySink {
 public:
  Applier(const Limits& limits, Failure* failure)
      : limits_(limits), failure_(failure), stack_(failure, limits.plain) {}

  // `exact_mode`: the calling thread's umask is zero, so that a mode given to open(2) is the mode.
  bool open(const char* root, bool exact_mode);
  bool begin(const Entry& entry) override;
  bool data(uint64_t offset, const uint8_t* bytes, size_t size) override;
  bool end() override;
  // After the last entry: the times of directories.
  bool close();
  [[nodiscard]] int root_fd() { return stack_.root()->fd.get(); }

  [[nodiscard]] Stats stats() const;

 private:
  bool refuse(const char* why);
  bool fail(const char* step);
  bool fail_chown(const Entry& entry);
  bool skip_device();
  bool apply(const Entry& entry);
  bool apply_named(const Entry& entry);
  bool whiteout(std::string_view name);
  bool opaque();
  bool directory(const Entry& entry);
  bool file(const Entry& entry);
  bool symlink(const Entry& entry);
  bool device(const Entry& entry);
  bool hard_link(const Entry& entry);
  bool pending_link(const std::string& target);
  template <typename Make>
  bool make_node(const char* step, Make make);
  bool remove_existing();
  bool finish_file();
  bool finish_node(const Entry& entry, bool change_mode);
  bool set_xattrs(const Entry& entry, int fd);
  bool set_xattr(const Xattr& xattr, int fd);

  Limits limits_;
  Failure* failure_;
  DirStack stack_;
  Stats stats_;
  bool exact_mode_ = false;

  // The entry being applied.
  CleanPath path_;
  Directory* parent_ = nullptr;
  std::string name_;  // last part of its path
  Entry current_;     // of a file whose data follows
  sys::UniqueFd file_;
  bool ends_in_hole_ = false;  // its last bytes were zeros, which are not written
};

}  // namespace slipway::layer
