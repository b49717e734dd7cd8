// Annotations `org.systemd.property.NAME`: properties of the container's unit, as runc and crun take them.
import type { Either } from '#fp/Either'
import * as E from '#fp/Either'
import type { EngineError } from '../../model/errors.ts'
import type { UnitProperty } from '../../model/unit-property.ts'
import { parseVariantText } from './variant-text.ts'

export const PROPERTY_PREFIX = 'org.systemd.property.'
const NAME = /^[A-Za-z]{3,}$/

/** In the order of their names. Fails: InvalidSpec. */
export const annotatedProperties = (
  annotations: Readonly<Record<string, string>> = {},
): Either<EngineError, readonly UnitProperty[]> => {
  const properties: UnitProperty[] = []
  for (const [key, text] of Object.entries(annotations).sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (!key.startsWith(PROPERTY_PREFIX)) continue
    const name = key.slice(PROPERTY_PREFIX.length)
    if (!NAME.test(name)) return refuse(key, 'is no name of a property: letters alone, three or more')
    const variant = parseVariantText(text)
    if (E.isLeft(variant)) return refuse(key, `${variant.left}, got ${JSON.stringify(text.slice(0, 60))}`)
    const inUnits = inMicroseconds({ name, ...variant.right })
    if (inUnits === undefined) return refuse(key, 'needs a number of seconds, zero or more')
    properties.push(inUnits)
  }
  return E.right(properties)
}

const refuse = (key: string, why: string): Either<EngineError, never> =>
  E.left({
    _tag: 'InvalidSpec',
    document: 'config.json',
    where: `$.annotations[${JSON.stringify(key)}]`,
    why,
  })

const US = 1e6
/** On the bus there are only names that end in `USec`; in unit files, and here, `Sec` stands for seconds. runc, convertSecToUSec. */
const inMicroseconds = (property: UnitProperty): UnitProperty | undefined => {
  const { name, value } = property
  if (!name.endsWith('Sec') || name.endsWith('USec')) return property
  const seconds = typeof value === 'bigint' ? Number(value) : value
  if (typeof seconds !== 'number' || !(seconds >= 0 && seconds < Number.MAX_SAFE_INTEGER / US))
    return undefined
  return {
    name: `${name.slice(0, -'Sec'.length)}USec`,
    signature: 't',
    value: BigInt(Math.round(seconds * US)),
  }
}
