// The search by call number: as few instructions and as short paths as ranges of equal outcome allow.
import { BPF } from './abi.ts'
import type { Graph, Node } from './graph.ts'

/** From `start` up to the next range's start, everything has this outcome. */
export interface Range {
  readonly start: number
  readonly outcome: Node
}

/** Numbers are 32 bits; one past the highest. */
const END = 2 ** 32
/**
 * Since Linux 5.11 the kernel walks the filter once for every number below this at load (seccomp_cache_prepare), so these
 * weigh in the tree; numbers no kernel has do not. The highest call of Linux 7.1 is 471.
 */
const CALLS = 472
/** How uneven, in numbers, a split may be to spare an instruction. By trial: larger ones find no fewer instructions. */
const CUT = 16

/** Ranges next to each other with the same outcome become one. `ranges` ascend from 0. */
export const mergeRanges = (ranges: readonly Range[]): readonly Range[] =>
  ranges.filter(({ outcome }, index) => outcome !== ranges[index - 1]?.outcome)

/** The tree that finds the outcome of the loaded number. */
export const searchTree = (graph: Graph, ranges: readonly Range[]): Node =>
  new Search(graph, mergeRanges(ranges)).tree()

/**
 * Halves the weight at every step: within a step of the best tree (Mehlhorn, Nearly optimal binary search trees, 1975),
 * which takes a hundred times as long to find. A leaf is one outcome, or one number among another outcome.
 */
class Search {
  readonly #graph: Graph
  readonly #ranges: readonly Range[]

  constructor(graph: Graph, ranges: readonly Range[]) {
    this.#graph = graph
    this.#ranges = ranges
  }

  tree(): Node {
    return this.#build(0, this.#ranges.length - 1)
  }

  /** The tree of the ranges `from` … `to`. */
  #build(from: number, to: number): Node {
    if (from === to) return this.#outcome(from)
    const single = this.#single(from, to)
    if (single !== undefined) {
      const other = this.#outcome(single === from ? to : from)
      return this.#graph.test(BPF.jeq, this.#start(single), this.#outcome(single), other)
    }
    const split = this.#split(from, to)
    return this.#graph.test(BPF.jge, this.#start(split), this.#build(split, to), this.#build(from, split - 1))
  }

  /** The range of one number that a single JEQ tells from all others in `from` … `to`. */
  #single(from: number, to: number): number | undefined {
    if (to - from === 2)
      return this.#outcome(from) === this.#outcome(to) && this.#isSingle(from + 1) ? from + 1 : undefined
    if (to - from > 2) return undefined
    if (this.#isSingle(from)) return from
    return this.#isSingle(to) ? to : undefined
  }

  #isSingle(index: number): boolean {
    return this.#start(index + 1) - this.#start(index) === 1
  }

  /** The range whose start parts the weight most evenly; where there is no weight, the number of ranges. */
  #split(from: number, to: number): number {
    const low = this.#weightBelow(from)
    const high = this.#weightBelow(to + 1)
    const unevenness = (index: number): number =>
      low === high ? Math.abs(2 * index - from - to - 1) : Math.abs(2 * this.#weightBelow(index) - low - high)
    const cost = (index: number): number => unevenness(index) + (this.#cutsSingle(index) ? CUT : 0)
    let best = from + 1
    let least = cost(best)
    for (let index = from + 2; index <= to; index++) {
      const own = cost(index)
      if (own < least) {
        best = index
        least = own
      }
    }
    return best
  }

  /** A split beside a number that a JEQ could tell from both its sides takes an instruction more. */
  #cutsSingle(index: number): boolean {
    return this.#isIsland(index) || this.#isIsland(index - 1)
  }

  #isIsland(index: number): boolean {
    const before = this.#ranges[index - 1]?.outcome
    return this.#isSingle(index) && before !== undefined && before === this.#ranges[index + 1]?.outcome
  }

  /** How many numbers a kernel has lie before the range. */
  #weightBelow(index: number): number {
    return Math.min(this.#start(index), CALLS)
  }

  #start(index: number): number {
    return this.#ranges[index]?.start ?? END
  }

  #outcome(index: number): Node {
    const range = this.#ranges[index]
    if (range === undefined) throw new Error('no such range')
    return range.outcome
  }
}
