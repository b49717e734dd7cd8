export const PAGE: string
export const withMatrix: (text: string) => string
