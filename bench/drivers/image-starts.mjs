// Pulls what is there, and starts containers, from several images by turns, in one process: `image-starts.mjs ROOT ROUNDS IMAGE...`.
// Prints nanoseconds by image, as JSON.
import { createEngine } from '../../dist/index.js'

const [root, rounds, ...images] = process.argv.slice(2)
const WARM_UP = 20

const engine = createEngine({ root })
const timed = async (body) => {
  const begin = process.hrtime.bigint()
  await body()
  return Number(process.hrtime.bigint() - begin)
}
const byTurns = async (warmUp, body) => {
  const samples = images.map(() => [])
  for (let round = -warmUp; round < Number(rounds); round++)
    for (const step of images.keys()) {
      const at = (step + Math.abs(round)) % images.length
      const took = await timed(() => body(images[at]))
      if (round >= 0) samples[at].push(took)
    }
  return samples
}

// From the very first one on, as a command has it.
const again = await byTurns(0, async (image) => {
  const { status } = await engine.pull(image)
  if (status !== 'current') throw new Error(`${image}: ${status}`)
})
const starts = await byTurns(WARM_UP, async (image) => {
  const { exitCode } = await engine.run(image, ['/bin/true'], { network: 'none' })
  if (exitCode !== 0) throw new Error(`${image}: exit code ${exitCode}`)
})
await engine.close()
console.log(JSON.stringify({ again, starts }))
