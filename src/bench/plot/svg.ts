// SVG as text. Every number and every word goes through here, so that what comes out is well-formed.

type Attributes = Readonly<Record<string, string | number>>

/** Characters XML 1.0 does not allow at all, not even escaped. */
const NOT_XML = /[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu

/** For text and attributes of XML and HTML alike. */
export const escapeText = (text: string): string =>
  text
    .replace(NOT_XML, '\ufffd')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;')

/** Two decimals are a fiftieth of a pixel. Throws: a number that is none would be drawn nowhere, unseen. */
export const coordinate = (value: number): string => {
  if (!Number.isFinite(value)) throw new Error(`a plot has the coordinate ${value}`)
  return String(Math.round(value * 100) / 100)
}

const attribute = ([name, value]: readonly [string, string | number]): string =>
  ` ${name}="${typeof value === 'number' ? coordinate(value) : escapeText(value)}"`

/** `children` are markup. */
export const element = (name: string, attributes: Attributes, children: readonly string[] = []): string => {
  const open = `<${name}${Object.entries(attributes).map(attribute).join('')}`
  return children.length === 0 ? `${open}/>` : `${open}>${children.join('')}</${name}>`
}

export interface TextOptions {
  readonly className?: string
  readonly anchor?: 'start' | 'middle' | 'end'
}

export const text = (
  x: number,
  y: number,
  words: string,
  { className = 'ink', anchor = 'start' }: TextOptions = {},
): string => element('text', { x, y, class: className, 'text-anchor': anchor }, [escapeText(words)])

export const line = (x1: number, y1: number, x2: number, y2: number, className: string): string =>
  element('line', { x1, y1, x2, y2, class: className })

export const rect = (x: number, y: number, width: number, height: number, className: string): string =>
  element('rect', { x, y, width: Math.max(0, width), height, class: className })

export const circle = (cx: number, cy: number, r: number, className: string): string =>
  element('circle', { cx, cy, r, class: className })

export const diamond = (cx: number, cy: number, r: number, className: string): string => {
  const corners = [
    [cx, cy - r],
    [cx + r, cy],
    [cx, cy + r],
    [cx - r, cy],
  ] as const
  return element('path', {
    d: `${corners.map(([x, y], index) => `${index === 0 ? 'M' : 'L'}${coordinate(x)} ${coordinate(y)}`).join('')}Z`,
    class: className,
  })
}

/** A picture with words for those who do not see it. */
export interface Plot {
  /** Also the name of its files: lower case and dashes. */
  readonly id: string
  readonly title: string
  readonly description: string
  readonly width: number
  readonly height: number
  readonly body: readonly string[]
}

/** `style`: rules it brings along; without them those of the page count. */
export const svgOf = ({ id, title, description, width, height, body }: Plot, style?: string): string =>
  element(
    'svg',
    {
      xmlns: 'http://www.w3.org/2000/svg',
      class: 'plot',
      id,
      viewBox: `0 0 ${coordinate(width)} ${coordinate(height)}`,
      ...(style === undefined ? {} : { width, height }),
      role: 'img',
      'aria-labelledby': `${id}-title ${id}-description`,
    },
    [
      element('title', { id: `${id}-title` }, [escapeText(title)]),
      element('desc', { id: `${id}-description` }, [escapeText(description)]),
      ...(style === undefined ? [] : [element('style', {}, [escapeText(style)])]),
      rect(0, 0, width, height, 'paper'),
      ...body,
    ],
  )
