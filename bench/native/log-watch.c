/* Counts what every segment of a container's log holds, however soon it is removed: `log-watch DIRECTORY compact|json PAGE`. A segment is
 * opened when it appears, which keeps its content, and read when the next one has appeared, which is when it is complete. Ends when its
 * standard input does, with the last one read. The counts are in PAGE. */
#define _GNU_SOURCE
#include "flood.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

enum { MAX_RECORD = 262144 };
static struct flood *page;
static int folder, is_json;
static char buffer[1 << 20];

/* Of a record: u32 size, u8 stream, u8 flags (1: what follows counts bytes that were lost), u16 0, i64 time. docs/monitor.md. */
static void read_compact(int fd) {
  char magic[8];
  if (pread(fd, magic, 8, 0) != 8 || memcmp(magic, "SLLOG1\n", 8) != 0) {
    page->damaged++;
    return;
  }
  off_t at = 8, begin = 0;
  ssize_t have = 0;
  for (;;) {
    if (at < begin || at + 24 > begin + have) {
      begin = at;
      have = pread(fd, buffer, 4096, at);
      if (have == 0) return;
    }
    const char *head = buffer + (at - begin);
    const ssize_t left = have - (at - begin);
    uint32_t size;
    uint64_t lost;
    if (left >= 16) memcpy(&size, head, 4);
    if (left < 16 || size == 0 || size > MAX_RECORD || (head[5] == 1 && (size != 8 || left < 24))) {
      page->damaged++;
      return;
    }
    if (head[5] == 1) {
      memcpy(&lost, head + 16, 8);
      page->dropped += lost;
    } else {
      page->kept += size;
    }
    at += 16 + (off_t)size;
  }
}

#define FRONT "{\"log\":\""
#define LOST FRONT "slipway: "
#define BACK "\",\"stream\":\"stdout\",\"time\":\"2026-01-02T03:04:05.123456789Z\"}\n"

/* The flood has no byte that is escaped but the newline. */
static void count_line(const char *line, size_t size) {
  const size_t frame = sizeof FRONT - 1 + sizeof BACK - 1;
  if (size < frame || memcmp(line, FRONT, sizeof FRONT - 1) != 0 || memcmp(line + size - 3, "\"}\n", 3) != 0) {
    page->damaged++;
    return;
  }
  if (size > sizeof LOST && memcmp(line, LOST, sizeof LOST - 1) == 0) {
    page->dropped += strtoull(line + sizeof LOST - 1, NULL, 10);
    return;
  }
  const size_t escaped = size - frame;
  const char *end = line + sizeof FRONT - 1 + escaped;
  const int is_whole = escaped >= 2 && memcmp(end - 2, "\\n", 2) == 0;
  page->kept += escaped - (is_whole ? 1 : 0);
}

static void read_json(int fd) {
  for (off_t at = 0;;) {
    const ssize_t have = pread(fd, buffer, sizeof buffer, at);
    if (have <= 0) return;
    const char *line = buffer, *end = buffer + have, *newline;
    for (; (newline = memchr(line, '\n', (size_t)(end - line))) != NULL; line = newline + 1)
      count_line(line, (size_t)(newline + 1 - line));
    if (line == buffer) {
      page->damaged++;
      return;
    }
    at += line - buffer;
  }
}

/* Opened, in the order they were made in; the last one is not complete yet. */
enum { MOST = 256 };
static int opened[MOST];
static unsigned first, count, newest;

static void read_first(void) {
  const int fd = opened[first % MOST];
  if (is_json)
    read_json(fd);
  else
    read_compact(fd);
  page->segments++;
  close(fd);
  first++;
  count--;
}

static void meet(const char *name) {
  const unsigned number = (unsigned)strtoul(name, NULL, 10);
  if (strlen(name) != 8 || number <= newest) return;
  const int fd = count < MOST ? openat(folder, name, O_RDONLY | O_CLOEXEC) : -1;
  page->missed += number - newest - 1 + (fd < 0);
  newest = number;
  if (fd >= 0) opened[(first + count++) % MOST] = fd;
}

static int by_name(const struct dirent **one, const struct dirent **other) {
  return strcmp((*one)->d_name, (*other)->d_name);
}

int main(int argc, char **argv) {
  if (argc != 4) return 64;
  folder = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  is_json = strcmp(argv[2], "json") == 0;
  const int shared = open(argv[3], O_RDWR | O_CLOEXEC);
  page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, shared, 0);
  const int notify = inotify_init1(IN_CLOEXEC);
  if (folder < 0 || shared < 0 || page == MAP_FAILED || notify < 0) return 65;
  if (inotify_add_watch(notify, argv[1], IN_CREATE) < 0) return 66;
  /* Where the processors are busy it must not come too late. */
  if (sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){.sched_priority = 1}) != 0)
    (void)setpriority(PRIO_PROCESS, 0, -20);
  struct dirent **there = NULL;
  const int names = scandir(argv[1], &there, NULL, by_name);
  for (int i = 0; i < names; i++) meet(there[i]->d_name);
  if (write(1, "ready\n", 6) != 6) return 67;
  /* What is new is opened before anything is read. */
  for (struct pollfd waits[2] = {{notify, POLLIN, 0}, {0, POLLIN, 0}};;) {
    if (poll(waits, 2, count > 1 ? 0 : -1) < 0) continue;
    if (waits[0].revents != 0) {
      _Alignas(struct inotify_event) char events[4096];
      const ssize_t size = read(notify, events, sizeof events);
      for (ssize_t at = 0; at < size;) {
        const struct inotify_event *event = (const struct inotify_event *)(events + at);
        meet(event->name);
        at += (ssize_t)(sizeof *event + event->len);
      }
    } else if (count > 1) {
      read_first();
    } else if (waits[1].revents != 0) {
      while (count > 0) read_first();
      return 0;
    }
  }
}
