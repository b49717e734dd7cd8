// A hundred starts asked for in one turn of the event loop are decided in a hundred turns: what else waits comes in between.

export class Turns {
  #taken = false
  readonly #waiting: (() => void)[] = []

  /** The task, at once when it is the first of this turn, else in a later turn, in the order of the calls. */
  readonly take = <A>(task: () => Promise<A>): Promise<A> => {
    if (this.#taken) return new Promise<void>((resolve) => this.#waiting.push(resolve)).then(task)
    this.#taken = true
    setImmediate(this.#next)
    return task()
  }

  readonly #next = (): void => {
    const first = this.#waiting.shift()
    if (first === undefined) {
      this.#taken = false
      return
    }
    setImmediate(this.#next)
    first()
  }
}
