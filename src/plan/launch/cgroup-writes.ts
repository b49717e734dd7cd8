// A write to a file of a cgroup, as data.

export interface CgroupWrite {
  readonly file: string
  readonly value: string
  /** The file may be missing on this kernel (swap accounting); then nothing was promised. */
  readonly optional?: boolean
  /** Where this kernel has the limit, when it has no such file. */
  readonly otherwise?: CgroupWrite
}

export type Row = readonly [file: string, value: number | bigint | string | undefined, optional?: boolean]

/** A row without a value is no write. */
export const writes = (rows: readonly Row[]): CgroupWrite[] =>
  rows.flatMap(([file, value, optional]) =>
    value === undefined ? [] : [{ file, value: String(value), ...(optional === true ? { optional } : {}) }],
  )

/** Zero is how documents say that a number is not given, as in runc and Docker. */
export const given = (value: number | undefined): number | undefined => (value === 0 ? undefined : value)
