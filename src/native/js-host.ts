// Which JavaScript host this is, and what of Node's it lacks.

export interface JsHost {
  readonly name: 'Node' | 'Bun' | 'Deno'
  readonly version: string
  /**
   * Whether its event loop and its streams take descriptors from an addon. Bun has libuv's names, and panics when `uv_poll_init` is
   * called; Deno watches sockets alone, and refuses descriptors it has not opened itself (Bun 1.4, Deno 2.9).
   */
  readonly takesDescriptors: boolean
  /** Deno's `access` reads the bits of the mode, and so refuses root a directory that nobody owns the right to write to. */
  readonly accessAsksKernel: boolean
  /** Whether the end of a worker thread closes the files its JavaScript has opened. */
  readonly closesDescriptors: boolean
}

type Versions = Readonly<Record<string, string | undefined>>

/** With `SLIPWAY_WATCH=thread`, slipway does in Node what it does in the others, so that it can be tested there. */
export const jsHostOf = (versions: Versions, environment: { readonly SLIPWAY_WATCH?: string }): JsHost => {
  const { bun, deno, node = '' } = versions
  if (bun !== undefined)
    return {
      name: 'Bun',
      version: bun,
      takesDescriptors: false,
      accessAsksKernel: true,
      closesDescriptors: false,
    }
  if (deno !== undefined)
    return {
      name: 'Deno',
      version: deno,
      takesDescriptors: false,
      accessAsksKernel: false,
      closesDescriptors: true,
    }
  const takesDescriptors = environment.SLIPWAY_WATCH !== 'thread'
  return { name: 'Node', version: node, takesDescriptors, accessAsksKernel: true, closesDescriptors: true }
}

export const jsHost: JsHost = jsHostOf(process.versions, process.env)
