/**
 * Emails: content shared by any number of mailboxes.
 *
 * A delivery's content is one body for all recipients; each recipient's email is that body with their own lines above
 * it. Invariants: an email exists as long as an entry holds it and is removed after the last one, and the body with the
 * last email of its delivery.
 */
import { createHash, randomBytes } from 'node:crypto'
import {
  CONFLICT,
  type Content,
  type ContentState,
  type ContentStore,
  type Holding,
  type StagedContent,
  type Store,
  transact,
} from 'iems'
import type { Change } from './account-transactions.ts'
import type { Email } from './api.ts'
import { createDerived, type Derived } from './derived.ts'
import { type DigestRecord, digestHeader, type SortKeys } from './digest.ts'
import { StoredEmail, type StoredEmailDeps } from './email.ts'
import type { Head } from './head.ts'
import {
  type ContentRecord,
  contentKey,
  decode,
  digestKey,
  type EmailRecord,
  emailId,
  emailKey,
  emailsOf,
  holdersOf,
  letGoKey,
  readEmailId,
  structureKey,
} from './records.ts'
import { indexPart } from './search/registry.ts'

/** The tag of emails that came by APPEND. */
const APPENDED = 'a'

const newBase = (): string => randomBytes(15).toString('base64url').replaceAll('-', '_')

/** A recipient's tag, derived from the account, so that a repeated delivery finds its earlier results. */
export function tagOf(account: string): string {
  return createHash('sha256').update(account).digest('base64url').slice(0, 12).replaceAll('-', '_')
}

/** Writes content with its digest, so that lists and SORT need not read the header again. */
export function addContent(
  change: Change,
  base: string,
  {
    content,
    digest,
    from,
  }: { readonly content: Content; readonly digest: Head['digest']; readonly from: Holding['from'] },
): void {
  change.put(contentKey(base), { v: 1, content } satisfies ContentRecord)
  if (digest) change.put(digestKey(base), digest)
  change.hold({ from, owner: base })
}

/** Writes an email whose content is appended. */
export function addAppended(change: Change, staged: StagedContent, digest: Head['digest']): string {
  const base = newBase()
  addContent(change, base, { content: staged.content, digest, from: staged })
  change.put(emailKey(base, APPENDED), { top: '' } satisfies EmailRecord)
  return emailId(base, APPENDED)
}

export interface EmailsDeps {
  readonly store: Store
  readonly contents: ContentStore
}

export class Emails {
  readonly #deps: EmailsDeps
  readonly #derived: Derived
  readonly #ofEmails: StoredEmailDeps

  constructor(deps: EmailsDeps) {
    this.#deps = deps
    this.#derived = createDerived(deps.store, deps.contents)
    this.#ofEmails = { contents: deps.contents, derived: this.#derived }
  }

  async email(id: string): Promise<Email | undefined> {
    const { base, tag } = readEmailId(id)
    const content = this.#deps.store.get(contentKey(base))
    // Appended content is one email's, without lines.
    const [kept, lines] = tag === APPENDED ? [await content, ''] : await Promise.all([content, this.#top(base, tag)])
    if (lines === undefined || !kept) return undefined
    const body = decode<ContentRecord>(kept).content
    return new StoredEmail(this.#ofEmails, { id, base, lines, body })
  }

  /** A recipient's lines above the content; undefined for an unknown email. */
  async #top(base: string, tag: string): Promise<string | undefined> {
    const record = await this.#deps.store.get(emailKey(base, tag))
    return record && decode<EmailRecord>(record).top
  }

  /** Whether its content is unchanged, and its location; undefined for an unknown email. */
  async verify(id: string, deep: boolean): Promise<{ verdict: ContentState; blob: string } | undefined> {
    const kept = await this.#deps.store.get(contentKey(readEmailId(id).base))
    if (!kept) return undefined
    const { content } = decode<ContentRecord>(kept)
    return { verdict: await this.#deps.contents.verify(content, deep), blob: content.blob }
  }

  /** Keys for sorting and threading, in the given order; undefined for a removed email. */
  async sortKeys(ids: readonly string[]): Promise<readonly (SortKeys | undefined)[]> {
    const bases = ids.map((id) => readEmailId(id).base)
    const records = await Promise.all(bases.map(this.#derived.known))
    const made: { readonly base: string; readonly record: DigestRecord }[] = []
    const keys: (SortKeys | undefined)[] = []
    for (const [index, id] of ids.entries()) {
      let record = records[index]
      const one = record ? undefined : await this.email(id)
      if (one) {
        record = await digestHeader(one)
        made.push({ base: bases[index] as string, record })
      }
      keys.push(record?.keys)
    }
    await this.#derived.keepDigests(made)
    return keys
  }

  /** Removes an email without holders, and its body if it was the last. */
  async release(base: string, tag: string): Promise<void> {
    const at = letGoKey(base, tag)
    const mark = await this.#deps.store.get(at)
    let held = false
    for await (const _ of this.#deps.store.scan({ ...holdersOf(base, tag), limit: 1 })) held = true
    // An email without holders cannot gain one: copies are made from existing entries.
    if (!held) await this.#forget(base, tag)
    if (!held) await this.releaseContent(base)
    // A different mark belongs to a later release, which checks by itself.
    if (mark) await this.#deps.store.commit([{ del: at }], [{ key: at, is: mark }])
  }

  /** It has no holder; if indexes register at the moment, the next sweep retries. */
  async #forget(base: string, tag: string): Promise<void> {
    await transact({ what: 'the list of indexes' }, async () => {
      const { ops, checks } = await indexPart(this.#deps.store, [emailId(base, tag)])
      return (await this.#deps.store.commit([{ del: emailKey(base, tag) }, ...ops], checks)) ? undefined : CONFLICT
    })
  }

  async releaseContent(base: string): Promise<void> {
    for await (const _ of this.#deps.store.scan({ ...emailsOf(base), limit: 1 })) return
    const kept = await this.#deps.store.get(contentKey(base))
    if (!kept) return
    const { blob } = decode<ContentRecord>(kept).content
    await this.#deps.contents.commit({
      ops: [{ del: contentKey(base) }, { del: structureKey(base) }, { del: digestKey(base) }],
      checks: [{ key: contentKey(base), is: 'present' }],
      free: [{ blob, owner: base }],
    })
  }
}
