// Which documents are understood.

/** The earliest and the latest version of the runtime specification. */
export const SPEC_VERSIONS = { min: '1.0.0', max: '1.3.0' } as const

/** Up to 1.2 a poststart hook that fails is logged, "but the remaining hooks and lifecycle continue"; from 1.3 on it stops the container. */
export const stopsAfterPoststart = (ociVersion: string): boolean => {
  const [major = 0, minor = 0] = ociVersion.split('.').map(Number)
  return major > 1 || (major === 1 && minor >= 3)
}
