// A property of a systemd unit, as a D-Bus message carries it.

/**
 * By D-Bus type: a boolean for `b`; a number for `y n q i u d h`; a bigint for `x t`; a string for `s o g`; the elements of an array
 * or a struct; pairs for a dictionary; a `DbusVariant` for `v`.
 */
export type DbusValue = boolean | number | bigint | string | readonly DbusValue[] | DbusVariant

export interface DbusVariant {
  /** One complete type, e.g. `t` or `a(ss)`. */
  readonly signature: string
  readonly value: DbusValue
}

export interface UnitProperty extends DbusVariant {
  /** Of the D-Bus interface, e.g. `CPUQuotaPerSecUSec`; often another one than in unit files. */
  readonly name: string
}

/** All bits set is systemd's word for no limit: src/basic/limits-util.h, CGROUP_LIMIT_MAX; UINT64_MAX. */
export const UNLIMITED = 2n ** 64n - 1n
