// Addresses of D-Bus servers: `unix:path=/run/x;unix:abstract=y`. D-Bus specification, "Server Addresses".

/** The sockets it names that can be connected to, in their order: a path, or `\0` and a name. */
export const socketsOf = (addresses: string): readonly string[] =>
  addresses.split(';').flatMap((address) => {
    const [transport, rest = ''] = address.split(/:(.*)/s)
    if (transport !== 'unix') return []
    const value = (key: string): string | undefined =>
      unescaped(
        rest
          .split(',')
          .find((pair) => pair.startsWith(`${key}=`))
          ?.slice(key.length + 1),
      )
    const [path, abstract] = [value('path'), value('abstract')]
    if (path !== undefined) return [path]
    return abstract === undefined ? [] : [`\0${abstract}`]
  })

/** Bytes as `%2f`. Undefined for one that is none. */
const unescaped = (text: string | undefined): string | undefined => {
  if (text === undefined || text === '' || /%(?![0-9a-fA-F]{2})/.test(text)) return undefined
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}
