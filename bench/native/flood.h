/* What the programs of the log flood and the benchmark share: a page for each flood, mapped by all of them (bench/log-flood.mjs). */
#include <stdint.h>

enum { WAIT = 0, END = -1 };

struct flood {
  volatile uint64_t written; /* bytes that write(2) has taken */
  volatile int32_t asked;    /* bytes of one write; 100: one line; WAIT; END */
  volatile int32_t doing;    /* the same, of what it does */
  uint64_t reserved[6];
  /* By log-watch, of the segments that are complete. */
  volatile uint64_t kept, dropped, segments, missed, damaged;
};
