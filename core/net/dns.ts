/**
 * The server's DNS resolver: one cache for all callers, and answers of three kinds.
 *
 * Invariants: "does not exist" and "unavailable" are different answers, and a failure is never cached as an absence;
 * equal concurrent questions are sent once; time, memory and concurrency are bounded; no promise rejects.
 */
import { randomInt } from 'node:crypto'
import { lookup, Resolver } from 'node:dns/promises'
import { isIP } from 'node:net'
import { reasonOf } from '../api/errors.ts'
import { isLoopback } from './addresses.ts'
import { AnswerCache } from './dns-cache.ts'
import {
  askableName,
  type DnsRecords,
  type Question,
  type RecordType,
  type Reply,
  readReply,
  writeQuery,
} from './dns-message.ts'
import { type DnsOptions, type NameServer, parseNameServer } from './dns-options.ts'
import { askByTcp, askByUdp } from './dns-transport.ts'
import { createSemaphore } from './semaphore.ts'

export type DnsAnswer<T> =
  | {
      readonly kind: 'found'
      readonly records: readonly T[]
      /** The resolver reports DNSSEC validation and is trusted. */
      readonly isAuthenticated: boolean
    }
  /** `isName`: the name exists, without records of this type. */
  | { readonly kind: 'absent'; readonly isName: boolean; readonly isAuthenticated: boolean }
  /** No server answered: a temporary failure. */
  | { readonly kind: 'unavailable'; readonly why: string }

export interface Dns {
  /** Never rejects. `fresh` bypasses the cache. */
  ask<K extends RecordType>(
    name: string,
    type: K,
    options?: { readonly fresh?: boolean },
  ): Promise<DnsAnswer<DnsRecords[K]>>
  /**
   * The addresses of a host that the administrator configured: from the operating system, including its hosts file,
   * unless `servers` are set.
   */
  host(name: string): Promise<DnsAnswer<string>>
  /** Number of cached answers. */
  readonly size: number
}

type AnyAnswer = DnsAnswer<DnsRecords[RecordType]>

/** RFC 2308 allows hours, but missing records may soon be added. */
const ABSENT_MS = 300_000
/** For an absence without an SOA record. */
const UNTIMED_ABSENT_MS = 60_000
const UNAVAILABLE_MS = 5_000
/** How long a server that did not answer is tried last. */
const AVOID_MS = 30_000
/** How long the system's list of servers is cached. */
const SYSTEM_SERVERS_MS = 30_000
const MAX_WAITING = 10_000
/** Maximum aliases that the resolver follows itself. */
const MAX_ALIASES = 8

export function createDns(options: DnsOptions, now: () => number): Dns {
  const cache = new AnswerCache<AnyAnswer>(options.cacheSize, now)
  const resolver = new ServerResolver(options, now)

  function ask(name: string, type: RecordType, fresh: boolean): Promise<AnyAnswer> {
    const asked = askableName(name)
    if (asked === undefined) return Promise.resolve({ kind: 'absent', isName: false, isAuthenticated: false })
    const make = async () => {
      const { answer, ttlMs } = await resolver.resolve({ name: asked, type })
      return { value: answer, ms: Math.min(ttlMs, options.maxTtl) }
    }
    return cache.get(`${type} ${asked}`, make, fresh)
  }

  const dns: Dns = {
    ask: <K extends RecordType>(name: string, type: K, { fresh = false } = {}) =>
      ask(name, type, fresh) as Promise<DnsAnswer<DnsRecords[K]>>,
    async host(name) {
      if (isIP(name)) return { kind: 'found', records: [name], isAuthenticated: false }
      // RFC 6761 section 6.3: never queried.
      if (/^(?:.*\.)?localhost\.?$/i.test(name))
        return { kind: 'found', records: ['::1', '127.0.0.1'], isAuthenticated: false }
      if (options.servers) return both(await Promise.all([dns.ask(name, 'AAAA'), dns.ask(name, 'A')]))
      const make = async () => ({ value: await bySystem(name), ms: Math.min(UNTIMED_ABSENT_MS, options.maxTtl) })
      return cache.get(`host ${name.toLowerCase()}`, make, false) as Promise<DnsAnswer<string>>
    },
    get size() {
      return cache.size
    },
  }
  return dns
}

/** Combines answers about one name: found if any is found, else unavailable if any is, else absent. */
export function both<T>(answers: readonly DnsAnswer<T>[]): DnsAnswer<T> {
  const found = answers.filter((answer) => answer.kind === 'found')
  if (found.length > 0)
    return {
      kind: 'found',
      records: found.flatMap(({ records }) => records),
      isAuthenticated: found.every(({ isAuthenticated }) => isAuthenticated),
    }
  const unavailable = answers.find(({ kind }) => kind === 'unavailable')
  if (unavailable) return unavailable
  const absent = answers.filter((answer) => answer.kind === 'absent')
  return {
    kind: 'absent',
    isName: absent.some(({ isName }) => isName),
    isAuthenticated: absent.length > 0 && absent.every(({ isAuthenticated }) => isAuthenticated),
  }
}

async function bySystem(name: string): Promise<DnsAnswer<string>> {
  try {
    const records = (await lookup(name, { all: true })).map(({ address }) => address)
    return { kind: 'found', records, isAuthenticated: false }
  } catch (error) {
    const { code } = error as { code?: string }
    return code === 'ENOTFOUND' || code === 'ENODATA'
      ? { kind: 'absent', isName: false, isAuthenticated: false }
      : { kind: 'unavailable', why: code ?? reasonOf(error) }
  }
}

interface Resolved {
  readonly answer: AnyAnswer
  readonly ttlMs: number
}

/** Queries the servers in turn until one answers. */
class ServerResolver {
  readonly #options: DnsOptions
  readonly #now: () => number
  readonly #given: readonly NameServer[] | undefined
  readonly #turns: ReturnType<typeof createSemaphore>
  readonly #avoidUntil = new Map<NameServer, number>()
  readonly #withoutEdns = new Set<NameServer>()
  #system: { readonly servers: readonly NameServer[]; readonly until: number } = { servers: [], until: 0 }

  constructor(options: DnsOptions, now: () => number) {
    this.#options = options
    this.#now = now
    this.#given = options.servers?.flatMap((text) => parseNameServer(text) ?? [])
    this.#turns = createSemaphore({ limit: options.maxQueries, waiting: MAX_WAITING })
  }

  async resolve(question: Question): Promise<Resolved> {
    let { name } = question
    let ttl = Number.POSITIVE_INFINITY
    let isSecure = true
    for (let aliases = 0; aliases <= MAX_ALIASES; aliases++) {
      const { reply, isTrusted } = await this.#tryAll({ ...question, name })
      if (reply.kind === 'alias') {
        const next = askableName(reply.name)
        if (next === undefined) break
        name = next
        ttl = Math.min(ttl, reply.ttl)
        isSecure &&= reply.isAuthenticated && isTrusted
        continue
      }
      return resolvedBy(reply, ttl, isTrusted && isSecure)
    }
    return unavailable('an alias that leads nowhere')
  }

  /** Tries every server, and again with a longer timeout if one did not answer. */
  async #tryAll(question: Question): Promise<{ readonly reply: Reply; readonly isTrusted: boolean }> {
    let why = 'no name server is configured'
    for (let round = 0; round < this.#options.tries; round++) {
      let wasSilent = false
      for (const server of this.#servers()) {
        try {
          const timeoutMs = this.#options.timeout * 2 ** round
          const reply = await this.#turns.take(() => this.#askOne(server, question, timeoutMs))
          const isTrusted = this.#options.trustAd || isLoopback(server.address)
          if (reply.kind !== 'failed') return { reply, isTrusted }
          why = reply.why
        } catch (error) {
          why = reasonOf(error)
          wasSilent = true
          this.#avoidUntil.set(server, this.#now() + AVOID_MS)
        }
      }
      // Servers that answered with a failure will not change their answer at once.
      if (!wasSilent) break
    }
    return { reply: { kind: 'failed', why, mayBeEdns: false }, isTrusted: false }
  }

  async #askOne(server: NameServer, question: Question, timeoutMs: number): Promise<Reply> {
    const edns = !this.#withoutEdns.has(server)
    const reply = await exchange(server, question, { edns, timeoutMs })
    if (reply.kind !== 'failed' || !reply.mayBeEdns) return reply
    const plain = await exchange(server, question, { edns: false, timeoutMs })
    if (plain.kind !== 'failed') this.#withoutEdns.add(server)
    return plain
  }

  #servers(): readonly NameServer[] {
    const servers = this.#given ?? this.#systemServers()
    const isAvoided = (server: NameServer) => (this.#avoidUntil.get(server) ?? 0) > this.#now()
    return [...servers.filter((one) => !isAvoided(one)), ...servers.filter(isAvoided)]
  }

  /** Node reads /etc/resolv.conf, or the system's equivalent, whenever a Resolver is created. */
  #systemServers(): readonly NameServer[] {
    if (this.#system.until <= this.#now()) {
      const known = new Map(this.#system.servers.map((server) => [`${server.address} ${server.port}`, server]))
      const found = new Resolver().getServers().flatMap((text) => parseNameServer(text) ?? [])
      // The same objects, so that their state is kept.
      const servers = found.map((server) => known.get(`${server.address} ${server.port}`) ?? server)
      for (const gone of this.#system.servers.filter((one) => !servers.includes(one))) {
        this.#avoidUntil.delete(gone)
        this.#withoutEdns.delete(gone)
      }
      this.#system = { servers, until: this.#now() + SYSTEM_SERVERS_MS }
    }
    return this.#system.servers
  }
}

async function exchange(
  server: NameServer,
  question: Question,
  { edns, timeoutMs }: { readonly edns: boolean; readonly timeoutMs: number },
): Promise<Reply> {
  const flags = { id: randomInt(0x10000), edns }
  const query = writeQuery(question, flags)
  const asked = { server, query, timeoutMs, read: (message: Buffer) => readReply(message, question, flags) }
  const reply = await askByUdp(asked)
  if (reply !== 'guessed' && reply.kind !== 'truncated') return reply
  const whole = await askByTcp(asked)
  return whole.kind === 'truncated' ? { kind: 'failed', why: 'malformed answer', mayBeEdns: false } : whole
}

function resolvedBy(reply: Exclude<Reply, { kind: 'alias' }>, aliasTtl: number, isTrusted: boolean): Resolved {
  switch (reply.kind) {
    case 'found': {
      const isAuthenticated = reply.isAuthenticated && isTrusted
      return {
        answer: { kind: 'found', records: reply.records, isAuthenticated },
        ttlMs: Math.min(reply.ttl, aliasTtl) * 1000,
      }
    }
    case 'absent': {
      const { isName, ttl } = reply
      const isAuthenticated = reply.isAuthenticated && isTrusted
      const ttlMs = ttl === undefined ? UNTIMED_ABSENT_MS : Math.min(ttl * 1000, ABSENT_MS)
      return { answer: { kind: 'absent', isName, isAuthenticated }, ttlMs }
    }
    default:
      return unavailable(reply.kind === 'failed' ? reply.why : 'malformed answer')
  }
}

function unavailable(why: string): Resolved {
  return { answer: { kind: 'unavailable', why }, ttlMs: UNAVAILABLE_MS }
}
