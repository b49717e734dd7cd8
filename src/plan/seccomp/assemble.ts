// A filter's graph as the kernel takes it: struct sock_filter[].
import { BPF } from './abi.ts'
import type { Load, Node, Test } from './graph.ts'
import { WHOLE_WORD } from './graph.ts'

/** Furthest a conditional jump reaches, in instructions skipped: its offset has 8 bits. */
const MAX_SKIP = 255

interface Instruction {
  readonly code: number
  readonly jt: number
  readonly jf: number
  readonly k: number
}

/** The program that starts at `start`: 8 bytes an instruction, little endian. */
export const assemble = (start: Node): Uint8Array => new Assembler().program(start)

/**
 * Writes the program from its end to its start: every jump goes forward, so its target has a place already.
 * A place is counted in instructions from the end.
 */
class Assembler {
  #backwards: Instruction[] = []
  #places = new Map<Node, number>()

  program(start: Node): Uint8Array {
    this.#place(start)
    return encode(this.#backwards.reverse())
  }

  /** Depth first, with a stack of its own: a profile can chain more conditions than calls may nest. */
  #place(start: Node): void {
    const stack = [start]
    for (let node = stack.at(-1); node !== undefined; node = stack.at(-1)) {
      const waiting = successors(node).find((next) => !this.#places.has(next))
      if (waiting !== undefined) {
        stack.push(waiting)
        continue
      }
      stack.pop()
      this.#write(node)
      this.#places.set(node, this.#backwards.length)
    }
  }

  #write(node: Node): void {
    if (node.kind === 'return') this.#emit(BPF.ret, node.value)
    else if (node.kind === 'load') this.#writeLoad(node)
    else this.#writeTest(node)
  }

  #writeLoad({ offset, mask, next }: Load): void {
    this.#fallInto(next)
    if (mask !== WHOLE_WORD) this.#emit(BPF.and, mask)
    this.#emit(BPF.load, offset)
  }

  #writeTest(test: Test): void {
    const yes = this.#near(test.yes)
    const no = this.#near(test.no)
    this.#emit(test.op, test.k, this.#skip(yes), this.#skip(no))
  }

  /** A place that leads to `node` and that a conditional jump can reach: the next one, or the one after a detour more. */
  #near(node: Node): number {
    const place = this.#placeOf(node)
    if (this.#skip(place) < MAX_SKIP) return place
    if (node.kind === 'return') this.#emit(BPF.ret, node.value)
    else this.#emit(BPF.ja, this.#skip(place))
    // Later jumps use the copy of a return; a long jump is as good a way to its node as the node itself.
    this.#places.set(node, this.#backwards.length)
    return this.#backwards.length
  }

  #fallInto(node: Node): void {
    const skip = this.#skip(this.#placeOf(node))
    if (skip === 0) return
    if (node.kind === 'return') this.#emit(BPF.ret, node.value)
    else this.#emit(BPF.ja, skip)
  }

  #placeOf(node: Node): number {
    const place = this.#places.get(node)
    if (place === undefined) throw new Error('a jump to a node without a place')
    return place
  }

  /** How many instructions one written next would have to skip to get to `place`. */
  #skip(place: number): number {
    return this.#backwards.length - place
  }

  #emit(code: number, k: number, jt = 0, jf = 0): void {
    this.#backwards.push({ code, jt, jf, k })
  }
}

/** What a node leads to; the last one is placed last, so it follows at once. */
const successors = (node: Node): readonly Node[] => {
  if (node.kind === 'return') return []
  return node.kind === 'load' ? [node.next] : [node.yes, node.no]
}

const encode = (instructions: readonly Instruction[]): Uint8Array => {
  const bytes = new Uint8Array(instructions.length * 8)
  const view = new DataView(bytes.buffer)
  instructions.forEach(({ code, jt, jf, k }, index) => {
    view.setUint16(index * 8, code, true)
    view.setUint8(index * 8 + 2, jt)
    view.setUint8(index * 8 + 3, jf)
    view.setUint32(index * 8 + 4, k, true)
  })
  return bytes
}
