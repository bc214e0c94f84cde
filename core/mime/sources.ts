/**
 * The octets in which a part stands: the content, or what the body of an encoded message in it decodes to.
 *
 * RFC 2046 section 5.2.1 forbids to encode a message within a message, and RFC 6532 allows it for message/global; mail
 * has both. What must stay true: an encoded message is decoded once for one reader, into one buffer that has a bound.
 */
import { gather } from './gather.ts'
import type { EncodedBody, Readable } from './parts.ts'
import { partBody } from './transfer.ts'

/** Decoded octets of all encoded messages within one message; what would be more is not taken apart. */
export const MAX_DECODED = 8 * 1024 * 1024

/** Octets that are there, or soon will be. */
export function octetsSource(octets: Buffer | Promise<Buffer>): Readable {
  return {
    async *open(range) {
      const all = await octets
      yield all.subarray(range?.start ?? 0, range?.end ?? all.length)
    },
  }
}

/** For one reader of an email: opens what the offsets of a part mean. */
export function createSources(email: Readable): (part: { readonly within?: EncodedBody }) => Readable {
  const known = new Map<string, Promise<Buffer>>()

  function decoded(encoded: EncodedBody): Promise<Buffer> {
    const name = JSON.stringify(encoded)
    const octets = known.get(name) ?? gather(partBody(sourceOf(encoded), encoded) ?? [], MAX_DECODED)
    known.set(name, octets)
    return octets
  }

  function sourceOf({ within }: { readonly within?: EncodedBody }): Readable {
    return within ? octetsSource(decoded(within)) : email
  }

  return sourceOf
}
