/**
 * Delivery reports, nondelivery reports and return receipts of Notes as multipart/report (RFC 3464, RFC 8098).
 *
 * The items IntendedRecipient and FailureReason are those of the forms in Notes' mail templates; a report without them
 * keeps its text and says what it can.
 */
import { multipart, type Part, textPart } from 'iems/mime'
import { first, type NotesDocument } from '../archive/model.ts'
import { mailboxOf } from '../names.ts'
import { type HeaderOptions, messageIdOf } from './header.ts'

const MAX_RECIPIENTS = 1000
const ACTIONS: Readonly<Record<string, readonly [action: string, status: string]>> = {
  'nondelivery report': ['failed', '5.0.0'],
  'delivery report': ['delivered', '2.0.0'],
  'trace report': ['relayed', '2.0.0'],
}

/** The report around its text; undefined for a document that is none. */
export async function reportPart(
  document: NotesDocument,
  text: Part,
  options: HeaderOptions & { readonly boundary: string },
): Promise<Part | undefined> {
  const form = first(document, 'Form').toLowerCase()
  const action = ACTIONS[form]
  if (!action && form !== 'return receipt') return undefined
  const fields = action ? await deliveryStatus(document, options, action) : await disposition(document, options)
  const machine = textPart(`message/${action ? 'delivery-status' : 'disposition-notification'}`, fields)
  const type = action ? 'delivery-status' : 'disposition-notification'
  return multipart(`report; report-type=${type}`, options.boundary, () => [text, machine])
}

const line = (text: string) =>
  text
    .replace(/[\p{Cc}\s]+/gu, ' ')
    .trim()
    .slice(0, 800)

async function deliveryStatus(
  document: NotesDocument,
  { book, domain }: HeaderOptions,
  [action, status]: readonly [string, string],
): Promise<string> {
  const given = document.texts('IntendedRecipient').filter((name) => name.trim() !== '')
  const names = given.length > 0 ? given : document.texts('From').slice(0, 1)
  const reason = line(document.texts('FailureReason').join(' '))
  const blocks = ['Reporting-MTA: x-notes; Domino\n']
  for (const name of names.slice(0, MAX_RECIPIENTS)) {
    const mailbox = await mailboxOf(name, book, domain)
    if (!mailbox) continue
    const why = reason === '' || action !== 'failed' ? '' : `Diagnostic-Code: x-notes; ${reason}\n`
    blocks.push(
      `Original-Recipient: x-notes; ${line(name)}\nFinal-Recipient: rfc822; ${mailbox.address}\nAction: ${action}\nStatus: ${status}\n${why}`,
    )
  }
  return blocks.join('\n')
}

async function disposition(document: NotesDocument, options: HeaderOptions): Promise<string> {
  const mailbox = await mailboxOf(first(document, 'From'), options.book, options.domain)
  const own = first(document, 'In_Reply_To').match(/<[^<>\s]{1,900}>/)?.[0]
  const parent = document.parent === undefined ? undefined : messageIdOf(document.parent, options)
  const original = own ?? document.parentMessageId ?? parent
  return [
    'Reporting-UA: Notes',
    ...(mailbox ? [`Final-Recipient: rfc822; ${mailbox.address}`] : []),
    ...(original === undefined ? [] : [`Original-Message-ID: ${original}`]),
    'Disposition: manual-action/MDN-sent-automatically; displayed',
    '',
  ].join('\n')
}
