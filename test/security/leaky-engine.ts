// An engine in a process of its own, started in a bad state. Arguments: data directory, root file system, options, argv as JSON.
import { createEngine } from '../../src/index.ts'

const [, , root = '', rootfs = '', options = '{}', argv = '[]'] = process.argv
const engine = createEngine({ root })
try {
  const { stdout, stderr } = await engine.run({ rootfs }, JSON.parse(argv), JSON.parse(options))
  process.stdout.write(stdout)
  process.stderr.write(stderr)
} finally {
  await engine.close()
}
