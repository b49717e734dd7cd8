// What `state` and `list` print, in runc's form.
import type { OciStateDocument } from '../model/oci-options.ts'
import type { OciContainer } from '../model/oci-status.ts'

/** The JSON of one container. */
export interface ShownState extends OciStateDocument {
  /** Name of the user whose container it is; `state` leaves it empty. */
  readonly owner: string
}

export const shownState = (container: OciContainer, owner = ''): ShownState => ({
  ...stateDocument(container),
  owner,
})

/** A stopped one has no process any more. */
export const stateDocument = ({ record, status }: OciContainer): OciStateDocument => {
  const { ociVersion, id, init, bundle, rootfs, created, annotations = {} } = record
  return {
    ociVersion,
    id,
    pid: status === 'stopped' ? 0 : (init?.pid ?? 0),
    status,
    bundle,
    rootfs,
    created,
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
  }
}

export const stateTable = (states: readonly ShownState[]): string =>
  tabbed([
    ['ID', 'PID', 'STATUS', 'BUNDLE', 'CREATED', 'OWNER'],
    ...states.map(({ id, pid, status, bundle, created, owner }) => [
      id,
      String(pid),
      status,
      bundle,
      created,
      owner,
    ]),
  ])

const MIN_WIDTH = 12
const PADDING = 3

/** Go's tabwriter with runc's numbers: every column but the last has at least 12 places, three of them empty. */
const tabbed = (rows: readonly (readonly string[])[]): string => {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(MIN_WIDTH, ...rows.map((row) => [...(row[column] ?? '')].length + PADDING)),
  )
  const line = (row: readonly string[]): string =>
    row.map((cell, at) => (at === row.length - 1 ? cell : padded(cell, widths[at] ?? 0))).join('')
  return rows.map((row) => `${line(row)}\n`).join('')
}

const padded = (cell: string, width: number): string => cell + ' '.repeat(width - [...cell].length)
