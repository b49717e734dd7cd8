export const lazyBuiltins: (code: string) => string
export const LAZY_BANNER: string
