/* Listens on the unix socket argv[1] and takes one descriptor. A terminal: writes argv[2] to it and prints all it says. A pidfd: prints
 * when it has ended. */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "socket.h"

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
  char text[256];
  if (argc < 3) return 2;
  int listening = listen_at(argv[1]);
  if (listening < 0) return 3;
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
