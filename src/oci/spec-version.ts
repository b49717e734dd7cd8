// Which documents are understood.

/** The earliest and the latest version of the runtime specification. */
export const SPEC_VERSIONS = { min: '1.0.0', max: '1.3.0' } as const
