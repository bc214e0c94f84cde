/**
 * Long lists of the store, item by item. An item of a page that has been read costs one promise; a generator costs
 * several in each layer. Invariants: a consumer that stops early closes the source; the source is asked once at a time.
 */

/** The items of pages, translated. */
export function itemsOf<T, U = T>(
  pages: AsyncIterator<readonly T[]>,
  map: (one: T) => U = (one) => one as unknown as U,
): AsyncIterableIterator<U> {
  let page: readonly T[] = []
  let at = 0
  const item = (): IteratorResult<U> => ({ value: map(page[at++] as T), done: false })
  async function next(): Promise<IteratorResult<U>> {
    while (at >= page.length) {
      const { value, done } = await pages.next()
      if (done) return { value: undefined, done: true }
      page = value
      at = 0
    }
    return item()
  }
  return iteratorOf(() => (at < page.length ? Promise.resolve(item()) : next()), pages)
}

/** Each item translated. */
export function mapped<T, U>(items: AsyncIterable<T>, map: (one: T) => U): AsyncIterableIterator<U> {
  const source = items[Symbol.asyncIterator]()
  const next = () =>
    source.next().then(({ value, done }): IteratorResult<U> => {
      return done ? { value: undefined, done } : { value: map(value), done: false }
    })
  return iteratorOf(next, source)
}

function iteratorOf<T>(
  next: () => Promise<IteratorResult<T>>,
  source: AsyncIterator<unknown>,
): AsyncIterableIterator<T> {
  return {
    next,
    async return() {
      await source.return?.()
      return { value: undefined, done: true }
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}
