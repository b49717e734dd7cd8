// Device rules by three ways of reading them: the kernel's C, written down again as it stands, an interpreter of the BPF that
// slipway makes, and the requests both are asked about.
import type { LinuxDeviceCgroup } from '../../src/model/oci-spec.ts'

export interface DeviceRequest {
  readonly type: 'b' | 'c'
  readonly major: number
  readonly minor: number
  /** Some of `r`, `w`, `m`. */
  readonly access: string
}

const bits = (access: string): number =>
  [...access].reduce((mask, letter) => mask | ({ m: 1, r: 2, w: 4 }[letter] ?? 0), 0)

const ANY = -1
interface Exception {
  readonly type: string
  readonly major: number
  readonly minor: number
  access: number
}

/** A v1 devices group below one that allows all: devcgroup_update_access and devcgroup_check_permission, line by line. */
export class DevicesGroup {
  #allow = true
  #exceptions: Exception[] = []

  /** One line written to devices.allow or devices.deny. */
  write(file: string, line: string): void {
    const allow = file === 'devices.allow'
    if (line.startsWith('a')) {
      this.#exceptions = []
      this.#allow = allow
      return
    }
    const [, type = '', major = '', minor = '', access = ''] = /^([bc]) (\S+):(\S+) (\S+)$/.exec(line) ?? []
    const number = (text: string): number => (text === '*' ? ANY : Number(text))
    const exception = { type, major: number(major), minor: number(minor), access: bits(access) }
    if (allow === this.#allow) this.#remove(exception)
    else this.#add(exception)
  }

  permits({ type, major, minor, access }: DeviceRequest): boolean {
    const asked = bits(access)
    const near = this.#exceptions.filter(
      (each) =>
        each.type === type &&
        (each.major === ANY || each.major === major) &&
        (each.minor === ANY || each.minor === minor),
    )
    return this.#allow
      ? !near.some((each) => (each.access & asked) !== 0)
      : near.some((each) => (asked & ~each.access) === 0)
  }

  #same(exception: Exception): (other: Exception) => boolean {
    const { type, major, minor } = exception
    return (other) => other.type === type && other.major === major && other.minor === minor
  }

  #add(exception: Exception): void {
    const known = this.#exceptions.find(this.#same(exception))
    if (known === undefined) this.#exceptions.push(exception)
    else known.access |= exception.access
  }

  #remove(exception: Exception): void {
    const known = this.#exceptions.find(this.#same(exception))
    if (known === undefined) return
    known.access &= ~exception.access
    if (known.access === 0) this.#exceptions = this.#exceptions.filter((other) => other !== known)
  }
}

/** The lines an administrator would write for rules of the runtime spec. */
export const linesOf = (
  rules: readonly LinuxDeviceCgroup[],
): readonly { readonly file: string; readonly value: string }[] =>
  rules.flatMap(({ allow, type = 'a', major = -1, minor = -1, access = 'rwm' }) => {
    const file = allow ? 'devices.allow' : 'devices.deny'
    const star = (number: number): string => (number < 0 ? '*' : String(number))
    if (type === 'a' && major < 0 && minor < 0 && bits(access) === 7) return [{ file, value: 'a' }]
    const types = type === 'a' ? ['b', 'c'] : [type]
    return types.map((each) => ({ file, value: `${each} ${star(major)}:${star(minor)} ${access}` }))
  })

/** Runs a device program on one request. Knows the instructions slipway uses; any other throws. */
export const runDeviceProgram = (
  program: Uint8Array,
  { type, major, minor, access }: DeviceRequest,
): number => {
  const view = Buffer.from(program)
  const context = [(bits(access) << 16) | (type === 'b' ? 1 : 2), major, minor]
  const registers = new Array<number>(11).fill(0)
  for (let at = 0; at < view.length / 8; at++) {
    const code = view.readUInt8(8 * at)
    const dst = view.readUInt8(8 * at + 1) & 15
    const src = view.readUInt8(8 * at + 1) >> 4
    const offset = view.readInt16LE(8 * at + 2)
    const imm = view.readInt32LE(8 * at + 4)
    const value = registers[dst] ?? 0
    if (code === 0x61) registers[dst] = context[offset / 4] ?? Number.NaN
    else if (code === 0xbf) registers[dst] = registers[src] ?? 0
    else if (code === 0xb7) registers[dst] = imm
    else if (code === 0x54) registers[dst] = (value & imm) >>> 0
    else if (code === 0x74) registers[dst] = value >>> imm
    else if (code === 0x56) at += value !== imm >>> 0 ? offset : 0
    else if (code === 0x16) at += value === imm >>> 0 ? offset : 0
    else if (code === 0x95) return registers[0] ?? 0
    else throw new Error(`instruction 0x${code.toString(16)} at ${at}`)
  }
  throw new Error('the program ran past its end')
}
