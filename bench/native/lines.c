/* Payload of the storm of lives. Writes numbered lines to its output, and each line that was taken into a book on a volume, flushed:
 * a line of the book promises one of the output. `lines BOOK MODE [COUNT]`: MODE `obey` ends with 0 at SIGTERM, `ignore` does not,
 * `end` ends by itself with 3 after COUNT lines. A line of output is `RUN NUMBER`, one of the book `HOST RUN NUMBER SUM`, in hex. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t is_asked_to_end = 0;
static void on_term(int signal) {
  (void)signal;
  is_asked_to_end = 1;
}

/* A signal may come between two parts. */
static void write_all(int fd, const char *text, size_t size) {
  while (size > 0) {
    const ssize_t done = write(fd, text, size);
    if (done < 0) continue;
    text += done;
    size -= (size_t)done;
  }
}

int main(int argc, char **argv) {
  if (argc < 3) return 64;
  const char *mode = argv[2];
  const long count = argc > 3 ? atol(argv[3]) : 0;
  struct sigaction action = {.sa_handler = strcmp(mode, "ignore") == 0 ? SIG_IGN : on_term};
  sigaction(SIGTERM, &action, NULL);
  char host[13] = {0};
  gethostname(host, 12);
  uint32_t run = 0;
  if (getrandom(&run, sizeof run, 0) != sizeof run) return 65;
  const int book = open(argv[1], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (book < 0) return 66;
  const struct timespec pause = {0, 2000000};
  for (uint32_t number = 1; !is_asked_to_end; number++) {
    char line[64];
    int size = snprintf(line, sizeof line, "%08x %08x\n", run, number);
    write_all(1, line, (size_t)size);
    size = snprintf(line, sizeof line, "%12s %08x %08x %08x\n", host, run, number, run ^ (number * 2654435761u));
    if (write(book, line, (size_t)size) != size || fdatasync(book) != 0) return 67;
    if (strcmp(mode, "end") == 0 && number == (uint32_t)count) return 3;
    nanosleep(&pause, NULL);
  }
  return 0;
}
