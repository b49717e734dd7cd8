// slipway-oci features: what callers may ask for.
import * as E from '#fp/Either'
import { command } from '../command.ts'
import { features as supported } from '../features.ts'

export const features = command({
  name: 'features',
  summary: 'Print what is supported, as JSON',
  usage: '',
  flags: {},
  positionals: { min: 0, max: 0 },
  run: async ({ world }) => {
    world.stdout(`${JSON.stringify(supported(), null, 4)}\n`)
    return E.right(0)
  },
})
