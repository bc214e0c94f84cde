/**
 * Paged searches (RFC 2696).
 *
 * Invariants: a cookie is valid on its connection, for the same search, and once; abandoned pages are released.
 */
import { randomBytes } from 'node:crypto'
import { Cache } from 'iems'

export interface Paged {
  /** The request, to compare with the next one. */
  readonly asked: string
  readonly found: AsyncIterator<unknown>
}

export function createPages<P extends Paged>(most: number) {
  const kept = new Cache<P>({ max: most, evicted: ({ found }) => void found.return?.() })

  return {
    /** Undefined when the cookie is unknown or belongs to another search. */
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
