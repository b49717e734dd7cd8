/* Payload of the flood of logs: writes lines as fast as it is let, and counts what was taken where the benchmark sees it.
 * `flood PAGE` writes to its output. `flood PAGE DIRECTORY BYTES COUNT` writes to numbered files as a log is kept: a file that has no room
 * for the next write is closed and followed by another one, and the oldest of more than COUNT is removed.
 * Lines have 100 bytes; LINES different ones follow one another over and over, so that an offset says which byte is there. They stand
 * ready in memory: a write costs what the kernel takes for it. */
#define _GNU_SOURCE
#include "flood.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { LINE = 100, LINES = 1009, PERIOD = LINE * LINES, LARGEST = 65536 };
static char text[PERIOD + LARGEST];

static void make_text(void) {
  for (size_t at = 0; at < sizeof text; at++) text[at] = (char)('a' + at % LINE % 26);
  for (size_t line = 0; line * LINE + LINE <= sizeof text; line++) {
    char number[9];
    snprintf(number, sizeof number, "%07u ", (unsigned)(line % LINES));
    memcpy(text + line * LINE, number, 8);
    text[line * LINE + LINE - 1] = '\n';
  }
}

static int folder = -1, file = 1;
static size_t file_size, most_bytes;
static unsigned newest, most_files;

static void name_of(char *name, unsigned number) { snprintf(name, 9, "%08u", number % 100000000); }

static void next_file(void) {
  char name[9];
  if (newest > 0) close(file);
  name_of(name, ++newest);
  file = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0) exit(68);
  file_size = 0;
  if (newest <= most_files) return;
  name_of(name, newest - most_files);
  unlinkat(folder, name, 0);
}

int main(int argc, char **argv) {
  if (argc != 2 && argc != 5) return 64;
  const int page = open(argv[1], O_RDWR | O_CLOEXEC);
  struct flood *flood = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, page, 0);
  if (page < 0 || flood == MAP_FAILED) return 65;
  if (argc == 5) {
    folder = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    most_bytes = strtoul(argv[3], NULL, 10);
    most_files = (unsigned)strtoul(argv[4], NULL, 10);
    if (folder < 0 || most_bytes < LARGEST || most_files < 1) return 66;
    next_file();
  }
  make_text();
  for (uint64_t written = 0;;) {
    const int32_t asked = flood->asked;
    if (flood->doing != asked) flood->doing = asked;
    if (asked == END) return 0;
    if (asked < 1 || asked > LARGEST) {
      nanosleep(&(struct timespec){0, 200000}, NULL);
      continue;
    }
    /* A line that a block has cut is ended first. */
    const size_t at = written % PERIOD;
    const size_t size = asked == LINE ? LINE - at % LINE : (size_t)asked;
    if (folder >= 0 && file_size + size > most_bytes) next_file();
    const ssize_t done = write(file, text + at, size);
    if (done < 0) return 67;
    file_size += (size_t)done;
    written += (uint64_t)done;
    flood->written = written;
  }
}
