// Reads strace -f output: whole calls, by thread, in a form in which two runs can be compared.

const LINE = /^(\d+)\s+(.*)$/
const UNFINISHED = / <unfinished \.\.\.>$/
const RESUMED = /^<\.\.\. \w+ resumed>/

/** `[{ tid, text }]` in the order the calls began; a call that another thread interrupted is put together again. */
export const parseTrace = (trace) => {
  const calls = []
  const open = new Map()
  for (const line of trace.split('\n')) {
    const [, tid, text] = LINE.exec(line) ?? []
    if (text === undefined || text.startsWith('---') || text.startsWith('+++')) continue
    if (RESUMED.test(text)) {
      const call = open.get(tid)
      if (call) call.text += text.replace(RESUMED, '')
      open.delete(tid)
      continue
    }
    const call = { tid, text: text.replace(UNFINISHED, '') }
    if (UNFINISHED.test(text)) open.set(tid, call)
    calls.push(call)
  }
  return calls
}

/**
 * The stretches between two marks, which are calls of access(2) of these paths: `[{ marker, calls }]`, `marker` the thread that
 * made the marks.
 */
export const segmentsOf = (calls, begin, end) => {
  const isMark = (call, mark) => call.text.startsWith(`access("${mark}"`)
  const ends = calls.flatMap((call, index) => (isMark(call, end) ? [index] : []))
  return calls.flatMap((call, index) => {
    const to = ends.find((at) => at > index)
    return isMark(call, begin) && to !== undefined
      ? [{ marker: call.tid, calls: calls.slice(index + 1, to) }]
      : []
  })
}

export const nameOf = ({ text }) => /^\w+/.exec(text)?.[0] ?? text

const RESULT = /\s+= (-?\d+|0x[0-9a-f]+|\?).*$/

/**
 * Without what differs from start to start: ids, descriptors, process numbers, addresses, what is inside a message, and
 * what a call returned.
 */
export const normalised = ({ text }) =>
  text
    .replace(RESULT, '')
    .replace(/iov_base="(?:[^"\\]|\\.)*"(\.\.\.)?/g, 'iov_base=B')
    .replace(/"(?:[^"\\]|\\.)*"(\.\.\.)?/g, (quoted) =>
      quoted.replace(/[0-9a-f]{12,64}/g, 'ID').replace(/\d+/g, 'N'),
    )
    .replace(/0x[0-9a-f]+/g, 'P')
    .replace(/\b\d+\b/g, 'N')

const counted = (calls) => {
  const counts = new Map()
  for (const call of calls) counts.set(call, (counts.get(call) ?? 0) + 1)
  return counts
}

/** `[{ call, left, right }]` of the calls two lists do not make equally often. */
export const differences = (left, right) => {
  const [a, b] = [counted(left), counted(right)]
  return [...new Set([...a.keys(), ...b.keys()])]
    .map((call) => ({ call, left: a.get(call) ?? 0, right: b.get(call) ?? 0 }))
    .filter((row) => row.left !== row.right)
}

const isLaunch = (call) => nameOf(call) === 'clone3' && call.text.includes('CLONE_VFORK')

/** What only the second thread does: an overlay, or a network namespace. */
const isBeside = ({ text }) => /^(fsopen\("overlay"|unshare\(CLONE_NEWNET\))/.test(text)

/**
 * The parts of one start in a trace: what the starting thread did before and after its clone (`engine`), what the second thread
 * did beside it (`beside`), and what the child did up to its execve (`child`). `until` tells at which of its calls the starting
 * thread is done.
 */
export const startIn = (calls, until) => {
  const at = calls.findIndex(isLaunch)
  if (at < 0) throw new Error('the trace has no launch')
  const { tid, text } = calls[at]
  const pid = /= (\d+)/.exec(text)?.[1]
  const own = calls.filter((call) => call.tid === tid)
  const index = own.indexOf(calls[at])
  const end = own.findIndex((call, position) => position > index && until(call))
  const begin = own.findLastIndex((call, position) => position < index && until(call)) + 1
  const child = calls.filter((call) => call.tid === pid)
  const exec = child.findIndex((call) => nameOf(call) === 'execve')
  const second = calls.find((call) => isBeside(call) && call.tid !== tid && call.tid !== pid)?.tid
  const beside = calls.filter((call) => call.tid === second)
  return { tid, beside, engine: own.slice(begin, end < 0 ? undefined : end), child: child.slice(0, exec + 1) }
}
