// A short name for a text. FNV-1a of 32 bits, draft-eastlake-fnv: not for texts that somebody might choose to collide.

/** Eight hexadecimal digits. */
export const fnv1a = (text: string): string => {
  let state = 0x811c9dc5
  for (const byte of Buffer.from(text)) state = Math.imul(state ^ byte, 0x01000193) >>> 0
  return state.toString(16).padStart(8, '0')
}
