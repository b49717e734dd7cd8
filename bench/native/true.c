/* The measured payload: exit(0) and nothing else, so that a start is not hidden behind a libc's own start-up. */
__attribute__((noreturn)) void _start(void) {
#if defined(__x86_64__)
  __asm__ volatile("xor %%edi, %%edi\n\tmov $231, %%eax\n\tsyscall" ::: "memory"); /* exit_group(0) */
#elif defined(__aarch64__)
  __asm__ volatile("mov x0, #0\n\tmov x8, #94\n\tsvc #0" ::: "memory");
#else
#error "no exit sequence for this architecture"
#endif
  __builtin_unreachable();
}
