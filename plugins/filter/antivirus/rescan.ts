/**
 * Rescans accepted mail: waiting and held messages in the queue, and messages in mailboxes.
 *
 * Invariants: only a virus is held or quarantined; unreadable messages are counted and skipped; when no clamd answers,
 * the run ends with an error.
 */
import { AllBackendsDown, type ByteRange, Cache, type CommandOutput, type Log, type Queue, type QueueEntry } from 'iems'
import type { AccountsApi } from '../../directory/static/api.ts'
import type { MailStoreApi } from '../../mailbox/store/api.ts'
import { HELD, reasonFor } from './check.ts'
import type { Answer } from './clamd.ts'
import { digestOf, withoutTrace } from './content.ts'
import type { Copy, MailboxQuarantine } from './mailbox-quarantine.ts'
import type { Readable, Scan } from './scan.ts'

/** The message store, if there is one. */
export interface Stored {
  readonly mail: MailStoreApi
  readonly accounts: AccountsApi
  readonly taken: MailboxQuarantine
}

export interface RescanDeps {
  readonly scan: Scan
  readonly queue: Queue
  readonly log: Log
  readonly stored: Stored | undefined
  /** Messages scanned concurrently. */
  readonly concurrency: number
}

export interface Wanted {
  /** Accepted since, ms since 1970. */
  readonly since: number
  /** Account id: only its mailboxes. */
  readonly account?: string
  /** Reports without changing anything. */
  readonly isDry: boolean
  /** Releases messages held by this plugin that are now clean. */
  readonly releases: boolean
  readonly signal: AbortSignal
}

/** Messages between two progress reports. */
const TOLD = 50
/** Cached results of a run, so that copies of a message are scanned once. */
const REMEMBERED = 10_000

class RescanRun {
  readonly #wanted: Wanted
  readonly #parts: RescanDeps
  readonly #counts = { scanned: 0, viruses: 0, unread: 0 }
  readonly #results = new Cache<Promise<Answer>>({ max: REMEMBERED })

  constructor(parts: RescanDeps, wanted: Wanted) {
    this.#wanted = wanted
    this.#parts = parts
  }

  /** Undefined when it could not be read, or was restored by an administrator. */
  async #judge(content: Readable): Promise<Answer | undefined> {
    const digest = await digestOf(withoutTrace(content.open()))
    if (await this.#parts.stored?.taken.wasGivenBack(digest)) return undefined
    const known = this.#results.getOrMake(digest, () => this.#parts.scan.message(content, { afresh: true }))
    // A failed scan is not cached.
    known.catch(() => this.#results.delete(digest))
    const answer = await known
    this.#counts.scanned++
    if (answer.kind === 'virus') this.#counts.viruses++
    return answer
  }

  async #read<T>(about: object, work: () => Promise<T | undefined>): Promise<T | undefined> {
    try {
      return await work()
    } catch (cause) {
      if (cause instanceof AllBackendsDown) throw cause
      this.#counts.unread++
      this.#parts.log.warn('not scanned again', { ...about, cause })
      return undefined
    }
  }

  async #inQueue(first: QueueEntry): Promise<CommandOutput | undefined> {
    const { message, size, held } = first
    const content = await this.#parts.queue.open(message)
    if (!content) return undefined
    // Opened again each time; if it disappears meanwhile there is nothing to do.
    const open = (range?: ByteRange) => opened(this.#parts.queue, message, range)
    const answer = await this.#judge({ size, open })
    if (answer?.kind === 'virus') {
      const isHeld = this.#wanted.isDry || held !== undefined
      const count = isHeld ? 0 : await this.#parts.queue.hold({ message }, reasonFor(answer))
      const where = held === undefined ? (count > 0 ? 'held now' : 'waits') : `held (${held})`
      return { text: `${message}  ${answer.name}  ${where}`, value: { message, virus: answer.name, held, count } }
    }
    if (answer?.kind !== 'clean' || !held?.startsWith(HELD)) return undefined
    const releases = this.#wanted.releases && !this.#wanted.isDry
    if (releases) await this.#parts.queue.release({ message, held: true })
    const what = releases ? 'released' : 'still held'
    return {
      text: `${message}  clean now  ${what} (${held})`,
      value: { message, virus: null, held, released: releases },
    }
  }

  async #inMailbox(copy: Copy, { taken }: Stored): Promise<CommandOutput | undefined> {
    const { mailbox, email } = copy
    const answer = await this.#judge(email)
    if (answer?.kind !== 'virus') return undefined
    const isTaken = !this.#wanted.isDry && (await taken.take(copy, reasonFor(answer)))
    const what = isTaken ? 'taken back' : this.#wanted.isDry ? 'left there' : 'gone meanwhile, scan again'
    const value = {
      account: mailbox.account,
      mailbox: mailbox.name,
      uid: copy.entry.uid,
      virus: answer.name,
      taken: isTaken,
    }
    if (isTaken) this.#parts.log.warn('a delivered copy was taken back', value)
    return { text: `${mailbox.account}  ${mailbox.name}  ${copy.entry.uid}  ${answer.name}  ${what}`, value }
  }

  async *#work(): AsyncGenerator<() => Promise<CommandOutput | undefined>> {
    if (this.#wanted.account === undefined) {
      const seen = new Set<string>()
      for await (const entry of this.#parts.queue.list()) {
        if (entry.since < this.#wanted.since || seen.has(entry.message)) continue
        seen.add(entry.message)
        yield () => this.#read({ message: entry.message }, () => this.#inQueue(entry))
      }
    }
    const { stored } = this.#parts
    if (stored)
      for await (const copy of copiesIn(stored, this.#wanted))
        yield () =>
          this.#read({ mailbox: copy.mailbox.name }, async () => {
            const email = await stored.mail.email(copy.entry.email)
            return email && this.#inMailbox({ ...copy, email }, stored)
          })
  }

  async *run(): AsyncGenerator<CommandOutput> {
    try {
      yield { progress: `with ${await this.#parts.scan.version({ afresh: true })}` }
      let done = 0
      for await (const output of atOnce(this.#work(), this.#parts.concurrency)) {
        this.#wanted.signal.throwIfAborted()
        if (output) yield output
        if (++done % TOLD === 0)
          yield { progress: `${this.#counts.scanned} scanned, ${this.#counts.viruses} with a virus` }
      }
    } catch (cause) {
      if (!(cause instanceof AllBackendsDown)) throw cause
      throw new Error(`${cause.message}; ${this.#counts.scanned} messages were scanned, start again when it does`, {
        cause,
      })
    }
    const unread = this.#counts.unread > 0 ? `, ${this.#counts.unread} could not be read (see the log)` : ''
    yield {
      text: `${this.#counts.scanned} scanned, ${this.#counts.viruses} with a virus${unread}`,
      value: { ...this.#counts },
    }
  }
}

/** One run of `rescan`. */
export type Rescan = (wanted: Wanted) => AsyncGenerator<CommandOutput>

export function createRescan(parts: RescanDeps): Rescan {
  return (wanted) => new RescanRun(parts, wanted).run()
}

async function* opened(queue: Queue, message: string, range?: ByteRange): AsyncGenerator<Uint8Array> {
  const content = await queue.open(message, range)
  if (!content) throw new Error('it no longer waits')
  yield* content
}

const ALL = [[1, 4_294_967_295]] as const

async function* copiesIn({ mail, accounts }: Stored, { since, account }: Wanted): AsyncGenerator<Omit<Copy, 'email'>> {
  for await (const { id } of accounts.list()) {
    if (account !== undefined && account !== id) continue
    for (const mailbox of await mail.mailboxes(id)) {
      if (mailbox.messages === 0) continue
      for await (const entry of mail.entries(mailbox, ALL)) if (entry.saved >= since) yield { mailbox, entry }
    }
  }
}

/** Runs a limited number concurrently, yielding results in order. */
async function* atOnce<T>(work: AsyncIterable<() => Promise<T>>, most: number): AsyncGenerator<T> {
  const running: Promise<T>[] = []
  for await (const one of work) {
    const promise = one()
    // Awaited when its turn comes.
    promise.catch(() => undefined)
    running.push(promise)
    if (running.length >= most) yield await (running.shift() as Promise<T>)
  }
  for (const one of running) yield await one
}
