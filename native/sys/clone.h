// clone3(2) onto a stack of its own: with CLONE_VM the child must not return through the caller's
// frames.
#pragma once
#include <linux/sched.h>

#include "sys/raw.h"

namespace slipway::sys {

// `main` must not return. The pid of the child, or -errno.
template <typename Argument>
long clone_onto(clone_args* how, void (*main)(Argument*), Argument* argument) noexcept {
  long result;
#if defined(__x86_64__)
  register Argument* kept asm("r12") = argument;
  register void (*entry)(Argument*) asm("r13") = main;
  asm volatile(
      "syscall\n"
      "test %%rax, %%rax\n"
      "jnz 1f\n"
      "xor %%ebp, %%ebp\n"
      "mov %%r12, %%rdi\n"
      "call *%%r13\n"
      "1:\n"
      : "=a"(result)
      : "a"(nr::clone3), "D"(how), "S"(sizeof *how), "r"(kept), "r"(entry)
      : "rcx", "r11", "memory", "cc");
#elif defined(__aarch64__)
  register long x8 asm("x8") = nr::clone3;
  register long x0 asm("x0") = reinterpret_cast<long>(how);
  register long x1 asm("x1") = sizeof *how;
  register Argument* kept asm("x20") = argument;
  register void (*entry)(Argument*) asm("x21") = main;
  asm volatile(
      "svc #0\n"
      "cbnz x0, 1f\n"
      "mov x29, #0\n"
      "mov x0, x20\n"
      "blr x21\n"
      "1:\n"
      : "+r"(x0)
      : "r"(x8), "r"(x1), "r"(kept), "r"(entry)
      : "memory", "cc", "x30");
  result = x0;
#endif
  return result;
}

}  // namespace slipway::sys
