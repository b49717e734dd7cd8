// Makes a CommonJS bundle load the dear modules of Node at their first use instead of at the top of the file.

/** Modules that cost a start between half a millisecond and five, and that a start does not always use. */
const DEAR = [
  'child_process',
  'crypto',
  'fs/promises',
  'http',
  'https',
  'module',
  'net',
  'stream',
  'stream/promises',
  'timers/promises',
  'tls',
  'tty',
  'url',
  'zlib',
]

/**
 * esbuild turns `import { Socket } from 'node:net'` into `var import_net = require("node:net")` and every use into
 * `import_net.Socket`: all there is to do is to make `import_net` an object that loads the module when it is asked for
 * something. Namespace and default imports come wrapped in `__toESM(…)`, which copies: the object stands in for the copy.
 */
export const lazyBuiltins = (code) =>
  code.replace(
    /__toESM\(require\("node:([a-z_/]+)"\)(?:, ?1)?\)|\brequire\("node:([a-z_/]+)"\)/g,
    (text, copied, plain) => (DEAR.includes(copied ?? plain) ? `__lazy("node:${copied ?? plain}")` : text),
  )

/** What the rewritten code needs in front of it. */
export const LAZY_BANNER =
  'const __lazy = (name) => new Proxy({}, { get: (_, key) => key === "default" ? require(name) : require(name)[key] });'
