/**
 * The questions that sender authentication puts to the DNS: remembered for a while, asked once at a time, and limited
 * for each message.
 *
 * What must stay true: "there is none" and "nobody could say" stay two different errors, and only the first is
 * remembered for long; one message can neither ask without end nor wait without end; the memory is bounded; nobody is
 * handed an object that another may change.
 */
import { Resolver } from 'node:dns/promises'

export type RecordType = 'A' | 'AAAA' | 'CNAME' | 'MX' | 'PTR' | 'TXT'

/**
 * Where answers are taken from: as `resolve(name, type)` of node:dns/promises, errors with `code` included. Addresses
 * may come as `{ address, ttl }`.
 */
export type DnsSource = (name: string, type: RecordType) => Promise<readonly unknown[]>

export interface DnsSettings {
  readonly servers?: readonly string[] | undefined
  readonly timeout: number
  readonly tries: number
}

/** An error as node:dns makes them. */
export class DnsError extends Error {
  readonly code: string
  constructor(code: string, name: string) {
    super(`${code} ${name}`)
    this.code = code
  }
}

export function systemSource({ servers, timeout, tries }: DnsSettings): DnsSource {
  const resolver = new Resolver({ timeout, tries })
  if (servers) resolver.setServers(servers)
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
const MAX_ENTRIES = 20_000
/** RFC 1035 section 2.3.4. */
const MAX_NAME = 254

type Answer = { readonly records: readonly unknown[]; readonly ttlMs: number } | { readonly code: string }
interface Remembered {
  readonly until: number
  readonly answer: Promise<Answer>
}

/** The source behind a memory of `cacheMs` at most. */
export function createDns(
  source: DnsSource,
  { cacheMs, now }: { readonly cacheMs: number; readonly now: () => number },
): DnsSource {
  const memory = new Map<string, Remembered>()

  function remember(key: string, entry: Remembered) {
    memory.delete(key)
    memory.set(key, entry)
    if (memory.size > MAX_ENTRIES)
      for (const oldest of [...memory.keys()].slice(0, MAX_ENTRIES / 10)) memory.delete(oldest)
  }

  function ask(name: string, type: RecordType): Promise<Answer> {
    const key = `${type} ${name.toLowerCase()}`
    const known = memory.get(key)
    if (known && known.until > now()) return known.answer
    const answer = answerOf(source, name, type)
    // Who asks the same meanwhile gets the same.
    remember(key, { until: Number.POSITIVE_INFINITY, answer })
    void answer.then((settled) => {
      const ms = 'records' in settled ? settled.ttlMs : ABSENT.includes(settled.code) ? ABSENT_MS : UNCLEAR_MS
      remember(key, { until: now() + Math.min(ms, cacheMs), answer })
    })
    return answer
  }

  return async (name, type) => {
    if (name.length > MAX_NAME) throw new DnsError('EBADNAME', name.slice(0, MAX_NAME))
    const answer = await ask(name, type)
    if ('code' in answer) throw new DnsError(answer.code, name)
    return structuredClone(answer.records)
  }
}

async function answerOf(source: DnsSource, name: string, type: RecordType): Promise<Answer> {
  try {
    const found = await source(name, type)
    // An empty answer is none: mailauth expects it as node:dns says it.
    if (found.length === 0) return { code: 'ENODATA' }
    const withTtl = found.filter((one): one is { address: string; ttl: number } => isAddressRecord(one))
    const ttls = withTtl.map(({ ttl }) => ttl * 1000)
    const records = found.map((one) => (isAddressRecord(one) ? one.address : one))
    return { records, ttlMs: Math.min(Number.POSITIVE_INFINITY, ...ttls) }
  } catch (cause) {
    const code = (cause as { code?: unknown } | undefined)?.code
    return { code: typeof code === 'string' ? code : 'ESERVFAIL' }
  }
}

function isAddressRecord(record: unknown): record is { address: string; ttl: number } {
  return typeof record === 'object' && record !== null && 'address' in record && 'ttl' in record
}

/** What one message may ask: so many questions, until the signal. What goes beyond ends as a timeout does. */
export function limitQuestions(dns: DnsSource, most: number, signal: AbortSignal): DnsSource {
  let asked = 0
  return (name, type) => {
    asked++
    if (asked > most) return Promise.reject(new DnsError('ETIMEOUT', name))
    return untilAborted(dns(name, type), signal, () => new DnsError('ETIMEOUT', name))
  }
}

function untilAborted<T>(promise: Promise<T>, signal: AbortSignal, error: () => Error): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(error())
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop))
  })
}
