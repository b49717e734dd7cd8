/* Runs a command many times, some at a time: `batch <count> <lanes> <argv...>`. Each `{}` in an argument becomes the number of
 * the lane, so that what runs side by side can have a place of its own. Ends with status 1 as soon as one of them fails. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { kMaxLanes = 256, kMaxArgs = 64, kMaxText = 4096 };

extern char **environ;

__attribute__((noreturn)) static void fail(const char *what) {
  fprintf(stderr, "batch: %s\n", what);
  exit(1);
}

/* `text` with the lane in place of each `{}`; it is never freed: every lane has its arguments made once. */
static char *of_lane(const char *text, int lane) {
  char *made = malloc(kMaxText);
  char *end = made;
  if (made == NULL || strlen(text) >= kMaxText - 16) fail("argument too long");
  while (*text != 0) {
    if (text[0] == '{' && text[1] == '}') {
      end += sprintf(end, "%d", lane);
      text += 2;
    } else {
      *end++ = *text++;
    }
  }
  *end = 0;
  return made;
}

static pid_t start(char **argv) {
  const pid_t pid = vfork();
  if (pid == 0) {
    execve(argv[0], argv, environ);
    _exit(127);
  }
  if (pid < 0) fail("vfork");
  return pid;
}

int main(int argc, char **argv) {
  if (argc < 4 || argc - 3 >= kMaxArgs) fail("usage: batch <count> <lanes> <argv...>");
  const int count = atoi(argv[1]);
  const int lanes = atoi(argv[2]);
  if (count < 1 || lanes < 1 || lanes > kMaxLanes) fail("count or lanes out of range");
  static char *lane_argv[kMaxLanes][kMaxArgs];
  static pid_t running[kMaxLanes];
  int started = 0, ended = 0;
  for (int lane = 0; lane < lanes; lane++)
    for (int i = 3; i < argc; i++) lane_argv[lane][i - 3] = of_lane(argv[i], lane);
  for (int lane = 0; lane < lanes && started < count; lane++, started++)
    running[lane] = start(lane_argv[lane]);
  while (ended < count) {
    int status;
    const pid_t pid = wait(&status);
    if (pid < 0) fail("wait");
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) fail("a command failed");
    ended++;
    for (int lane = 0; lane < lanes; lane++) {
      if (running[lane] != pid) continue;
      running[lane] = 0;
      if (started < count) {
        running[lane] = start(lane_argv[lane]);
        started++;
      }
    }
  }
  return 0;
}
