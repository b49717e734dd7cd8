/* A seccomp agent: listens on the unix socket argv[1], takes one container process state with its descriptor from each connection, and
 * answers what is notified there. argv[2]: `close` closes a connection unread, `ignore` drops the descriptor, `serve` answers.
 *
 * Of mkdir(2) and mkdirat(2) by the path: `.../refused` fails with EROFS, `.../pretended` succeeds without being made, and any other
 * goes on in the kernel, as every other call does. Prints one line for each: `state JSON`, `end of connection`, `call NUMBER PATH`. */
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "socket.h"

static void path_of(const struct seccomp_notif *asked, char *path, size_t size) {
  char name[64];
  unsigned long long at = asked->data.args[asked->data.nr == SYS_mkdirat ? 1 : 0];
  path[0] = 0;
  if (asked->data.nr != SYS_mkdirat
#ifdef SYS_mkdir
      && asked->data.nr != SYS_mkdir
#endif
  )
    return;
  snprintf(name, sizeof name, "/proc/%u/mem", asked->pid);
  int memory = open(name, O_RDONLY);
  ssize_t got = memory < 0 ? -1 : pread(memory, path, size - 1, (off_t)at);
  path[got < 0 ? 0 : got] = 0;
  if (memory >= 0) close(memory);
}

static int ends_in(const char *path, const char *end) {
  size_t length = strlen(path);
  return length >= strlen(end) && strcmp(path + length - strlen(end), end) == 0;
}

static void serve(int listener) {
  for (;;) {
    struct seccomp_notif asked = {0};
    struct seccomp_notif_resp answer = {0};
    char path[256];
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &asked) != 0) {
      if (errno == EINTR) continue;
      return;
    }
    path_of(&asked, path, sizeof path);
    printf("call %d %s\n", asked.data.nr, path);
    fflush(stdout);
    answer.id = asked.id;
    if (ends_in(path, "/refused"))
      answer.error = -EROFS;
    else if (!ends_in(path, "/pretended"))
      answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    (void)ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
  }
}

static void attend(int connection, const char *manner) {
  static char text[1 << 20];
  char more;
  int fd = take(connection, text, sizeof text);
  if (fd < 0) exit(5);
  /* One line, whatever the document looks like: what is in its strings is escaped. */
  for (char *at = text; *at != 0; at++)
    if (*at == '\n') *at = ' ';
  printf("state %s\n", text);
  fflush(stdout);
  /* Some keep the connection until they are answered. */
  if (fork() == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    close(connection);
    if (strcmp(manner, "serve") == 0) serve(fd);
    exit(0);
  }
  close(fd);
  if (read(connection, &more, 1) == 0) printf("end of connection\n");
  fflush(stdout);
  close(connection);
  pause();
}

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  int listening = listen_at(argv[1]);
  if (listening < 0) return 3;
  signal(SIGCHLD, SIG_IGN);
  printf("listening\n");
  fflush(stdout);
  for (;;) {
    int connection = accept(listening, NULL, NULL);
    if (connection < 0) continue;
    if (strcmp(argv[2], "close") != 0 && fork() == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      attend(connection, argv[2]);
    }
    close(connection);
  }
}
