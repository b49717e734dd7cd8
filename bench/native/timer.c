/* Times every engine from outside: one small process, one clock, commands and resident drivers interleaved.
 *
 * Standard input, tab-separated lines (`-` leaves a field empty):
 *   exec      <name> <block> <lead> <mount-ns> <log> <argv...>   fork -> exit of a command, by vfork + execve
 *   resident  <name> <block> <lead> <mount-ns> <log> <argv...>   a byte out -> a byte back, over pipes
 *   go        <rounds> <gap-us>
 * A round visits every driver once, in a random order, for <lead> untimed and <block> timed runs.
 * Standard output: one line `<name>\t<outside ns>\t<inside ns>` per timed run, in the order they were made.
 *
 * A resident driver writes 'r' when ready; for each 'g' it reads it does its work and writes 'd' followed by the
 * duration it saw itself (8 bytes, nanoseconds, host order), or 'e' and a line of text. End of file ends it.
 * A command or driver that fails ends the whole run with status 1: a failed start must never count as a fast one.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { kMaxDrivers = 256, kMaxArgs = 128, kRunLimitSeconds = 120 };

struct Driver {
  int resident;
  const char *name;
  int block, lead;
  int mount_ns; /* -1: the timer's own */
  int log_fd;
  char *argv[kMaxArgs];
  pid_t pid; /* of a resident driver */
  int to, from;
};

struct Sample {
  int driver;
  uint64_t outside, inside;
};

static struct Driver drivers[kMaxDrivers];
static int driver_count;
static struct Sample *samples;
static size_t sample_count, sample_room;
static volatile pid_t running;
extern char **environ;

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t); /* the clock of process.hrtime() too */
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

__attribute__((noreturn)) static void fail(const char *what, const char *name) {
  fprintf(stderr, "timer: %s: %s: %s\n", name, what, errno ? strerror(errno) : "failed");
  exit(1);
}

static void on_alarm(int signal_number) {
  (void)signal_number;
  static const char text[] = "timer: a run took longer than the limit\n";
  if (running > 0) kill(running, SIGKILL);
  if (write(2, text, sizeof text - 1) < 0) _exit(2);
  _exit(1);
}

/* The child shares the timer's memory until execve: system calls only. */
static pid_t start(struct Driver *d, int in, int out) {
  static char *const no_env[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", NULL};
  char **env = getenv("BENCH_EMPTY_ENV") ? (char **)no_env : environ;
  pid_t pid = vfork();
  if (pid != 0) return pid;
  if (d->resident) prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (d->mount_ns >= 0 && setns(d->mount_ns, CLONE_NEWNS) != 0) _exit(125);
  if (d->mount_ns >= 0 && chdir("/") != 0) _exit(125);
  dup2(in, 0);
  dup2(out, 1);
  dup2(d->log_fd, 2);
  execve(d->argv[0], d->argv, env);
  _exit(127);
}

static void add_sample(int driver, uint64_t outside, uint64_t inside) {
  if (sample_count == sample_room) {
    sample_room = sample_room ? sample_room * 2 : 65536;
    samples = realloc(samples, sample_room * sizeof *samples);
    if (!samples) fail("out of memory", "samples");
  }
  samples[sample_count++] = (struct Sample){driver, outside, inside};
}

static void run_command(struct Driver *d, int null_fd, uint64_t *outside) {
  int status = 0;
  uint64_t begin = now_ns();
  pid_t pid = start(d, null_fd, null_fd);
  if (pid < 0) fail("vfork", d->name);
  running = pid;
  while (waitpid(pid, &status, 0) < 0)
    if (errno != EINTR) fail("waitpid", d->name);
  *outside = now_ns() - begin;
  running = 0;
  if (status == 0) return;
  fprintf(stderr, "timer: %s: wait status 0x%x (exit code %d), see its log\n", d->name, status,
          WIFEXITED(status) ? WEXITSTATUS(status) : -1);
  exit(1);
}

static void read_all(struct Driver *d, void *buffer, size_t size) {
  for (size_t got = 0; got < size;) {
    ssize_t n = read(d->from, (char *)buffer + got, size - got);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) fail("the driver closed its pipe", d->name);
    got += (size_t)n;
  }
}

static void report_driver_error(struct Driver *d) {
  char text[4096];
  ssize_t n = read(d->from, text, sizeof text - 1);
  text[n > 0 ? n : 0] = 0;
  fprintf(stderr, "timer: %s: %s\n", d->name, text);
  exit(1);
}

static void run_resident(struct Driver *d, uint64_t *outside, uint64_t *inside) {
  char answer;
  uint64_t begin = now_ns();
  if (write(d->to, "g", 1) != 1) fail("write", d->name);
  read_all(d, &answer, 1);
  *outside = now_ns() - begin;
  if (answer != 'd') report_driver_error(d);
  read_all(d, inside, sizeof *inside);
}

static void start_resident(struct Driver *d) {
  int down[2], up[2];
  char ready;
  if (pipe2(down, O_CLOEXEC) != 0 || pipe2(up, O_CLOEXEC) != 0) fail("pipe2", d->name);
  d->pid = start(d, down[0], up[1]);
  if (d->pid < 0) fail("vfork", d->name);
  close(down[0]);
  close(up[1]);
  d->to = down[1];
  d->from = up[0];
  alarm(kRunLimitSeconds);
  running = d->pid;
  read_all(d, &ready, 1);
  if (ready != 'r') report_driver_error(d);
  running = 0;
}

static void stop_resident(struct Driver *d) {
  close(d->to);
  alarm(kRunLimitSeconds);
  running = d->pid;
  while (waitpid(d->pid, NULL, 0) < 0 && errno == EINTR) continue;
}

static void run_once(int index, int null_fd, int timed) {
  struct Driver *d = &drivers[index];
  uint64_t outside = 0, inside = 0;
  errno = 0;
  if (d->resident) {
    run_resident(d, &outside, &inside);
  } else {
    run_command(d, null_fd, &outside);
  }
  if (timed) add_sample(index, outside, inside);
}

static void shuffle(int *order, int count) {
  static uint64_t state = 0x9e3779b97f4a7c15u; /* fixed seed: the same order in every run */
  for (int i = count - 1; i > 0; i--) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    int other = (int)(state % (uint64_t)(i + 1)), kept = order[i];
    order[i] = order[other], order[other] = kept;
  }
}

static void run_rounds(int rounds, int gap_us) {
  int order[kMaxDrivers];
  int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int i = 0; i < driver_count; i++) order[i] = i;
  for (int i = 0; i < driver_count; i++)
    if (drivers[i].resident) start_resident(&drivers[i]);
  for (int i = 0; i < driver_count; i++) { /* warm-up: one block of each, not kept */
    alarm(kRunLimitSeconds);
    for (int n = 0; n < drivers[i].block + drivers[i].lead; n++) run_once(i, null_fd, 0);
  }
  for (int round = 0; round < rounds; round++) {
    shuffle(order, driver_count);
    for (int i = 0; i < driver_count; i++) {
      struct Driver *d = &drivers[order[i]];
      alarm(kRunLimitSeconds);
      for (int n = 0; n < d->lead + d->block; n++) {
        run_once(order[i], null_fd, n >= d->lead);
        if (gap_us) usleep((useconds_t)gap_us);
      }
    }
  }
  for (int i = 0; i < driver_count; i++)
    if (drivers[i].resident) stop_resident(&drivers[i]);
}

static int open_field(const char *path, int flags, const char *name) {
  int fd = open(path, flags | O_CLOEXEC, 0644);
  if (fd < 0) fail(path, name);
  return fd;
}

static void add_driver(char **field, int count) {
  if (count < 7 || driver_count == kMaxDrivers || count - 6 >= kMaxArgs) fail("bad driver line", field[0]);
  struct Driver *d = &drivers[driver_count++];
  d->resident = strcmp(field[0], "resident") == 0;
  d->name = field[1];
  d->block = atoi(field[2]);
  d->lead = atoi(field[3]);
  d->mount_ns = strcmp(field[4], "-") ? open_field(field[4], O_RDONLY, d->name) : -1;
  d->log_fd = open_field(strcmp(field[5], "-") ? field[5] : "/dev/null", O_WRONLY | O_CREAT | O_APPEND, d->name);
  for (int i = 6; i < count; i++) d->argv[i - 6] = field[i];
}

static void write_samples(void) {
  for (size_t i = 0; i < sample_count; i++)
    printf("%s\t%llu\t%llu\n", drivers[samples[i].driver].name, (unsigned long long)samples[i].outside,
           (unsigned long long)samples[i].inside);
  if (fflush(stdout) != 0) fail("write", "samples");
}

static int split(char *line, char **field) {
  int count = 0;
  for (char *at = line; at && count < kMaxArgs; count++) field[count] = strsep(&at, "\t");
  return count;
}

int main(void) {
  char *line = NULL;
  size_t room = 0;
  signal(SIGALRM, on_alarm);
  signal(SIGPIPE, SIG_IGN);
  for (ssize_t size; (size = getline(&line, &room, stdin)) > 0; line = NULL, room = 0) {
    char *field[kMaxArgs] = {line};
    if (line[size - 1] == '\n') line[size - 1] = 0;
    int count = split(line, field);
    if (strcmp(field[0], "go") != 0) {
      add_driver(field, count);
      continue;
    }
    if (count != 3) fail("bad go line", "input");
    run_rounds(atoi(field[1]), atoi(field[2]));
    write_samples();
    return 0;
  }
  fail("no go line", "input");
}
