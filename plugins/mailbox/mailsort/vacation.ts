/**
 * Vacation replies (RFC 5230) by the rules of RFC 3834.
 *
 * Invariants: a sender gets one reply in its period, whatever kernels do; no reply goes to lists, programs, reports or
 * the owner, nor for mail that does not name the owner, nor for junk.
 */
import { type Mailbox, rawField, readAddresses } from 'iems/mime'
import { oneLine, writeLetter } from './letters.ts'
import type { Sending } from './sending.ts'
import type { Vacation } from './sieve/index.ts'

/** RFC 5230 section 4.6: senders that are programs. */
const PROGRAMS =
  /^(?:owner-.*|.*-(?:request|owner|bounces?)(?:\+.*)?|mailer-daemon|postmaster|listserv|majordomo|no-?reply.*|do-?not-?reply.*)$/i
const ADDRESSED = ['to', 'cc', 'bcc', 'resent-to', 'resent-cc', 'resent-bcc']

const same = (a: string, b: string) => a.toLowerCase() === b.toLowerCase()

/** Why a message gets no reply, if it gets none. */
export function obstacle({ from, isJunk, message, options }: Sending, own: readonly string[]): string | undefined {
  const at = from.lastIndexOf('@')
  const fields = message.fields
  if (!options.vacation.enabled) return 'replies are turned off'
  if (at <= 0) return 'the message is a report'
  if (own.some((address) => same(address, from))) return 'the sender is the owner'
  if (PROGRAMS.test(from.slice(0, at))) return 'the sender is a program'
  const { domains } = options.vacation
  if (domains.length > 0 && !domains.some((domain) => same(domain, from.slice(at + 1))))
    return "the sender's domain gets no replies"
  const automatic = fields.get('auto-submitted')
  if (automatic !== undefined && !/^no\b/i.test(automatic)) return 'the message was sent automatically'
  if (fields.list.some(({ name }) => name.startsWith('list-'))) return 'the message is from a list'
  if (/^(?:bulk|junk|list)$/i.test(fields.get('precedence') ?? '')) return 'the message is bulk mail'
  if (/\b(?:all|oof|autoreply)\b/i.test(fields.get('x-auto-response-suppress') ?? ''))
    return 'the sender wants no replies'
  if (isJunk) return 'the message is junk'
  const named = ADDRESSED.flatMap((name) => fields.all(name).flatMap((value) => readAddresses(value)))
  const isNamed = named.some(({ mailbox = '', host = '' }) =>
    own.some((address) => same(address, `${mailbox}@${host}`)),
  )
  return isNamed ? undefined : 'the message does not name the owner'
}

const ownOf = ({ account, recipient }: Sending, action: Vacation) => [
  ...account.addresses,
  recipient.address,
  recipient.original,
  ...action.addresses,
]

/** The reply as it would be sent, or why there is none. */
export async function compose(
  sending: Sending,
  action: Vacation,
): Promise<{ readonly content: string } | { readonly none: string }> {
  const none = obstacle(sending, ownOf(sending, action))
  if (none !== undefined) return { none }
  const { from: to, message, now } = sending
  const from = await senderOf(sending, action.from)
  if (from === undefined) return { none: 'the owner may not send from that address' }
  const id = message.fields.get('message-id')?.match(/<[^<>\s]{1,900}>/)?.[0]
  const subject = action.subject ?? `Auto: ${message.decoded('subject')[0] ?? ''}`
  const content = writeLetter({
    ...{ from, to: [to], subject, date: now(), text: action.reason, isMime: action.isMime },
    messageId: sending.messageId('vacation'),
    auto: 'auto-replied (vacation)',
    fields: id === undefined ? [] : [rawField('In-Reply-To', id), rawField('References', id)],
  })
  return { content }
}

/** Sends the reply, if there is to be one. Answers why not. */
export async function reply(sending: Sending, action: Vacation): Promise<string | undefined> {
  const { account, id: by, from: to, options, memory } = sending
  const made = await compose(sending, action)
  if ('none' in made) return made.none
  const keep = Math.max(action.seconds * 1000, options.vacation.minInterval)
  const what = JSON.stringify(['vacation', action.handle, to.toLowerCase()])
  if (await memory.isKnown({ account: account.id, what, by, keep })) return 'the sender has had a reply'
  await sending.send({ to: [to], content: made.content, key: 'vacation', copyTo: action.copyTo })
  return undefined
}

/** The address that the owner wants, if they may send from it; else their own. */
export async function senderOf(
  { account, recipient, maySendAs }: Pick<Sending, 'account' | 'recipient' | 'maySendAs'>,
  wanted: string | undefined,
): Promise<Mailbox | undefined> {
  if (wanted === undefined) {
    const addressed = account.addresses.find((address) => same(address, recipient.address))
    return { name: '', address: addressed ?? account.addresses[0] ?? recipient.address }
  }
  const [{ name = '', mailbox = '', host = '' } = {}] = readAddresses(oneLine(wanted))
  const address = `${mailbox}@${host}`
  return (await maySendAs(account.id, address)) ? { name, address } : undefined
}
