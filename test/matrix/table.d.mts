export interface Exception {
  readonly runtime: string
  readonly case: string
  readonly tag: string
  readonly message: RegExp
  readonly why: string
}

export const CASES: readonly string[]
export const EXCEPTIONS: readonly Exception[]
export const exceptionFor: (id: string, name: string) => Exception | undefined
