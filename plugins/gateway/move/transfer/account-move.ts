/**
 * Brings an account here as it is in its source: folders, messages, flags, dates, subscriptions.
 *
 * Invariants: the source decides until the account is switched, so each run ends with what the source has, and a second
 * run changes nothing; messages that did not come from the source are left alone; a killed run is continued; nothing is
 * removed unless a folder was listed to its end.
 */
import { createHash } from 'node:crypto'
import type { Store } from 'iems'
import type { Email, Entry, Mailbox, MailStoreApi, Uids } from '../../../mailbox/store/api.ts'
import { type Filed, isRefusedByStore, Ledger } from '../../filing/api.ts'
import type { SourceAccount, SourceFolder, SourceMessage } from '../sources/source.ts'
import { placeFolder } from './mailboxes.ts'
import { MoveCounts } from './report.ts'

export interface MoveDeps {
  readonly store: Store
  readonly mail: MailStoreApi
}

export interface MoveOptions {
  readonly account: string
  /** Clients keep their caches: UIDVALIDITY and UIDs are those of the source. */
  readonly keepsUids: boolean
  readonly isDry: boolean
  /** Only adds; for the last mail of a source after the switch. */
  readonly addsOnly?: boolean
  readonly signal: AbortSignal
}

/** Of one commit. */
const BATCH = { messages: 100, octets: 16 * 1024 * 1024 }
const ALL = [[1, 4_294_967_295]] as const

const digestOf = (content: Uint8Array) => createHash('sha256').update(content).digest('base64')

async function digestOfEmail(email: Email): Promise<string> {
  const hash = createHash('sha256')
  for await (const piece of email.open()) hash.update(piece)
  return hash.digest('base64')
}

/** Yields after each batch; returns the counts. */
export async function* moveAccount(
  { store, mail }: MoveDeps,
  source: SourceAccount,
  options: MoveOptions,
): AsyncGenerator<MoveCounts, MoveCounts> {
  const ledger = new Ledger({ store, mail, account: options.account, source: source.id }, digestOfEmail)
  const move = new AccountMove({ mail, source, ledger, options })
  if (!options.isDry) move.counts.recovered = await ledger.recover()
  const filed = await ledger.all()
  for (const folder of await source.folders()) {
    options.signal.throwIfAborted()
    yield* move.folder(folder, filed.get(folder.path) ?? new Map())
  }
  return move.counts
}

interface AccountMoveDeps {
  readonly mail: MailStoreApi
  readonly source: SourceAccount
  readonly ledger: Ledger
  readonly options: MoveOptions
}

class AccountMove {
  readonly counts = new MoveCounts()
  readonly #deps: AccountMoveDeps

  constructor(deps: AccountMoveDeps) {
    this.#deps = deps
  }

  async *folder(folder: SourceFolder, filed: ReadonlyMap<string, Filed>): AsyncGenerator<MoveCounts> {
    const { mail, source, options } = this.#deps
    this.counts.folders++
    if (options.addsOnly) return yield* this.#addNew(folder, filed)
    const { mailbox, problem } = await placeFolder(mail, options.account, folder, options.isDry)
    if (problem !== undefined) this.counts.problems.push(problem)
    if (!mailbox && !options.isDry) return
    if (mailbox) await this.#subscribe(mailbox, folder)
    if (mailbox) await this.#continueUids(mailbox, folder, 1)
    const here = mailbox ? await this.#entries(mailbox) : new Map<number, Entry>()
    const listed = new Set<string>()
    const missing: SourceMessage[] = []
    const flags = new Map<string, { readonly flags: readonly string[]; readonly uids: number[] }>()
    for await (const message of source.list(folder)) {
      this.counts.messages++
      listed.add(message.id)
      const known = filed.get(message.id)
      const entry = known?.mailbox === mailbox?.id && known ? here.get(known.uid) : undefined
      if (!entry) missing.push(message)
      else {
        this.counts.already++
        if (sameFlags(entry.flags, message.flags)) continue
        const key = [...message.flags].sort().join(' ')
        const alike = flags.get(key) ?? { flags: message.flags, uids: [] }
        alike.uids.push(entry.uid)
        flags.set(key, alike)
      }
    }
    yield this.counts
    for (const batch of batches(missing)) {
      options.signal.throwIfAborted()
      if (mailbox && !options.isDry) await this.#file(folder, mailbox, batch)
      else this.#count(batch)
      yield this.counts
    }
    if (mailbox) await this.#setFlags(mailbox, flags)
    await this.#remove(folder, { mailbox, filed, listed, here })
    if (mailbox && folder.uids) await this.#continueUids(mailbox, folder, folder.uids.uidNext)
  }

  /**
   * Files messages that no earlier run has filed, so that messages deleted, moved or renamed here since then stay so.
   */
  async *#addNew(folder: SourceFolder, filed: ReadonlyMap<string, Filed>): AsyncGenerator<MoveCounts> {
    const { mail, source, options } = this.#deps
    const missing: SourceMessage[] = []
    for await (const message of source.list(folder)) {
      this.counts.messages++
      if (filed.has(message.id)) this.counts.already++
      else missing.push(message)
    }
    if (missing.length === 0) return
    const { mailbox, problem } = await placeFolder(mail, options.account, folder, options.isDry)
    if (problem !== undefined) this.counts.problems.push(problem)
    for (const batch of mailbox && !options.isDry ? batches(missing) : []) {
      options.signal.throwIfAborted()
      await this.#file(folder, mailbox as Mailbox, batch)
      yield this.counts
    }
  }

  async #entries(mailbox: Mailbox): Promise<ReadonlyMap<number, Entry>> {
    const here = new Map<number, Entry>()
    for await (const entry of this.#deps.mail.entries(mailbox, ALL)) here.set(entry.uid, entry)
    return here
  }

  async #subscribe(mailbox: Mailbox, { subscribed }: SourceFolder): Promise<void> {
    const { mail, options } = this.#deps
    if (subscribed === undefined || mailbox.subscribed === subscribed) return
    this.counts.subscriptions++
    if (!options.isDry) await mail.subscribe(mailbox, subscribed)
  }

  async #continueUids(mailbox: Mailbox, { path, uids }: SourceFolder, uidNext: number): Promise<void> {
    const { mail, options } = this.#deps
    if (!options.keepsUids || options.isDry || !uids) return
    const done = await mail.continueUids(mailbox, { uidValidity: uids.uidValidity, uidNext })
    if (isRefusedByStore(done) && uidNext === 1) this.counts.otherFolders.push(path)
  }

  #count(batch: readonly SourceMessage[]): void {
    this.counts.filed += batch.length
    for (const { size } of batch) this.counts.octets += size
  }

  async #file(folder: SourceFolder, mailbox: Mailbox, batch: readonly SourceMessage[]): Promise<void> {
    const read: { message: SourceMessage; content: Uint8Array }[] = []
    for await (const one of this.#deps.source.read(folder, batch)) read.push(one)
    read.sort((a, b) => (a.message.uid ?? 0) - (b.message.uid ?? 0))
    const why = await this.#append(folder, mailbox, read)
    if (why === undefined) return
    // One of them may be what the store does not take.
    for (const one of read) {
      const refused = read.length === 1 ? why : await this.#append(folder, mailbox, [one])
      if (refused !== undefined) this.counts.refuse(folder.path, one.message.id, refused)
    }
  }

  /** Why the store refused; undefined when all are filed. */
  async #append(
    folder: SourceFolder,
    mailbox: Mailbox,
    read: readonly { readonly message: SourceMessage; readonly content: Uint8Array }[],
  ): Promise<string | undefined> {
    const { mail, ledger, options } = this.#deps
    if (read.length === 0) return undefined
    const messages = read.map(({ message: { flags, received, uid }, content }) => ({
      content: once(content),
      flags,
      ...(received === undefined ? {} : { received }),
      ...(options.keepsUids && uid !== undefined ? { uid } : {}),
    }))
    const batch = {
      place: folder.path,
      ids: read.map(({ message }) => message.id),
      marks: read.map(({ content }) => digestOf(content)),
    }
    const done = await ledger.run(mailbox, batch, () => mail.append(mailbox, messages))
    if (isRefusedByStore(done)) return done.why
    this.#count(read.map(({ message, content }) => ({ ...message, size: content.byteLength })))
    if (options.keepsUids) this.counts.otherUids += read.filter(({ message }, n) => message.uid !== done.uids[n]).length
    return undefined
  }

  async #setFlags(
    mailbox: Mailbox,
    changes: ReadonlyMap<string, { readonly flags: readonly string[]; readonly uids: readonly number[] }>,
  ): Promise<void> {
    const { mail, options } = this.#deps
    for (const { flags, uids } of changes.values()) {
      this.counts.flagged += uids.length
      if (options.isDry) continue
      for (const some of rangesOf(uids)) {
        const done = await mail.setFlags(mailbox, some, { how: 'set', flags })
        if (isRefusedByStore(done)) this.counts.problems.push(`${mailbox.name}: flags: ${done.why}`)
      }
    }
  }

  /** Messages that have gone from the source. */
  async #remove(
    folder: SourceFolder,
    {
      mailbox,
      filed,
      listed,
      here,
    }: {
      readonly mailbox: Mailbox | undefined
      readonly filed: ReadonlyMap<string, Filed>
      readonly listed: ReadonlySet<string>
      readonly here: ReadonlyMap<number, Entry>
    },
  ): Promise<void> {
    const { mail, ledger, options } = this.#deps
    const gone = [...filed].filter(([id]) => !listed.has(id))
    const uids = gone.flatMap(([, { mailbox: id, uid }]) => (id === mailbox?.id && here.has(uid) ? [uid] : []))
    this.counts.removed += uids.length
    if (options.isDry) return
    for (const some of mailbox ? rangesOf(uids) : []) {
      const done = await mail.expunge(mailbox as Mailbox, some)
      if (isRefusedByStore(done)) return void this.counts.problems.push(`${folder.path}: ${done.why}`)
    }
    await ledger.forget(gone.map(([id]) => ({ id, place: folder.path })))
  }
}

function* batches(messages: readonly SourceMessage[]): Generator<readonly SourceMessage[]> {
  let batch: SourceMessage[] = []
  let octets = 0
  for (const message of messages) {
    if (batch.length >= BATCH.messages || (batch.length > 0 && octets + message.size > BATCH.octets)) {
      yield batch
      batch = []
      octets = 0
    }
    batch.push(message)
    octets += message.size
  }
  if (batch.length > 0) yield batch
}

/** UIDs as ordered ranges, in groups that each make one commit. */
function* rangesOf(uids: readonly number[]): Generator<Uids> {
  const sorted = uids.toSorted((a, b) => a - b)
  for (let at = 0; at < sorted.length; at += BATCH.messages)
    yield sorted.slice(at, at + BATCH.messages).map((uid) => [uid, uid] as const)
}

async function* once(content: Uint8Array): AsyncGenerator<Uint8Array> {
  yield content
}

/** Keywords are case-insensitive (RFC 9051 section 2.3.2). */
function sameFlags(a: readonly string[], b: readonly string[]): boolean {
  const [one, other] = [a, b].map((flags) => new Set(flags.map((flag) => flag.toLowerCase())))
  return one?.size === other?.size && [...(one ?? [])].every((flag) => other?.has(flag))
}
