// `{{.Label "com.x.my-key"}}` of lists: the value of one label, and the heading of its column.

/** As Docker's: what is behind the last dot, in words. */
export const labelHeading = (key: string): string => key.replace(/^.*\./s, '').replace(/[-_]/g, ' ')

/** Empty where there is no such label. */
export const labelOf =
  (labels: Readonly<Record<string, string>>) =>
  (key: string): string =>
    Object.hasOwn(labels, key) ? (labels[key] ?? '') : ''
