// The version of this package, put in by the bundler.
declare const __SLIPWAY_VERSION__: string | undefined

/** As in package.json; `development` when the sources run unbundled. */
export const version: string = typeof __SLIPWAY_VERSION__ === 'string' ? __SLIPWAY_VERSION__ : 'development'
