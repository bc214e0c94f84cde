/**
 * The header of a message from a document's items: who, when, about what, and which way it came.
 */

import { addressField, dateText, type Mailbox, rawField, textField } from 'iems/mime'
import { first, type NotesDocument, type NotesTime } from '../archive/model.ts'
import { type AddressBook, mailboxOf, nameKey } from '../names.ts'

export interface HeaderOptions {
  readonly book: AddressBook
  /** Domain of addresses that stand for names without one. */
  readonly domain: string
  readonly replicaId: string
}

const MAX_RECIPIENTS = 10_000
const MAX_ROUTE = 100

export interface MessageHeader {
  readonly text: string
  /** ms since 1970. */
  readonly received: number
  readonly isDraft: boolean
  readonly isSent: boolean
  /** Names that no directory knew. */
  readonly unknown: readonly string[]
}

export const messageIdOf = (unid: string, { replicaId, domain }: Pick<HeaderOptions, 'replicaId' | 'domain'>) =>
  `<${unid}.${replicaId}@${domain}>`

export async function headerOf(document: NotesDocument, options: HeaderOptions): Promise<MessageHeader> {
  const [posted] = document.times('PostedDate')
  const [composed] = document.times('ComposedDate')
  const [delivered] = document.times('DeliveredDate')
  const made: NotesTime = posted ?? composed ?? { at: document.created ?? document.modified ?? 0 }
  const names = new NameReader(document, options)
  const from = await names.read('From', 'InetFrom')
  const principal = await names.read('Principal', 'InetPrincipal')
  const isOther = principal.length > 0 && nameKey(first(document, 'Principal')) !== nameKey(first(document, 'From'))
  const id = idsIn(first(document, '$MessageID'))[0] ?? messageIdOf(document.unid, options)
  const text = [
    ...routeFields(document),
    addressField('From', isOther ? principal : from.length > 0 ? from : await authorOf(document, names)),
    addressField('Sender', isOther ? from.slice(0, 1) : []),
    addressField('To', await names.read('SendTo', 'InetSendTo')),
    addressField('Cc', await names.read('CopyTo', 'InetCopyTo')),
    addressField('Bcc', await names.read('BlindCopyTo', 'InetBlindCopyTo')),
    addressField('Reply-To', await names.read('ReplyTo', 'InetReplyTo')),
    rawField('Date', dateText(made)),
    textField('Subject', first(document, 'Subject')),
    rawField('Message-ID', id),
    ...threadFields(document, options),
    ...wishFields(document, from),
    textField('Keywords', categoriesOf(document).join(', ')),
    textField('X-Mailer', first(document, '$Mailer')),
    textField('X-Notes-Form', first(document, 'Form')),
    rawField('X-Notes-UNID', document.unid),
    rawField('X-Notes-Database', options.replicaId),
  ]
  return {
    text: text.join(''),
    received: (delivered ?? made).at,
    isDraft: !posted && !delivered && document.names.some((name) => name.toLowerCase() === 'sendto'),
    isSent: posted !== undefined && delivered === undefined,
    unknown: names.unknown,
  }
}

export const categoriesOf = (document: NotesDocument) =>
  document
    .texts('Categories')
    .map((text) => text.trim())
    .filter((text) => text !== '')

class NameReader {
  readonly unknown: string[] = []
  private readonly document: NotesDocument
  private readonly options: HeaderOptions
  constructor(document: NotesDocument, options: HeaderOptions) {
    this.document = document
    this.options = options
  }
  /** The names of one item; an entry of its parallel list that is an address counts instead. */
  async read(item: string, internet: string): Promise<Mailbox[]> {
    const addresses = this.document.texts(internet)
    const found: Mailbox[] = []
    for (const [n, name] of this.document.texts(item).slice(0, MAX_RECIPIENTS).entries()) {
      const address = addresses[n]?.trim() ?? ''
      const isInternet = address.includes('@') && address !== '.'
      const mailbox = await mailboxOf(isInternet ? address : name, this.options.book, this.options.domain)
      if (!mailbox) continue
      found.push(mailbox)
      if (mailbox.isUnknown) this.unknown.push(name)
    }
    return found
  }
}

/** The author of a document without From: its last editor. */
async function authorOf(document: NotesDocument, names: NameReader): Promise<Mailbox[]> {
  for (const item of ['Author', 'AltFrom', '$UpdatedBy']) {
    const found = await names.read(item, '')
    const last = found.at(-1)
    if (last && document.texts(item).length > 0) return [last]
  }
  return [{ name: '', address: 'unknown@notes.invalid' }]
}

/** Message ids in a text. */
const idsIn = (text: string) => (text.match(/<[^<>\s]{1,900}>/g) ?? []).filter((id) => id.includes('@')).slice(0, 100)

function threadFields(document: NotesDocument, options: HeaderOptions): string[] {
  const ids = (name: string) =>
    (
      document
        .texts(name)
        .join(' ')
        .match(/<[^<>\s]+>/g) ?? []
    ).slice(0, 100)
  const own = ids('In_Reply_To')
  const parent =
    document.parent === undefined ? [] : [document.parentMessageId ?? messageIdOf(document.parent, options)]
  const answered = own.length > 0 ? own : parent
  const references = ids('References')
  return [
    rawField('In-Reply-To', answered.join(' ')),
    rawField('References', (references.length > 0 ? references : answered).join(' ')),
  ]
}

const PRIORITY: Readonly<Record<string, readonly [string, string]>> = {
  1: ['1 (Highest)', 'high'],
  3: ['5 (Lowest)', 'low'],
}

function wishFields(document: NotesDocument, from: readonly Mailbox[]): string[] {
  const byDelivery = { H: '1', L: '3' }[first(document, 'DeliveryPriority').toUpperCase()] ?? ''
  const [priority, importance] = PRIORITY[first(document, 'Importance') || byDelivery] ?? []
  return [
    priority === undefined ? '' : rawField('X-Priority', priority),
    importance === undefined ? '' : rawField('Importance', importance),
    first(document, 'ReturnReceipt') === '1' ? addressField('Disposition-Notification-To', from.slice(0, 1)) : '',
  ]
}

/** The servers on its way, the last first as in every header. */
function routeFields(document: NotesDocument): string[] {
  const servers = document.texts('RouteServers').slice(0, MAX_ROUTE)
  const times = document.times('RouteTimes')
  return servers
    .map((server, n) => {
      const at = times[n * 2] ?? times[n]
      const word = (name: string) => name.replace(/[^\x21-\x7e]+/g, '_').replace(/[();\\"<>]/g, '')
      const before = servers[n - 1]
      const from = before === undefined ? '' : `from ${word(before)} `
      return at === undefined ? '' : rawField('Received', `${from}by ${word(server)} (Lotus Domino); ${dateText(at)}`)
    })
    .reverse()
}
