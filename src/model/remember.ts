// A cache of the last few of something.

const MAX_REMEMBERED = 64
/** The oldest goes first: a Map keeps its insertion order. What is there already, and is told anew, is the youngest and drives nothing out. */
export const remember = <A>(known: Map<string, A>, key: string, value: A): void => {
  known.delete(key)
  if (known.size >= MAX_REMEMBERED) known.delete(known.keys().next().value ?? '')
  known.set(key, value)
}
