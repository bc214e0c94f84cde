/**
 * One database into one account: folders (empty ones too), then documents in batches.
 *
 * Invariants: a document is filed once, no matter when an import ends; the report names each document that cannot be
 * converted; mailboxes are never emptied or changed otherwise.
 */
import type { Store } from 'iems'
import type { Email, MailboxRef, MailStoreApi } from '../../../mailbox/store/api.ts'
import type { ContactsApi } from '../../../web/jmap/api.ts'
import { isRefusedByStore, Ledger, mailboxFor, type Place } from '../../filing/api.ts'
import type { NotesArchive, NotesDocument } from '../archive/model.ts'
import { cardId, cardOf } from '../message/card.ts'
import { type ConvertedMessage, type ConvertOptions, convert } from '../message/convert.ts'
import type { AddressBook } from '../names.ts'
import { Unreadable } from '../nsf/source.ts'
import { ownerOf } from './owner.ts'
import { type PlacedFolder, placeKey, placeOfFolder, placesOf } from './places.ts'
import { type MigrationReport, ReportWriter } from './report.ts'

export interface ImportDeps {
  readonly store: Store
  readonly mail: MailStoreApi
  /** Address books of web mail; without them contacts are messages. */
  readonly contacts?: ContactsApi | undefined
}

export interface ImportOptions {
  readonly account: { readonly id: string; readonly name: string; readonly displayName?: string }
  readonly book: AddressBook
  readonly domain: string
  /** Notes name of the user whose unread marks are imported. Default: the name that matches the account. */
  readonly owner?: string
  readonly signal: AbortSignal
}

/** Documents between two reports of progress. */
const TOLD = 100
/** Messages of one commit, and octets of their files. */
const BATCH = { messages: 25, octets: 8 * 1024 * 1024 }

/** Yields how many documents have been looked at; returns the report. */
export async function* importArchive(
  { store, mail, contacts }: ImportDeps,
  archive: NotesArchive,
  options: ImportOptions,
): AsyncGenerator<number, MigrationReport> {
  const { account, book, domain, signal } = options
  const idOf = async (email: Email) =>
    (await email.field('x-notes-database'))?.trim() === archive.replicaId
      ? (await email.field('x-notes-unid'))?.trim()
      : undefined
  const ledger = new Ledger({ store, mail, account: account.id, source: archive.replicaId }, idOf)
  const report = new ReportWriter(archive)
  report.recovered = await ledger.recover()
  const run = new ImportRun({ mail, ledger, report, account: account.id })
  const folders = await run.folders(archive)
  const unread = await archive.unread()
  const owner = options.owner ?? ownerOf([...unread.keys()], account)
  report.owner = owner
  const isUnread = (owner === undefined ? undefined : unread.get(owner)) ?? (() => false)
  let count = 0
  for await (const document of archive.documents()) {
    signal.throwIfAborted()
    if (++count % TOLD === 0) yield count
    const convertOptions: ConvertOptions = { book, domain, replicaId: archive.replicaId }
    const converted = await convert(document, convertOptions)
    if (!converted) {
      report.passedOver(document)
      continue
    }
    report.counted(document, converted)
    if (contacts && converted.kind === 'contact' && !folders.some(({ folder }) => folder.has(document))) {
      const isNew = await contacts.add(account.id, cardId(document), await cardOf(document, convertOptions))
      report.card(document, converted, isNew)
      continue
    }
    await run.place(document, converted, { places: placesOf(document, converted, folders), isUnread })
  }
  await run.finish()
  return report.finish(await run.countsOf(await ledger.counts()), archive)
}

interface Waiting {
  readonly document: NotesDocument
  readonly converted: ConvertedMessage
  readonly isUnread: boolean
}

interface RunDeps {
  readonly mail: MailStoreApi
  readonly ledger: Ledger
  readonly report: ReportWriter
  readonly account: string
}

function reasonOf(error: unknown): string {
  if (error instanceof Unreadable) return error.message
  throw error
}

class ImportRun {
  private readonly mailboxes = new Map<string, MailboxRef & { readonly name: string }>()
  private readonly batches = new Map<string, { readonly place: Place; waiting: Waiting[]; octets: number }>()
  private readonly deps: RunDeps

  constructor(deps: RunDeps) {
    this.deps = deps
  }

  /** Makes a mailbox for each folder, and answers which is which. */
  async folders(archive: NotesArchive): Promise<readonly PlacedFolder[]> {
    const placed: PlacedFolder[] = []
    for (const folder of await archive.folders()) {
      const place = placeOfFolder(folder)
      this.deps.report.folder(folder, place)
      if (!place) continue
      placed.push({ place, folder })
      await this.mailbox(place)
    }
    return placed
  }

  private async mailbox(place: Place) {
    const known = this.mailboxes.get(placeKey(place))
    if (known) return known
    const made = await mailboxFor(this.deps.mail, this.deps.account, place)
    this.mailboxes.set(placeKey(place), made)
    return made
  }

  async place(
    document: NotesDocument,
    converted: ConvertedMessage,
    {
      places,
      isUnread,
    }: { readonly places: readonly Place[]; readonly isUnread: (document: NotesDocument) => boolean },
  ): Promise<void> {
    const [first, ...more] = places
    if (!first) return
    const { report, ledger } = this.deps
    for (const place of places) report.wanted((await this.mailbox(place)).name)
    if (await ledger.filed({ id: document.unid, place: placeKey(first) })) report.already++
    else await this.add(first, { document, converted, isUnread: isUnread(document) })
    for (const place of more) {
      if (await ledger.filed({ id: document.unid, place: placeKey(place) })) continue
      // The copy needs the first one in its mailbox.
      await this.flush(placeKey(first))
      await this.copy(document, first, place)
    }
  }

  private async add(place: Place, waiting: Waiting): Promise<void> {
    const batch = this.batches.get(placeKey(place)) ?? { place, waiting: [], octets: 0 }
    this.batches.set(placeKey(place), batch)
    batch.waiting.push(waiting)
    batch.octets += waiting.document.files.reduce((sum, { size }) => sum + size, 0)
    if (batch.waiting.length >= BATCH.messages || batch.octets >= BATCH.octets) await this.flush(placeKey(place))
  }

  async finish(): Promise<void> {
    for (const name of this.batches.keys()) await this.flush(name)
  }

  private async flush(name: string): Promise<void> {
    const batch = this.batches.get(name)
    if (!batch || batch.waiting.length === 0) return
    const { place, waiting } = batch
    batch.waiting = []
    batch.octets = 0
    const why = await this.file(place, waiting).catch(reasonOf)
    if (why === undefined) return
    // One of them may be what the store does not take, or what the server does not give any more.
    for (const one of waiting) {
      const refused = waiting.length === 1 ? why : await this.file(place, [one]).catch(reasonOf)
      if (refused !== undefined) this.deps.report.refused(one.document, refused)
    }
  }

  /** Why the store refused; undefined when all are filed. */
  private async file(place: Place, waiting: readonly Waiting[]): Promise<string | undefined> {
    const { mail, ledger, report } = this.deps
    const ref = await this.mailbox(place)
    const ids = waiting.map(({ document }) => document.unid)
    const messages = waiting.map(({ converted, isUnread }) => ({
      content: converted.open(),
      flags: isUnread && !converted.header.isDraft ? converted.flags : ['\\Seen', ...converted.flags],
      received: converted.header.received,
    }))
    const done = await ledger.run(ref, { place: placeKey(place), ids }, () => mail.append(ref, messages))
    if (isRefusedByStore(done)) return done.why
    for (const { document, converted } of waiting) report.filed(document, converted)
    return undefined
  }

  private async copy(document: NotesDocument, from: Place, to: Place): Promise<void> {
    const { mail, ledger, report } = this.deps
    const filed = await ledger.filed({ id: document.unid, place: placeKey(from) })
    if (!filed) return
    const [source, target] = [await this.mailbox(from), await this.mailbox(to)]
    const done = await ledger.run(target, { place: placeKey(to), ids: [document.unid] }, async () => {
      const copied = await mail.copy(source, [[filed.uid, filed.uid]], target)
      return isRefusedByStore(copied) ? copied : { uids: copied.copied.map((one) => one.to) }
    })
    if (isRefusedByStore(done)) report.refused(document, done.why)
    else report.copies++
  }

  /** Counts of the ledger, by the present names of mailboxes. */
  async countsOf(counts: ReadonlyMap<string, number>): Promise<ReadonlyMap<string, number>> {
    const named = new Map<string, number>()
    for (const [id, count] of counts) {
      const mailbox = await this.deps.mail.mailbox({ account: this.deps.account, id })
      named.set(mailbox?.name ?? '(removed)', (named.get(mailbox?.name ?? '(removed)') ?? 0) + count)
    }
    return named
  }
}
