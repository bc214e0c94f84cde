/**
 * Delivers content into the mailboxes of its recipients.
 *
 * Invariants: "delivered" means on stable storage in every target mailbox; a delivery repeated after a crash finds its
 * earlier results and repeats nothing; one body serves all recipients.
 */
import {
  accept,
  CONFLICT,
  type Content,
  type ContentStore,
  type DeliverContext,
  type Delivery,
  defer,
  type Log,
  type Outcome,
  type Recipient,
  refuse,
  type StagedContent,
  type Store,
  type Submission,
  type Submitted,
  transact,
} from 'iems'
import type { Account, AccountsApi } from '../../directory/static/api.ts'
import { type Change, type ChangeAccount, isRefused } from './account-transactions.ts'
import type { FiledContent, Filing, Refused } from './api.ts'
import { addContent, type Emails, tagOf } from './emails.ts'
import { addEntries } from './entries.ts'
import { type FoundPlace, findPlaces, INBOX_PLACE } from './filed-places.ts'
import { composeFiling, defaultMailbox, type FilingPlan } from './filing.ts'
import { type Head, readHead } from './head.ts'
import { type Limits, neverFits } from './limits.ts'
import {
  type ContentRecord,
  contentKey,
  digestKey,
  type EmailRecord,
  emailId,
  emailKey,
  encode,
  nameKey,
  readEmailId,
} from './records.ts'
import { redirectAll } from './redirecting.ts'
import { MAILBOX_FULL, NEVER_FITS, REFUSED_AS_FULL } from './room.ts'

/** Recipients of one delivery that are worked on at a time. */
const AT_ONCE = 100
/** Marks content as being delivered, so that it is not removed meanwhile. */
const UNDER_WAY = ''
const TOO_BIG = { refused: 'TOOBIG', why: 'The message is larger than the whole account may be' } as const

/** Space may become available, except for a message larger than the quota. */
function notFiled(recipient: Recipient, { refused, why }: Refused, { isRefusing }: Limits): Outcome {
  if (refused === 'TOOBIG') return { recipient, status: 'failed', reply: NEVER_FITS.reply }
  if (refused === 'OVERQUOTA' && isRefusing) return { recipient, status: 'failed', reply: REFUSED_AS_FULL.reply }
  const { reply } = refused === 'OVERQUOTA' ? MAILBOX_FULL : defer(451, '4.2.0', why)
  return { recipient, status: 'deferred', reply }
}

export interface DeliverDeps {
  readonly store: Store
  readonly contents: ContentStore
  readonly accounts: AccountsApi
  readonly changeAccount: ChangeAccount
  readonly emails: Emails
  readonly log: Log
  now(): number
  limitsOf(account: string): Promise<Limits>
  /** Different keywords of one mailbox. */
  readonly maxKeywords: number
  submit(message: Submission): Promise<Submitted>
  /** Asks the filters. */
  file(filing: Filing): Promise<Filing>
}

interface Carried {
  readonly base: string
  readonly content: Content
  readonly head: Head
  readonly delivery: Delivery
  /** Whether another commit has brought the content already. */
  readonly isKept: boolean
  /** Writes into the message's trace. */
  note(recipient: Recipient, text: string): void
}

interface To {
  readonly account: Account
  readonly recipient: Recipient
}

interface Adding {
  readonly carried: Carried
  readonly limits: Limits
  readonly recipient: Recipient
  readonly tag: string
  readonly top: string
  readonly staged: StagedAll
}

/** Content changed by a filter, stored apart from the shared body. */
interface OwnContent {
  readonly one: StagedContent
  readonly place: number
  digest: Head['digest']
}
type StagedAll = ReadonlyMap<FiledContent, OwnContent>

interface NewEmail {
  readonly carried: Carried
  readonly email: string
  readonly top: string
  readonly own: OwnContent | undefined
}

/** Its name among those of one delivery: the account's tag, and which of its contents. */
const ownBase = (base: string, tag: string, place: number) => `${base}_${tag}_${place}`

async function stageAll(contents: ContentStore, places: FilingPlan['places'], delivery: Delivery): Promise<StagedAll> {
  const staged = new Map<FiledContent, OwnContent>()
  try {
    for (const { content } of places) {
      if (!content || staged.has(content)) continue
      const one = await contents.stage(withReturnPath(content, delivery))
      const own: OwnContent = { one, place: staged.size, digest: undefined }
      staged.set(content, own)
      own.digest = (await readHead(one.content, one.open)).digest
    }
    return staged
  } catch (error) {
    await Promise.all([...staged.values()].map(({ one }) => one.discard()))
    throw error
  }
}

async function* withReturnPath(content: FiledContent, { from }: Delivery): AsyncGenerator<Uint8Array> {
  yield Buffer.from(`Return-Path: <${from.replaceAll(/[\r\n]/g, '')}>\r\n`)
  yield* content.open()
}

/** Notes of one delivery, and characters of one. */
const MAX_NOTES = 200
const MAX_NOTE = 300

function noteInto(note: DeliverContext['note']): Carried['note'] {
  let left = MAX_NOTES
  return ({ address }, text) => {
    if (left-- > 0) note('filing', `${address}: ${text}`.slice(0, MAX_NOTE))
  }
}

export class MailboxDelivery {
  readonly #parts: DeliverDeps

  constructor(parts: DeliverDeps) {
    this.#parts = parts
  }

  async deliver(
    delivery: Delivery,
    { signal, note }: Pick<DeliverContext, 'signal' | 'note'>,
  ): Promise<readonly Outcome[]> {
    const carried = await this.#describe(delivery, note)
    const [only] = delivery.recipients
    const isKept = (await this.#parts.store.get(contentKey(carried.base))) !== undefined
    if (only && delivery.recipients.length === 1 && !isKept) return [await this.#outcomeFor(carried, only)]
    await this.#keep(carried)
    const outcomes: Outcome[] = []
    for (let start = 0; start < delivery.recipients.length && !signal.aborted; start += AT_ONCE) {
      const some = delivery.recipients.slice(start, start + AT_ONCE)
      outcomes.push(...(await Promise.all(some.map((one) => this.#outcomeFor({ ...carried, isKept: true }, one)))))
    }
    await this.#parts.store.commit([{ del: markerOf(carried.base) }])
    await this.#parts.emails.releaseContent(carried.base)
    return outcomes
  }

  async #describe(delivery: Delivery, note: DeliverContext['note']): Promise<Carried> {
    const { headers } = delivery
    // RFC 5321 section 4.4: the final delivery says where reports go, and only it.
    headers.remove('Return-Path')
    headers.prepend('Return-Path', `<${delivery.from}>`)
    const content = this.#parts.contents.of(delivery)
    return {
      base: delivery.id.replace('.', '_'),
      content,
      head: await readHead(content, (range) => delivery.open(range)),
      delivery,
      isKept: false,
      note: noteInto(note),
    }
  }

  /** Brings the content once for all recipients. */
  async #keep({ base, content, head, delivery }: Carried): Promise<void> {
    const { store, contents } = this.#parts
    const marker = { put: markerOf(base), value: encode({ top: '' }) }
    const record: ContentRecord = { v: 1, content }
    const digest = head.digest ? [{ put: digestKey(base), value: encode(head.digest) }] : []
    const ops = [{ put: contentKey(base), value: encode(record) }, ...digest, marker]
    await transact({ what: 'the content' }, async () => {
      const isDone = (await store.get(contentKey(base)))
        ? await store.commit([marker], [{ key: contentKey(base), is: 'present' }])
        : await contents.commit({ ops, hold: [{ from: delivery, owner: base }] })
      return isDone ? undefined : CONFLICT
    })
  }

  async #deliverOne(carried: Carried, recipient: Recipient): Promise<Outcome> {
    const found = await this.#parts.accounts.byAddress(recipient.address)
    if (!found) return { recipient, status: 'failed', reply: refuse(550, '5.1.1', 'No such mailbox here').reply }
    const one = { ...found, recipient, delivery: carried.delivery }
    const exists = async (name: string) => (await this.#parts.store.get(nameKey(found.account.id, name))) !== undefined
    const initial = await defaultMailbox(one, exists)
    const { actions } = await this.#parts.file({ ...one, actions: [] })
    return this.#carryOut(carried, one, composeFiling(actions, initial))
  }

  /** A plan that cannot be carried out wholly leaves the message in INBOX as well. */
  async #carryOut(carried: Carried, to: To, plan: FilingPlan): Promise<Outcome> {
    const { recipient } = to
    for (const note of plan.notes) carried.note(recipient, note)
    if (plan.refusal) {
      const { reply } = plan.refusal
      return { recipient, status: reply.code < 500 ? 'deferred' : 'failed', reply }
    }
    const redirecting = { delivery: carried.delivery, recipient, account: to.account.id }
    const failures = await redirectAll(this.#parts.submit, redirecting, plan.redirects)
    for (const failure of failures) carried.note(recipient, failure)
    const places = plan.hasFailed || failures.length > 0 ? [...plan.places, INBOX_PLACE] : plan.places
    if (places.length > 0) return this.#fileInto(carried, to, { ...plan, places })
    const text = plan.redirects.length > 0 ? 'Sent on by its recipient' : 'Discarded by its recipient'
    return { recipient, status: 'delivered', reply: accept(250, '2.0.0', text) }
  }

  async #fileInto(carried: Carried, { account, recipient }: To, plan: FilingPlan): Promise<Outcome> {
    const limits = await this.#parts.limitsOf(account.id)
    const tag = tagOf(account.id)
    const staged = await stageAll(this.#parts.contents, plan.places, carried.delivery)
    let missing: readonly string[] = []
    let isKept = false
    try {
      const done = await this.#parts.changeAccount(account.id, async (change) => {
        // All its mailboxes are written in one commit: with one of its emails there this was done before, or for
        // another address.
        for (const base of [
          carried.base,
          ...[...staged.values()].map(({ place }) => ownBase(carried.base, tag, place)),
        ])
          if (await change.get(emailKey(base, tag))) return null
        if (carried.isKept) change.check({ key: contentKey(carried.base), is: 'present' })
        const places = await findPlaces(
          change,
          { store: this.#parts.store, account: account.id, now: this.#parts.now() },
          plan.places,
        )
        missing = places.missing
        const added = await this.#addAll(
          change,
          { carried, limits, recipient, tag, top: plan.top, staged },
          places.found,
        )
        isKept = added === null
        return added
      })
      for (const name of missing) carried.note(recipient, `no mailbox ${name}: in INBOX`)
      if (isRefused(done)) return notFiled(recipient, done, limits)
      return { recipient, status: 'delivered', reply: accept(250, '2.0.0', 'In the mailbox') }
    } finally {
      if (!isKept) await Promise.all([...staged.values()].map(({ one }) => one.discard()))
    }
  }

  async #addAll(
    change: Change,
    { carried, limits, recipient, tag, top: added, staged }: Adding,
    mailboxes: readonly FoundPlace[],
  ) {
    const { base, content, head } = carried
    const top = `Delivered-To: ${recipient.address.replaceAll(/[\r\n]/g, '')}\r\n${added}`
    const at = this.#parts.now()
    const versions = mailboxes.map((place) => {
      const own = place.content && staged.get(place.content)
      return own
        ? { ...place, own, email: emailId(ownBase(base, tag, own.place), tag), octets: own.one.content.size }
        : { ...place, own, email: emailId(base, tag), octets: content.size }
    })
    const total = versions.reduce((sum, { octets }) => sum + Buffer.byteLength(top) + octets, 0)
    if (neverFits(limits, total)) return TOO_BIG
    for (const { ref, flags, email, octets } of versions) {
      const entry = {
        email,
        thread: head.thread,
        flags,
        received: at,
        saved: at,
        size: Buffer.byteLength(top) + octets,
      }
      const added = await addEntries(change, ref, [entry], {
        limits,
        keywords: { most: this.#parts.maxKeywords, excess: 'leave out' },
      })
      if (isRefused(added)) return added
    }
    for (const [email, { own }] of new Map(versions.map((one) => [one.email, one])))
      this.#addEmail(change, { carried, email, top, own })
    return null
  }

  #addEmail(change: Change, { carried, email, top, own }: NewEmail): void {
    const { base, tag } = readEmailId(email)
    change.put(emailKey(base, tag), { top } satisfies EmailRecord)
    if (own) addContent(change, base, { content: own.one.content, digest: own.digest, from: own.one })
    else if (!carried.isKept)
      addContent(change, base, { content: carried.content, digest: carried.head.digest, from: carried.delivery })
    change.index(email)
  }

  async #outcomeFor(carried: Carried, recipient: Recipient): Promise<Outcome> {
    try {
      return await this.#deliverOne(carried, recipient)
    } catch (cause) {
      // An internal fault, which is temporary.
      this.#parts.log.error('not filed', { message: carried.delivery.message.id, cause })
      return { recipient, status: 'deferred', reply: defer(451, '4.3.0', 'The mailbox cannot be reached now').reply }
    }
  }
}

const markerOf = (base: string) => emailKey(base, UNDER_WAY)
