/**
 * A document as a message: header, text with its images and links, files, calendar data. The message is a stream; a
 * document always gives the same octets. The message and `lost` name content that cannot be converted.
 */

import { filePart, multipart, type Part, partHeader, textPart, typeOfName } from 'iems/mime'
import { first, type NotesDocument, type NotesFile } from '../archive/model.ts'
import { tryCx } from '../archive/nsf.ts'
import { imageType, type RichText } from '../richtext/model.ts'
import { isPlain, toHtml, toText } from '../richtext/render.ts'
import { calendarOf, isCalendar } from './calendar.ts'
import { contactOf, isContact } from './contact.ts'
import { categoriesOf, type HeaderOptions, headerOf, type MessageHeader, messageIdOf } from './header.ts'
import { reportPart } from './report.ts'

export type ConvertOptions = HeaderOptions

export interface ConvertedMessage {
  readonly kind: 'mail' | 'calendar' | 'contact'
  readonly header: MessageHeader
  /** Without \Seen, which the unread marks decide. */
  readonly flags: readonly string[]
  /** Complete once the message has been read to its end. */
  readonly lost: readonly string[]
  open(): AsyncGenerator<Buffer>
}

/** Forms that are no message, whatever items they have. */
const NOT_MAIL =
  /^(?:calendarprofile|directoryprofile|personaladdressbookprofile|\$|group calendar|connection|local|remote)/i

/** Undefined for a document that has nothing a message could hold. */
export async function convert(document: NotesDocument, options: ConvertOptions): Promise<ConvertedMessage | undefined> {
  const form = first(document, 'Form')
  if (NOT_MAIL.test(form)) return undefined
  const kind = isContact(document) ? 'contact' : isCalendar(document) ? 'calendar' : 'mail'
  if (kind === 'mail' && !hasContent(document)) return undefined
  const header = await headerOf(document, options)
  const lost: string[] = [...document.problems]
  return {
    kind,
    header,
    flags: flagsOf(document, header),
    lost,
    open: () => write(document, { options, header, kind, lost }),
  }
}

function hasContent(document: NotesDocument): boolean {
  if (document.mime || document.files.length > 0 || first(document, 'Subject') !== '') return true
  return richTextOf(document) !== undefined || document.texts('Body').some((text) => text !== '')
}

/** A category as an IMAP keyword, whose characters are those of an atom. */
const keyword = (text: string) => text.replace(/[^A-Za-z0-9!#$&'+,\-./:;<=>?@^_`|~]+/g, '_').slice(0, 100)
const MAX_KEYWORDS = 30

function flagsOf(document: NotesDocument, header: MessageHeader): string[] {
  const followUp = first(document, 'FollowUpStatus')
  const words = categoriesOf(document)
    .map(keyword)
    .filter((word) => !/^_*$/.test(word))
  return [
    ...(followUp !== '' && followUp !== '0' ? ['\\Flagged'] : []),
    ...(header.isDraft ? ['\\Draft'] : []),
    // A client would ask for a receipt that was sent, or not, years ago.
    ...(first(document, 'ReturnReceipt') === '1' && !header.isDraft ? ['$MDNSent'] : []),
    ...new Set(words.slice(0, MAX_KEYWORDS)),
  ]
}

// --- writing ------------------------------------------------------------------------------------------

interface Writing {
  readonly options: ConvertOptions
  readonly header: MessageHeader
  readonly kind: ConvertedMessage['kind']
  readonly lost: string[]
}

async function* write(document: NotesDocument, writing: Writing): AsyncGenerator<Buffer> {
  const { mime } = document
  if (mime?.isWhole) {
    const { header } = writing
    yield Buffer.from(
      header.text
        .split(/\r\n(?![ \t])/)
        .filter((line) => /^X-Notes-/i.test(line))
        .map((line) => `${line}\r\n`)
        .join(''),
    )
    yield* mime.open()
    return
  }
  const part = await wholePart(document, writing)
  yield Buffer.from(`${writing.header.text}MIME-Version: 1.0\r\n${partHeader(part)}`)
  yield* part.body()
}

const boundaryOf = (document: NotesDocument, level: string) => `=_notes_${document.unid}_${level}`

async function wholePart(document: NotesDocument, writing: Writing): Promise<Part> {
  const main = await mainPart(document, writing)
  const boundary = boundaryOf(document, 'report')
  const text = (await reportPart(document, main, { ...writing.options, boundary })) ?? main
  const files = document.files.filter(({ isEmbedded }) => !isEmbedded)
  const embedded = document.files.length - files.length
  if (embedded > 0) writing.lost.push(`${embedded} parts of embedded objects`)
  if (files.length === 0) return text
  return multipart('mixed', boundaryOf(document, 'mixed'), async function* () {
    yield text
    for (const file of files) yield* fileParts(file, writing.lost)
  })
}

async function mainPart(document: NotesDocument, writing: Writing): Promise<Part> {
  const { kind, lost, options } = writing
  if (kind === 'contact') return textPart('text/vcard', await contactOf(document, options))
  const { mime } = document
  if (mime) {
    noteSeal(document, lost)
    return { header: undefined, body: () => mime.open() }
  }
  if (document.isSealed && !richTextOf(document)) {
    noteSeal(document, lost)
    const why = 'This message is encrypted with a Notes ID. Its text and files can be read only by Notes, with that ID.'
    return textPart('text/plain', `${why}\r\n`)
  }
  noteSeal(document, lost)
  const rich = richTextOf(document)
  const places = { file: (_name: string, shown: string) => shown }
  const plain = rich ? toText(rich, places) : document.texts('Body').join('\n')
  for (const [what, count] of rich?.lost ?? []) lost.push(`${what}${count > 1 ? ` (${count} times)` : ''}`)
  const body = rich && !isPlain(rich) ? richPart(document, rich, plain) : textPart('text/plain', ended(plain))
  if (kind !== 'calendar') return body
  const entry = await calendarOf(document, { ...options, description: plain })
  if (!entry) return body
  const calendar = textPart('text/calendar', entry.text, `; method=${entry.method}`)
  return multipart('alternative', boundaryOf(document, 'calendar'), () => [body, calendar])
}

const ended = (text: string) => (text === '' || text.endsWith('\n') ? text : `${text}\n`)

function noteSeal({ isSealed }: NotesDocument, lost: string[]): void {
  if (isSealed) lost.push('what is encrypted with a Notes ID')
}

/** The body's rich text; of forms without a body, that of the item that has most. */
function richTextOf(document: NotesDocument): RichText | undefined {
  const body = document.richText('Body')
  if (body) return body
  return document.names
    .filter((name) => !name.startsWith('$'))
    .map((name) => document.richText(name))
    .filter((text) => text !== undefined)
    .toSorted((one, other) => other.blocks.length - one.blocks.length)[0]
}

function richPart(document: NotesDocument, rich: RichText, plain: string): Part {
  const images: Buffer[] = []
  const idOf = (n: number) => `image${n}.${document.unid}@notes`
  const html = toHtml(rich, {
    file: (_name, shown) => shown,
    image: (octets) => {
      images.push(octets)
      return idOf(images.length)
    },
  })
  const alternative = multipart('alternative', boundaryOf(document, 'alternative'), () => [
    textPart('text/plain', ended(plain)),
    textPart('text/html', html),
  ])
  if (images.length === 0) return alternative
  return multipart('related', boundaryOf(document, 'related'), () => [
    alternative,
    ...images.map((octets, n) => {
      const type = imageType(octets) ?? 'application/octet-stream'
      const name = `image${n + 1}.${type.slice(6)}`
      return filePart({ name, type, contentId: idOf(n + 1), open: () => once(octets) }, () => {})
    }),
  ])
}

async function* once(octets: Buffer): AsyncGenerator<Buffer> {
  yield octets
}

/** A file as a part; and, when it cannot be read whole, a second one that says so. */
async function* fileParts(file: NotesFile, lost: string[]): AsyncGenerator<Part> {
  if (file.unknown !== undefined) {
    const octets = await tryCx(file).catch(() => undefined)
    if (octets) {
      yield filePart({ name: file.name, type: typeOfName(file.name), open: () => once(octets) }, () => {})
      return
    }
    const why = `${file.name} (${file.size} octets) is compressed with ${file.unknown.toUpperCase()}, which is not documented; export the document as DXL, or by IMAP from the server`
    lost.push(why)
    const name = `${file.name}.${file.unknown}`
    yield filePart({ name, type: 'application/octet-stream', open: file.open }, (error) =>
      lost.push(`${name}: ${error.message}`),
    )
    yield textPart('text/plain', `The attached file ${why}.\r\n`)
    return
  }
  let failure: Error | undefined
  const read = { name: file.name, type: typeOfName(file.name), open: file.open }
  yield filePart(read, (error) => {
    failure = error
  })
  if (!failure) return
  const why = `${file.name} (${file.size} octets) cannot be read whole: ${failure.message}`
  lost.push(why)
  yield textPart('text/plain', `The attached file ${why}.\r\n`)
}

export { messageIdOf }
