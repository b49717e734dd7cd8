// Records what one slipway start hands to its native half: the plans, and what the descriptors it passes in are.
import { readlinkSync } from 'node:fs'

const describe = (fd) => (fd < 0 ? '/dev/null' : readlinkSync(`/proc/self/fd/${fd}`))

const PREPARE = 0
const IN_CHILD = 1
const AFTER = 2
const LAYERS = 3
const NETWORK = 4
const FIRST_STAGE = 5

/** A program of the script as base64, with the start's own text where the patches put it. */
const withOwnText = ({ patches = [] }, own) => {
  const rows = Array.from({ length: patches.length / 4 }, (_, row) => patches.subarray(4 * row, 4 * row + 4))
  return (bytes, index) => {
    if (!bytes) return undefined
    const copy = Buffer.from(bytes)
    for (const [program, at, from, length] of rows)
      if (program === index) copy.write(own.slice(from, from + length), at, 'latin1')
    return copy.toString('base64')
  }
}

const snapshot = (script, slots, own) => {
  const base64 = withOwnText(script, own)
  return {
    slotFiles: Array.from(slots, describe),
    own,
    patches: [...(script.patches ?? [])],
    script: {
      slotCount: script.slotCount,
      prepare: base64(script.prepare, PREPARE),
      inChild: base64(script.inChild, IN_CHILD),
      after: base64(script.after, AFTER),
      layers: base64(script.layers, LAYERS),
      network: base64(script.network, NETWORK),
      stages: script.stages.map(({ plan, fds, base, when }, index) => ({
        plan: base64(plan, FIRST_STAGE + index),
        fds: [...fds],
        base,
        when,
      })),
      cloneFlags: script.cloneFlags,
      cgroupSlot: script.cgroupSlot,
      keep: [...script.keep],
      close: [...script.close],
    },
  }
}

/** A sandbox that waits, and the last stage it was sent: descriptors of that one are no slots of the start. */
const firedWith = ({ slotFiles, script }, { plan, fds, base }, streams) => ({
  slotFiles,
  fireFiles: Array.from(streams, describe),
  script: {
    ...script,
    stages: [
      ...script.stages,
      { plan: Buffer.from(plan).toString('base64'), fds: [...fds], base, when: 'later' },
    ],
  },
})

/**
 * Hooks the addon as it is loaded; call before slipway is imported. `onStart` gets a recording for each container start, and for
 * each sandbox of a pool that is fired. The guardian's own start passes no `prepare` program and is not one.
 */
export const recordStarts = (onStart) => {
  const load = process.dlopen
  process.dlopen = (module, ...rest) => {
    load.call(process, module, ...rest)
    const { Launch, Script } = module.exports
    if (Launch === undefined) return
    const scripts = new WeakMap()
    module.exports.Script = class extends Script {
      constructor(script) {
        super(script)
        scripts.set(this, script)
      }
    }
    module.exports.Launch = class extends Launch {
      #recording
      constructor(made, slots, own, ...rest) {
        const script = scripts.get(made)
        const isStart = script.prepare !== undefined && script.stages.length > 1
        const recording = isStart ? snapshot(script, slots, own) : undefined
        if (isStart) onStart(recording)
        super(made, slots, own, ...rest)
        this.#recording = recording
      }
      send(stage, streams) {
        onStart(firedWith(this.#recording, stage, streams))
        return super.send(stage, streams)
      }
    }
  }
}
