// The part of the addon's interface that is about layers. Everything runs on threads of its own; nothing rejects.

/** `step` and `errno` for a system call that failed; `why` for a layer that is refused. */
export interface LayerFailure {
  readonly ok: false
  /** Name of the archive entry or path below the root. */
  readonly entry?: string
  readonly step?: string
  /** Positive Linux number. */
  readonly errno?: number
  readonly why?: string
  /** flattenLayers: index of the layer it happened in. */
  readonly layer?: number
}

export interface LayerStats {
  readonly ok: true
  /** Entries of the archive, whiteouts included. */
  readonly entries: number
  /** Bytes of file data written. */
  readonly bytes: number
  readonly whiteouts: number
  /** Hard links to files of layers below. */
  readonly pendingLinks: number
  /** Directories that no entry names. */
  readonly implicitDirectories: number
  /** Device nodes, where a user namespace was given: it has no right to make them. */
  readonly skippedDevices: number
  readonly skippedXattrs: number
}

export interface LayerLimits {
  readonly maxEntries?: number
  readonly maxBytes?: number
  /** False refuses layers with device nodes. Default true. */
  readonly devices?: boolean
  /** Of no image: every name is a name, whiteouts and their notes too, and nothing is left for layers below. */
  readonly plain?: boolean
  /** A descriptor: unpacked by root of that namespace, for overlay's option `userxattr`. */
  readonly userNamespace?: number
}

/** Unpacks one uncompressed tar into one existing directory, in overlayfs' on-disk form. `end` or `abort` it once. */
export interface NativeLayerApplier {
  /** True: more may come. False: the layer has failed, and `end` says why. The chunk must stay as it is. */
  write(chunk: Uint8Array): Promise<boolean>
  end(): Promise<LayerStats | LayerFailure>
  abort(): Promise<LayerStats | LayerFailure>
}

/** Decompresses one stream on a thread of its own. `end` or `abort` it once. */
export interface NativeDecompressor {
  /** Resolves when there is room for more. False: nothing more is needed. The chunk must stay as it is. */
  write(chunk: Uint8Array): Promise<boolean>
  end(): void
  /**
   * How many bytes are in `into` now: all of its size until the last one, then 0. A text says why the stream is not whole. Several may
   * be asked for; they come in their order, and none is to be touched before.
   */
  read(into: Uint8Array): Promise<number | string>
  /** What was asked for comes to its end, and nothing that was given is used any more then. Fine after the end. */
  abort(): void
}

/** With the zlib of the process, and its zstd, else the system's. */
export interface Decompressors {
  canDecompress(compression: 'gzip' | 'zstd'): boolean
  readonly Decompressor: new (compression: 'gzip' | 'zstd') => NativeDecompressor
}

export interface FlattenStats {
  readonly ok: true
  readonly directories: number
  readonly links: number
  /** Files with as many links as the file system allows. */
  readonly copies: number
}

/** A lower and an upper tree as an overlay has them; either may be missing. Absolute paths. */
export interface TreePair {
  /** Without whiteouts. */
  readonly lower?: string
  /** In overlay's form. */
  readonly upper?: string
  /** Mount points the engine made, from the root, without a leading slash: empty, and not in the lower tree, they are no change. */
  readonly hidden?: readonly string[]
}

export interface ArchiveStats {
  readonly ok: true
  readonly entries: number
  /** Of the whole archive. */
  readonly bytes: number
  /** Sockets that were left out, since no archive can hold one. */
  readonly sockets: number
}

/** Where a copy begins or ends. */
export interface Place {
  /** A directory's descriptor, borrowed: the path is resolved as by a process with that root. None: this process's own root. */
  readonly root?: number
  readonly path: string
}

export interface PlaceStat {
  readonly ok: true
  /** st_mode, with the type. */
  readonly mode: number
  readonly size: number
  readonly mtimeMs: number
  /** A symbolic link's target. */
  readonly link?: string
}

export interface ReceiveChoices {
  /** The archive's ids; otherwise those of whoever makes a file there. */
  readonly keepOwner: boolean
  /** A file may take the place of a directory, and a directory that of a file. */
  readonly replace: boolean
  /** Symbolic links to directories are followed inside the root, where an entry only mentions them in its path. */
  readonly followLinks: boolean
}

export interface ReceiveStats {
  readonly ok: true
  readonly entries: number
  /** Of file data. */
  readonly bytes: number
  /** Device nodes that may not be made there. */
  readonly skippedDevices: number
}

/** `A/path`, `C/path` or `D/path` each: added, changed, deleted. The root itself is `/`. */
export interface TreeChanges {
  readonly ok: true
  readonly changes: readonly string[]
}

export interface LayerAddon extends Decompressors {
  /** Writes a tar of both trees merged, or of what the upper one changes, into `fd`, which is closed at the end. */
  archiveTree(
    trees: TreePair,
    changes: boolean,
    fd: number,
    userNamespace?: number,
  ): Promise<ArchiveStats | LayerFailure>
  /** All of these as root of the user namespace, where one is given. `follow`: what a symbolic link there leads to. */
  statPlace(place: Place, follow: boolean, userNamespace?: number): Promise<PlaceStat | LayerFailure>
  /**
   * Writes what is there into `fd`, which is closed at the end; `name` is the first part of every entry's name, or empty for the content
   * of a directory. Whatever changes meanwhile.
   */
  archivePlace(
    place: Place,
    follow: boolean,
    name: string,
    fd: number,
    userNamespace?: number,
  ): Promise<ArchiveStats | LayerFailure>
  /** Unpacks the tar that comes from `fd`, which is closed at the end, into a directory that is in use. */
  receiveArchive(
    directory: Place,
    choices: ReceiveChoices,
    fd: number,
    userNamespace?: number,
  ): Promise<ReceiveStats | LayerFailure>
  listChanges(trees: TreePair, userNamespace?: number): Promise<TreeChanges | LayerFailure>
  /** Bytes on disk of each path, 0 for what is not there; a node with several names counts for the first path that has it. */
  diskUsage(
    paths: readonly string[],
    userNamespace?: number,
  ): Promise<{ readonly ok: true; readonly sizes: readonly number[] } | LayerFailure>
  /** Two whole trees without whiteouts. */
  compareTrees(before: string, after: string, userNamespace?: number): Promise<TreeChanges | LayerFailure>
  readonly LayerApplier: new (directory: string, limits?: LayerLimits) => NativeLayerApplier
  /**
   * Bottom layer first. `target` is an empty directory, or with `over` one that has the layers below already; `scratch` is a free path
   * beside it, removed at the end.
   */
  flattenLayers(
    layers: readonly string[],
    target: string,
    scratch: string,
    over?: boolean,
    userNamespace?: number,
  ): Promise<FlattenStats | LayerFailure>
  /** Never follows a link, never enters a mount; nothing there is a success. */
  removeTree(
    path: string,
    userNamespace?: number,
  ): Promise<{ readonly ok: true; readonly entries: number } | LayerFailure>
  /**
   * All that is in a directory into another one on its file system, one rename(2) after another, with owner, mode, attributes and times
   * of the directory itself; then it is removed. What is taken stays. It may be done again when it was cut short.
   */
  moveEntries(
    from: string,
    into: string,
    userNamespace?: number,
  ): Promise<{ readonly ok: true; readonly entries: number } | LayerFailure>
  /** Removes the staging directories below `folder` whose makers are dead. */
  sweepStaging(
    folder: string,
    userNamespace?: number,
  ): Promise<{ readonly ok: true; readonly entries: number } | LayerFailure>
  closeFds(fds: Int32Array): void
  /** A new directory below `folder`, locked as long as `lockFd` is open. */
  openStaging(
    folder: string,
  ): Promise<{ readonly ok: true; readonly path: string; readonly lockFd: number } | LayerFailure>
  /** What was written to the file system of that directory is on the disk. The descriptor stays open until it is over. */
  syncStaging(lockFd: number, path: string): Promise<{ readonly ok: true } | LayerFailure>
}
