// What is wrong with the value of a --platform flag.
import type { InvalidOption } from '../model/errors.ts'

export const invalidPlatform = (value: string): InvalidOption => ({
  _tag: 'InvalidOption',
  option: '--platform',
  value,
  why: 'the form is OS/ARCH or OS/ARCH/VARIANT, e.g. linux/arm64',
})
