/* Executes its arguments from a process in as bad a state as a host's process may be in: what of it reaches a container? */
#define _GNU_SOURCE
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void leak_descriptors(void) {
  int folder = open("/etc", O_RDONLY | O_DIRECTORY);
  int secret = open("/etc/shadow", O_RDONLY);
  /* Node makes what it inherits close-on-exec up to the first gap past 15: these it does not find. */
  for (int i = 0; i < 25; i++) {
    fcntl(folder, F_DUPFD, 100);
    fcntl(secret, F_DUPFD, 100);
  }
}

static void spoil_signals(void) {
  sigset_t blocked;
  signal(SIGHUP, SIG_IGN);
  signal(SIGUSR1, SIG_IGN);
  signal(SIGCHLD, SIG_DFL);
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR2);
  sigaddset(&blocked, SIGRTMAX);
  sigprocmask(SIG_BLOCK, &blocked, NULL);
}

static void spoil_rights(void) {
  gid_t group = 4242;
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2];
  setgroups(1, &group);
  syscall(SYS_capget, &header, data);
  data[0].inheritable = data[0].permitted;
  data[1].inheritable = data[1].permitted;
  syscall(SYS_capset, &header, data);
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SYS_ADMIN, 0, 0);
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SYS_PTRACE, 0, 0);
}

int main(int argc, char **argv) {
  FILE *score = fopen("/proc/self/oom_score_adj", "w");
  if (argc < 2 || score == NULL) return 1;
  fputs("-500", score); /* refused without CAP_SYS_RESOURCE: then it stays at 0 */
  fclose(score);
  umask(077);
  leak_descriptors();
  spoil_signals();
  syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, 0);
  if (syscall(SYS_add_key, "user", "slipway-host-secret", "s", 1, KEY_SPEC_SESSION_KEYRING) < 0) return 2;
  setenv("NODE_SECRET", "1", 1);
  setenv("SLIPWAY_SECRET", "1", 1);
  setenv("AWS_SECRET_ACCESS_KEY", "1", 1);
  setenv("LD_LIBRARY_PATH", "/nowhere", 1);
  spoil_rights();
  execvp(argv[1], argv + 1);
  return 3;
}
