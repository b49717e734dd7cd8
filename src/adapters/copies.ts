// Roots that are in use on this machine: copied out of and into by threads of the addon, as a tar through a pipe.
import path from 'node:path'
import type { Writable } from 'node:stream'
import * as E from '#fp/Either'
import type { CopyPort, HeldRoot, OpenRoot, ReceiveChoices } from '../engine/ports/copies.ts'
import type { EngineError } from '../model/errors.ts'
import type { HostFacts } from '../model/host-facts.ts'
import { once } from '../model/once.ts'
import type { Addon } from '../native/addon.ts'
import type { LayerAddon, LayerFailure, Place, ReceiveStats } from '../native/layer-addon.ts'
import { planOpenRoot, ROOT_SLOTS } from '../plan/process-handle.ts'
import { attempt, thrown } from './attempt.ts'
import { firstOf, namespaceOf } from './container-processes.ts'
import { pipeStream } from './descriptor-stream.ts'
import { untilAborted } from './layer-stream.ts'
import { fromThread } from './trees.ts'
import { fromArchive } from './volume-fill.ts'

interface Parts {
  readonly addon: Addon & LayerAddon
  readonly facts: HostFacts
}

const ENOENT = 2

export const copyPort = (parts: Parts): CopyPort => {
  const { addon } = parts
  const receiveInto: CopyPort['receive'] = (root, directory, tar, choices) =>
    attempt('copy', () => receive(parts, root, directory, tar, choices, false))
  return {
    rootOf: (container, name) => {
      const pid = firstOf(container)
      return pid === undefined
        ? E.right(undefined)
        : openRoot(parts, pid, name, () => firstOf(container) === pid)
    },
    rootOfChild: (pid, name) => openRoot(parts, pid, name, () => true),
    stat: (root, at, follow) =>
      attempt('copy', async () => {
        const found = await addon.statPlace(placeIn(root, at), follow, root.userNamespace)
        if (found.ok) return found
        if (found.errno === ENOENT) return undefined
        throw thrown(errorAt(root, at, at)(found))
      }),
    archive: (root, at, { follow, name }) =>
      fromThread(
        addon,
        (fd) => addon.archivePlace(placeIn(root, at), follow, name, fd, root.userNamespace),
        errorAt(root, at, name === '' ? at : path.posix.dirname(at)),
      ),
    receive: receiveInto,
    receiveGiven: (root, directory, tar, choices) =>
      attempt('copy', async () => {
        let skippedDevices = 0
        await fromArchive(addon, { stream: untilAborted(tar, choices.signal, 'copy') }, async (plain) => {
          const { signal: _, ...rest } = choices
          ;({ skippedDevices } = await receive(parts, root, directory, plain, rest, true))
        })
        return { skippedDevices }
      }),
  }
}

const placeIn = ({ fd }: OpenRoot, at: string): Place =>
  fd === undefined ? { path: path.resolve(at) + (/\/\.?$/.test(at) ? '/' : '') } : { root: fd, path: at }

/** `isStill`: it is the process that was meant, looked for once more when it is held. */
const openRoot = (
  { addon, facts }: Parts,
  pid: number,
  name: string,
  isStill: () => boolean,
): E.Either<EngineError, HeldRoot | undefined> => {
  const plan = planOpenRoot(facts.arch, pid)
  const { ok, op, errno, slots } = addon.execute(plan.bytes, new Int32Array(0))
  const fds = Int32Array.from([...slots].filter((fd) => fd >= 0))
  const close = (): void => addon.closeFds(fds)
  if (!ok || !isStill()) {
    close()
    const info = plan.infos[op]
    if (ok || errno === ENOENT || errno === ESRCH) return E.right(undefined)
    return E.left({
      _tag: 'SyscallFailed',
      step: info?.step ?? 'open root of process',
      errno,
      ...(info?.path === undefined ? {} : { path: info.path }),
    })
  }
  const own = namespaceOf(pid, 'user') === namespaceOf('self', 'user')
  const root = { name, fd: slots[ROOT_SLOTS.root] ?? -1, close: once(close) }
  return E.right(own ? root : { ...root, userNamespace: slots[ROOT_SLOTS.userNamespace] ?? -1 })
}
const ESRCH = 3

/** `inside`: what the entry's name is relative to. */
const errorAt =
  (root: OpenRoot, at: string, inside: string) =>
  ({ entry, step, errno, why }: LayerFailure): EngineError => {
    const own =
      entry === undefined || entry === at ? at : path.posix.join(inside, entry).replace(/(.)\/+$/, '$1')
    const where = root.name === '' ? own : `${root.name}:${own}`
    if (step !== undefined && errno !== undefined) return { _tag: 'SyscallFailed', step, errno, path: where }
    return { _tag: 'CopyRefused', path: where, why: why ?? 'no reason given' }
  }

/**
 * `followLinks`: a tar of somebody else's may leave out folders, and mention links to them. Whatever happens, nothing is written any more
 * once the promise has settled. The place's own reason is told before the source's.
 */
const receive = async (
  { addon }: Parts,
  root: OpenRoot,
  directory: string,
  tar: AsyncIterable<Uint8Array>,
  { keepOwner, replace, signal }: ReceiveChoices,
  followLinks: boolean,
): Promise<ReceiveStats> => {
  const ends = addon.pipe(false, process.geteuid?.() ?? 0)
  if (typeof ends === 'number') throw thrown({ _tag: 'SyscallFailed', step: 'make pipe', errno: -ends })
  const [theirs, ours] = ends
  addon.letGo(Int32Array.from(ends))
  const choices = { keepOwner, replace, followLinks }
  const received = addon.receiveArchive(placeIn(root, directory), choices, theirs, root.userNamespace)
  const stream: Writable = pipeStream(addon, ours, { readable: false, writable: true })
  // One that takes no more: the thread says why.
  stream.on('error', () => undefined)
  let failure: unknown
  try {
    for await (const chunk of untilAborted(tar, signal, 'copy')) {
      if (stream.destroyed) break
      if (!stream.write(chunk)) await drained(stream)
    }
    stream.end()
  } catch (error) {
    failure = error
    stream.destroy()
  }
  const result = await received
  stream.destroy()
  if (failure === undefined || (!result.ok && result.step !== undefined)) {
    if (result.ok) return result
    throw thrown(errorAt(root, directory, directory)(result))
  }
  throw failure
}

const drained = (stream: Writable): Promise<void> =>
  new Promise((resolve) => {
    const go = (): void => {
      stream.off('drain', go).off('close', go)
      resolve()
    }
    stream.once('drain', go).once('close', go)
  })
