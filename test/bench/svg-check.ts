// A strict reading of XML, as far as plots use it: says what is wrong with a document, or nothing.

const TAG = /<(\/?)([a-zA-Z][\w:-]*)((?:\s+[\w:-]+="[^"<&]*(?:&(?:amp|lt|gt|quot|#39);[^"<&]*)*")*)\s*(\/?)>/y
const TEXT = /(?:[^<>&]|&(?:amp|lt|gt|quot|#39);)+/y

export const xmlFault = (document: string): string | undefined => {
  const open: string[] = []
  const ids = new Set<string>()
  for (let at = 0; at < document.length; ) {
    TAG.lastIndex = at
    TEXT.lastIndex = at
    const tag = TAG.exec(document)
    const length = tag?.[0].length ?? TEXT.exec(document)?.[0].length
    if (length === undefined) return `neither tag nor text at ${at}: ${document.slice(at, at + 60)}`
    at += length
    if (tag === null) continue
    const [, closing, name = '', attributes = '', empty] = tag
    const id = /\sid="([^"]*)"/.exec(attributes)?.[1]
    if (id !== undefined && ids.has(id)) return `two elements are called ${id}`
    if (id !== undefined) ids.add(id)
    if (closing === '/' && open.pop() !== name) return `${name} is closed and was not open`
    if (closing !== '/' && empty !== '/') open.push(name)
  }
  return open.length === 0 ? undefined : `not closed: ${open.join()}`
}

/** Names of the namespaces of XML look like addresses and are none. */
export const addressesIn = (text: string): readonly string[] =>
  text
    .replaceAll('http://www.w3.org/2000/svg', '')
    .match(/(?:https?:)?\/\/[\w.-]+|\s(?:src|href)=|@import|url\(/g) ?? []
