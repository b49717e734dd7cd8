// Loads a filter, a struct sock_filter[] on standard input, in a child and makes calls there.
//   kernel <audit-arch> <call> <arg0> [<call> <arg0>]...   audit-arch: x64, x86 (int 0x80) or x32 (its bit in the number)
// One line per call: its result, -errno where it fails, or `signal N` where the child dies of it.
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static struct sock_filter instructions[BPF_MAXINSNS];

static long call64(long nr, long arg0) {
  long result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "0"(nr), "D"(arg0), "S"(0L), "d"(0L)
                   : "rcx", "r11", "memory");
  return result;
}

static long call32(long nr, long arg0) {
  long result;
  __asm__ volatile("int $0x80"
                   : "=a"(result)
                   : "0"(nr), "b"(arg0), "c"(0L), "d"(0L)
                   : "r8", "r9", "r10", "r11", "memory");
  return (int)result;
}

int main(int argc, char **argv) {
  struct sock_fprog program = {.filter = instructions};
  program.len = (unsigned short)fread(instructions, sizeof *instructions, BPF_MAXINSNS, stdin);
  for (int i = 2; i + 1 < argc; i += 2) {
    const long nr = strtol(argv[i], NULL, 10), arg0 = strtol(argv[i + 1], NULL, 10);
    int fds[2], status;
    long result = 0;
    if (pipe(fds)) return 1;
    const pid_t child = fork();
    if (child == 0) {
      if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) _exit(2);
      if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program)) _exit(3);
      result = strcmp(argv[1], "x86") ? call64(nr, arg0) : call32(nr, arg0);
      _exit(write(fds[1], &result, sizeof result) != sizeof result);
    }
    close(fds[1]);
    const ssize_t got = read(fds[0], &result, sizeof result);
    close(fds[0]);
    waitpid(child, &status, 0);
    if (WIFSIGNALED(status)) printf("signal %d\n", WTERMSIG(status));
    else if (got == sizeof result) printf("%ld\n", result);
    else printf("exit %d\n", WEXITSTATUS(status));
  }
  return 0;
}
