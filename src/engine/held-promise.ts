// A promise of what goes on without this process: whoever waits for it is not left in the middle of that by an event loop with nothing to do.

/** Resolves as what it is made of; `hold` is called whenever somebody begins to wait, by `await` or `then`, and not for one nobody asks for. */
export class HeldPromise<A> extends Promise<A> {
  #hold: () => void = () => {}

  static of<A>(promise: Promise<A>, hold: () => void): HeldPromise<A> {
    const held = new HeldPromise<A>((resolve) => resolve(promise))
    held.#hold = hold
    return held
  }

  /** What comes of waiting is a plain one. `await` calls `then` of any promise whose constructor is not Promise itself (ECMA-262, PromiseResolve). */
  static override get [Symbol.species](): PromiseConstructor {
    return Promise
  }

  // biome-ignore lint/suspicious/noThenProperty: it is a promise, and this is what tells that somebody waits
  override then<B = A, C = never>(
    onFulfilled?: ((value: A) => B | PromiseLike<B>) | null,
    onRejected?: ((reason: unknown) => C | PromiseLike<C>) | null,
  ): Promise<B | C> {
    this.#hold()
    return super.then(onFulfilled, onRejected)
  }
}
