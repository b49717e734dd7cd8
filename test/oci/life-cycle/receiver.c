/* Listens on the unix socket argv[1] and takes one descriptor. A terminal: writes argv[2] to it and prints all it says. A pidfd: prints
 * when it has ended. Node cannot receive descriptors. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int take(int connection, char *text, size_t size) {
  union {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr head;
  } control;
  struct iovec part = {text, size - 1};
  struct msghdr message = {.msg_iov = &part,
                           .msg_iovlen = 1,
                           .msg_control = control.bytes,
                           .msg_controllen = sizeof control.bytes};
  ssize_t got = recvmsg(connection, &message, MSG_CMSG_CLOEXEC);
  struct cmsghdr *head = got < 0 ? NULL : CMSG_FIRSTHDR(&message);
  int fd = -1;
  if (head == NULL) return -1;
  text[got] = 0;
  memcpy(&fd, CMSG_DATA(head), sizeof fd);
  return fd;
}

static void talk(int terminal, const char *input) {
  char bytes[4096];
  ssize_t got;
  if (write(terminal, input, strlen(input)) < 0) return;
  while ((got = read(terminal, bytes, sizeof bytes)) > 0) {
    fwrite(bytes, 1, (size_t)got, stdout);
    fflush(stdout);
  }
}

int main(int argc, char **argv) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int listening = socket(AF_UNIX, SOCK_STREAM, 0);
  char text[256];
  if (argc < 3) return 2;
  strncpy(address.sun_path, argv[1], sizeof address.sun_path - 1);
  if (bind(listening, (struct sockaddr *)&address, sizeof address) != 0) return 3;
  if (listen(listening, 1) != 0) return 4;
  int fd = take(accept(listening, NULL, NULL), text, sizeof text);
  if (fd < 0) return 5;
  printf("%s\n", text);
  fflush(stdout);
  if (isatty(fd)) {
    talk(fd, argv[2]);
    return 0;
  }
  struct pollfd wanted = {.fd = fd, .events = POLLIN};
  if (poll(&wanted, 1, 10000) == 1) printf("ended\n");
  return 0;
}
