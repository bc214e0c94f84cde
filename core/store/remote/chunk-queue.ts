/**
 * A queue of chunks between a writer and a reader; a write resolves when its chunk has been read.
 */
import type { Value } from '../store.ts'

export class ChunkQueue implements AsyncIterable<Value> {
  readonly #chunks: { readonly bytes: Value; readonly read: () => void; readonly failed: (cause: unknown) => void }[] =
    []
  #wake: () => void = () => {}
  #isEnded = false
  #error: { readonly cause: unknown } | undefined

  write(bytes: Value): Promise<void> {
    if (this.#error) return Promise.reject(this.#error.cause)
    return new Promise((read, failed) => {
      this.#chunks.push({ bytes, read, failed })
      this.#wake()
    })
  }

  end(): void {
    this.#isEnded = true
    this.#wake()
  }

  fail(cause: unknown): void {
    this.#error ??= { cause }
    for (const { failed } of this.#chunks.splice(0)) failed(cause)
    this.#wake()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Value> {
    for (;;) {
      if (this.#error) throw this.#error.cause
      const next = this.#chunks.shift()
      if (next) {
        next.read()
        yield next.bytes
      } else if (this.#isEnded) return
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
    }
  }
}
