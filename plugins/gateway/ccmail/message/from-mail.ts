/**
 * An Internet message for users of cc:Mail, as one or more messages for IMPORT.
 *
 * Invariants: IMPORT delivers to every recipient in the header, so the header names only the recipients of this
 * delivery, each in one message; messages keep within the limits of the post office (text, items, header, titles).
 */
import {
  attachmentName,
  decodeCharset,
  type Fields,
  fromHtml,
  gather,
  type MimePart,
  partBody,
  readAddresses,
  readApple,
  readDate,
  readFields,
  readStructure,
} from 'iems/mime'
import { fromInternet, writeCcName } from '../addresses.ts'
import { writeCcDate } from '../format/dates.ts'
import { writeMacBinary } from '../format/files.ts'
import { type NewCcMessage, type NewItem, writeMessage } from '../format/writer.ts'
import type { Translator } from '../translator.ts'
import { macOf } from './to-mail.ts'

/** Of the post office: octets of a text item and of a header, items, characters of a subject and of a title. */
const LIMIT = { text: 20_000, items: 20, header: 4000, subject: 60, title: 30 }
const MAX_NOTED = 2000

export interface MailForCc {
  readonly octets: Buffer
  /** In envelope and header. */
  readonly from: string
  readonly recipients: readonly string[]
  readonly now: number
}

/** The octets of the file that IMPORT reads. */
export async function fromMail({ octets, from, recipients, now }: MailForCc, translator: Translator): Promise<Buffer> {
  const { options, encode } = translator
  const open = (range?: { readonly start?: number; readonly end?: number | undefined }) =>
    once(octets.subarray(range?.start ?? 0, range?.end ?? octets.length))
  const source = { open }
  const root = await readStructure(open, octets.length)
  const envelope = root.envelope
  const fields = readFields(octets.subarray(0, root.body))
  const items = new Items(translator)
  for (const part of leaves(root)) await items.add(source, part)
  const subject = envelope?.subject ?? ''
  const receipt = fields.get('disposition-notification-to') ?? fields.get('return-receipt-to')
  const message: Omit<NewCcMessage, 'to' | 'cc'> = {
    from: await nameOf(translator, addressIn(fields.get('from')) ?? from),
    date: writeCcDate(readDate(envelope?.date ?? '')?.at ?? now, { order: options.dateOrder, zone: options.zone }),
    subject: subject.slice(0, LIMIT.subject),
    ...(/^[12]/.test(fields.get('x-priority') ?? '') || /high/i.test(fields.get('importance') ?? '')
      ? { priority: 'Urgent' }
      : {}),
    ...(receipt === undefined ? {} : { isReceiptWanted: true }),
    items: items.written(subject.length > LIMIT.subject ? `Subject: ${subject}` : '', othersIn(fields, recipients)),
  }
  const isCc = new Set(readAddresses(fields.get('cc') ?? '').map((one) => `${one.mailbox}@${one.host}`.toLowerCase()))
  const written: Buffer[] = []
  for (const group of await grouped(translator, recipients)) {
    const to = group.filter(({ address }) => !isCc.has(address.toLowerCase())).map(({ name }) => name)
    const cc = group.filter(({ address }) => isCc.has(address.toLowerCase())).map(({ name }) => name)
    const write = { encode, columns: options.columns, supposed: options.supposedLabels }
    written.push(writeMessage({ ...message, to, cc }, write))
  }
  return Buffer.concat(written)
}

async function* once(octets: Uint8Array): AsyncGenerator<Uint8Array> {
  yield octets
}

function addressIn(field: string | undefined): string | undefined {
  const [first] = readAddresses(field ?? '')
  return first?.host ? `${first.mailbox}@${first.host}` : undefined
}

/** A user's name, or an Internet address at the gateway post office. */
async function nameOf(translator: Translator, address: string): Promise<string> {
  const { options } = translator
  const known = await translator.nameOf(address)
  if (known !== undefined) return known
  const name = fromInternet(address, options)
  if (name) return writeCcName(name)
  return address === '' ? `Mail Delivery Subsystem at ${options.gateway}` : `${address} at ${options.gateway}`
}

/** Recipients in groups whose names fit into a header. */
async function grouped(translator: Translator, recipients: readonly string[]) {
  const groups: { readonly address: string; readonly name: string }[][] = []
  let size = LIMIT.header
  for (const address of recipients) {
    const name = await nameOf(translator, address)
    size += name.length + 8
    if (size > LIMIT.header) {
      groups.push([])
      size = name.length + 8
    }
    groups.at(-1)?.push({ address, name })
  }
  return groups
}

/** Other recipients that the header names. They go into the text, because IMPORT would deliver to them again. */
function othersIn(fields: Fields, recipients: readonly string[]): string {
  const own = new Set(recipients.map((address) => address.toLowerCase()))
  const line = (label: string, name: string) => {
    const others = readAddresses(fields.get(name) ?? '').flatMap((one) =>
      one.host ? [`${one.mailbox}@${one.host}`] : [],
    )
    const rest = others.filter((address) => !own.has(address.toLowerCase()))
    return rest.length === 0 ? '' : `${label}: ${rest.join(', ').slice(0, MAX_NOTED)}\r\n`
  }
  return line('To', 'to') + line('Cc', 'cc')
}

/** Parts that are shown: of alternatives the plain text, else the last one. */
function leaves(part: MimePart): MimePart[] {
  if (part.type === 'multipart' && part.parts) {
    if (part.subtype !== 'alternative') return part.parts.flatMap(leaves)
    const plain = part.parts.find((one) => one.type === 'text' && one.subtype === 'plain')
    const chosen = plain ?? part.parts.at(-1)
    return chosen ? leaves(chosen) : []
  }
  return [part]
}

type Source = Parameters<typeof partBody>[0]

class Items {
  private readonly texts: string[] = []
  private readonly files: NewItem[] = []
  private readonly translator: Translator
  constructor(translator: Translator) {
    this.translator = translator
  }

  async add(source: Source, part: MimePart): Promise<void> {
    const body = partBody(source, part)
    const octets = body ? await gather(body, this.translator.options.maxSize) : Buffer.alloc(0)
    const name = attachmentName(part)
    const isText = part.type === 'text' && part.disposition?.type !== 'attachment' && name === undefined
    if (isText) this.texts.push(textOf(part, octets))
    else this.files.push(this.file(name ?? nameless(part), octets))
  }

  private file(name: string, octets: Buffer): NewItem {
    const { options, encode } = this.translator
    const apple = readApple(octets)
    const data = apple ? (apple.data ?? Buffer.alloc(0)) : octets
    const shown = options.shortNames ? shortName(name) : name.slice(0, LIMIT.title * 2)
    const resource = apple?.mac.resource ?? Buffer.alloc(0)
    const mac = apple
      ? { type: apple.mac.type, creator: apple.mac.creator, flags: apple.mac.flags, resource }
      : options.attachments === 'apple'
        ? { ...macOf(name), flags: 0, resource }
        : undefined
    const isMac = mac !== undefined && options.attachments !== 'native'
    const written = isMac ? writeMacBinary({ name: shown, octets: data, mac }, encode) : data
    return { kind: 'file', title: shown, octets: written }
  }

  written(subject: string, others: string): readonly NewItem[] {
    const { encode } = this.translator
    const head = [subject, others].filter((line) => line !== '').map((line) => line.trimEnd())
    const body = this.texts.join('\r\n')
    const text = head.length === 0 ? body : `${head.join('\r\n')}\r\n\r\n${body}`
    const octets = encode(text.replace(/\r\n|\r|\n/g, '\r\n'))
    const isLong = octets.length > LIMIT.text
    const note = encode(`${head.join('\r\n')}\r\n\r\nThe text is in the file Unnamed.txt.\r\n`)
    const items: NewItem[] = [
      { kind: 'text', title: '', octets: isLong ? note : octets },
      ...(isLong ? [{ kind: 'file' as const, title: 'Unnamed.txt', octets }] : []),
      ...this.files,
    ]
    return items.length <= LIMIT.items
      ? items
      : [...items.slice(0, LIMIT.items - 1), joinedRest(items.slice(LIMIT.items - 1))]
  }
}

/** Joins the items beyond the limit into one file, each under its name. */
function joinedRest(items: readonly NewItem[]): NewItem {
  const pieces = items.flatMap(({ title, octets }) => [
    Buffer.from(`--- ${title} (${octets.length} octets, base64)\r\n`),
    Buffer.from(`${octets.toString('base64')}\r\n`),
  ])
  return { kind: 'file', title: 'More.txt', octets: Buffer.concat(pieces) }
}

function textOf(part: MimePart, octets: Buffer): string {
  const text = decodeCharset(octets, part.parameters.charset ?? '')
  return part.subtype === 'html' ? fromHtml(text) : text
}

const nameless = ({ type, subtype }: MimePart) =>
  type === 'message' ? 'message.eml' : `unnamed.${subtype.slice(0, 3)}`

/** Eight letters and three. */
export function shortName(name: string): string {
  const dot = name.lastIndexOf('.')
  const clean = (text: string, most: number) =>
    text
      .replace(/[^A-Za-z0-9_-]+/g, '_')
      .slice(0, most)
      .toUpperCase()
  const base = clean(dot > 0 ? name.slice(0, dot) : name, 8) || 'FILE'
  return dot > 0 ? `${base}.${clean(name.slice(dot + 1), 3)}` : base
}
