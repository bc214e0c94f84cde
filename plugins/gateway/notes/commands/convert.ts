/**
 * `iems notes convert`: the messages of a file as .eml files in a ZIP, as an mbox, or as a Maildir in a tar.
 */
import { type Command, counted, escapeLine } from 'iems'
import {
  FORMATS,
  type Format,
  type TransferredMessage,
  toMaildir,
  toMbox,
  toZip,
} from '../../../mailbox/store/transfer/api.ts'
import type { NotesArchive, NotesDocument } from '../archive/model.ts'
import { type OpenOptions, openArchive } from '../archive/open.ts'
import { type ConvertedMessage, convert } from '../message/convert.ts'
import { ownerOf } from '../migration/owner.ts'
import { type PlacedFolder, placeOfFolder, placesOf } from '../migration/places.ts'
import type { AddressBook } from '../names.ts'
import { filesAt, OPEN_OPTIONS, openOptions } from './files.ts'

/** Messages between two words about how far it is. */
const TOLD = 100
const MAX_LISTED = 1000

export function createConvert(deps: { readonly domain: string; readonly book: AddressBook }): Command {
  return {
    summary: 'convert the messages of a Notes database or DXL file to .eml files, an mbox or a Maildir',
    arguments: ['<path>'],
    options: {
      '--format <format>': `${FORMATS.join(', ')} (a tar); default: zip, of .eml files`,
      '--owner <name>': 'whose unread marks count; default: the only user that has any',
      ...OPEN_OPTIONS,
    },
    writes: true,
    async *run({ arguments: [path = ''], options, signal }) {
      const wanted = typeof options.format === 'string' ? options.format : 'zip'
      const format = FORMATS.find((known) => known === wanted)
      if (!format) throw new Error(`--format ${wanted}: it must be one of ${FORMATS.join(', ')}`)
      const text = (name: string) => (typeof options[name] === 'string' ? { [name]: options[name] } : {})
      const conversion = new Conversion({ ...deps, signal, open: openOptions(options), ...text('owner') })
      let told = 0
      for await (const bytes of WRITERS[format](conversion.messages(await filesAt(path)))) {
        yield { bytes }
        if (conversion.count < told + TOLD) continue
        told = conversion.count
        yield { progress: `${told} messages` }
      }
      for (const why of conversion.lost.slice(0, MAX_LISTED)) yield { text: escapeLine(why), value: { lost: why } }
      const { count, folders, lost } = conversion
      yield {
        text: `${counted(count, 'message')}, ${counted(lost.length, 'loss')}`,
        value: { messages: count, folders, losses: lost.length },
      }
    },
  }
}

const WRITERS: Readonly<Record<Format, (messages: AsyncIterable<TransferredMessage>) => AsyncIterable<Uint8Array>>> = {
  zip: toZip,
  mbox: toMbox,
  maildir: toMaildir,
}

interface Deps {
  readonly domain: string
  readonly book: AddressBook
  readonly signal: AbortSignal
  readonly owner?: string
  readonly open: OpenOptions
}

class Conversion {
  count = 0
  readonly lost: string[] = []
  readonly folders: string[] = []
  private readonly deps: Deps
  constructor(deps: Deps) {
    this.deps = deps
  }

  async *messages(files: readonly string[]): AsyncGenerator<TransferredMessage> {
    for (const file of files) {
      const archive = await openArchive(file, this.deps.open)
      try {
        yield* this.messagesOf(archive, files.length > 1 ? `${archive.title || file}/` : '')
      } finally {
        await archive.close()
      }
    }
  }

  private async *messagesOf(archive: NotesArchive, above: string): AsyncGenerator<TransferredMessage> {
    const { book, domain, signal, owner } = this.deps
    const folders: PlacedFolder[] = []
    for (const folder of await archive.folders()) {
      const place = placeOfFolder(folder)
      if (place) folders.push({ place, folder })
      if (place) this.folders.push(place.name)
    }
    const unread = await archive.unread()
    const isUnread = unread.get(owner ?? ownerOf([...unread.keys()], { name: '' }) ?? '') ?? (() => false)
    for await (const document of archive.documents()) {
      signal.throwIfAborted()
      const converted = await convert(document, { book, domain, replicaId: archive.replicaId })
      if (!converted) continue
      const flags = isUnread(document) ? converted.flags : ['\\Seen', ...converted.flags]
      const size = await sizeOf(converted)
      for (const { name } of placesOf(document, converted, folders)) {
        this.count++
        yield { mailbox: above + name, flags, received: converted.header.received, size, open: () => converted.open() }
      }
      this.lose(document, converted)
    }
    for (const problem of archive.problems.list) this.lost.push(problem)
  }

  private lose({ unid }: NotesDocument, { lost }: ConvertedMessage): void {
    for (const what of new Set(lost)) if (this.lost.length < MAX_LISTED) this.lost.push(`${unid}: ${what}`)
  }
}

/** Formats want a size before the content, which is the same each time. */
async function sizeOf(converted: ConvertedMessage): Promise<number> {
  let size = 0
  for await (const piece of converted.open()) size += piece.length
  return size
}
