// Finds the processes a test file has started: by session, by process group, or by a mark in their environment.
import { readdirSync, readFileSync } from 'node:fs'

/** Zombies are left out: they hold nothing, and reaping an orphan is the init process's business. */
export const findLeftovers = ({ id, group }) =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => readProcess(Number(name)))
    .filter((found) => found !== undefined && found.state !== 'Z')
    .filter((found) => found.group === group || found.session === group || isMarked(found.pid, id))

const readProcess = (pid) => {
  const stat = readProc(pid, 'stat')
  // The name is in parentheses and may itself contain some (proc_pid_stat(5)).
  const end = stat.lastIndexOf(')')
  if (end < 0) return undefined
  const [state, , group, session] = stat.slice(end + 2).split(' ')
  return {
    pid,
    name: stat.slice(stat.indexOf('(') + 1, end),
    state,
    group: Number(group),
    session: Number(session),
  }
}

const isMarked = (pid, id) => readProc(pid, 'environ').split('\0').includes(`SLIPWAY_TEST_ID=${id}`)

/** Empty when the process is gone, or not ours to look into. */
const readProc = (pid, file) => {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1')
  } catch {
    return ''
  }
}

export const killPids = (pids) => {
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // Gone by itself.
    }
  }
}
