/**
 * Reviews the usage of an account and its pools after each change and daily: warns at thresholds, and records since
 * when the account is above its limit.
 *
 * Invariants: the record changes first, with a check of its old value, and then the mail is sent under its own key; so
 * several servers send one mail, and after a crash in between it is sent at the next review.
 */
import { formatSize, type Store } from 'iems'
import type { Account, AccountsApi } from '../../directory/static/api.ts'
import type { MailStoreApi, Usage, UsageLimits } from '../store/api.ts'
import { domainOf, poolOf, type QuotaLimits, TOTAL } from './limits.ts'
import type { Post } from './mail.ts'
import type { Options } from './options.ts'
import { decode, encode, type Kind, overKey, type WarnedRecord, warnedKey } from './records.ts'
import { type Language, warningText } from './texts.ts'

/** Percent below a threshold at which it counts as left, so that fluctuating usage does not cause many mails. */
const HYSTERESIS = 5

export interface ReviewDeps {
  readonly store: Store
  readonly mail: MailStoreApi
  readonly accounts: AccountsApi
  readonly options: Options
  readonly limits: QuotaLimits
  readonly post: Post
  now(): number
}

/** Percent of the limit that is nearer; 0 without limits. */
export function shareOf(usage: Usage, { octets, messages }: UsageLimits): number {
  const of = (used: number, limit: number | null) => (limit === null ? 0 : limit === 0 ? 100 : (used / limit) * 100)
  return Math.max(of(usage.octets, octets), of(usage.messages, messages))
}

/** The highest threshold that is passed. */
export function levelOf(share: number, thresholds: readonly number[], last: number): number {
  return Math.max(0, ...thresholds.filter((one) => share >= (one <= last ? one - HYSTERESIS : one)))
}

interface Subject {
  readonly kind: Kind
  /** In the record. */
  readonly id: string
  readonly name: string
  readonly usage: Usage
  readonly limits: UsageLimits
  readonly to: readonly string[]
  readonly language: Language
}

export function createReview({ store, mail, accounts, options, limits, post, now }: ReviewDeps) {
  const { at: thresholds, language, languages, administrators } = options.warnings

  async function languageOf(account: Account): Promise<Language> {
    if (account.language === 'en' || account.language === 'de') return account.language
    const byDomain = languages[domainOf(account)]
    if (byDomain || Object.keys(languages).length === 0) return byDomain ?? language
    const group = (await accounts.groupsOf(account.id)).find((one) => Object.hasOwn(languages, one))
    return (group === undefined ? undefined : languages[group]) ?? language
  }

  async function send(subject: Subject, { level, number }: WarnedRecord): Promise<void> {
    const { kind, id, name, usage, limits, to } = subject
    const isByCount = shareOf(usage, { ...limits, octets: null }) > shareOf(usage, { ...limits, messages: null })
    const used = isByCount ? `${usage.messages}` : formatSize(usage.octets)
    const limit = isByCount ? `${limits.messages}` : formatSize(limits.octets ?? 0)
    const share = Math.floor(shareOf(usage, limits))
    const words = warningText(subject.language, { kind, name, share, used, limit, level })
    for (const one of to) await post({ to: one, ...words, once: `warning ${kind} ${id} ${number} ${one}` })
  }

  async function warn(subject: Subject): Promise<void> {
    const at = warnedKey(subject.kind, subject.id)
    const before = await store.get(at)
    let record: WarnedRecord = before ? decode(before) : { level: 0, number: 0, isUnsent: false }
    const level = levelOf(shareOf(subject.usage, subject.limits), thresholds, record.level)
    if (level !== record.level) {
      // On the way down there is one mail, when all thresholds are left.
      const isTold = level > record.level || level === 0
      record = { level, number: record.number + (isTold ? 1 : 0), isUnsent: isTold }
      if (!(await store.commit([{ put: at, value: encode(record) }], [{ key: at, is: before ?? 'absent' }]))) return
    }
    if (!record.isUnsent) return
    await send(subject, record)
    const sent = encode({ ...record, isUnsent: false })
    await store.commit([{ put: at, value: sent }], [{ key: at, is: encode(record) }])
  }

  /** Since when it is above its limit; without grace nothing needs to know. */
  async function noteOver(account: string, usage: Usage, { octets }: UsageLimits): Promise<void> {
    if (options.grace.octets === 0) return
    const at = overKey(account)
    const since = await store.get(at)
    const isOver = octets !== null && usage.octets > octets
    if (isOver && !since) await store.commit([{ put: at, value: encode(now()) }], [{ key: at, is: 'absent' }])
    if (!isOver && since) await store.commit([{ del: at }], [{ key: at, is: since }])
  }

  async function reviewPool(kind: 'domain' | 'total', name: string): Promise<void> {
    if (administrators.length === 0) return
    const usage = await mail.poolUsage(kind === 'total' ? TOTAL : poolOf(name))
    const poolLimits = await limits.poolLimits(kind, name)
    await warn({ kind, id: name, name, usage, limits: poolLimits, to: administrators, language })
  }

  return async function review(id: string, usage: Usage): Promise<void> {
    const account = await accounts.byId(id)
    if (!account) return
    const own = await mail.limitsOf(id)
    await noteOver(id, usage, own)
    const [address] = account.addresses
    const to = address === undefined ? [] : [address]
    await warn({ kind: 'account', id, name: account.name, usage, limits: own, to, language: await languageOf(account) })
    for (const { name } of own.pools ?? [])
      await (name === TOTAL ? reviewPool('total', '') : reviewPool('domain', domainOf(account)))
  }
}
