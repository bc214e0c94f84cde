/**
 * The resolver: answers are remembered for a while, a question that is under way is asked once, and "there is no such
 * name", "there is none of these" and "nobody could say" stay three different things.
 *
 * What must stay true: a failure is never remembered as an absence (SERVFAIL is not NXDOMAIN); the memory is bounded.
 */
import type { LookupAddress } from 'node:dns'
import { lookup, Resolver } from 'node:dns/promises'

/** What answers are taken from: the methods of a Resolver of node:dns/promises, or a test's own. */
export interface DnsSource {
  resolveMx(name: string): Promise<readonly { readonly exchange: string; readonly priority: number }[]>
  resolve4(
    name: string,
    options: { readonly ttl: true },
  ): Promise<readonly (string | { readonly address: string; readonly ttl: number })[]>
  resolve6(
    name: string,
    options: { readonly ttl: true },
  ): Promise<readonly (string | { readonly address: string; readonly ttl: number })[]>
  resolveTxt(name: string): Promise<readonly (readonly string[])[]>
  /** For hosts that the admin names: the way of the operating system, with its hosts file. Default: `resolve4` and `resolve6`. */
  lookup?(name: string, options: { readonly all: true }): Promise<readonly LookupAddress[]>
}

/** `none`: the name is there without such records. `unknown`: there is no such name. `unclear`: ask again later. */
export type Answer<T> =
  | { readonly kind: 'found'; readonly values: readonly T[] }
  | { readonly kind: 'none' }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'unclear' }

export type Family = 'ipv4' | 'ipv6'

export interface Dns {
  mx(name: string): Promise<Answer<{ readonly exchange: string; readonly priority: number }>>
  addresses(name: string, family: Family): Promise<Answer<string>>
  txt(name: string): Promise<Answer<string>>
  /** Of both families, as the operating system sees it. */
  host(name: string): Promise<Answer<string>>
}

export interface DnsSettings {
  readonly servers?: readonly string[] | undefined
  readonly timeout: number
  readonly tries: number
}

const MAX_ENTRIES = 20_000
/** What is not there may be there soon. */
const ABSENT_MS = 60_000
const UNCLEAR_MS = 5_000

export function systemSource({ servers, timeout, tries }: DnsSettings): DnsSource {
  const resolver = new Resolver({ timeout, tries })
  if (servers) resolver.setServers(servers)
  return {
    resolveMx: (name) => resolver.resolveMx(name),
    resolve4: (name, options) => resolver.resolve4(name, options),
    resolve6: (name, options) => resolver.resolve6(name, options),
    resolveTxt: (name) => resolver.resolveTxt(name),
    ...(servers ? {} : { lookup: (name: string) => lookup(name, { all: true }) }),
  }
}

interface Remembered {
  readonly until: number
  readonly answer: Promise<Answer<never>>
}

export function createDns(
  source: DnsSource,
  { cacheMs, now }: { readonly cacheMs: number; readonly now: () => number },
): Dns {
  const memory = new Map<string, Remembered>()

  function ask<T>(key: string, question: () => Promise<{ values: readonly T[]; ttlMs?: number }>): Promise<Answer<T>> {
    const known = memory.get(key)
    if (known && known.until > now()) return known.answer
    const answer = question().then(
      ({ values, ttlMs = cacheMs }): Answer<T> => {
        keep(values.length > 0 ? Math.min(ttlMs, cacheMs) : ABSENT_MS)
        return values.length > 0 ? { kind: 'found', values } : { kind: 'none' }
      },
      (cause: unknown): Answer<T> => {
        const kind = kindOf(cause)
        keep(kind === 'unclear' ? UNCLEAR_MS : ABSENT_MS)
        return { kind }
      },
    )
    const keep = (ms: number) => remember(key, { until: now() + ms, answer: answer as Promise<Answer<never>> })
    // Who asks the same meanwhile gets the same.
    remember(key, { until: Number.POSITIVE_INFINITY, answer: answer as Promise<Answer<never>> })
    return answer
  }

  function remember(key: string, entry: Remembered) {
    memory.delete(key)
    memory.set(key, entry)
    if (memory.size > MAX_ENTRIES)
      for (const oldest of [...memory.keys()].slice(0, MAX_ENTRIES / 10)) memory.delete(oldest)
  }

  async function addresses(name: string, family: Family) {
    const records = await (family === 'ipv4'
      ? source.resolve4(name, { ttl: true })
      : source.resolve6(name, { ttl: true }))
    const ttls = records.map((record) => (typeof record === 'string' ? Number.POSITIVE_INFINITY : record.ttl * 1000))
    return {
      values: records.map((record) => (typeof record === 'string' ? record : record.address)),
      ttlMs: Math.min(...ttls),
    }
  }

  const dns: Dns = {
    mx: (name) => ask(`mx ${name}`, async () => ({ values: await source.resolveMx(name) })),
    txt: (name) =>
      ask(`txt ${name}`, async () => ({ values: (await source.resolveTxt(name)).map((parts) => parts.join('')) })),
    addresses: (name, family) => ask(`${family} ${name}`, () => addresses(name, family)),
    async host(name) {
      const { lookup } = source
      if (lookup)
        return ask(`host ${name}`, async () => ({
          values: (await lookup(name, { all: true })).map(({ address }) => address),
        }))
      return joined(await Promise.all([dns.addresses(name, 'ipv6'), dns.addresses(name, 'ipv4')]))
    },
  }
  return dns
}

/** Several answers about one name as one. */
export function joined<T>(answers: readonly Answer<T>[]): Answer<T> {
  const values = answers.flatMap((answer) => (answer.kind === 'found' ? answer.values : []))
  if (values.length > 0) return { kind: 'found', values }
  const kinds = answers.map(({ kind }) => kind)
  return { kind: kinds.includes('unclear') ? 'unclear' : kinds.includes('none') ? 'none' : 'unknown' }
}

function kindOf(cause: unknown): 'none' | 'unknown' | 'unclear' {
  const code = (cause as { code?: unknown } | undefined)?.code
  return code === 'ENODATA' ? 'none' : code === 'ENOTFOUND' ? 'unknown' : 'unclear'
}
