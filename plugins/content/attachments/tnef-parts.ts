/**
 * A `winmail.dat` as MIME parts: its text as HTML with the images in it, its files, and messages in it as messages.
 *
 * Invariants: the depth of messages within messages is bounded, and so is the total number of files.
 */
import {
  dateText,
  encodeWords,
  type NewPart,
  readRtf,
  readTnef,
  type Tnef,
  type TnefAttachment,
  writePart,
} from 'iems/mime'
import { inMemory, partOf } from './facts.ts'

/** Messages within messages. */
const MAX_LEVELS = 10

export interface TnefParts {
  /** HTML, alone or with its images. */
  readonly html?: NewPart
  readonly text?: string
  readonly files: readonly NewPart[]
  /** It is an appointment, a contact, …: what its properties say has no place in MIME. */
  readonly isOther: boolean
}

/** Text is written in UTF-8, so a charset that the HTML states would be wrong. */
const withoutCharset = (html: string) => html.replace(/<meta\b[^>]{0,500}\bcharset\b[^>]{0,500}>/gi, '')

const LABELS: Readonly<Record<number, string>> = {
  65001: 'utf-8',
  932: 'shift_jis',
  936: 'gbk',
  949: 'euc-kr',
  950: 'big5',
  20866: 'koi8-r',
  50220: 'iso-2022-jp',
  51932: 'euc-jp',
  54936: 'gb18030',
}

function decoded(octets: Buffer, codePage: number): string {
  const iso = codePage > 28590 && codePage < 28607 ? `iso-8859-${codePage - 28590}` : `windows-${codePage}`
  try {
    return new TextDecoder(LABELS[codePage] ?? iso).decode(octets)
  } catch {
    return new TextDecoder('windows-1252').decode(octets)
  }
}

const CODE_PAGE = 0x3fde

function htmlOf({ html, rtf, codePage, properties }: Tnef): { readonly html?: string; readonly text?: string } {
  if (html) return { html: withoutCharset(decoded(html, properties.number(CODE_PAGE) ?? codePage)) }
  const read = rtf && readRtf(rtf)
  if (!read) return {}
  return read.kind === 'html' ? { html: withoutCharset(read.html) } : { text: read.text }
}

const crlf = (text: string) => text.replace(/\r\n?|\n/g, '\r\n')

/** Undefined for what is no TNEF, or is damaged: it stays as it is. */
export async function tnefParts(octets: Buffer, level = 0): Promise<TnefParts | undefined> {
  const tnef = readTnef(octets)
  if (!tnef || tnef.problem !== undefined) return undefined
  const { html, text } = htmlOf(tnef)
  const shown = tnef.attachments.filter(
    ({ id, isMessage }) => !isMessage && id !== undefined && html?.includes(`cid:${id}`),
  )
  const files = await Promise.all(
    tnef.attachments.filter((one) => !shown.includes(one)).map((one) => filePart(one, level)),
  )
  const plain = tnef.text ?? text
  const htmlPart: NewPart | undefined =
    html === undefined ? undefined : { type: 'text/html', disposition: 'inline', content: crlf(html) }
  const images = await Promise.all(
    shown.map(async (one) => ({ ...(await partOf(one, inMemory(one.octets))), disposition: 'inline' as const })),
  )
  return {
    ...(htmlPart
      ? {
          html:
            images.length > 0
              ? { type: 'multipart/related', parameters: { type: 'text/html' }, content: [htmlPart, ...images] }
              : htmlPart,
        }
      : {}),
    ...(plain === undefined ? {} : { text: crlf(plain) }),
    files,
    isOther: !/^(?:IPM\.(?:Note|Microsoft Mail\.Note)|$)/i.test(tnef.messageClass),
  }
}

/** Its text in every form there is. */
export function bodyOf({ html, text }: TnefParts): NewPart | undefined {
  const plain: NewPart | undefined =
    text === undefined ? undefined : { type: 'text/plain', disposition: 'inline', content: text }
  if (!html || !plain) return html ?? plain
  return { type: 'multipart/alternative', content: [plain, html] }
}

async function filePart(file: TnefAttachment, level: number): Promise<NewPart> {
  const inner = file.isMessage && level < MAX_LEVELS ? readTnef(file.octets) : undefined
  const parts = inner && (await tnefParts(file.octets, level + 1))
  if (!inner || !parts)
    return partOf(
      file.isMessage ? { ...file, name: file.name || 'winmail.dat', type: 'application/ms-tnef' } : file,
      inMemory(file.octets),
    )
  const body = bodyOf(parts) ?? { type: 'text/plain', content: '' }
  const content: NewPart = parts.files.length > 0 ? { type: 'multipart/mixed', content: [body, ...parts.files] } : body
  const write = await writePart(content)
  const header = Buffer.from(headerOf(inner))
  const name = inner.subject ?? file.name
  return {
    type: 'message/rfc822',
    disposition: 'attachment',
    ...(name === '' ? {} : { name: `${name}.eml` }),
    async *content() {
      yield header
      yield* write()
    },
  }
}

const oneLine = (text: string) => text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, ' ').trim()

/** A name and an address. If the address is not an Internet address, the name becomes an empty group (RFC 6854). */
function mailbox(name: string | undefined, address: string | undefined): string {
  const isMail = address !== undefined && /^[!#-'*+\-./0-9=?A-Z^_`a-z{|}~]{1,64}@[A-Za-z0-9.-]{1,255}$/.test(address)
  const said = oneLine(name ?? '').slice(0, 200)
  const quoted = /^[ -~]*$/.test(said) ? `"${said.replace(/["\\]/g, '\\$&')}"` : encodeWords(said)
  if (!isMail) return `${quoted === '""' ? '"unknown"' : quoted}:;`
  return said === '' || said === address ? address : `${quoted} <${address}>`
}

function headerOf({ properties, subject, sent, recipients }: Tnef): string {
  const text = (id: number) => properties.text(id)
  const from = mailbox(text(0x0042) ?? text(0x0c1a), text(0x5d02) ?? text(0x5d01) ?? text(0x0065) ?? text(0x0c1f))
  const to = recipients.slice(0, 100).map((one) => mailbox(one.text(0x3001), one.text(0x39fe) ?? one.text(0x3003)))
  const shown = text(0x0e04)
  const id = text(0x1035)
  const date = sent ?? properties.date(0x0e06)
  const fields = [
    `From: ${from}`,
    `To: ${to.length > 0 ? to.join(',\r\n ') : mailbox(shown, undefined)}`,
    `Subject: ${encodeWords(oneLine(subject ?? ''))}`,
    ...(date ? [`Date: ${dateText({ at: date.getTime() })}`] : []),
    ...(id !== undefined && /^<[!-~]{3,250}>$/.test(id) ? [`Message-ID: ${id}`] : []),
    'MIME-Version: 1.0',
  ]
  return `${fields.join('\r\n')}\r\n`
}
