// /proc/<pid>/stat, proc_pid_stat(5).

/** From field 3 on, the state. The name before them may hold anything, brackets and blanks too. */
export const statFields = (text: string): readonly string[] =>
  text
    .slice(text.lastIndexOf(')') + 1)
    .trim()
    .split(/\s+/)
