/* A unix socket that takes descriptors, which Node cannot receive. */
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

/* Gives the socket that listens at `path`, or -1. */
static int listen_at(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  if (bind(listening, (struct sockaddr *)&address, sizeof address) != 0) return -1;
  return listen(listening, 8) == 0 ? listening : -1;
}

/* Gives the descriptor of one message, or -1; what it says comes into `text`. */
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
