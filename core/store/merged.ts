/** Two ordered lists as one: each item with what either list has of it. */
export async function* merged<T>(
  mine: AsyncIterable<T>,
  theirs: AsyncIterable<T>,
  compare: (a: T, b: T) => number,
): AsyncGenerator<readonly [one: T, mine: T | undefined, theirs: T | undefined]> {
  const [a, b] = [mine[Symbol.asyncIterator](), theirs[Symbol.asyncIterator]()]
  try {
    let [left, right] = [await a.next(), await b.next()]
    while (!left.done || !right.done) {
      const order = left.done ? 1 : right.done ? -1 : compare(left.value, right.value)
      const [own, other] = [order <= 0 ? left : undefined, order >= 0 ? right : undefined]
      yield [(own ?? other)?.value as T, own?.value, other?.value]
      if (own) left = await a.next()
      if (other) right = await b.next()
    }
  } finally {
    await a.return?.()
    await b.return?.()
  }
}
