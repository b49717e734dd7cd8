// Containers whose program floods its log: slipway's forms of a log, the same program writing files, and other engines.
// A driver is `{ name, page, directory, processes(), end(), remove() }`: `directory` is where its output is kept, `processes` are those that
// keep it, `end` lets the program end, and what it wrote is all there when that resolves.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { makePage } from '../flood-page.mjs'
import { textOf } from '../proc-text.mjs'
import {
  importImage,
  ownUlimits,
  podmanEngine,
  startDockerd,
  stopDaemon,
  waitForAnswer,
  which,
} from './peers.mjs'
import { LAYERED } from './slipway-shape.mjs'

/** The default of a log, and what the files are kept to. */
export const MAX_BYTES = 10_000_000
export const MAX_FILES = 3
/** Limits would make the page cache of a log and that of a file two different things: there are none. */
const SHAPE = { network: 'none' }

const pageIn = (stage, name) => {
  const folder = path.join(stage.run, 'flood', name)
  mkdirSync(folder, { recursive: true })
  return makePage(path.join(folder, 'page'))
}
const folderOf = ({ file }) => path.dirname(file)
const mountOf = (page) => ({ type: 'bind', source: folderOf(page), target: '/page' })

const startOne = async (engine, page, args, options) => {
  const { id } = await engine.containers.create(LAYERED, ['/flood', '/page/page', ...args], {
    ...SHAPE,
    ...options,
    mounts: [mountOf(page), ...(options.mounts ?? [])],
  })
  await engine.containers.start(id)
  return id
}
const endOne = async (engine, page, id) => {
  page.end()
  const exitCode = await engine.containers.wait(id)
  if (exitCode !== 0) throw new Error(`the program ended with ${exitCode}`)
}

/** The measure: numbered files on the storage under test, removed like segments of a log. */
export const fileFlood = async (engine, stage) => {
  const page = pageIn(stage, 'file')
  const directory = path.join(stage.store, 'files')
  mkdirSync(directory)
  const mounts = [{ type: 'bind', source: directory, target: '/files' }]
  const args = ['/files', String(MAX_BYTES), String(MAX_FILES)]
  const id = await startOne(engine, page, args, { mounts, log: { form: 'none' } })
  const end = () => endOne(engine, page, id)
  const remove = () => engine.remove(id, { force: true })
  return { name: 'file', page, directory, processes: () => [], end, remove }
}

/** `read`: `compact` or `json` where there is a log to be counted. Its segments are in `log`. */
export const logFlood = async (engine, stage, { name, read, log }) => {
  const page = pageIn(stage, name)
  const id = await startOne(engine, page, [], { log })
  const directory = path.join(stage.root, 'containers', id)
  const segments = path.join(directory, 'log')
  const watch = read && (await startWatch(stage, segments, read, page))
  const { state } = await engine.containers.inspect(id)
  const end = async () => {
    await endOne(engine, page, id)
    await watch?.()
  }
  const remove = async () => {
    await watch?.()
    await engine.remove(id, { force: true })
  }
  return { name, read, page, directory, log: segments, processes: () => [state.monitorPid], end, remove }
}

/** Counts from now on. The result ends it, once, with what is complete by then. */
const startWatch = async (stage, segments, form, page) => {
  const child = spawn(stage.logWatch, [segments, form, page.file], { stdio: ['pipe', 'pipe', 'inherit'] })
  const exit = once(child, 'exit')
  const [first] = await Promise.race([once(child.stdout, 'data'), exit])
  if (String(first).trim() !== 'ready') throw new Error(`log-watch ended with ${first}`)
  return async () => {
    child.stdin.end()
    const [code, signal] = await exit
    if (code !== 0) throw new Error(`log-watch ended with ${code ?? signal}`)
  }
}

const said = ([program, ...args]) =>
  execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim()
const parentOf = (pid) => Number(/^PPid:\s+(\d+)/m.exec(textOf(`/proc/${pid}/status`))?.[1])

/** conmon keeps the log, in the k8s-file form, which podman calls json-file, too; it begins anew where it is full. */
export const podmanFlood = (stage, enter) => {
  const engine = podmanEngine(stage, enter)
  if (!engine) return undefined
  const ask = (...words) => enter([...engine, ...words])
  const page = pageIn(stage, 'podman')
  const log = ['--log-driver', 'k8s-file', '--log-opt', `max-size=${MAX_BYTES}b`]
  const where = ['--network', 'none', ...ownUlimits(), '-v', `${folderOf(page)}:/page`]
  said(ask('run', '-d', '--name', 'flood', ...log, ...where, 'bench', '/flood', '/page/page'))
  const format = '{{.State.ConmonPid}} {{.HostConfig.LogConfig.Path}}'
  const [pid, file] = said(ask('inspect', '--format', format, 'flood')).split(' ')
  const end = () => {
    page.end()
    said(ask('wait', 'flood'))
  }
  const remove = () => said(ask('rm', '-f', '-t', '0', 'flood'))
  return {
    name: 'podman k8s-file',
    page,
    directory: path.dirname(file),
    processes: () => [Number(pid)],
    end,
    remove,
  }
}

/** dockerd keeps the log; the container's shim hands it over. */
export const dockerFlood = (stage, enter) => {
  const [client, server] = [which('docker', stage), which('dockerd', stage)]
  if (!client || !server) return undefined
  const { daemon, socket } = startDockerd(stage, server, enter)
  const ask = (...words) => enter([client, '-H', `unix://${socket}`, ...words])
  try {
    waitForAnswer(ask('version'), 30, 'dockerd')
    importImage(stage, ask('import', '-', 'bench:latest'))
    const page = pageIn(stage, 'docker')
    const log = ['--log-opt', `max-size=${MAX_BYTES}`, '--log-opt', `max-file=${MAX_FILES}`]
    const where = ['--network', 'none', '-v', `${folderOf(page)}:/page`]
    said(
      ask(
        'run',
        '-d',
        '--name',
        'flood',
        '--log-driver',
        'json-file',
        ...log,
        ...where,
        'bench',
        '/flood',
        '/page/page',
      ),
    )
    const [pid, file] = said(ask('inspect', '--format', '{{.State.Pid}} {{.LogPath}}', 'flood')).split(' ')
    const processes = [parentOf(pid), ...dockerdOf(socket)]
    const end = () => {
      page.end()
      said(ask('wait', 'flood'))
    }
    const remove = () => {
      said(ask('rm', '-f', 'flood'))
      stopDaemon(daemon)
    }
    return {
      name: 'docker json-file',
      page,
      directory: path.dirname(file),
      processes: () => processes,
      end,
      remove,
    }
  } catch (error) {
    stopDaemon(daemon)
    throw error
  }
}

/** Started through other programs: found by its socket. */
const dockerdOf = (socket) =>
  readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid))
    .filter((pid) => {
      const words = textOf(`/proc/${pid}/cmdline`).split('\0')
      return path.basename(words[0]) === 'dockerd' && words.includes(`unix://${socket}`)
    })
    .map(Number)

/** Of a log that is not written any more: pieces `{ bytes }` and `{ lost }`, oldest first. */
export const piecesOf = (log, decode, start) =>
  readdirSync(log)
    .sort()
    .flatMap((name) => decode(readFileSync(path.join(log, name)).subarray(start), start).found)
    .map(({ record, why }) => {
      if (record === undefined) throw new Error(`${log}: ${why}`)
      const lost = record.lostBytes ?? /^slipway: (\d+) bytes of output were lost\n$/.exec(record.bytes)?.[1]
      return lost === undefined ? { bytes: record.bytes } : { lost: Number(lost) }
    })
