// Descriptors an engine keeps open as long as it lives, which may be as long as its worker thread.
import { closeSync, openSync } from 'node:fs'
import type { Addon } from '../native/addon.ts'
import { jsHost } from '../native/js-host.ts'

type Holder = Pick<Addon, 'holdFds' | 'closeFds'>

/** Where the host leaves open what a terminated worker thread has opened, the addon closes it. */
export const openForEngine = (addon: Holder, file: string, flags: string | number, mode?: number): number => {
  const fd = openSync(file, flags, mode)
  if (!jsHost.closesDescriptors) addon.holdFds(Int32Array.of(fd))
  return fd
}

export const closeForEngine = (addon: Holder, fd: number): void => {
  if (jsHost.closesDescriptors) closeSync(fd)
  else addon.closeFds(Int32Array.of(fd))
}
