// A resident driver's side of the timer's protocol (bench/native/timer.c), and memory to be resident with.
import { writeSync } from 'node:fs'

const STDOUT = 1

const answer = (kind, nanoseconds) => {
  const reply = Buffer.alloc(9)
  reply.write(kind)
  reply.writeBigUInt64LE(nanoseconds, 1)
  writeSync(STDOUT, reply)
}

const refuse = (error) => {
  writeSync(STDOUT, `e${error?.stack ?? error}\n`)
  process.exit(1)
}

/**
 * Calls `operation` for every request. It resolves with the nanoseconds (bigint) to report as its own. `last` is called when there
 * are no more.
 */
export const serve = (operation, last = () => {}) => {
  process.stdin.on('data', () => {
    operation().then((inside) => answer('d', inside), refuse)
  })
  process.stdin.on('end', async () => {
    await last()
    process.exit(0)
  })
  writeSync(STDOUT, 'r')
}

const MIB = 1024 * 1024

/** Grows this process to about `target` MiB resident; keep what it returns. */
export const growTo = (target) => {
  const held = []
  while (process.memoryUsage.rss() < target * MIB) held.push(Buffer.alloc(MIB, held.length + 1))
  return held
}

/** How long `work` took: `{ elapsed }` in nanoseconds. */
export const timed = async (work) => {
  const begin = process.hrtime.bigint()
  await work()
  return process.hrtime.bigint() - begin
}

/**
 * The longest time the event loop could not run anything while `work` was under way, in nanoseconds: the largest gap
 * between two turns of a loop that does nothing but turn.
 */
export const longestStall = async (work) => {
  let last = process.hrtime.bigint()
  let longest = 0n
  let turning = true
  const look = () => {
    const now = process.hrtime.bigint()
    if (now - last > longest) longest = now - last
    last = now
    if (turning) setImmediate(look)
  }
  setImmediate(look)
  await new Promise((resolve) => setImmediate(resolve))
  await work()
  turning = false
  look()
  return longest
}
