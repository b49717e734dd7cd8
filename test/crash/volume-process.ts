// An engine in a process of its own that makes, fills, mounts and removes volumes without end, to be killed. Arguments: data directory, root
// file system. Prints a line for each entry of the ledger that is known to be written.
import { createEngine } from '../../src/index.ts'

const [, , root = '', rootfs = ''] = process.argv
const engine = createEngine({ root, networksAhead: 0 })
const image = { rootfs }

const forever = async (step: (round: number) => Promise<unknown>): Promise<never> => {
  for (let round = 0; ; round++) await step(round).catch(refused)
}
/** What another loop is in the way of; everything else ends the storm, and so the test. */
const refused = (error: { readonly _tag?: string; readonly message: string }): void => {
  if (['VolumeInUse', 'VolumeNotFound', 'VolumeUnfit'].includes(error._tag ?? '')) return
  process.stderr.write(`${error.message}\n`)
  process.exit(1)
}
const seeded = (round: number) => ({ type: 'volume', source: `churn-${round % 4}`, target: '/seed' }) as const

await engine.run(image, ['true'])
process.stdout.write('ready\n')
forever((round) => engine.createVolume({ name: `churn-${round % 4}` }))
forever((round) => engine.removeVolume(`churn-${(round + 2) % 4}`))
forever((round) => engine.run(image, ['ls', '/seed'], { mounts: [seeded(round)] }))
forever((round) =>
  engine.run(image, ['sh', '-c', 'echo x > /own/f'], {
    mounts: [{ type: 'volume', target: '/own' }, seeded(round + 1)],
  }),
)
forever(async () => {
  const container = await engine.start(image, ['true'], {
    keep: true,
    mounts: [{ type: 'volume', source: 'kept', target: '/k' }],
  })
  await container.removed
  await engine.remove(container.id)
})
forever(async (round) => {
  const mounts = [{ type: 'volume', source: 'ledger', target: '/l' } as const]
  const { exitCode } = await engine.run(image, ['sh', '-c', 'echo line >> /l/book'], { mounts })
  if (exitCode === 0) process.stdout.write(`wrote ${round}\n`)
})
