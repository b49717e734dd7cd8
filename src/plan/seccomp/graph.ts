// A filter before it has addresses: a graph of tests in which equal parts exist once.
import type { BPF } from './abi.ts'

export interface Return {
  readonly kind: 'return'
  readonly id: number
  readonly value: number
}
/** Loads a word of struct seccomp_data, masked, and goes on. */
export interface Load {
  readonly kind: 'load'
  readonly id: number
  readonly offset: number
  /** 0xffffffff for the whole word. */
  readonly mask: number
  readonly next: Node
}
/** Compares the loaded word with `k`, both unsigned. */
export interface Test {
  readonly kind: 'test'
  readonly id: number
  readonly op: TestOp
  readonly k: number
  readonly yes: Node
  readonly no: Node
}
export type Node = Return | Load | Test
export type TestOp = typeof BPF.jeq | typeof BPF.jgt | typeof BPF.jge | typeof BPF.jset

export const WHOLE_WORD = 0xffffffff

/** Makes nodes, and gives the one made before when asked for an equal one again. */
export class Graph {
  #nodes = new Map<string, Node>()

  return(value: number): Return {
    return this.#once(`r${value}`, (id) => ({ kind: 'return', id, value }))
  }

  load(offset: number, next: Node, mask = WHOLE_WORD): Load {
    return this.#once(`l${offset} ${mask} ${next.id}`, (id) => ({ kind: 'load', id, offset, mask, next }))
  }

  /** A test both sides of which are the same is not made. */
  test(op: TestOp, k: number, yes: Node, no: Node): Node {
    if (yes === no) return yes
    return this.#once(`t${op} ${k} ${yes.id} ${no.id}`, (id) => ({ kind: 'test', id, op, k, yes, no }))
  }

  #once<N extends Node>(key: string, make: (id: number) => N): N {
    const known = this.#nodes.get(key)
    if (known !== undefined) return known as N
    const made = make(this.#nodes.size)
    this.#nodes.set(key, made)
    return made
  }
}
