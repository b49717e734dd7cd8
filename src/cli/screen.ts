// A text that is shown again and again: on a terminal in the place of the one before, elsewhere one after the other.
import type { Output } from './command.ts'

const HOME = '\u001b[H'
const CLEAR_LINE = '\u001b[K'
const CLEAR_BELOW = '\u001b[J'
const CLEAR = '\u001b[2J'

export class Screen {
  readonly #output: Output
  readonly #isDrawn: boolean
  #isFirst = true

  /** `again`: there is more than one text. */
  constructor(output: Output, again: boolean) {
    this.#output = output
    this.#isDrawn = again && output.isTTY()
  }

  /** In one write, each line over the one before: nothing is blank in between, so nothing flickers. */
  show(text: string): void {
    if (!this.#isDrawn) {
      this.#output.write(text)
      return
    }
    const columns = this.#output.columns()
    const lines = text
      .split('\n')
      .slice(0, -1)
      .slice(0, Math.max(1, this.#output.rows() - 1))
    const drawn = lines.map((line) => `${[...line].slice(0, columns).join('')}${CLEAR_LINE}\n`).join('')
    this.#output.write(`${this.#isFirst ? CLEAR : ''}${HOME}${drawn}${CLEAR_BELOW}`)
    this.#isFirst = false
  }
}
