/**
 * Mailboxes as files: mbox (mboxrd), Maildir in a tar, and a ZIP of .eml files with a list of what they are.
 *
 * Invariants: content comes back octet for octet where the format can hold it (mbox can hold only lines that end in
 * LF); flags, dates and names go along; memory holds one message, whatever the size of the transfer.
 */
import { once } from 'node:events'
import { Readable } from 'node:stream'
import { readZip } from 'iems'
import { readDate } from 'iems/mime'
import { extract, pack } from 'tar-stream'
import { ZipFile } from 'yazl'

export interface TransferredMessage {
  readonly mailbox: string
  readonly flags: readonly string[]
  /** Ms since 1970; absent when the format does not say. */
  readonly received?: number
  readonly size: number
  open(): AsyncIterable<Uint8Array>
}

export const FORMATS = ['zip', 'mbox', 'maildir'] as const
export type Format = (typeof FORMATS)[number]

// --- ZIP ---------------------------------------------------------------------------------------

/** The index in this server's ZIP files. */
const LIST = 'mailboxes.json'
interface Listed {
  readonly file: string
  readonly mailbox: string
  readonly flags: readonly string[]
  readonly received?: number
  /** Octets; absent in files from before it was written. */
  readonly size?: number
}

/** `files` beside the messages, by name. */
export async function* toZip(
  messages: AsyncIterable<TransferredMessage>,
  files: readonly (readonly [name: string, content: Buffer])[] = [],
): AsyncGenerator<Uint8Array> {
  const zip = new ZipFile()
  const fill = async () => {
    const list: Listed[] = []
    for await (const { mailbox, flags, received, size, open } of messages) {
      const file = `${mailbox.replaceAll('\\', '_').replace(/(^|\/)\.+(?=\/|$)/g, '$1_')}/${String(list.length + 1).padStart(8, '0')}.eml`
      list.push({ file, mailbox, flags, size, ...(received === undefined ? {} : { received }) })
      const content = Readable.from(open())
      const read = new Promise<void>((resolve, reject) => content.once('close', resolve).once('error', reject))
      zip.addReadStream(content, file, { mtime: new Date(received ?? 0), size })
      // One after the other, so that no more than one is open.
      await read
    }
    for (const [name, content] of files) zip.addBuffer(content, name)
    zip.addBuffer(Buffer.from(JSON.stringify(list, undefined, 1)), LIST)
    zip.end()
  }
  const filled = fill().catch((cause: unknown) => void (zip.outputStream as Readable).destroy(cause as Error))
  yield* zip.outputStream as AsyncIterable<Uint8Array>
  await filled
}

/** Files and octets of one message in an archive. */
const LIMITS = { files: 5_000_000, size: 1_000_000_000 }

export async function* fromZip(path: string, mailbox: string): AsyncGenerator<TransferredMessage> {
  const known = new Map<string, Listed>()
  for await (const file of readZip(path, LIMITS)) {
    if (file.name !== LIST) continue
    const list = JSON.parse(Buffer.concat(await Array.fromAsync(file.open())).toString()) as Listed[]
    for (const one of list) known.set(one.file, one)
  }
  for await (const file of readZip(path, LIMITS)) {
    if (!file.name.toLowerCase().endsWith('.eml')) continue
    const {
      mailbox: name = folderOf(file.name) ?? mailbox,
      flags = [],
      received,
      size = 0,
    } = known.get(file.name) ?? {}
    yield { mailbox: name, flags, ...(received === undefined ? {} : { received }), size, open: file.open }
  }
}

function folderOf(name: string): string | undefined {
  return name.includes('/') ? name.slice(0, name.lastIndexOf('/')) : undefined
}

// --- mbox ----------------------------------------------------------------------------------------

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** As asctime writes it, in UTC. */
function asctime(ms: number): string {
  const date = new Date(ms)
  const day = String(date.getUTCDate()).padStart(2, ' ')
  return `${DAYS[date.getUTCDay()]} ${MONTHS[date.getUTCMonth()]} ${day} ${date.toISOString().slice(11, 19)} ${date.getUTCFullYear()}`
}

const STATUS: readonly (readonly [flag: string, letter: string, field: 'Status' | 'X-Status'])[] = [
  ['\\Seen', 'R', 'Status'],
  ['\\Answered', 'A', 'X-Status'],
  ['\\Flagged', 'F', 'X-Status'],
  ['\\Draft', 'T', 'X-Status'],
  ['\\Deleted', 'D', 'X-Status'],
]

/** Each message behind a From_ line, its own From lines marked by `>`, flags in Status, X-Status and X-Keywords. */
export async function* toMbox(messages: AsyncIterable<TransferredMessage>): AsyncGenerator<Uint8Array> {
  for await (const { flags, received = 0, open } of messages) {
    yield Buffer.from(`From MAILER-DAEMON ${asctime(received)}\n`)
    yield Buffer.from(statusLines(flags))
    let rest = ''
    for await (const chunk of open()) {
      const lines = (rest + Buffer.from(chunk).toString('latin1')).split('\n')
      rest = lines.pop() ?? ''
      yield Buffer.from(lines.map((line) => `${marked(line.replace(/\r$/, ''))}\n`).join(''), 'latin1')
    }
    yield Buffer.from(`${rest === '' ? '' : `${marked(rest)}\n`}\n`, 'latin1')
  }
}

const marked = (line: string) => (/^>*From /.test(line) ? `>${line}` : line)

function statusLines(flags: readonly string[]): string {
  const letters = (field: string) =>
    STATUS.flatMap(([flag, letter, of]) => (of === field && flags.includes(flag) ? [letter] : [])).join('')
  const keywords = flags.filter((flag) => !flag.startsWith('\\'))
  const more = letters('X-Status')
  return `Status: ${letters('Status')}O\n${more === '' ? '' : `X-Status: ${more}\n`}${keywords.length === 0 ? '' : `X-Keywords: ${keywords.join(' ')}\n`}`
}

/** Octets of one message that are held. */
const MOST = 200_000_000

/** Messages of an mbox as it comes; From lines that were marked are as they were. */
export async function* fromMbox(
  source: AsyncIterable<Uint8Array>,
  mailbox: string,
): AsyncGenerator<TransferredMessage> {
  let lines: string[] | undefined
  let size = 0
  let received: number | undefined
  let rest = ''
  let isAfterBlank = true
  const done = (): TransferredMessage | undefined => lines && messageOf(lines, mailbox, received)
  for await (const chunk of source) {
    const read = (rest + Buffer.from(chunk).toString('latin1')).split('\n')
    rest = read.pop() ?? ''
    for (const ended of read) {
      const line = ended.endsWith('\r') ? ended.slice(0, -1) : ended
      if (isAfterBlank && line.startsWith('From ')) {
        const message = done()
        if (message) yield message
        lines = []
        size = 0
        received = dateOf(line)
      } else if (lines) {
        size += line.length
        if (size > MOST) throw new Error(`a message is larger than ${MOST} octets`)
        lines.push(line.replace(/^>(>*From )/, '$1'))
      }
      isAfterBlank = line === ''
    }
  }
  if (rest !== '') lines?.push(rest)
  const last = done()
  if (last) yield last
}

function dateOf(line: string): number | undefined {
  const day = line.search(/ (?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? /)
  return day < 0 ? undefined : readDate(line.slice(day))?.at
}

function messageOf(lines: readonly string[], mailbox: string, received: number | undefined): TransferredMessage {
  const end = lines.at(-1) === '' ? lines.length - 1 : lines.length
  const blank = lines.indexOf('')
  const header = lines.slice(0, blank < 0 ? end : blank)
  const field = (name: string) =>
    header
      .find((line) => line.toLowerCase().startsWith(`${name}:`))
      ?.slice(name.length + 1)
      .trim() ?? ''
  const flags = [
    ...STATUS.filter(([, letter, of]) => field(of.toLowerCase()).includes(letter)).map(([flag]) => flag),
    ...field('x-keywords')
      .split(/\s+/)
      .filter((word) => /^[!#$&'+,\-./0-9:;<=>?@A-Z[\]^_`a-z|}~]+$/.test(word)),
  ]
  const kept = [
    ...header.filter((line) => !/^(?:status|x-status|x-keywords):/i.test(line)),
    ...lines.slice(header.length, end),
  ]
  const octets = Buffer.from(kept.map((line) => `${line}\r\n`).join(''), 'latin1')
  return {
    mailbox,
    flags,
    ...(received === undefined ? {} : { received }),
    size: octets.length,
    open: () => whole(octets),
  }
}

async function* whole(octets: Uint8Array): AsyncGenerator<Uint8Array> {
  yield octets
}

// --- Maildir ------------------------------------------------------------------------------------------

const LETTERS: readonly (readonly [flag: string, letter: string])[] = [
  ['\\Draft', 'D'],
  ['\\Flagged', 'F'],
  ['\\Answered', 'R'],
  ['\\Seen', 'S'],
  ['\\Deleted', 'T'],
]

/** Maildir++: mailboxes below INBOX as `.Level.Level`; a tar, which `tar x` makes into one. */
export async function* toMaildir(messages: AsyncIterable<TransferredMessage>): AsyncGenerator<Uint8Array> {
  const tar = pack()
  const fill = async () => {
    let count = 0
    for await (const { mailbox, flags, received = 0, size, open } of messages) {
      const letters = LETTERS.flatMap(([flag, letter]) => (flags.includes(flag) ? [letter] : [])).join('')
      const name = `${directoryOf(mailbox)}cur/${Math.floor(received / 1000)}.${++count}.iems,S=${size}:2,${letters}`
      const entry = tar.entry({ name, size, mtime: new Date(received), mode: 0o600 })
      for await (const chunk of open()) if (!entry.write(chunk)) await once(entry, 'drain')
      entry.end(undefined)
    }
    tar.finalize()
  }
  const filled = fill().catch((cause: unknown) => tar.destroy(cause as Error))
  yield* tar as unknown as AsyncIterable<Uint8Array>
  await filled
}

/** Dots divide levels, so those in names are written otherwise. */
const directoryOf = (mailbox: string) =>
  mailbox === 'INBOX' ? '' : `.${mailbox.replaceAll('.', '_').replaceAll('/', '.')}/`

export async function* fromMaildir(
  source: AsyncIterable<Uint8Array>,
  mailbox: string,
): AsyncGenerator<TransferredMessage> {
  const tar = extract()
  const fed = (async () => {
    for await (const chunk of source) if (!tar.write(chunk)) await once(tar, 'drain')
    tar.end(undefined)
  })().catch((cause: unknown) => tar.destroy(cause as Error))
  for await (const entry of tar) {
    const { name, size = 0, mtime, type } = entry.header
    const [, folder = '', file = ''] = /(?:^|\/)(\.[^/]+\/)?(?:cur|new)\/([^/]+)$/.exec(name) ?? []
    if (type !== 'file' || file === '') {
      entry.resume()
      continue
    }
    if (size > MOST) throw new Error(`${name} is larger than ${MOST} octets`)
    const octets = withCrlf(Buffer.concat(await Array.fromAsync(entry as AsyncIterable<Buffer>)))
    const letters = /:2,([A-Za-z]*)$/.exec(file)?.[1] ?? ''
    yield {
      mailbox: folder === '' ? mailbox : folder.slice(1, -1).replaceAll('.', '/'),
      flags: LETTERS.flatMap(([flag, letter]) => (letters.includes(letter) ? [flag] : [])),
      received: Number(/^(\d{9,11})\./.exec(file)?.[1] ?? 0) * 1000 || (mtime?.getTime() ?? 0),
      size: octets.length,
      open: () => whole(octets),
    }
  }
  await fed
}

/** Maildirs of others have lines that end in LF. */
function withCrlf(octets: Buffer): Buffer {
  return octets.includes('\r\n') ? octets : Buffer.from(octets.toString('latin1').replaceAll('\n', '\r\n'), 'latin1')
}
