/**
 * The octets that contain a part: the content, or the decoded body of an encoded message in it.
 *
 * RFC 2046 section 5.2.1 forbids encoding a nested message, RFC 6532 allows it for message/global; mail contains both.
 * Invariants: an encoded message is decoded once per reader, into one bounded buffer.
 */
import { gather } from './gather.ts'
import type { EncodedBody, Readable } from './parts.ts'
import { partBody } from './transfer.ts'

/** Maximum decoded octets of all encoded messages within a message; beyond it they are not parsed. */
export const MAX_DECODED = 8 * 1024 * 1024

/** Octets that are available now or later. */
export function octetsSource(octets: Buffer | Promise<Buffer>): Readable {
  return {
    async *open(range) {
      const all = await octets
      yield all.subarray(range?.start ?? 0, range?.end ?? all.length)
    },
  }
}

/** For one reader of an email: returns the source that a part's offsets refer to. */
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
