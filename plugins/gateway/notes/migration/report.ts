/**
 * The report of an import: counts on both sides, and all content that could not be converted.
 */

import type { Place } from '../../filing/api.ts'
import { first, type NotesArchive, type NotesDocument, type NotesFolder } from '../archive/model.ts'
import type { ConvertedMessage } from '../message/convert.ts'

/** Documents whose losses are listed one by one. */
const MAX_LISTED = 10_000

export interface MigrationReport {
  readonly title: string
  readonly replicaId: string
  readonly owner: string | undefined
  /** Documents in the database, then counts by result. */
  readonly documents: number
  readonly mail: number
  readonly calendar: number
  readonly contacts: number
  readonly filed: number
  readonly already: number
  readonly recovered: number
  readonly copies: number
  /** By form: documents that are no message. */
  readonly passedOver: Readonly<Record<string, number>>
  readonly folders: number
  readonly emptyFolders: number
  /** Folders of the template, which hold nothing. */
  readonly designFolders: number
  readonly deletionStubs: number
  readonly mailboxes: readonly { readonly name: string; readonly inNotes: number; readonly here: number }[]
  readonly lost: readonly { readonly document: string; readonly subject: string; readonly what: readonly string[] }[]
  readonly lostCount: number
  readonly unknownNames: readonly string[]
  readonly problems: readonly string[]
  readonly problemCount: number
}

export class ReportWriter {
  recovered = 0
  already = 0
  copies = 0
  owner: string | undefined
  private documents = 0
  private readonly kinds = { mail: 0, calendar: 0, contact: 0 }
  private filedCount = 0
  private readonly forms = new Map<string, number>()
  private folderCounts = { all: 0, empty: 0, design: 0 }
  private readonly wantedCounts = new Map<string, number>()
  private readonly lost: { document: string; subject: string; what: readonly string[] }[] = []
  private lostCount = 0
  private readonly unknown = new Set<string>()
  private readonly archive: NotesArchive

  constructor(archive: NotesArchive) {
    this.archive = archive
  }

  folder({ count }: NotesFolder, place: Place | undefined): void {
    this.folderCounts.all++
    if (count === 0) this.folderCounts.empty++
    if (!place) this.folderCounts.design++
  }

  passedOver(document: NotesDocument): void {
    this.documents++
    const form = first(document, 'Form') || '(no form)'
    this.forms.set(form, (this.forms.get(form) ?? 0) + 1)
  }

  counted(_document: NotesDocument, { kind, header }: ConvertedMessage): void {
    this.documents++
    this.kinds[kind]++
    for (const name of header.unknown) if (this.unknown.size < MAX_LISTED) this.unknown.add(name)
  }

  wanted(mailbox: string): void {
    this.wantedCounts.set(mailbox, (this.wantedCounts.get(mailbox) ?? 0) + 1)
  }

  filed(document: NotesDocument, { lost }: ConvertedMessage): void {
    this.filedCount++
    if (lost.length > 0) this.lose(document, lost)
  }

  /** A person or group in the address book. */
  card(document: NotesDocument, converted: ConvertedMessage, isNew: boolean): void {
    if (isNew) this.filed(document, converted)
    else this.already++
  }

  refused(document: NotesDocument, why: string): void {
    this.lose(document, [`the message: ${why}`])
  }

  private lose(document: NotesDocument, what: readonly string[]): void {
    this.lostCount++
    if (this.lost.length < MAX_LISTED)
      this.lost.push({ document: document.unid, subject: first(document, 'Subject'), what })
  }

  finish(here: ReadonlyMap<string, number>, archive: NotesArchive): MigrationReport {
    const names = [...new Set([...this.wantedCounts.keys(), ...here.keys()])].sort()
    const { problems } = this.archive
    return {
      title: archive.title,
      replicaId: archive.replicaId,
      owner: this.owner,
      documents: this.documents,
      mail: this.kinds.mail,
      calendar: this.kinds.calendar,
      contacts: this.kinds.contact,
      filed: this.filedCount,
      already: this.already,
      recovered: this.recovered,
      copies: this.copies,
      passedOver: Object.fromEntries(this.forms),
      folders: this.folderCounts.all,
      emptyFolders: this.folderCounts.empty,
      designFolders: this.folderCounts.design,
      deletionStubs: archive.stubs(),
      mailboxes: names.map((name) => ({
        name,
        inNotes: this.wantedCounts.get(name) ?? 0,
        here: here.get(name) ?? 0,
      })),
      lost: this.lost,
      lostCount: this.lostCount,
      unknownNames: [...this.unknown],
      problems: problems.list,
      problemCount: problems.count,
    }
  }
}
