// Somebody else who adds content to a store.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'

/** Holds the lock in a process of its own, so that no sweep removes more than names. The result lets go. */
export const holdContent = async (root: string): Promise<() => Promise<unknown>> => {
  const child = spawn('flock', ['-s', path.join(root, 'locks/content'), 'sh', '-c', 'echo held; read x'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const exit = once(child, 'exit')
  await once(child.stdout, 'data')
  return () => {
    child.stdin.end()
    return exit
  }
}
