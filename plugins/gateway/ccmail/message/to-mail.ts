/**
 * A message of cc:Mail as an Internet message. It streams; the same message gives the same octets each time.
 */
import { createHash } from 'node:crypto'
import {
  addressField,
  dateText,
  filePart,
  isApple,
  type Mailbox,
  multipart,
  type Part,
  partHeader,
  rawField,
  readRtf,
  textField,
  textPart,
  typeOfName,
  writeAppleSingle,
} from 'iems/mime'
import { parseCcName, toInternet } from '../addresses.ts'
import { offsetAt, readCcDate } from '../format/dates.ts'
import { readFileItem } from '../format/files.ts'
import type { CcItem, CcMessage } from '../format/model.ts'
import type { Translator } from '../translator.ts'

/** Octets of a file that is looked into; a larger one is passed on as it is. */
const MAX_LOOKED = 32 * 1024 * 1024
/** Octets of a text item. */
const MAX_TEXT = 4 * 1024 * 1024

export interface MailFromCc {
  /** Its Message-ID. */
  readonly id: string
  readonly from: string
  /** Addresses in To, cc and bcc. */
  readonly recipients: readonly string[]
  /** ms since 1970. */
  readonly date: number | undefined
  readonly findings: readonly string[]
  open(): AsyncGenerator<Buffer>
}

export interface ToMailOptions {
  readonly translator: Translator
  /** Bcc fields go along, as in a mailbox of their sender. */
  readonly keepsBcc?: boolean
}

export async function toMail(message: CcMessage, { translator, keepsBcc = false }: ToMailOptions): Promise<MailFromCc> {
  const { options } = translator
  const findings: string[] = []
  const mailbox = async (name: string): Promise<Mailbox[]> => {
    const address = (await translator.addressOf(name)) ?? toInternet(name, options)
    if (address === undefined) findings.push(`no address for ${name}`)
    return address === undefined ? [] : [{ name: personOf(name), address }]
  }
  const all = async (names: readonly string[]) => (await Promise.all(names.map(mailbox))).flat()
  const [from, to, cc, bcc] = [
    await mailbox(message.from),
    await all(message.to),
    await all(message.cc),
    await all(message.bcc),
  ]
  const date = readCcDate(message.date, { order: options.dateOrder, zone: options.zone })
  if (date === undefined) findings.push(`date ${message.date} is not understood`)
  const id = createHash('sha256')
    .update(
      JSON.stringify([
        message.from,
        message.to,
        message.date,
        message.subject,
        message.items.map((item) => [item.title, item.size]),
      ]),
    )
    .digest('hex')
    .slice(0, 32)
  const messageId = `<${id}.ccmail@${options.domain}>`
  const header = [
    addressField('From', from.length > 0 ? from : [{ name: message.from, address: `unknown@${options.domain}` }]),
    addressField('To', to),
    addressField('Cc', cc),
    keepsBcc ? addressField('Bcc', bcc) : '',
    date === undefined
      ? ''
      : rawField('Date', dateText({ at: date, offset: Math.round(offsetAt(date, options.zone) / 60_000) })),
    textField('Subject', message.subject),
    rawField('Message-ID', messageId),
    message.isReceiptWanted ? addressField('Disposition-Notification-To', from) : '',
    ...priorityFields(message.priority),
    ...message.forwarded.map((who) => textField('X-ccMail-Forwarded-By', who)),
  ].join('')
  return {
    id: messageId,
    from: from[0]?.address ?? '',
    recipients: [...new Set([...to, ...cc, ...bcc].map(({ address }) => address))],
    date,
    findings,
    async *open() {
      const part = await bodyOf(message.items, { translator, id, findings })
      yield Buffer.from(`${header}MIME-Version: 1.0\r\n${partHeader(part)}`)
      yield* part.body()
    },
  }
}

/** `Doe, John at PO` as people write it. */
function personOf(text: string): string {
  const { name } = parseCcName(text)
  if (name.includes('@')) return ''
  const [last = '', ...first] = name.split(',').map((part) => part.trim())
  return [...first, last].join(' ').trim()
}

function priorityFields(priority = ''): string[] {
  const word = priority.toLowerCase()
  if (/^(?:urgent|high|1)/.test(word)) return [rawField('X-Priority', '1 (Highest)'), rawField('Importance', 'high')]
  return /^(?:low|bulk|3|5)/.test(word) ? [rawField('X-Priority', '5 (Lowest)'), rawField('Importance', 'low')] : []
}

interface BodyContext {
  readonly translator: Translator
  readonly id: string
  readonly findings: string[]
}

async function bodyOf(items: readonly CcItem[], context: BodyContext): Promise<Part> {
  const parts: Part[] = []
  for (const item of items) parts.push(...(await partsOf(item, context, parts.length === 0)))
  const [only] = parts
  if (parts.length === 1 && only) return only
  return parts.length === 0 ? textPart('text/plain', '') : multipart('mixed', `=_ccmail_${context.id}`, () => parts)
}

async function partsOf(item: CcItem, context: BodyContext, isFirst: boolean): Promise<Part[]> {
  if (item.kind === 'text') return [await textOf(item, context, isFirst)]
  const { findings } = context
  if (item.size > MAX_LOOKED) {
    const name = item.title || 'file'
    return [filePart({ name, type: typeOfName(name), open: item.open }, (error) => findings.push(error.message))]
  }
  const octets = Buffer.concat(await Array.fromAsync(item.open()))
  if (octets.length === 0 && item.kind === 'file') findings.push(`${item.title} was exported without its content`)
  return [fileOf(item, octets, context)]
}

async function textOf(item: CcItem, { translator, findings }: BodyContext, isFirst: boolean): Promise<Part> {
  const pieces: Buffer[] = []
  let size = 0
  for await (const piece of item.open()) {
    size += piece.length
    if (size > MAX_TEXT) break
    pieces.push(piece)
  }
  if (size > MAX_TEXT) findings.push('a text item is longer than can be carried: its end is missing')
  const octets = Buffer.concat(pieces)
  const rtf = octets.subarray(0, 5).toString('latin1') === '{\\rtf' ? readRtf(octets) : undefined
  if (rtf?.kind === 'html') return textPart('text/html', rtf.html)
  const text = rtf?.text ?? translator.decode(octets)
  const name = item.title === '' || isFirst ? '' : `; name="${item.title.replace(/[^\x20-\x7e]|["\\]/g, '_')}"`
  return textPart('text/plain', text, name)
}

const KIND_NAMES = {
  fax: 'fax.pcx',
  graphics: 'graphic.pcx',
  message: 'message.txt',
  file: 'file',
  text: 'text',
} as const

function fileOf(item: CcItem, octets: Buffer, { translator }: BodyContext): Part {
  const { options, decode } = translator
  const read = readFileItem(item.title, octets, { form: options.files, decodeMac: decode })
  const name = read.name || KIND_NAMES[item.kind]
  const native = () => filePart({ name, type: typeOfName(name), open: () => once(read.octets) }, () => {})
  const isSingle = isApple(read.octets)
  if (options.attachments === 'native' || isSingle) return native()
  const mac =
    read.mac ?? (options.attachments === 'apple' ? { ...macOf(name), flags: 0, resource: Buffer.alloc(0) } : undefined)
  // A file without a resource fork stays plain, so that every client can read it, unless the option forces a form.
  if (!mac || (options.attachments === 'keep' && mac.resource.length === 0)) return native()
  const single = writeAppleSingle({ name, mac }, read.octets)
  return filePart({ name, type: 'application/applefile', open: () => once(single) }, () => {})
}

const MAC_TYPES: Readonly<Record<string, readonly [type: string, creator: string]>> = {
  doc: ['W8BN', 'MSWD'],
  gif: ['GIFf', 'ogle'],
  jpg: ['JPEG', 'ogle'],
  pdf: ['PDF ', 'CARO'],
  ppt: ['SLD8', 'PPT3'],
  txt: ['TEXT', 'ttxt'],
  xls: ['XLS8', 'XCEL'],
  zip: ['ZIP ', 'SITx'],
}

/** Type and creator of a Macintosh file by the ending of its name. */
export function macOf(name: string): { readonly type: string; readonly creator: string } {
  const [type, creator] = MAC_TYPES[name.slice(name.lastIndexOf('.') + 1).toLowerCase()] ?? ['????', '????']
  return { type, creator }
}

async function* once(octets: Buffer): AsyncGenerator<Buffer> {
  yield octets
}
