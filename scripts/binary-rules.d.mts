// Types of binary-rules.mjs.
export function helperFaults(file: string): string[]
export function addonFaults(file: string): string[]
export function flagFaults(cmake: string): string[]
export function objectFaults(files: readonly string[]): string[]
