// Types of validation-suite.mjs.
export interface Result {
  readonly passed: number
  readonly failed: readonly string[]
  /** Standard error. */
  readonly told: string
}
export interface ValidatedRuntime {
  readonly run: (program: string) => Promise<Result>
  readonly close: () => void
}
export function programsIn(directory: string): string[]
export function readTap(text: string, code: number | string): Omit<Result, 'told'>
export function openRuntime(directory: string, runtime: string): ValidatedRuntime
export function runAll(
  runtime: ValidatedRuntime,
  programs: readonly string[],
  sideBySide?: number,
): Promise<Map<string, Result>>
