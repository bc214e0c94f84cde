/**
 * One message, or one file, scanned: as it is, and then what clamd would not see in it.
 *
 * What must stay true: `clean` is said only when clamd has said so of all of it; a virus outweighs everything else;
 * when no clamd answers that is an exception (`NoServer`), never a result.
 */
import { type Answer, readVersion, scanStream } from './clamd.ts'
import { digestOf, withoutTrace } from './content.ts'
import { missedParts, type OddParts, Unscannable } from './missed/missed.ts'
import type { Options } from './options.ts'
import { createResults } from './results.ts'
import type { Servers } from './servers.ts'

/** Content that can be read again and again. */
export interface Readable {
  readonly size: number
  open(): AsyncIterable<Uint8Array>
}

export interface ScanOptions {
  /** Not what is known from before. */
  readonly afresh?: boolean
}

export type Scan = ReturnType<typeof createScan>

/** How long a version is known before it is asked for again. */
const VERSION_MS = 60_000
/** Asking for it takes no scan. */
const VERSION_PATIENCE_MS = 10_000

const CLEAN: Answer = { kind: 'clean', name: '' }

export interface ScanParts {
  readonly options: Options
  readonly servers: Servers
  readonly now: () => number
}

export function createScan({ options, servers, now }: ScanParts) {
  const results = createResults(options.cache, now)
  let known: { readonly version: Promise<string>; readonly at: number } | undefined

  function version({ afresh = false }: ScanOptions = {}): Promise<string> {
    if (!afresh && known && now() - known.at < VERSION_MS) return known.version
    const timeout = Math.min(options.timeout, VERSION_PATIENCE_MS)
    const asked = { version: servers.ask(readVersion, timeout), at: now() }
    known = asked
    asked.version.catch(() => {
      if (known === asked) known = undefined
    })
    return asked.version
  }

  const ask = (open: () => AsyncIterable<Uint8Array>) => servers.ask((to, signal) => scanStream(to, open, signal))

  async function scanAll(open: () => AsyncIterable<Uint8Array>): Promise<Answer> {
    const odd: OddParts = new Set()
    const parts = () => missedParts(open(), { limits: options, odd })
    let isMissing: boolean
    try {
      // First: what is made to be costly is that for clamd too.
      isMissing = !(await isEmpty(parts())) || odd.size > 0
    } catch (cause) {
      if (cause instanceof Unscannable) return { kind: 'unscannable', name: cause.message }
      throw cause
    }
    const whole = await ask(open)
    if (whole.kind === 'virus' || !isMissing) return whole
    const missed = await ask(parts)
    return missed.kind === 'virus' || whole.kind === 'clean' ? missed : whole
  }

  const tooLarge = (size: number): Answer | undefined =>
    size > options.maxSize ? { kind: 'oversize', name: `larger than ${options.maxSize} octets` } : undefined

  return {
    version,
    remembered: () => results.size,
    async message({ size, open }: Readable, { afresh = false }: ScanOptions = {}): Promise<Answer> {
      const content = () => withoutTrace(open())
      const oversize = tooLarge(size)
      if (oversize || afresh || options.cache.entries === 0) return oversize ?? scanAll(content)
      const key = `${await version()} ${await digestOf(content())}`
      const before = results.get(key)
      if (before) return before
      const answer = await scanAll(content)
      results.set(key, answer)
      return answer
    },
    /** What may be no message. */
    async file({ size, open }: Readable): Promise<Answer> {
      const known = tooLarge(size) ?? (size === 0 ? CLEAN : undefined)
      if (known) return known
      const plain = await ask(open)
      return plain.kind === 'virus' ? plain : scanAll(() => withoutTrace(open()))
    },
  }
}

/** Reads it to its end. */
async function isEmpty(content: AsyncIterable<Uint8Array>): Promise<boolean> {
  let size = 0
  for await (const { byteLength } of content) size += byteLength
  return size === 0
}
