/**
 * Which blocks of the code under test have run and how often, from V8's own counters. An input that makes a block run for
 * the first time, or an order of magnitude (a power of two) more often than before, is worth keeping.
 */
import { Session } from 'node:inspector/promises'

export interface Coverage {
  /** Whether the code ran in a way since the last call in which it never ran before. */
  foundNew(): Promise<boolean>
  readonly size: number
  close(): void
}

export async function startCoverage(): Promise<Coverage> {
  const session = new Session()
  session.connect()
  await session.post('Profiler.enable')
  await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
  const seen = new Set<string>()
  return {
    async foundNew() {
      const { result } = await session.post('Profiler.takePreciseCoverage')
      const before = seen.size
      for (const { url, scriptId, functions } of result) {
        if (!/\/(core|plugins)\//.test(url)) continue
        for (const { ranges } of functions)
          for (const { count, startOffset, endOffset } of ranges)
            seen.add(`${scriptId}:${startOffset}:${endOffset}:${Math.ceil(Math.log2(count + 1))}`)
      }
      return seen.size > before
    },
    get size() {
      return seen.size
    },
    close: () => session.disconnect(),
  }
}
