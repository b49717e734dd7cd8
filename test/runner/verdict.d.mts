export interface Verdict {
  readonly green: boolean
  readonly problems: readonly string[]
  readonly text: string
}
export declare const judge: (file: string, run: object) => Verdict
