/** What is fuzzed, and what is measured for its cost. */

export interface FuzzTarget {
  /** Valid input to begin with; characters are octets. */
  readonly seeds: readonly string[]
  /** Words of the format that random octets would hardly find; characters are octets. */
  readonly words?: readonly string[]
  /** What costly input begins with. Default: nothing, and the first half of the first seed. */
  readonly starts?: readonly string[]
  run(input: Buffer): unknown
  /** Whether it is a listener with all that stands behind it. */
  readonly isSession?: boolean
}

type Errors = readonly (new (...args: never[]) => Error)[]

/** A target that reads text and answers, or throws one of the errors it documents. */
export function reader(
  seeds: readonly string[],
  words: readonly string[],
  read: (text: string) => unknown,
  ...allowed: Errors
): FuzzTarget {
  return {
    seeds,
    words,
    async run(input) {
      try {
        await read(input.toString('latin1'))
      } catch (fault) {
        if (!allowed.some((kind) => fault instanceof kind)) throw fault
      }
    },
  }
}

export const all = async (items: AsyncIterable<unknown>) => {
  for await (const _ of items);
}

/** Octets of a piece: small, so that work that is done again for each piece shows. */
const PIECE = 64

/** As a stream of small pieces. */
export async function* inPieces(input: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < input.length; at += PIECE) yield input.subarray(at, at + PIECE)
}
