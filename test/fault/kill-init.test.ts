// The launch child is killed at every operation of these starts: the error says where, and the host is as it was before.
import { killAll } from './kill.ts'

killAll('fault/kill-init', [
  ['a terminal for a user', 'blocked'],
  ['behind a small init', 'blocked'],
  ['in the namespaces of the host, behind a small init', 'blocked'],
  ['in the namespaces of the host, behind a small init', 'first'],
])
