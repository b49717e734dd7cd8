// Streams of bytes as programs make and watch them.

export async function* once(bytes: string | Uint8Array): AsyncGenerator<Uint8Array> {
  yield typeof bytes === 'string' ? Buffer.from(bytes) : bytes
}

/** Ends with what an aborted stream of Node's ends with. */
export async function* untilAborted(
  bytes: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const check = (): void => {
    if (signal?.aborted === true) throw Object.assign(new Error('aborted'), { name: 'AbortError' })
  }
  check()
  for await (const chunk of bytes) {
    check()
    yield chunk
  }
}
