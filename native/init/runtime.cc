// What the compiler expects of a C library, and the entry point: there is no libc in this program.
#include "init/init.h"

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
  const auto number = [&](long index) {
    const bool given = argc > index && *argv[index] != 0;
    return given ? slipway::init::parse_number(argv[index]) : -1;
  };
  slipway::init::run(number(1), number(2), number(3), number(4));
}

#if defined(__x86_64__)
asm(".globl _start\n_start:\n  xor %ebp, %ebp\n  mov %rsp, %rdi\n  and $-16, %rsp\n  call "
    "slipway_start\n  hlt\n");
#elif defined(__aarch64__)
asm(".globl _start\n_start:\n  mov x29, #0\n  mov x0, sp\n  bl slipway_start\n  brk #0\n");
#endif
}
