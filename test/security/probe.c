/* A hostile payload: tries what its arguments name and prints one line for each: `name result`, a result being 0 or -errno. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static void say(const char *name, long result) { printf("%s %ld\n", name, result < 0 ? -(long)errno : result < 3 ? 0 : result); }

/* Every descriptor and what it is; the one that reads the list is left out. */
static void fds(void) {
  DIR *list = opendir("/proc/self/fd");
  for (struct dirent *entry; (entry = readdir(list)) != NULL;) {
    char path[300], target[300];
    if (entry->d_name[0] == '.' || atoi(entry->d_name) == dirfd(list)) continue;
    snprintf(path, sizeof path, "/proc/self/fd/%s", entry->d_name);
    long size = readlink(path, target, sizeof target - 1);
    printf("fd %s %.*s\n", entry->d_name, size < 0 ? 1 : (int)size, size < 0 ? "?" : target);
  }
  closedir(list);
}

#if defined(__x86_64__)
static long int80(long nr, long a) {
  long result;
  __asm__ volatile("int $0x80" : "=a"(result) : "a"(nr), "b"(a), "c"(0), "d"(0), "S"(0), "D"(0) : "memory");
  return result;
}
#endif

/* In a child each: a call that unexpectedly works must not change what the next one sees. */
static void in_child(const char *name, long (*call)(void)) {
  int status = 0;
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    say(name, call());
    fflush(stdout);
    _exit(0);
  }
  waitpid(child, &status, 0);
  if (!WIFEXITED(status)) printf("%s signal\n", name);
}

static long call_newuser(void) { return unshare(CLONE_NEWUSER); }
static long call_newns(void) { return unshare(CLONE_NEWNS); }
static long call_setns(void) { return setns(open("/proc/self/ns/net", O_RDONLY), 0); }
static long call_clone3(void) { return syscall(SYS_clone3, NULL, 0); }
static long call_clone(void) { return syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0); }
static long call_mount(void) { return mount("none", "/tmp", "tmpfs", 0, ""); }
static long call_cgroup(void) { return mount("none", "/tmp", "cgroup", 0, "memory"); }
static long call_fsopen(void) { return syscall(SYS_fsopen, "tmpfs", 0); }
static long call_umount(void) { return umount2("/proc/sys", MNT_DETACH); }
static long call_remount(void) { return mount("", "/sys", "", MS_REMOUNT | MS_BIND, ""); }
static long call_keyctl(void) { return syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0); }
static long call_add_key(void) { return syscall(SYS_add_key, "user", "x", "y", 1, KEY_SPEC_SESSION_KEYRING); }
static long call_bpf(void) { return syscall(SYS_bpf, 0, NULL, 0); }
static long call_perf(void) { return syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0); }
static long call_kexec(void) { return syscall(SYS_kexec_load, 0, 0, NULL, 0); }
static long call_module(void) { return syscall(SYS_init_module, "", 0, ""); }
static long call_reboot(void) { return syscall(SYS_reboot, 0, 0, 0, 0); }
static long call_handle(void) { return syscall(SYS_open_by_handle_at, -1, NULL, 0); }
static long call_alg(void) { return socket(38, SOCK_SEQPACKET, 0); }
static long call_vsock(void) { return socket(40, SOCK_STREAM, 0); }
static long call_pidfd_getfd(void) { return syscall(SYS_pidfd_getfd, -1, 0, 0); }
static long call_sticti(void) {
  char byte = 'x';
  return ioctl(0, TIOCSTI, &byte);
}
static long call_tioclinux(void) {
  char byte = 2;
  return ioctl(0, TIOCLINUX, &byte);
}
static long call_steal_tty(void) { return ioctl(0, TIOCSCTTY, 1); }
#if defined(__x86_64__)
static long call_i386_unshare(void) {
  long result = int80(310, CLONE_NEWUSER);
  errno = -result;
  return result < 0 ? -1 : 0;
}
static long call_i386_mount(void) {
  long result = int80(21, 0);
  errno = -result;
  return result < 0 ? -1 : 0;
}
static long call_x32_unshare(void) { return syscall(0x40000000 | SYS_unshare, CLONE_NEWUSER); }
#endif

static const struct {
  const char *name;
  long (*call)(void);
} calls[] = {
    {"unshare-user", call_newuser}, {"unshare-mount", call_newns}, {"setns", call_setns},
    {"clone3", call_clone3},        {"clone-user", call_clone},    {"mount", call_mount},
    {"mount-cgroup", call_cgroup},  {"fsopen", call_fsopen},       {"umount", call_umount},
    {"remount", call_remount},      {"keyctl", call_keyctl},       {"add_key", call_add_key},
    {"bpf", call_bpf},              {"perf", call_perf},           {"kexec", call_kexec},
    {"module", call_module},        {"reboot", call_reboot},       {"handle", call_handle},
    {"af_alg", call_alg},           {"af_vsock", call_vsock},      {"pidfd_getfd", call_pidfd_getfd},
    {"tiocsti", call_sticti},       {"tioclinux", call_tioclinux}, {"steal-tty", call_steal_tty},
#if defined(__x86_64__)
    {"i386-unshare", call_i386_unshare}, {"i386-mount", call_i386_mount}, {"x32-unshare", call_x32_unshare},
#endif
};

/* A key of the host under the session keyring of whoever started us. */
static long find_key(const char *description) {
  return syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, "user", description, 0);
}

static void caps(void) {
  char line[200];
  FILE *status = fopen("/proc/self/status", "r");
  while (fgets(line, sizeof line, status) != NULL)
    if (strncmp(line, "CapEff:", 7) == 0) printf("caps %s", line + 8);
  fclose(status);
}

static long abstract_socket(const char *name) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strncpy(address.sun_path + 1, name, sizeof address.sun_path - 2);
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  /* The name of an abstract socket is as long as its owner said: exact, or padded to the whole structure. */
  if (connect(fd, (struct sockaddr *)&address, offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name)) == 0) return 0;
  return connect(fd, (struct sockaddr *)&address, sizeof address);
}

int main(int argc, char **argv) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  for (int i = 1; i < argc; i++) {
    char *word = argv[i], *value = strchr(word, '=');
    if (value != NULL) *value++ = 0;
    if (strcmp(word, "fds") == 0) fds();
    if (strcmp(word, "key") == 0) say("key", find_key(value));
    if (strcmp(word, "abstract") == 0) say("abstract", abstract_socket(value));
    if (strcmp(word, "ptrace") == 0) say("ptrace", ptrace(PTRACE_ATTACH, atoi(value), 0, 0));
    if (strcmp(word, "kill") == 0) say("kill", kill(atoi(value), 0));
    if (strcmp(word, "chmod") == 0) say("chmod", chmod(value, 0));
    if (strcmp(word, "write") == 0) say("write", open(value, O_WRONLY) < 0 ? -1 : 0);
    if (strcmp(word, "read") == 0) say("read", open(value, O_RDONLY | O_NONBLOCK) < 0 ? -1 : 0);
    if (strcmp(word, "fchmod") == 0) say("fchmod", fchmod(atoi(value), 0));
    if (strcmp(word, "seals") == 0) printf("seals %d\n", fcntl(open(value, O_RDONLY), F_GET_SEALS));
    if (strcmp(word, "caps") == 0) caps();
    if (strcmp(word, "uid") == 0) printf("uid %d %d\n", getuid(), geteuid());
    for (size_t at = 0; at < sizeof calls / sizeof calls[0]; at++)
      if (strcmp(word, "calls") == 0 || strcmp(word, calls[at].name) == 0) in_child(calls[at].name, calls[at].call);
  }
  return 0;
}
