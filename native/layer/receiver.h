// Puts the entries of an archive into a directory that others use, and may be changing, meanwhile.
#pragma once
#include <stdint.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "layer/dir_stack.h"
#include "layer/entry.h"
#include "layer/place.h"
#include "sys/unbroken.h"
#include "sys/unique_fd.h"

namespace slipway::layer {

struct Receiving {
  Place directory;          // is there, through whatever links inside the root
  bool keep_owner = false;  // the archive's ids; otherwise those of whoever makes a file there
  bool replace = false;     // a file takes the place of a directory, and a directory that of a file
  bool follow_links = false;  // of directories that only a path mentions, inside the root
};

struct Received {
  uint64_t entries = 0;
  uint64_t bytes = 0;            // of file data
  uint64_t skipped_devices = 0;  // that may not be made here
};

struct Put;  // receiver.cc

// A file has no name until it is whole. No step goes through a link that an entry, or somebody
// else, has put there, and none leaves the directory it began in: a part of a path is opened below
// the descriptor of the part before it.
class Receiver final : public EntrySink {
 public:
  Receiver(const Receiving& wanted, Received* received, Failure* failure)
      : wanted_(wanted), received_(received), failure_(failure) {}

  bool open();
  bool begin(const Entry& entry) override;
  bool data(uint64_t offset, const uint8_t* bytes, size_t size) override;
  bool end() override;
  // After the last entry, also of a copy that has failed: modes and times of directories, and
  // nothing half done is left.
  bool close();

 private:
  struct Level {
    std::string name;
    sys::UniqueFd fd;
    dev_t device = 0;
    ino_t inode = 0;
    bool is_swept = false;
  };
  // What a directory gets once nothing more is put into it.
  struct Attributes {
    bool sets_mode = false;
    mode_t mode = 0;
    timespec mtime{};
  };

  bool refuse(const char* why);
  bool fail(const char* step);
  bool apply(const Entry& entry);
  bool enter(const CleanPath& path, size_t count, bool make);
  bool push(const std::string& name, sys::UniqueFd fd);
  bool pop();
  sys::UniqueFd follow(std::string_view part);
  bool directory(const Entry& entry);
  bool make_room(bool for_directory);
  bool file(const Entry& entry);
  bool node(const Entry& entry);
  bool hard_link(const Entry& entry);
  bool finish_file();
  template <typename Make>
  bool take_place(const Make& make);
  bool make_named_file();
  bool tell(const Put& put);
  bool name_file(int fd);
  void drop_temporary();
  [[nodiscard]] int top() const { return levels_.back().fd.get(); }

  const Receiving& wanted_;
  Received* received_;
  Failure* failure_;
  std::vector<Level> levels_;
  std::map<std::pair<dev_t, ino_t>, Attributes> attributes_;

  // The entry being received.
  CleanPath path_;
  std::string name_;
  std::string temporary_;  // of the file, in the top directory; empty: it has none
  sys::UniqueFd file_;
  Entry current_;
  sys::Unbroken unbroken_;
};

// Reads a tar from a descriptor, a pipe, up to its end.
bool receive(int from, const Receiving& wanted, Received* received, Failure* failure);

}  // namespace slipway::layer
