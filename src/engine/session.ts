// What an engine has under way. It is closed only when all of that has ended.
import * as E from '#fp/Either'
import type { TaskEither } from '#fp/TaskEither'
import type { EngineError } from '../model/errors.ts'
import type { Container } from './container.ts'

interface Pooled {
  close(): Promise<void>
  flush(): void
}

export class Session {
  readonly #busy = new Set<Promise<unknown>>()
  readonly #containers = new Set<Container>()
  readonly #pools = new Set<Pooled>()
  /** What has ended and is being removed. */
  readonly #leaving = new Set<Promise<void>>()
  #closed = false

  /** The task, known to `close` while it runs, and refused afterwards. Fails, besides as the task: Cancelled. */
  track<A>(what: string, task: TaskEither<EngineError, A>): TaskEither<EngineError, A> {
    return () => {
      if (this.#closed)
        return Promise.resolve(E.left({ _tag: 'Cancelled', what, why: 'the engine is closed' }))
      const running = task()
      const done = (): boolean => this.#busy.delete(running)
      this.#busy.add(running)
      running.then(done, done)
      return running
    }
  }

  /** A container that runs from now on. One that was being started while the engine was closed ends at once. */
  readonly started = (container: Container): void => {
    const { exit, removed } = container
    this.#containers.add(container)
    exit.then(() => this.#leaving.add(removed))
    removed.then(() => {
      this.#containers.delete(container)
      this.#leaving.delete(removed)
    })
    if (this.#closed) end(container)
  }

  /** Closed with the engine. The result takes it off the list. */
  pooled(pool: Pooled): () => void {
    this.#pools.add(pool)
    return () => this.#pools.delete(pool)
  }

  /** Resolves when nothing is left of containers whose end has been told. */
  async cleared(): Promise<void> {
    await Promise.all(this.#leaving)
  }

  /** All containers of this engine are on record. */
  flush(): void {
    for (const pool of this.#pools) pool.flush()
  }

  /** Ends what runs; resolves when nothing of it is left. */
  async close(): Promise<void> {
    this.#closed = true
    for (const container of this.#containers) end(container)
    await Promise.all([...this.#pools].map((pool) => pool.close()))
    await Promise.allSettled([...this.#busy])
    await Promise.all([...this.#containers].map(({ removed }) => removed))
  }
}

const end = (container: Container): void =>
  container.end({ _tag: 'Aborted', reason: new Error('the engine was closed') })
