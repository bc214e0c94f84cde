/**
 * Messages removed from mailboxes, until an administrator restores them or they expire.
 *
 * Invariants: a message is stored here before it is removed there, and restored there before it is removed here;
 * repeating this after a crash does no harm; a restored message is not quarantined again.
 */
import { createHash } from 'node:crypto'
import { type Content, decodeRecord, encodeRecord, key, type SetupContext, unkey } from 'iems'
import type { AccountsApi } from '../../directory/static/api.ts'
import type { Email, Entry, Mailbox, MailStoreApi } from '../../mailbox/store/api.ts'
import { digestOf, withoutTrace } from './content.ts'

/** The original mailbox, and the reason for the removal. */
export interface Taken {
  readonly v: 1
  readonly id: string
  /** Ms since 1970. */
  readonly at: number
  readonly account: string
  /** Original name of the mailbox. */
  readonly mailbox: string
  readonly flags: readonly string[]
  readonly received: number
  readonly size: number
  readonly subject: string
  readonly why: string
  readonly content: Content
}

export interface Copy {
  readonly mailbox: Mailbox
  readonly entry: Entry
  readonly email: Email
}

const takenKey = (id: string) => key('taken', id)
const END_OF_TAKEN = key('taken', Number.MAX_SAFE_INTEGER)
const givenBackKey = (digest: string) => key('given-back', digest)
const ALL_GIVEN_BACK = { from: key('given-back'), to: key('given-back', Number.MAX_SAFE_INTEGER) }

const encode = encodeRecord
const decode = decodeRecord

/** Equal for equal copies, so that each is stored once. */
function idOf({ mailbox, entry }: Copy): string {
  const name = `${mailbox.account} ${mailbox.id} ${mailbox.uidValidity} ${entry.uid}`
  return `taken-${createHash('sha256').update(name).digest('hex').slice(0, 16)}`
}

export interface TakenDeps extends Pick<SetupContext, 'store' | 'contents' | 'clock'> {
  readonly mail: MailStoreApi
  readonly accounts: AccountsApi
}

export class MailboxQuarantine {
  readonly #deps: TakenDeps

  constructor(deps: TakenDeps) {
    this.#deps = deps
  }

  open({ content }: Taken) {
    return this.#deps.contents.open(content)
  }

  /** False when it no longer existed. */
  async take(copy: Copy, why: string): Promise<boolean> {
    const id = idOf(copy)
    const { mailbox, entry } = copy
    if (!(await this.read(id))) await this.#keep(id, copy, why)
    const gone = await this.#deps.mail.expunge(mailbox, [[entry.uid, entry.uid]], { forGood: true })
    if (!('refused' in gone) && gone.length > 0) return true
    const kept = await this.read(id)
    if (kept) await this.#forget(kept)
    return false
  }

  /** Restores it permanently to its mailbox. */
  async giveBack(id: string): Promise<Taken | undefined> {
    const kept = await this.read(id)
    if (!kept) return undefined
    const open = () => this.#deps.contents.open(kept.content)
    const digest = await digestOf(withoutTrace(open()))
    const mailbox = await this.#mailboxFor(kept)
    await this.#deps.store.commit([{ put: givenBackKey(digest), value: encode(this.#deps.clock.now()) }])
    const done = await this.#deps.mail.append(mailbox, [
      { content: open(), flags: kept.flags, received: kept.received },
    ])
    if ('refused' in done) throw new Error(done.why)
    await this.#forget(kept)
    return kept
  }

  async wasGivenBack(digest: string) {
    return (await this.#deps.store.get(givenBackKey(digest))) !== undefined
  }

  async remove(id: string): Promise<boolean> {
    const kept = await this.read(id)
    if (kept) await this.#forget(kept)
    return kept !== undefined
  }

  /** Removes older messages. */
  async sweep(before: number): Promise<void> {
    for await (const one of this.list()) if (one.at < before) await this.#forget(one)
    for await (const [at, value] of this.#deps.store.scan(ALL_GIVEN_BACK))
      if (decode<number>(value) < before) await this.#deps.store.commit([{ del: givenBackKey(unkey(at)[1] as string) }])
  }

  async read(id: string): Promise<Taken | undefined> {
    const value = await this.#deps.store.get(takenKey(id))
    return value && decode<Taken>(value)
  }

  async #keep(id: string, { mailbox, entry, email }: Copy, why: string): Promise<void> {
    const staged = await this.#deps.contents.stage(email.open())
    const record: Taken = {
      v: 1,
      id,
      at: this.#deps.clock.now(),
      account: mailbox.account,
      mailbox: mailbox.name,
      flags: entry.flags,
      received: entry.received,
      size: email.size,
      subject: (await email.field('subject'))?.slice(0, 200) ?? '',
      why,
      content: staged.content,
    }
    const isKept = await this.#deps.contents.commit({
      ops: [{ put: takenKey(id), value: encode(record) }],
      checks: [{ key: takenKey(id), is: 'absent' }],
      hold: [{ from: staged, owner: id }],
    })
    if (isKept) return
    await staged.discard()
    if (!(await this.read(id))) throw new Error('it could not be kept')
  }

  async #forget({ id, content }: Taken): Promise<void> {
    await this.#deps.contents.commit({ ops: [{ del: takenKey(id) }], free: [{ blob: content.blob, owner: id }] })
  }

  /** By id, those beyond `after`. */
  async *list(after = ''): AsyncGenerator<Taken> {
    const range = { from: key('taken', `${after}\0`), to: END_OF_TAKEN }
    for await (const [, value] of this.#deps.store.scan(range)) yield decode<Taken>(value)
  }

  async #mailboxFor({ account, mailbox }: Taken): Promise<Mailbox> {
    if (!(await this.#deps.accounts.byId(account))) throw new Error(`There is no account ${account} any more`)
    const found = (await this.#deps.mail.find(account, mailbox)) ?? (await this.#deps.mail.create(account, mailbox))
    if ('refused' in found) throw new Error(found.why)
    return found
  }
}
