// Every command, in the order of the help. Each is loaded when it is asked for: what is loaded, every call pays.
import type { Command } from '../command.ts'

export interface CommandEntry {
  readonly name: string
  readonly load: () => Promise<Command>
}

export const commands: readonly CommandEntry[] = [
  { name: 'create', load: async () => (await import('./create.ts')).create },
  { name: 'start', load: async () => (await import('./start.ts')).start },
  { name: 'run', load: async () => (await import('./run.ts')).run },
  { name: 'state', load: async () => (await import('./state.ts')).state },
  { name: 'kill', load: async () => (await import('./kill.ts')).kill },
  { name: 'delete', load: async () => (await import('./delete.ts')).remove },
  { name: 'exec', load: async () => (await import('./exec.ts')).exec },
  { name: 'ps', load: async () => (await import('./ps.ts')).ps },
  { name: 'list', load: async () => (await import('./list.ts')).list },
  { name: 'pause', load: async () => (await import('./pause.ts')).pause },
  { name: 'resume', load: async () => (await import('./pause.ts')).resume },
  { name: 'update', load: async () => (await import('./update.ts')).update },
  { name: 'events', load: async () => (await import('./events.ts')).events },
  { name: 'spec', load: async () => (await import('./spec.ts')).spec },
  { name: 'features', load: async () => (await import('./features.ts')).features },
  { name: 'checkpoint', load: async () => (await import('./refused.ts')).checkpoint },
  { name: 'restore', load: async () => (await import('./refused.ts')).restore },
  { name: 'mounts', load: async () => (await import('./refused.ts')).mounts },
]
