/**
 * The border to Domino: names of Notes in recipients and header fields from Domino become Internet addresses by the
 * directory, files with Notes links become links, requests for receipts are written as each side knows them, and what is
 * only Domino's leaves with no message.
 *
 * Invariants: an address that the directory does not know stays as it is; only messages of the configured hosts are
 * changed on their way in.
 */
import { type Delivery, inNetworks, type Message, type Recipient } from 'iems'
import { addressField, type Mailbox, readAddresses } from 'iems/mime'
import { type AddressBook, parseName } from './names.ts'
import { linkNdl } from './ndl.ts'
import type { Connector } from './options.ts'

/** Fields that are Domino's own. */
const OWN_FIELDS = ['x-mimetrack', 'x-notes-item', 'x-kc-priority', 'x-tnef-correlator']
const ADDRESS_FIELDS = ['From', 'Sender', 'Reply-To', 'To', 'Cc']
const MAX_ADDRESSES = 5000

export interface BorderDeps {
  readonly connector: Connector
  readonly book: AddressBook
}

/** `John_Doe/Sales/Acme@acme.example`, or with `%Domain` behind it; undefined for other addresses. */
export function notesNameIn(address: string, domains: readonly string[]): string | undefined {
  const at = address.lastIndexOf('@')
  if (!domains.some((domain) => domain.toLowerCase() === address.slice(at + 1).toLowerCase())) return undefined
  const given = address.slice(0, at)
  const local = /^".*"$/s.test(given) ? given.slice(1, -1).replace(/\\(.)/gs, '$1') : given
  const [name = ''] = local.split('%')
  return name.includes('/') ? name.replaceAll('_', ' ') : undefined
}

const isFromDomino = ({ hosts }: Connector, message: Pick<Message, 'session'>) => {
  const { remote } = message.session
  return remote !== undefined && inNetworks(hosts)(remote.address)
}

/** Where a recipient with a Notes name is; nothing for others. */
export async function expandNotes({ connector, book }: BorderDeps, to: Recipient): Promise<Recipient[] | undefined> {
  const name = notesNameIn(to.address, connector.domains)
  const address = name === undefined ? undefined : await book.addressOf(parseName(name))
  return address === undefined || address.toLowerCase() === to.address.toLowerCase() ? undefined : [{ ...to, address }]
}

/** A message from Domino: its header names people by Internet addresses, and asks for receipts as MDN has it. */
export async function fromDomino({ connector, book }: BorderDeps, message: Message): Promise<void> {
  if (!isFromDomino(connector, message)) return
  for (const field of ADDRESS_FIELDS) await rewriteField({ connector, book }, message, field)
  await linkNdl(message, connector.web)
  const [wanted] = message.headers.get('return-receipt-to')
  if (wanted === undefined || message.headers.get('disposition-notification-to').length > 0) return
  const { mailboxes } = await translated({ connector, book }, wanted)
  const line = addressField('Disposition-Notification-To', mailboxes.slice(0, 1))
  if (line !== '') message.headers.prepend('Disposition-Notification-To', bodyOf(line))
}

const bodyOf = (line: string) => line.slice(line.indexOf(':') + 1).trim()

const mailboxesIn = (value: string): Mailbox[] =>
  readAddresses(value)
    .slice(0, MAX_ADDRESSES)
    .flatMap(({ name = '', mailbox, host }) => (host ? [{ name, address: `${mailbox}@${host}` }] : []))

/** Mailboxes with Notes names as the directory knows them. */
async function translated({ connector, book }: BorderDeps, value: string) {
  let isChanged = false
  const mailboxes: Mailbox[] = []
  for (const mailbox of mailboxesIn(value)) {
    const name = notesNameIn(mailbox.address, connector.domains)
    const address = name === undefined ? undefined : await book.addressOf(parseName(name))
    if (address !== undefined) isChanged = true
    mailboxes.push({ name: mailbox.name || parseName(name ?? '').common, address: address ?? mailbox.address })
  }
  return { mailboxes, isChanged }
}

async function rewriteField(deps: BorderDeps, message: Message, field: string): Promise<void> {
  const [value] = message.headers.get(field)
  if (value === undefined || !value.includes('/')) return
  const { mailboxes, isChanged } = await translated(deps, value)
  if (!isChanged) return
  message.headers.remove(field)
  message.headers.prepend(field, bodyOf(addressField(field, mailboxes)))
}

/** Mail that leaves Domino loses what is Domino's own; mail for Domino asks for receipts in its way too. */
export function leaveDomino({ connector }: Pick<BorderDeps, 'connector'>, delivery: Delivery): void {
  const [wanted] = delivery.headers.get('disposition-notification-to')
  if (delivery.route.channel === connector.channel) {
    // Older releases of Domino know this field alone.
    if (wanted !== undefined && delivery.headers.get('return-receipt-to').length === 0)
      delivery.headers.prepend('Return-Receipt-To', wanted.trim())
    return
  }
  for (const field of OWN_FIELDS) if (delivery.headers.get(field).length > 0) delivery.headers.remove(field)
}
