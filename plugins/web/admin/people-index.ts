/**
 * A view of the directory's entries in memory, for lists of any length with filters, order and counts.
 *
 * It is read at the first question, follows the feed of changes at each further one, and is forgotten when it is not
 * asked for. Invariants: an answer includes every change that resolved before the question; memory is freed after
 * `IDLE_MS`.
 */
import type { Clock } from 'iems'
import type { DirectoryApi, Entry } from '../../directory/store/api.ts'

export type ListedKind = 'account' | 'group' | 'alias' | 'domain' | 'route' | 'unit'
export const LISTED = ['account', 'group', 'alias', 'domain', 'route', 'unit'] as const

/** An entry as lists show it; its other fields are read when it is opened. */
export interface ListedEntry {
  readonly id: string
  readonly kind: ListedKind
  readonly name: string
  readonly displayName?: string
  readonly address?: string
  /** Domains of its addresses, in lower case. */
  readonly domains: readonly string[]
  readonly roles: readonly string[]
  readonly status?: string
  readonly quota?: number
  readonly members?: number
  readonly created: number
  readonly modified: number
  readonly targets?: readonly string[]
}

export interface Question {
  readonly kind: ListedKind
  /** Every word must be in the name, display name or an address. */
  readonly search?: string
  readonly domain?: string
  readonly role?: string
  readonly status?: string
  readonly sort?: 'name' | 'displayName' | 'address' | 'quota' | 'modified'
  readonly descending?: boolean
}

interface Kept {
  readonly entry: ListedEntry
  readonly text: string
}

const IDLE_MS = 600_000
const FEED_PAGE = 1000

export const domainOf = (address: string): string => address.slice(address.lastIndexOf('@') + 1).toLowerCase()

function addressesOf(entry: Entry): readonly string[] {
  if ('addresses' in entry) return entry.addresses
  if (entry.kind === 'alias' || entry.kind === 'route') return [entry.match]
  return entry.kind === 'domain' ? [entry.name] : []
}

function nameOf(entry: Entry): string {
  if (entry.kind === 'unit') return entry.path
  if (entry.kind === 'alias' || entry.kind === 'route') return entry.match
  return 'name' in entry ? entry.name : ''
}

export function listed(entry: Entry): ListedEntry | undefined {
  if (entry.kind === 'object') return undefined
  const addresses = addressesOf(entry)
  const targets =
    entry.kind === 'alias'
      ? entry.targets
      : entry.kind === 'route'
        ? [`${entry.target.channel}:${entry.target.nexthop}`]
        : undefined
  return {
    id: entry.id,
    kind: entry.kind,
    name: nameOf(entry),
    domains: [...new Set(addresses.map(domainOf))],
    roles: entry.kind === 'account' ? entry.roles : [],
    created: entry.created,
    modified: entry.modified,
    ...(addresses[0] === undefined ? {} : { address: addresses[0] }),
    ...(entry.kind === 'account'
      ? {
          status: entry.status,
          ...(entry.displayName === undefined ? {} : { displayName: entry.displayName }),
          ...(entry.quota === undefined ? {} : { quota: entry.quota }),
        }
      : {}),
    ...(entry.kind === 'group' ? { members: entry.members } : {}),
    ...(targets ? { targets } : {}),
  }
}

export class PeopleIndex {
  readonly #directory: DirectoryApi
  readonly #clock: Clock
  #kept: Map<string, Kept> | undefined
  #cursor = ''
  #orders = new Map<string, readonly Kept[]>()
  #used = 0
  #reading: Promise<Map<string, Kept>> | undefined

  constructor(directory: DirectoryApi, clock: Clock) {
    this.#directory = directory
    this.#clock = clock
  }

  /** The entries that fit, in order. */
  async ask(question: Question): Promise<readonly ListedEntry[]> {
    const words = (question.search ?? '').toLowerCase().split(/\s+/).filter(Boolean)
    const { domain, role, status, descending } = question
    const fits = ({ entry, text }: Kept) =>
      words.every((word) => text.includes(word)) &&
      (domain === undefined || entry.domains.includes(domain.toLowerCase())) &&
      (role === undefined || entry.roles.some((one) => one === role || one.startsWith(`${role}:`))) &&
      (status === undefined || entry.status === status)
    await this.#follow()
    const found = this.#ordered(question.kind, question.sort ?? 'name').filter(fits)
    if (descending) found.reverse()
    return found.map(({ entry }) => entry)
  }

  async count(kind: ListedKind): Promise<number> {
    await this.#follow()
    return this.#ordered(kind, 'name').length
  }

  /** Forgets everything when nothing was asked for a while; called now and then. */
  sweep(): void {
    if (this.#clock.now() - this.#used < IDLE_MS) return
    this.#kept = undefined
    this.#orders.clear()
  }

  /** Callers that come together share one reading, and none sees half of it. */
  async #follow(): Promise<void> {
    this.#used = this.#clock.now()
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined
    })
    await this.#reading
  }

  async #read(): Promise<Map<string, Kept>> {
    if (!this.#kept) return this.#readAll()
    for (;;) {
      const { entries, cursor, isTooLate } = await this.#directory.feed({ after: this.#cursor, limit: FEED_PAGE })
      if (isTooLate) return this.#readAll()
      if (entries.length === 0) return this.#kept
      this.#cursor = cursor
      this.#orders.clear()
      for (const id of new Set(entries.map((one) => one.id))) this.#put(this.#kept, id, await this.#directory.byId(id))
    }
  }

  async #readAll(): Promise<Map<string, Kept>> {
    const { cursor } = await this.#directory.feed()
    const kept = new Map<string, Kept>()
    for await (const entry of this.#directory.all(LISTED)) this.#put(kept, entry.id, entry)
    this.#orders.clear()
    this.#cursor = cursor
    this.#kept = kept
    return kept
  }

  #put(kept: Map<string, Kept>, id: string, entry: Entry | undefined): void {
    const shown = entry && listed(entry)
    if (!entry || !shown) {
      kept.delete(id)
      return
    }
    const words = [shown.name, shown.displayName ?? '', ...addressesOf(entry), ...(shown.targets ?? [])]
    kept.set(id, { entry: shown, text: words.join('\n').toLowerCase() })
  }

  #ordered(kind: ListedKind, sort: NonNullable<Question['sort']>): readonly Kept[] {
    const at = `${kind} ${sort}`
    const known = this.#orders.get(at)
    if (known) return known
    const rows: { readonly by: string | number; readonly one: Kept }[] = []
    for (const one of this.#kept?.values() ?? []) {
      if (one.entry.kind !== kind) continue
      const value = one.entry[sort] ?? (sort === 'quota' ? Number.MAX_SAFE_INTEGER : one.entry.name)
      rows.push({ by: typeof value === 'string' ? value.toLowerCase() : value, one })
    }
    rows.sort((a, b) => (a.by < b.by ? -1 : a.by > b.by ? 1 : 0))
    const made = rows.map(({ one }) => one)
    this.#orders.set(at, made)
    return made
  }
}
