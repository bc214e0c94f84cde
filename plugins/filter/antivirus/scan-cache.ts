/**
 * Results of what has been scanned, for the same content again.
 *
 * What must stay true: a result counts for the signatures it was made with, and not for long: clamd does not count
 * every signature of its admin's own in its version.
 */
import type { Answer } from './clamd.ts'
import type { Options } from './options.ts'

export type Results = ReturnType<typeof createResults>

export function createResults({ entries, keep }: Options['cache'], now: () => number) {
  const known = new Map<string, { readonly answer: Answer; readonly until: number }>()
  return {
    get(key: string): Answer | undefined {
      const found = known.get(key)
      if (found && found.until > now()) return found.answer
      known.delete(key)
      return undefined
    },
    set(key: string, answer: Answer): void {
      known.delete(key)
      known.set(key, { answer, until: now() + keep })
      const [oldest] = known.keys()
      if (known.size > entries && oldest !== undefined) known.delete(oldest)
    },
    get size() {
      return known.size
    },
  }
}
