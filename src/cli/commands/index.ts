// The list of verbs. Each is loaded only when it is asked for: the start of `run` is measured.
import type { Command } from '../command.ts'

export interface CommandEntry {
  readonly name: string
  readonly load: () => Promise<Command>
}
export interface CommandGroup {
  readonly title: string
  readonly commands: readonly CommandEntry[]
}

export const commandGroups: readonly CommandGroup[] = [
  {
    title: 'Containers',
    commands: [
      { name: 'run', load: async () => (await import('./run.ts')).run },
      { name: 'ps', load: async () => (await import('./ps.ts')).ps },
      { name: 'rm', load: async () => (await import('./rm.ts')).rm },
    ],
  },
  {
    title: 'Images',
    commands: [
      { name: 'pull', load: async () => (await import('./pull.ts')).pull },
      { name: 'load', load: async () => (await import('./load.ts')).load },
      { name: 'images', load: async () => (await import('./images.ts')).images },
      { name: 'rmi', load: async () => (await import('./rmi.ts')).rmi },
    ],
  },
  {
    title: 'This machine',
    commands: [
      { name: 'info', load: async () => (await import('./info.ts')).info },
      { name: 'doctor', load: async () => (await import('./doctor.ts')).doctor },
      { name: 'explain', load: async () => (await import('./explain.ts')).explain },
      { name: 'bench', load: async () => (await import('./bench.ts')).bench },
      { name: 'version', load: async () => (await import('./version.ts')).version },
    ],
  },
]
