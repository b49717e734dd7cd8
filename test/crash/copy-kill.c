// Loaded into a process that copies: at one call about a name of a copy's own (KILL_AT=<call>:before or :after) that process is killed
// by SIGKILL, whichever process makes the call. NO_TMPFILE: its file system has no files without a name.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static pid_t copier;
static char call_name[32];
static int is_after, has_no_tmpfile;

__attribute__((constructor)) static void begin(void) {
  copier = getpid();
  const char* at = getenv("KILL_AT");
  const char* colon = at ? strchr(at, ':') : NULL;
  if (colon && (size_t)(colon - at) < sizeof call_name) {
    memcpy(call_name, at, (size_t)(colon - at));
    is_after = strcmp(colon, ":after") == 0;
  }
  has_no_tmpfile = getenv("NO_TMPFILE") != NULL;
}

static int is_drawn(const char* name) {
  return strncmp(name, ".slipway-", 9) == 0;
}

// Whoever outlives it goes on when it is surely gone.
static void pass(const char* call, int after) {
  if (after != is_after || strcmp(call, call_name) != 0) return;
  const int error = errno;
  kill(copier, SIGKILL);
  const struct timespec pause = {0, 50 * 1000 * 1000};
  nanosleep(&pause, NULL);
  errno = error;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define AROUND(call, wanted, invocation) \
  do {                                   \
    const int is_ours = (wanted);        \
    if (is_ours) pass(call, 0);          \
    const int result = (invocation);     \
    if (is_ours) pass(call, 1);          \
    return result;                       \
  } while (0)

static int (*next_linkat)(int, const char*, int, const char*, int);
static int (*next_symlinkat)(const char*, int, const char*);
static int (*next_mknodat)(int, const char*, mode_t, dev_t);
static int (*next_renameat)(int, const char*, int, const char*);
static int (*next_unlinkat)(int, const char*, int);
static int (*next_fchownat)(int, const char*, uid_t, gid_t, int);
static int (*next_utimensat)(int, const char*, const struct timespec*, int);
static ssize_t (*next_pwrite)(int, const void*, size_t, off_t);
static int (*next_openat)(int, const char*, int, ...);

// Before anybody is killed: the loader has a lock.
__attribute__((constructor)) static void look_up(void) {
  next_linkat = NEXT(linkat);
  next_symlinkat = NEXT(symlinkat);
  next_mknodat = NEXT(mknodat);
  next_renameat = NEXT(renameat);
  next_unlinkat = NEXT(unlinkat);
  next_fchownat = NEXT(fchownat);
  next_utimensat = NEXT(utimensat);
  next_pwrite = NEXT(pwrite64);
  next_openat = NEXT(openat64);
}

int linkat(int a, const char* from, int b, const char* to, int flags) {
  AROUND("linkat", is_drawn(to), next_linkat(a, from, b, to, flags));
}
int symlinkat(const char* target, int a, const char* name) {
  AROUND("symlinkat", is_drawn(name), next_symlinkat(target, a, name));
}
int mknodat(int a, const char* name, mode_t mode, dev_t device) {
  AROUND("mknodat", is_drawn(name), next_mknodat(a, name, mode, device));
}
int renameat(int a, const char* from, int b, const char* to) {
  AROUND("renameat", is_drawn(from), next_renameat(a, from, b, to));
}
int unlinkat(int a, const char* name, int flags) {
  AROUND("unlinkat", is_drawn(name), next_unlinkat(a, name, flags));
}
int fchownat(int a, const char* name, uid_t user, gid_t group, int flags) {
  AROUND("fchownat", *name == 0, next_fchownat(a, name, user, group, flags));
}
int utimensat(int a, const char* name, const struct timespec times[2], int flags) {
  AROUND("utimensat", name != NULL && *name == 0, next_utimensat(a, name, times, flags));
}
ssize_t pwrite64(int fd, const void* bytes, size_t size, off_t at) {
  pass("pwrite", 0);
  const ssize_t result = next_pwrite(fd, bytes, size, at);
  pass("pwrite", 1);
  return result;
}
ssize_t pwrite(int fd, const void* bytes, size_t size, off_t at) {
  return pwrite64(fd, bytes, size, at);
}

static int open_it(int a, const char* name, int flags, mode_t mode) {
  if (has_no_tmpfile && (flags & O_TMPFILE) == O_TMPFILE) {
    errno = EOPNOTSUPP;
    return -1;
  }
  return next_openat(a, name, flags, mode);
}
int openat(int a, const char* name, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;
  va_end(more);
  return open_it(a, name, flags, mode);
}
int openat64(int a, const char* name, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;
  va_end(more);
  return open_it(a, name, flags, mode);
}
