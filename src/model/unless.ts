// Failures that are an answer.

/** Undefined where the body fails with one of `codes`. */
export const unless = <A>(codes: readonly string[], body: () => A): A | undefined => {
  try {
    return body()
  } catch (error) {
    if (codes.includes((error as NodeJS.ErrnoException).code ?? '')) return undefined
    throw error
  }
}

/** Undefined for what is not there. */
export const unlessMissing = <A>(body: () => A): A | undefined => unless(['ENOENT', 'ENOTDIR'], body)
