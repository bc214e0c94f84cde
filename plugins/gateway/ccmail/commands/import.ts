/**
 * `iems ccmail import`: messages of an export file into the mailboxes of an account, with folders that no export names.
 */
import { createReadStream } from 'node:fs'
import { isAbsolute } from 'node:path'
import { createInterface } from 'node:readline'
import { type Command, type CommandOutput, counted, escapeLine, type Store } from 'iems'
import type { AccountsApi } from '../../../directory/static/api.ts'
import type { MailStoreApi } from '../../../mailbox/store/api.ts'
import { isRefusedByStore, Ledger, mailboxFor, type Place } from '../../filing/api.ts'
import { openFile } from '../format/file.ts'
import type { CcMessage } from '../format/model.ts'
import { readMessages } from '../format/reader.ts'
import { withFilesBeside } from '../message/beside.ts'
import { type MailFromCc, toMail } from '../message/to-mail.ts'
import type { Translator } from '../translator.ts'

export interface ImportDeps {
  readonly store: Store
  readonly mail: MailStoreApi
  readonly accounts: AccountsApi
  readonly translator: Translator
}

const BATCH = 25
const TOLD = 100
const MAX_FOLDERS = 100_000
const MAX_LISTED = 1000

const SYSTEM: Readonly<Record<string, Place>> = {
  inbox: { name: 'INBOX' },
  drafts: { name: 'Drafts', specialUse: '\\Drafts' },
  sent: { name: 'Sent', specialUse: '\\Sent' },
  'message log': { name: 'Sent', specialUse: '\\Sent' },
  trash: { name: 'Trash', specialUse: '\\Trash' },
}

/** A folder's mailbox; undefined for the hidden Clipboard. */
export function placeOf(folder: string, separator: string): Place | undefined {
  const name = folder.trim()
  if (/^clipboard$/i.test(name)) return undefined
  const system = SYSTEM[name.toLowerCase()]
  if (system) return system
  const levels = (separator === '' ? [name] : name.split(separator))
    .map((level) => level.trim().replaceAll('/', '-'))
    .filter((level) => level !== '')
  return levels.length === 0 ? { name: 'INBOX' } : { name: levels.join('/') }
}

export function createImport(deps: ImportDeps): Command {
  return {
    summary: 'import messages that cc:Mail exported into mailboxes; may be run again',
    arguments: ['<file>', '<account>'],
    options: {
      '--folder <name>': 'folder of messages that name none; default: INBOX',
      '--folders <file>': 'names of folders, one a line, which are made even if they are empty',
      '--separator <character>': 'what divides the levels of a folder name; default: \\',
      '--files <folder>': 'where files are that items name by a path, as in import files of Postie',
      '--unread': 'messages are unread; default: read, because an export does not say',
      '--shared <mailbox>': 'a bulletin board: into this mailbox, which everybody may read',
    },
    async *run({ arguments: [path = '', name = ''], options, signal }) {
      if (!isAbsolute(path)) throw new Error(`${path}: give an absolute path, of the machine that the server runs on`)
      const account = await deps.accounts.byLogin(name)
      if (!account) throw new Error(`there is no account ${name}`)
      const text = (option: string) => (typeof options[option] === 'string' ? options[option] : undefined)
      yield* new ImportRun(deps, account.id, {
        path,
        signal,
        folder: text('folder') ?? '',
        folders: text('folders'),
        files: text('files'),
        separator: text('separator') ?? '\\',
        isUnread: options.unread === true,
        shared: text('shared'),
      }).run()
    },
  }
}

interface RunOptions {
  readonly path: string
  readonly signal: AbortSignal
  readonly folder: string
  readonly folders: string | undefined
  readonly files: string | undefined
  readonly separator: string
  readonly isUnread: boolean
  readonly shared: string | undefined
}

interface Waiting {
  readonly id: string
  readonly mail: MailFromCc
}

class ImportRun {
  private readonly counts = { read: 0, filed: 0, already: 0, damaged: 0, folders: 0 }
  private readonly lost: string[] = []
  private readonly batches = new Map<string, { readonly place: Place; waiting: Waiting[] }>()
  private readonly seen = new Map<string, number>()
  private readonly deps: ImportDeps
  private readonly account: string
  private readonly options: RunOptions
  private readonly ledger: Ledger

  constructor(deps: ImportDeps, account: string, options: RunOptions) {
    this.deps = deps
    this.account = account
    this.options = options
    const { store, mail } = deps
    this.ledger = new Ledger({ store, mail, account, source: 'ccmail' }, async (email) =>
      (await email.field('message-id'))?.trim(),
    )
  }

  async *run(): AsyncGenerator<CommandOutput> {
    const { path, signal } = this.options
    await this.ledger.recover()
    await this.makeFolders()
    const file = await openFile(path)
    try {
      for await (const read of readMessages(file, this.deps.translator)) {
        signal.throwIfAborted()
        if (++this.counts.read % TOLD === 0) yield { progress: `${this.counts.read} messages` }
        for (const finding of read.findings) this.lose(`at ${read.start}: ${finding}`)
        if (read.damage !== undefined) {
          this.counts.damaged++
          this.lose(`the message at ${read.start} cannot be read: ${read.damage}`)
        } else
          await this.add(
            await withFilesBeside(read.message, this.options.files, (name) =>
              this.lose(`at ${read.start}: the file ${name} is not in the export: --files names its folder`),
            ),
          )
      }
      for (const name of this.batches.keys()) await this.flush(name)
    } finally {
      await file.close()
    }
    await this.share()
    for (const why of this.lost) yield { text: `! ${escapeLine(why)}`, value: { finding: why } }
    const { counts } = this
    yield {
      text: `${counted(counts.filed, 'message')} filed, ${counts.already} were there, ${counts.damaged} cannot be read; ${counts.folders} folders made or found`,
      value: counts,
    }
  }

  private lose(why: string): void {
    if (this.lost.length < MAX_LISTED) this.lost.push(why)
  }

  private async makeFolders(): Promise<void> {
    const { folders, separator } = this.options
    if (folders === undefined) return
    for await (const line of createInterface({ input: createReadStream(folders, 'utf8') })) {
      const place = line.trim() === '' ? undefined : placeOf(line, separator)
      if (!place) continue
      if (++this.counts.folders > MAX_FOLDERS) throw new Error(`${folders} has more than ${MAX_FOLDERS} folders`)
      await mailboxFor(this.deps.mail, this.account, place)
    }
  }

  private async add(message: CcMessage): Promise<void> {
    const { shared, folder, separator } = this.options
    const place = shared === undefined ? placeOf(message.folder ?? folder, separator) : { name: shared }
    if (!place) return
    const mail = await toMail(message, {
      translator: this.deps.translator,
      keepsBcc: /^(?:sent|message log)$/i.test(message.folder ?? folder),
    })
    // Two equal messages of one folder are two messages.
    const same = `${place.name}\0${mail.id}`
    const count = this.seen.get(same) ?? 0
    this.seen.set(same, count + 1)
    const id = count === 0 ? mail.id : `${mail.id}-${count}`
    if (await this.ledger.filed({ id, place: place.name })) {
      this.counts.already++
      return
    }
    const batch = this.batches.get(place.name) ?? { place, waiting: [] }
    this.batches.set(place.name, batch)
    batch.waiting.push({ id, mail })
    if (batch.waiting.length >= BATCH) await this.flush(place.name)
  }

  private async flush(name: string): Promise<void> {
    const batch = this.batches.get(name)
    if (!batch || batch.waiting.length === 0) return
    const { place, waiting } = batch
    batch.waiting = []
    const ref = await mailboxFor(this.deps.mail, this.account, place)
    const flags = this.options.isUnread ? [] : ['\\Seen']
    const messages = waiting.map(({ mail }) => ({
      content: mail.open(),
      flags,
      ...(mail.date === undefined ? {} : { received: mail.date }),
    }))
    const ids = waiting.map(({ id }) => id)
    const done = await this.ledger.run(ref, { place: place.name, ids }, () => this.deps.mail.append(ref, messages))
    if (isRefusedByStore(done)) this.lose(`${waiting.length} messages of ${place.name}: ${done.why}`)
    else this.counts.filed += waiting.length
    for (const { mail } of waiting) for (const finding of mail.findings) this.lose(finding)
  }

  /** Every user may read a bulletin board. */
  private async share(): Promise<void> {
    const { shared } = this.options
    if (shared === undefined) return
    const ref = await mailboxFor(this.deps.mail, this.account, { name: shared })
    const done = await this.deps.mail.setAcl(ref, { ...ref.acl, anyone: 'lrs' })
    if (isRefusedByStore(done)) throw new Error(done.why)
  }
}
