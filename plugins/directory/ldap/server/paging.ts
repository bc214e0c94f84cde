/**
 * Searches that are answered page by page (RFC 2696).
 *
 * What must stay true: a cookie is good for the connection it was given to, for the same search, and once; what nobody
 * asks for any more is let go.
 */
import { randomBytes } from 'node:crypto'
import { Cache } from 'iems'

export interface Paged {
  /** What was asked, to be asked again. */
  readonly asked: string
  readonly found: AsyncIterator<unknown>
}

export function createPages<P extends Paged>(most: number) {
  const kept = new Cache<P>({ max: most, evicted: ({ found }) => void found.return?.() })

  return {
    /** Undefined when the cookie is none of ours or of another search. */
    take(cookie: Buffer, asked: string): P | undefined {
      const name = cookie.toString('hex')
      const paged = kept.get(name)
      if (paged?.asked !== asked) return undefined
      kept.delete(name)
      return paged
    },
    keep(paged: P): Buffer {
      const cookie = randomBytes(8)
      kept.set(cookie.toString('hex'), paged)
      return cookie
    },
    async clear(): Promise<void> {
      const all = [...kept.entries()].map(([, paged]) => paged)
      kept.clear()
      for (const { found } of all) await found.return?.()
    },
  }
}
