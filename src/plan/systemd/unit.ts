// Which unit a container is, and where systemd puts its group. systemd.slice(5), systemd.unit(5); runc's page on systemd.
import type { Either } from '#fp/Either'
import * as E from '#fp/Either'
import type { EngineError } from '../../model/errors.ts'

export interface Unit {
  /** `libpod-web.scope` */
  readonly name: string
  /** `machine.slice` */
  readonly slice: string
  /** Of its group, below that of the manager: `/machine.slice/libpod-web.scope`. */
  readonly path: string
}

const PREFIX = 'slipway'
/** UNIT_NAME_MAX and VALID_CHARS of systemd's src/basic/unit-name.c. */
const LONGEST = 255
const VALID = /^[A-Za-z0-9:_.\\-]+$/

/** `cgroupsPath`: `SLICE:PREFIX:NAME`, each of which may be empty; without one the id is the name. Fails: InvalidSpec, Unsupported. */
export const unitOf = (cgroupsPath: string, id: string, defaultSlice: string): Either<EngineError, Unit> => {
  const parts = cgroupsPath === '' ? ['', PREFIX, id] : cgroupsPath.split(':')
  const [given = '', prefix = '', name = ''] = parts
  if (parts.length !== 3) return refuse(cgroupsPath, 'is not of the form slice:prefix:name')
  if (name === '') return refuse(cgroupsPath, 'has no name behind its prefix')
  if (name.endsWith('.slice'))
    return E.left({
      _tag: 'Unsupported',
      feature: `${name} as a container`,
      why: 'processes are put in scopes alone',
    })
  const slice = given === '' ? defaultSlice : given === '-' ? '-.slice' : given
  const folders = slicePath(slice)
  if (folders === undefined) return refuse(cgroupsPath, `${slice} is no name of a slice`)
  const unit = `${prefix === '' ? '' : `${prefix}-`}${name}.scope`
  if (!VALID.test(unit) || unit.length > LONGEST) return refuse(cgroupsPath, `${unit} is no name of a unit`)
  return E.right({ name: unit, slice, path: `${folders}/${unit}` })
}

const refuse = (cgroupsPath: string, why: string): Either<EngineError, never> =>
  E.left({
    _tag: 'InvalidSpec',
    document: 'config.json',
    where: '$.linux.cgroupsPath',
    why: `${JSON.stringify(cgroupsPath)} ${why}`,
  })

/** `a-b.slice` is in `a.slice`: `/a.slice/a-b.slice`. Undefined where it is no slice; empty for the root. systemd.slice(5). */
export const slicePath = (slice: string): string | undefined => {
  if (slice === '-.slice') return ''
  const name = slice.slice(0, -'.slice'.length)
  const parts = name.split('-')
  if (!slice.endsWith('.slice') || !VALID.test(name) || slice.length > LONGEST || parts.includes(''))
    return undefined
  return parts.map((_, depth) => `/${parts.slice(0, depth + 1).join('-')}.slice`).join('')
}

/** Of an object's path: everything but letters and digits as `_2d`, and so is a digit in front. sd_bus_path_encode(3). */
export const unitObject = (unit: string): string =>
  `/org/freedesktop/systemd1/unit/${[...Buffer.from(unit)]
    .map((byte, index) => {
      const letter = String.fromCharCode(byte)
      const fits = index === 0 ? /[A-Za-z]/ : /[A-Za-z0-9]/
      return fits.test(letter) ? letter : `_${byte.toString(16).padStart(2, '0')}`
    })
    .join('')}`
