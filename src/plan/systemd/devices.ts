// Rules for devices in systemd's words. On v1 it writes its own into the group's files whenever it makes the group anew.
// systemd.resource-control(5), DeviceAllow=, DevicePolicy=.
import type { DbusValue, UnitProperty } from '../../model/unit-property.ts'
import { ACCESS, type DeviceException, type DeviceList } from '../device-list.ts'

/** Exceptions from what is allowed, and a minor number of every major one, have no words: then there is one less. */
export const deviceProperties = ({ allowed, exceptions }: DeviceList): readonly UnitProperty[] => {
  if (allowed) return []
  const value = exceptions.flatMap((each): DbusValue[] => {
    const node = nodeOf(each)
    return node === undefined ? [] : [[node, accessOf(each)]]
  })
  return [
    { name: 'DevicePolicy', signature: 's', value: 'strict' },
    { name: 'DeviceAllow', signature: 'a(ss)', value },
  ]
}

const nodeOf = ({ type, major, minor }: DeviceException): string | undefined => {
  const kind = type === 'c' ? 'char' : 'block'
  if (major === undefined) return minor === undefined ? `${kind}-*` : undefined
  return minor === undefined ? `${kind}-${major}` : `/dev/${kind}/${major}:${minor}`
}

const accessOf = ({ access }: DeviceException): string =>
  (['r', 'w', 'm'] as const).filter((letter) => (access & ACCESS[letter]) !== 0).join('')
