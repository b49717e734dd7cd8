// The list of verbs. Each is loaded only when it is asked for: the start of `run` is measured.
import type { Command } from '../command.ts'

export interface CommandEntry {
  /** One word, or a noun and a verb. */
  readonly name: string
  /** Docker's other names for it, e.g. `image ls` for `images`. */
  readonly aliases?: readonly string[]
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
      { name: 'run', aliases: ['container run'], load: async () => (await import('./run.ts')).run },
      {
        name: 'create',
        aliases: ['container create'],
        load: async () => (await import('./create.ts')).create,
      },
      { name: 'start', aliases: ['container start'], load: async () => (await import('./start.ts')).start },
      { name: 'stop', aliases: ['container stop'], load: async () => (await import('./stop.ts')).stop },
      {
        name: 'restart',
        aliases: ['container restart'],
        load: async () => (await import('./stop.ts')).restart,
      },
      { name: 'exec', aliases: ['container exec'], load: async () => (await import('./exec.ts')).exec },
      {
        name: 'attach',
        aliases: ['container attach'],
        load: async () => (await import('./attach.ts')).attach,
      },
      {
        name: 'ps',
        aliases: ['container ls', 'container list', 'container ps'],
        load: async () => (await import('./ps.ts')).ps,
      },
      {
        name: 'rm',
        aliases: ['container rm', 'container remove'],
        load: async () => (await import('./rm.ts')).rm,
      },
      {
        name: 'commit',
        aliases: ['container commit'],
        load: async () => (await import('./commit.ts')).commit,
      },
      { name: 'container inspect', load: async () => (await import('./inspect.ts')).containerInspect },
      { name: 'container exists', load: async () => (await import('./exists.ts')).containerExists },
      { name: 'container prune', load: async () => (await import('./container-prune.ts')).containerPrune },
      { name: 'cp', aliases: ['container cp'], load: async () => (await import('./cp.ts')).cp },
      { name: 'diff', aliases: ['container diff'], load: async () => (await import('./diff.ts')).diff },
      {
        name: 'export',
        aliases: ['container export'],
        load: async () => (await import('./export.ts')).exportCommand,
      },
      { name: 'logs', aliases: ['container logs'], load: async () => (await import('./logs.ts')).logs },
      { name: 'stats', aliases: ['container stats'], load: async () => (await import('./stats.ts')).stats },
      { name: 'top', aliases: ['container top'], load: async () => (await import('./top.ts')).top },
      { name: 'wait', aliases: ['container wait'], load: async () => (await import('./wait.ts')).wait },
      { name: 'kill', aliases: ['container kill'], load: async () => (await import('./kill.ts')).kill },
      { name: 'pause', aliases: ['container pause'], load: async () => (await import('./pause.ts')).pause },
      {
        name: 'unpause',
        aliases: ['container unpause'],
        load: async () => (await import('./pause.ts')).unpause,
      },
      {
        name: 'replace',
        aliases: ['container replace'],
        load: async () => (await import('./replace.ts')).replace,
      },
      {
        name: 'rename',
        aliases: ['container rename'],
        load: async () => (await import('./rename.ts')).rename,
      },
      {
        name: 'update',
        aliases: ['container update'],
        load: async () => (await import('./update.ts')).update,
      },
    ],
  },
  {
    title: 'Images',
    commands: [
      { name: 'pull', aliases: ['image pull'], load: async () => (await import('./pull.ts')).pull },
      { name: 'push', aliases: ['image push'], load: async () => (await import('./push.ts')).push },
      { name: 'load', aliases: ['image load'], load: async () => (await import('./load.ts')).load },
      {
        name: 'import',
        aliases: ['image import'],
        load: async () => (await import('./import.ts')).importCommand,
      },
      { name: 'save', aliases: ['image save'], load: async () => (await import('./save.ts')).save },
      {
        name: 'images',
        aliases: ['image ls', 'image list'],
        load: async () => (await import('./images.ts')).images,
      },
      { name: 'tag', aliases: ['image tag'], load: async () => (await import('./tag.ts')).tag },
      { name: 'inspect', load: async () => (await import('./inspect.ts')).inspect },
      { name: 'image diff', load: async () => (await import('./diff.ts')).imageDiff },
      { name: 'image exists', load: async () => (await import('./exists.ts')).imageExists },
      { name: 'image inspect', load: async () => (await import('./inspect.ts')).imageInspect },
      {
        name: 'history',
        aliases: ['image history'],
        load: async () => (await import('./history.ts')).history,
      },
      { name: 'image prune', load: async () => (await import('./image-prune.ts')).imagePrune },
      {
        name: 'rmi',
        aliases: ['image rm', 'image remove'],
        load: async () => (await import('./rmi.ts')).rmi,
      },
    ],
  },
  {
    title: 'Volumes',
    commands: [
      { name: 'volume create', load: async () => (await import('./volume-create.ts')).volumeCreate },
      {
        name: 'volume ls',
        aliases: ['volume list'],
        load: async () => (await import('./volume-ls.ts')).volumeLs,
      },
      { name: 'volume inspect', load: async () => (await import('./volume-inspect.ts')).volumeInspect },
      {
        name: 'volume rm',
        aliases: ['volume remove'],
        load: async () => (await import('./volume-rm.ts')).volumeRm,
      },
      { name: 'volume prune', load: async () => (await import('./volume-prune.ts')).volumePrune },
      { name: 'volume export', load: async () => (await import('./volume-export.ts')).volumeExport },
      { name: 'volume import', load: async () => (await import('./volume-import.ts')).volumeImport },
    ],
  },
  {
    title: 'Registries',
    commands: [
      { name: 'login', load: async () => (await import('./login.ts')).login },
      { name: 'logout', load: async () => (await import('./logout.ts')).logout },
      { name: 'search', load: async () => (await import('./search.ts')).search },
      { name: 'tags', load: async () => (await import('./tags.ts')).tags },
      { name: 'referrers', load: async () => (await import('./referrers.ts')).referrers },
    ],
  },
  {
    title: 'This machine',
    commands: [
      { name: 'events', aliases: ['system events'], load: async () => (await import('./events.ts')).events },
      { name: 'system df', load: async () => (await import('./system-df.ts')).systemDf },
      { name: 'system prune', load: async () => (await import('./system-prune.ts')).systemPrune },
      { name: 'system check', load: async () => (await import('./system-check.ts')).systemCheck },
      {
        name: 'system start',
        load: async () => (await import('./system-start.ts')).systemStart,
      },
      {
        name: 'system install',
        load: async () => (await import('./system-start.ts')).systemInstall,
      },
      { name: 'system prune', load: async () => (await import('./system-prune.ts')).systemPrune },
      { name: 'info', aliases: ['system info'], load: async () => (await import('./info.ts')).info },
      { name: 'doctor', load: async () => (await import('./doctor.ts')).doctor },
      { name: 'explain', load: async () => (await import('./explain.ts')).explain },
      { name: 'bench', load: async () => (await import('./bench.ts')).bench },
      { name: 'completion', load: async () => (await import('./completion.ts')).completion(commandGroups) },
      { name: 'version', load: async () => (await import('./version.ts')).version },
    ],
  },
]
