// libseccomp's answer for a profile on standard input: the BPF program on standard output.
//   optimize <0|1|2>, then default <value>, then arch <SCMP_ARCH token>, then rule <value> <name> [<arg> <op> <a> <b>]...
// Values and operators are libseccomp's numbers; a name it does not know is passed over, as runc does.
// With "names" as first argument: prints those of the names on standard input that it does not know.
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char line[4096];

static int unknown_names(void) {
  while (fgets(line, sizeof line, stdin)) {
    line[strcspn(line, "\n")] = 0;
    if (seccomp_syscall_resolve_name(line) == __NR_SCMP_ERROR) puts(line);
  }
  return 0;
}

static int fail(const char *what, int error) {
  fprintf(stderr, "%s: %s: %s\n", line, what, strerror(-error));
  return 1;
}

// i386 has a filter of its own until the end: libseccomp 2.5 forgets to load the number where x86-64 and x32 share a
// search and its first rule is of a call that neither has.
static scmp_filter_ctx filter, compat;
static int has_compat;

static int add_arch(uint32_t token) {
  if (token != SCMP_ARCH_X86) {
    const int error = seccomp_arch_add(filter, token);
    return error == -EEXIST ? 0 : error;
  }
  has_compat = 1;
  const int error = seccomp_arch_add(compat, token);
  return error < 0 ? error : seccomp_arch_remove(compat, SCMP_ARCH_NATIVE);
}

static int add_rule(char *rest) {
  struct scmp_arg_cmp args[6];
  unsigned count = 0;
  char *next = rest;
  const unsigned action = (unsigned)strtoul(next, &next, 10);
  char *name = strtok(next, " \n");
  for (char *word; count < 6 && (word = strtok(NULL, " \n")); count++) {
    args[count].arg = (unsigned)strtoul(word, NULL, 10);
    args[count].op = (enum scmp_compare)atoi(strtok(NULL, " \n"));
    args[count].datum_a = strtoull(strtok(NULL, " \n"), NULL, 10);
    args[count].datum_b = strtoull(strtok(NULL, " \n"), NULL, 10);
  }
  const int nr = seccomp_syscall_resolve_name(name);
  if (nr == __NR_SCMP_ERROR) return 0;
  int error = 0;
  if (nr >= 0) error = seccomp_rule_add_array(filter, action, nr, count, args);
  if (!error && has_compat) error = seccomp_rule_add_array(compat, action, nr, count, args);
  return error;
}

int main(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "names") == 0) return unknown_names();
  unsigned optimize = 1;
  while (fgets(line, sizeof line, stdin)) {
    char *rest = strchr(line, ' ');
    int error = 0;
    if (!rest) return fail("no value", -EINVAL);
    if (strncmp(line, "optimize", 8) == 0) optimize = (unsigned)atoi(rest);
    else if (strncmp(line, "default", 7) == 0) {
      filter = seccomp_init((uint32_t)strtoul(rest, NULL, 10));
      compat = seccomp_init((uint32_t)strtoul(rest, NULL, 10));
      // 0 is for libseccomp what it does without being asked.
      if (filter && optimize) error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, optimize);
    } else if (strncmp(line, "arch", 4) == 0) {
      error = add_arch((uint32_t)strtoul(rest, NULL, 10));
    } else error = add_rule(rest);
    if (error < 0) return fail("refused", error);
  }
  if (has_compat && seccomp_merge(filter, compat) < 0) return fail("merge", -EINVAL);
  const int error = seccomp_export_bpf(filter, 1);
  return error < 0 ? fail("export", error) : 0;
}
