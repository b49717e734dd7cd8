import type { BuildOptions } from 'esbuild'

export const TEST_BUILD: BuildOptions
