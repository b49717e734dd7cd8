// How long the kernel takes to load a filter. load ROUNDS FILE…: every file is a struct sock_filter[]. Each load is in a
// process of its own, the files taking turns; prints one line per round with the nanoseconds of each file.
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_FILES 16
static struct sock_fprog programs[MAX_FILES];

static void die(const char *what) {
  perror(what);
  exit(1);
}

static void read_program(const char *path, struct sock_fprog *program) {
  FILE *file = fopen(path, "rb");
  if (!file) die(path);
  program->filter = malloc(BPF_MAXINSNS * sizeof *program->filter);
  program->len = (unsigned short)fread(program->filter, sizeof *program->filter, BPF_MAXINSNS, file);
  fclose(file);
}

static int64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static int64_t load_once(struct sock_fprog *program) {
  int pipe_fds[2];
  int64_t taken = -1;
  if (pipe(pipe_fds)) die("pipe");
  const pid_t child = fork();
  if (child < 0) die("fork");
  if (child == 0) {
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) _exit(1);
    const int64_t start = now();
    const long failed = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, program);
    taken = failed ? -errno : now() - start;
    _exit(write(pipe_fds[1], &taken, sizeof taken) != sizeof taken);
  }
  close(pipe_fds[1]);
  if (read(pipe_fds[0], &taken, sizeof taken) != sizeof taken) taken = -EIO;
  close(pipe_fds[0]);
  waitpid(child, NULL, 0);
  if (taken < 0) {
    fprintf(stderr, "load: %s\n", strerror((int)-taken));
    exit(1);
  }
  return taken;
}

int main(int argc, char **argv) {
  const int files = argc - 2;
  if (files < 1 || files > MAX_FILES) return 2;
  for (int i = 0; i < files; i++) read_program(argv[i + 2], &programs[i]);
  for (long round = atol(argv[1]); round > 0; round--)
    for (int i = 0; i < files; i++)
      printf("%lld%c", (long long)load_once(&programs[i]), i + 1 == files ? '\n' : ' ');
}
