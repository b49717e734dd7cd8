// The engine's half of one recorded launch, on both of its threads' behalf, with a kernel that says
// yes. What is counted is `counted_launch`: a script is checked once for all its starts, and that
// is no part of one.
//
//   counted-engine FILE    a recording as bench/instructions.mjs writes it: fields, each a uint32
//   length and bytes
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>

#include "launch/launch.h"
#include "sys/raw.h"

namespace slipway::sys {

// Descriptors are real ones, of nothing: the launch closes and sends some with calls of libc.
__attribute__((noinline)) long raw_syscall(long number, long a, long b, long c, long, long,
                                           long) noexcept {
  static const int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
  switch (number) {
    case nr::close:
      return real_syscall(number, a);
    // A stage is sent until all of it is.
    case nr::sendmsg:
      return real_syscall(number, a, b, c);
    case nr::openat:
    case nr::openat2:
    case nr::open_tree:
    case nr::fsopen:
    case nr::fsmount:
    case nr::socket:
    case nr::ioctl:
    case nr::bpf:
      return real_syscall(nr::fcntl, nothing, F_DUPFD_CLOEXEC, 3);
    default:
      return 0;
  }
}

}  // namespace slipway::sys

namespace {

using slipway::launch::Job;
using slipway::launch::Script;

class Fields {
 public:
  explicit Fields(const char* path) {
    std::ifstream file(path, std::ios::binary);
    bytes_.assign(std::istreambuf_iterator<char>(file), {});
  }

  template <typename T>
  std::vector<T> next() {
    uint32_t size = 0;
    memcpy(&size, bytes_.data() + at_, sizeof size);
    std::vector<T> values(size / sizeof(T));
    memcpy(values.data(), bytes_.data() + at_ + sizeof size, values.size() * sizeof(T));
    at_ += sizeof size + size;
    return values;
  }

  [[nodiscard]] bool more() const { return at_ < bytes_.size(); }

 private:
  std::vector<char> bytes_;
  size_t at_ = 0;
};

struct Recording {
  std::shared_ptr<Script> script = std::make_shared<Script>();
  size_t borrowed = 0;
  std::string own;
};

Recording read_recording(Fields fields) {
  Recording recording;
  Script& script = *recording.script;
  for (auto* program :
       {&script.prepare, &script.in_child, &script.after, &script.layers, &script.network})
    *program = fields.next<uint8_t>();
  script.keep = fields.next<uint16_t>();
  script.close = fields.next<uint16_t>();
  const std::vector<uint32_t> patches = fields.next<uint32_t>();
  for (size_t i = 0; i + 4 <= patches.size(); i += 4)
    script.patches.push_back({patches[i], patches[i + 1], patches[i + 2], patches[i + 3]});
  const std::vector<char> own = fields.next<char>();
  recording.own.assign(own.begin(), own.end());
  const std::vector<uint64_t> numbers = fields.next<uint64_t>();
  script.slot_count = static_cast<uint32_t>(numbers.at(0));
  script.clone_flags = numbers.at(1);
  recording.borrowed = numbers.at(2);
  while (fields.more()) {
    slipway::launch::Stage stage;
    stage.bytes = fields.next<uint8_t>();
    stage.fds = fields.next<uint16_t>();
    const std::vector<uint32_t> rest = fields.next<uint32_t>();
    stage.base = rest.at(0);
    stage.when = static_cast<slipway::launch::When>(rest.at(1));
    script.stages.push_back(std::move(stage));
  }
  return recording;
}

}  // namespace

// By name, since the counter is told to count inside of it.
extern "C" __attribute__((noinline)) void counted_launch(Job* job) {
  slipway::launch::run_beside(job);
  slipway::launch::launch(job);
}

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  Recording recording = read_recording(Fields(argv[1]));
  if (!recording.script->validate()) {
    fprintf(stderr, "counted-engine: the recording is no valid script\n");
    return 1;
  }
  Job job;
  job.script = recording.script;
  job.borrowed = recording.borrowed;
  job.own = recording.own;
  job.slots.assign(job.script->slot_count, -1);
  for (size_t slot = 0; slot < job.borrowed; slot++)
    job.slots[slot] = open("/dev/null", O_RDWR | O_CLOEXEC);
  (void)slipway::launch::expect_beside(&job);
  counted_launch(&job);
  if (job.failed_phase == slipway::launch::Phase::kNone && job.pid > 0) return 0;
  fprintf(stderr, "counted-engine: phase %u, operation %u: error %d\n",
          static_cast<unsigned>(job.failed_phase), job.failed_op, job.error);
  return 1;
}
