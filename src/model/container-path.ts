// Paths inside a container, as text.

/** Absolute, without `.`, `..`, doubled or trailing slashes: `/a//b/../c/` → `/a/c`. `..` stops at the root. */
export const normalizePath = (path: string): string => {
  const parts: string[] = []
  for (const part of path.split('/')) {
    if (part === '..') parts.pop()
    else if (part !== '' && part !== '.') parts.push(part)
  }
  return `/${parts.join('/')}`
}

export const isAbsolute = (path: string): boolean => path.startsWith('/')

/** `path` is `parent` or lies below it. Both normalized. */
export const isWithin = (path: string, parent: string): boolean =>
  path === parent || path.startsWith(parent === '/' ? '/' : `${parent}/`)
