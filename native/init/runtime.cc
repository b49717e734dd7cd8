// What the compiler expects of a C library, and the entry point: there is no libc in this program,
// unless it is built with sanitizers.
#include "init/init.h"

namespace {
[[noreturn]] void begin(long argc, const char* const* argv) noexcept {
  const auto number = [&](long index) {
    const bool given = argc > index && *argv[index] != 0;
    return given ? slipway::init::parse_number(argv[index]) : -1;
  };
  slipway::init::run(number(1), number(2), number(3), number(4));
}
}  // namespace

#ifdef SLIPWAY_FREESTANDING
extern "C" {

void* memset(void* target, int value, size_t size) {
  auto* bytes = static_cast<unsigned char*>(target);
  for (size_t i = 0; i < size; i++) bytes[i] = static_cast<unsigned char>(value);
  return target;
}

void* memcpy(void* target, const void* source, size_t size) {
  auto* to = static_cast<unsigned char*>(target);
  const auto* from = static_cast<const unsigned char*>(source);
  for (size_t i = 0; i < size; i++) to[i] = from[i];
  return target;
}

[[noreturn]] void slipway_start(const long* stack) {
  const long argc = stack[0];
  const char* const* argv = reinterpret_cast<const char* const*>(stack + 1);
  begin(argc, argv);
}

#if defined(__x86_64__)
asm(".globl _start\n_start:\n  xor %ebp, %ebp\n  mov %rsp, %rdi\n  and $-16, %rsp\n  call "
    "slipway_start\n  hlt\n");
#elif defined(__aarch64__)
asm(".globl _start\n_start:\n  mov x29, #0\n  mov x0, sp\n  bl slipway_start\n  brk #0\n");
#endif
}
#else
// Standard error is the control socket's here, or the container's.
extern "C" const char* __asan_default_options() {
  return "log_path=" SLIPWAY_FINDINGS
         ":exitcode=99:detect_leaks=0:print_stacktrace=1:halt_on_error=1";
}
extern "C" const char* __ubsan_default_options() {
  return "log_path=" SLIPWAY_FINDINGS ":exitcode=99:print_stacktrace=1:halt_on_error=1";
}

namespace {
// Wrong on purpose: test/native/helper.sanitized.test.ts.
volatile int room[4], beyond = 4, width = 64;
volatile long shifted = 1;

void do_wrong(char kind) noexcept {
  // By an address nobody knows the size behind: else UndefinedBehaviorSanitizer is first.
  volatile int* volatile first = room;
  if (kind == 'a') first[beyond] = 1;
  if (kind == 'u') shifted = shifted << width;
}
}  // namespace

int main(int argc, char** argv) {
  if (argc == 2) do_wrong(*argv[1]);
  begin(argc, argv);
}
#endif
