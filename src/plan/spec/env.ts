// The environment of a container's process: Docker's defaults, then the image's, then the caller's.
import { hostnameOf, type SpecInput } from './input.ts'

/** moby daemon/pkg/oci/defaults.go, DefaultPathEnv. */
export const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** `NAME=value` each, every name once; a later source replaces the value and keeps the place (moby container/env.go). */
export const specEnv = (input: SpecInput): readonly string[] => {
  const { image, options, user } = input
  const env = new Map<string, string>([['PATH', DEFAULT_PATH]])
  const hostname = hostnameOf(input)
  if (hostname !== undefined) env.set('HOSTNAME', hostname)
  if (options.tty !== undefined && options.tty !== false) env.set('TERM', 'xterm')
  for (const entry of image.config.Env ?? []) setEntry(env, entry)
  for (const [name, value] of Object.entries(options.env ?? {})) env.set(name, value)
  if (!env.has('HOME')) env.set('HOME', user.home)
  return Array.from(env, ([name, value]) => `${name}=${value}`)
}

/** An entry without `=` takes the name away, as in Docker. */
const setEntry = (env: Map<string, string>, entry: string): void => {
  const at = entry.indexOf('=')
  if (at < 0) env.delete(entry)
  else if (at > 0) env.set(entry.slice(0, at), entry.slice(at + 1))
}
