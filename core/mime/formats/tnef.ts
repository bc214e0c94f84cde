/**
 * TNEF (MS-OXTNEF), the `winmail.dat` of Outlook: the attachments, the text and the facts of a message.
 *
 * Invariants: every length is checked against what is there; attributes have a bound; a fault is named and keeps the
 * attributes read before it.
 */
import { codePageText, type MapiProperty, Properties, readProperties, readRows } from './mapi.ts'
import type { FileFacts } from './model.ts'
import { decompressRtf } from './rtf-compressed.ts'

const SIGNATURE = 0x223e9f78
const HEADER = 6
const ATTRIBUTE = 9
/** Attributes of one stream. */
const MAX_ATTRIBUTES = 100_000

const CODE_PAGE = 0x69007
const MESSAGE_CLASS = 0x78008
const SUBJECT = 0x18004
const BODY = 0x2800c
const SENT = 0x38005
const PROPERTIES = 0x69003
const RECIPIENTS = 0x69004
const RENDERING = 0x69002
const TITLE = 0x18010
const CREATED = 0x38012
const MODIFIED = 0x38013
const DATA = 0x6800f
const ATTACHMENT = 0x69005

/** IID_IMessage: an attachment that is a message. */
const MESSAGE_ID = '0703020000000000c000000000000046'
const GUID = 16

export const isTnef = (octets: Buffer): boolean => octets.length >= HEADER && octets.readUInt32LE(0) === SIGNATURE

export interface TnefAttachment extends FileFacts {
  readonly octets: Buffer
  /** A message in TNEF itself. */
  readonly isMessage: boolean
  /** Shown in the text, and no file for the reader. */
  readonly isHidden: boolean
  readonly properties: Properties
}

export interface Tnef {
  readonly codePage: number
  /** `IPM.Note`, … */
  readonly messageClass: string
  readonly subject?: string
  readonly sent?: Date
  readonly text?: string
  /** In its own charset, which it names itself or `codePage` is. */
  readonly html?: Buffer
  /** Decompressed. */
  readonly rtf?: Buffer
  readonly attachments: readonly TnefAttachment[]
  readonly recipients: readonly Properties[]
  readonly properties: Properties
  /** `level:id:length` in hex digits, for people. */
  readonly attributes: readonly string[]
  /** Octets up to which it could be read. */
  readonly end: number
  /** The fault that ended the parsing early. */
  readonly problem?: string
}

interface RawAttachment {
  title?: string
  data?: Buffer
  created?: Date | undefined
  modified?: Date | undefined
  properties: readonly MapiProperty[]
}

class Reader {
  readonly attributes: string[] = []
  readonly attachments: RawAttachment[] = []
  codePage = 1252
  facts: { messageClass?: string; subject?: string; sent?: Date | undefined; text?: string } = {}
  properties: readonly MapiProperty[] = []
  recipients: readonly (readonly MapiProperty[])[] = []
  problem: string | undefined
  end = HEADER

  read(octets: Buffer): void {
    let at = HEADER
    while (at + ATTRIBUTE <= octets.length && this.attributes.length < MAX_ATTRIBUTES) {
      const level = octets[at] as number
      // Real files end with octets of something else.
      if (level !== 1 && level !== 2) return
      const id = octets.readUInt32LE(at + 1)
      const length = octets.readUInt32LE(at + 5)
      const start = at + ATTRIBUTE
      const data = octets.subarray(start, start + length)
      this.attributes.push(`${level}:${id.toString(16).padStart(8, '0').toUpperCase()}:${length}`)
      if (level === 1) this.#message(id, data)
      else this.#attachment(id, data)
      if (data.length < length) {
        this.problem ??= 'cut off'
        this.end = octets.length
        return
      }
      at = start + length + 2
      this.end = Math.min(at, octets.length)
    }
    if (this.attributes.length >= MAX_ATTRIBUTES) this.problem ??= `more than ${MAX_ATTRIBUTES} attributes`
  }

  #properties(data: Buffer): readonly MapiProperty[] {
    const { list, problem } = readProperties(data)
    if (problem !== undefined) this.problem ??= problem
    return list
  }

  #text(data: Buffer): string {
    return codePageText(data, this.codePage).split('\0', 1)[0] ?? ''
  }

  #message(id: number, data: Buffer): void {
    if (id === CODE_PAGE && data.length >= 4) this.codePage = data.readUInt32LE(0)
    else if (id === MESSAGE_CLASS) this.facts.messageClass = this.#text(data)
    else if (id === SUBJECT) this.facts.subject = this.#text(data)
    else if (id === BODY) this.facts.text = this.#text(data)
    else if (id === SENT) this.facts.sent = dtrOf(data) ?? this.facts.sent
    else if (id === PROPERTIES) this.properties = this.#properties(data)
    else if (id === RECIPIENTS) this.recipients = readRows(data)
  }

  #attachment(id: number, data: Buffer): void {
    if (id === RENDERING || this.attachments.length === 0) this.attachments.push({ properties: [] })
    const last = this.attachments.at(-1) as RawAttachment
    if (id === TITLE) last.title = this.#text(data)
    else if (id === DATA) last.data = data
    else if (id === CREATED) last.created = dtrOf(data) ?? last.created
    else if (id === MODIFIED) last.modified = dtrOf(data) ?? last.modified
    else if (id === ATTACHMENT) last.properties = this.#properties(data)
  }
}

/** Year, month, day, hour, minute, second, day of the week, 16 bits each. */
function dtrOf(data: Buffer): Date | undefined {
  if (data.length < 12) return undefined
  const [year = 0, month = 0, ...rest] = Array.from({ length: 6 }, (_, index) => data.readUInt16LE(index * 2))
  if (year < 1601 || year > 9999 || month < 1 || month > 12) return undefined
  const [day = 0, hour = 0, minute = 0, second = 0] = rest
  return new Date(Date.UTC(year, month - 1, day, hour, minute, second))
}

function attachmentOf(raw: RawAttachment, codePage: number): TnefAttachment {
  const properties = new Properties(raw.properties, codePage)
  const object = properties.isObject(0x3701) ? properties.binary(0x3701) : undefined
  const isMessage = object !== undefined && object.subarray(0, GUID).toString('hex') === MESSAGE_ID
  const value = object ? object.subarray(GUID) : properties.binary(0x3701)
  const name = properties.text(0x3707) ?? properties.text(0x3704) ?? properties.text(0x3001) ?? raw.title ?? ''
  const type = properties.text(0x370e)?.toLowerCase()
  const id = (properties.text(0x3712) ?? properties.text(0x3713))?.replace(/^<|>$/g, '')
  const created = properties.date(0x3007) ?? raw.created
  const modified = properties.date(0x3008) ?? raw.modified
  return {
    name,
    octets: value ?? raw.data ?? Buffer.alloc(0),
    isMessage,
    isHidden: properties.number(0x7ffe) === 1,
    properties,
    ...(type !== undefined && /^[a-z0-9!#$&^_.+-]+\/[a-z0-9!#$&^_.+-]+$/.test(type) ? { type } : {}),
    ...(id !== undefined && /^[!-;=?-~]{1,200}$/.test(id) ? { id } : {}),
    ...(created ? { created } : {}),
    ...(modified ? { modified } : {}),
  }
}

/** Octets of a text in RTF, whatever it says of itself. */
const MAX_RTF = 33_554_432

/** Undefined for what is no TNEF. Works in the memory that it is given, and in that of the text. */
export function readTnef(octets: Buffer): Tnef | undefined {
  if (!isTnef(octets)) return undefined
  const reader = new Reader()
  reader.read(octets)
  const { codePage, facts, attributes, end, problem } = reader
  const properties = new Properties(reader.properties, codePage)
  const compressed = properties.binary(0x1009)
  const rtf = compressed && decompressRtf(compressed, MAX_RTF)
  const htmlText = properties.text(0x1013)
  const html = properties.binary(0x1013) ?? (htmlText === undefined ? undefined : Buffer.from(htmlText))
  const text = properties.text(0x1000) ?? facts.text
  const subject = properties.text(0x0037) ?? facts.subject
  const sent = properties.date(0x0039) ?? facts.sent
  return {
    codePage,
    messageClass: properties.text(0x001a) ?? facts.messageClass ?? '',
    attachments: reader.attachments.map((one) => attachmentOf(one, codePage)),
    recipients: reader.recipients.map((list) => new Properties(list, codePage)),
    properties,
    attributes,
    end,
    ...(subject === undefined ? {} : { subject }),
    ...(sent === undefined ? {} : { sent }),
    ...(text === undefined ? {} : { text }),
    ...(html && html.length > 0 ? { html } : {}),
    ...(rtf ? { rtf } : {}),
    ...(problem === undefined ? {} : { problem }),
  }
}

/** Everything in it that may be a file, for those that judge content. */
export function* binariesOf({ attachments, properties }: Tnef): Generator<Buffer> {
  for (const { octets } of attachments) if (octets.length > 0) yield octets
  const lists = [properties, ...attachments.map((one) => one.properties)]
  for (const { list } of lists)
    for (const { type, values } of list)
      if (type === 0x102 || type === 0x0d)
        for (const value of values) yield type === 0x0d ? value.subarray(GUID) : value
}
