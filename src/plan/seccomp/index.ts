// Seccomp: profiles, the compiler that makes BPF of them, and the machine that proves what a filter answers.
export { type CompiledFilter, compileSeccomp, seccompKey } from './compile.ts'
export type { ProfileFacts } from './conditional.ts'
export { defaultProfile } from './default-profile.ts'
export { dockerProfileToOci } from './docker-profile.ts'
export { admits, evaluate, firstRefused } from './evaluate.ts'
