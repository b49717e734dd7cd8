// libFuzzer: bytes that may be a plan. Whatever the decoder lets through is carried out by the executor,
// with system calls that only look at what they are given, so that a pointer that leads out of the
// plan is found (AddressSanitizer).
#include <stdlib.h>
#include <string.h>

#include <vector>

#include "launch/executor.h"

namespace {

using namespace slipway::launch;

volatile uint8_t seen;

void read_all(const void* bytes, size_t size) {
  for (size_t i = 0; i < size; i++) seen = static_cast<const uint8_t*>(bytes)[i];
}

struct LookingSpecial {
  const Plan& plan;

  [[nodiscard]] bool inside(long address) const {
    const auto at = static_cast<uintptr_t>(address);
    const auto begin = reinterpret_cast<uintptr_t>(plan.data);
    return at >= begin && at < begin + plan.data_size;
  }

  // As the kernel would: a string to its end, which lies in the data.
  long syscall(uint32_t number, const long* args) const {
    for (int i = 0; i < 6; i++)
      if (inside(args[i])) seen = static_cast<uint8_t>(strlen(reinterpret_cast<char*>(args[i])));
    return number % 3 == 0 ? -static_cast<long>(number % 40) : static_cast<long>(number % 7);
  }

  // What the helper's own kinds read: texts, arrays of texts, and bytes of a given size.
  long other(const Op& op, const long* args, uint32_t) const {
    switch (static_cast<OpKind>(op.kind)) {
      case OpKind::kUserNamespace:
        read_text(args[0]);
        read_text(args[1]);
        return 3;
      case OpKind::kRunHook:
        read_text(args[0]);
        read_all(reinterpret_cast<void*>(args[3]), static_cast<size_t>(args[4]));
        return 0;
      default:
        return 0;
    }
  }

  static void read_text(long address) {
    seen = static_cast<uint8_t>(strlen(reinterpret_cast<char*>(address)));
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  // As the engine keeps one: aligned, and not a byte longer.
  auto* copy = static_cast<uint8_t*>(aligned_alloc(8, (size + 7) & ~7ul));
  if (copy == nullptr) return 0;
  memcpy(copy, bytes, size);
  Plan plan;
  if (decode_plan(copy, size, &plan)) {
    std::vector<int64_t> slots(kMaxSlots, -1);
    std::vector<uint32_t> stamps(kMaxOps, 0);
    Machine machine{slots.data(), stamps.data(), 0};
    (void)execute(plan, machine, LookingSpecial{plan});
  }
  free(copy);
  return 0;
}
