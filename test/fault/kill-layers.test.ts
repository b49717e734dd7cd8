// The launch child is killed at every operation of these starts: the error says where, and the host is as it was before.
import { killAll } from './kill.ts'

killAll('fault/kill-layers', [
  ["Docker's default on image layers", 'blocked'],
  ['a user namespace over image layers', 'blocked'],
])
