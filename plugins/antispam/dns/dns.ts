/**
 * The questions of the filter to the DNS: remembered for their TTL, asked once at a time, never waited for too long.
 *
 * What must stay true: no question rejects or hangs; "there is none" and "nobody could say" stay two answers, and only
 * the first counts for anything; the memory is bounded.
 */
import { Resolver } from 'node:dns/promises'

export type RecordType = 'A' | 'AAAA' | 'MX' | 'PTR'

/** As `resolve(name, type)` of node:dns/promises, errors with `code` included. Addresses may come as `{ address, ttl }`. */
export type DnsSource = (name: string, type: RecordType) => Promise<readonly unknown[]>

export type Answer =
  | { readonly kind: 'found'; readonly records: readonly unknown[] }
  | { readonly kind: 'absent' }
  | { readonly kind: 'unclear' }

export interface Dns {
  ask(name: string, type: RecordType): Promise<Answer>
  /** Answers remembered. */
  readonly size: number
}

export interface DnsSettings {
  readonly wait: number
  readonly cache: number
  readonly entries: number
  readonly now: () => number
}

export function systemSource(settings: {
  readonly servers?: readonly string[] | undefined
  readonly timeout: number
  readonly tries: number
}): DnsSource {
  const resolver = new Resolver({ timeout: settings.timeout, tries: settings.tries })
  if (settings.servers) resolver.setServers(settings.servers)
  return (name, type) => {
    if (type === 'A') return resolver.resolve4(name, { ttl: true })
    if (type === 'AAAA') return resolver.resolve6(name, { ttl: true })
    return resolver.resolve(name, type) as Promise<unknown[]>
  }
}

/** Codes that say for sure that there is no such record. */
const ABSENT: readonly string[] = ['ENOTFOUND', 'ENODATA', 'EBADNAME']
const ABSENT_MS = 60_000
const UNCLEAR_MS = 5_000
/** RFC 1035 section 2.3.4, with the dot at the end. */
const MOST_NAME = 254

interface Remembered {
  readonly until: number
  readonly answer: Promise<Answer>
}

export function createDns(source: DnsSource, { wait, cache, entries, now }: DnsSettings): Dns {
  const memory = new Map<string, Remembered>()

  function remember(key: string, entry: Remembered) {
    memory.delete(key)
    memory.set(key, entry)
    if (memory.size > entries)
      for (const oldest of [...memory.keys()].slice(0, Math.ceil(entries / 10))) memory.delete(oldest)
  }

  return {
    get size() {
      return memory.size
    },
    ask(name, type) {
      if (name.length > MOST_NAME) return Promise.resolve({ kind: 'absent' })
      const key = `${type} ${name.toLowerCase()}`
      const known = memory.get(key)
      if (known && known.until > now()) return known.answer
      const asked = answerOf(source, { name, type, wait })
      const answer = asked.then((settled) => settled.answer)
      // Who asks the same meanwhile gets the same.
      remember(key, { until: Number.POSITIVE_INFINITY, answer })
      void asked.then(({ ms }) => remember(key, { until: now() + Math.min(ms, cache), answer }))
      return answer
    },
  }
}

async function answerOf(
  source: DnsSource,
  { name, type, wait }: { readonly name: string; readonly type: RecordType; readonly wait: number },
): Promise<{ readonly answer: Answer; readonly ms: number }> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('no answer')), wait)
  })
  try {
    const found = await Promise.race([(async () => source(name, type))(), late])
    if (found.length === 0) return { answer: { kind: 'absent' }, ms: ABSENT_MS }
    const ttls = found.flatMap((one) => (isAddressRecord(one) ? [one.ttl * 1000] : []))
    const records = found.map((one) => (isAddressRecord(one) ? one.address : one))
    return { answer: { kind: 'found', records }, ms: Math.min(Number.POSITIVE_INFINITY, ...ttls) }
  } catch (cause) {
    const code = (cause as { code?: unknown } | undefined)?.code
    return ABSENT.includes(`${code}`)
      ? { answer: { kind: 'absent' }, ms: ABSENT_MS }
      : { answer: { kind: 'unclear' }, ms: UNCLEAR_MS }
  } finally {
    clearTimeout(timer)
  }
}

function isAddressRecord(record: unknown): record is { address: string; ttl: number } {
  return typeof record === 'object' && record !== null && 'address' in record && 'ttl' in record
}
