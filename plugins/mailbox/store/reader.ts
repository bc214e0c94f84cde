/**
 * `iems mail`: a small reader in the terminal. It lists the newest messages of a mailbox, and shows one.
 *
 * Invariants: reading changes nothing, not even flags; the output is plain text. The `iems` command escapes it.
 */
import { type Command, type CommandOutput, counted, formatSize } from 'iems'
import { type MimePart, readText } from 'iems/mime'
import type { Account } from '../../directory/static/api.ts'
import type { Email, Entry, Mailbox, MailStoreApi, Uids } from './api.ts'

export interface ReaderDeps {
  readonly service: Pick<MailStoreApi, 'open' | 'entries' | 'email'>
  accountOf(name: string | undefined): Promise<Account>
  mailboxOf(account: Account, name: string): Promise<Mailbox>
  /** All accounts, in any order. */
  list(): AsyncIterable<Account>
}

const LISTED = 20
/** Characters of a message that are shown. */
const SHOWN = 1_048_576
/** Octets of text that a line of the list needs: its header alone. */
const NO_BODY = 0
const FIELDS = ['from', 'to', 'cc', 'subject', 'date'] as const
const WIDTH = 32

export function createReader({ service, accountOf, mailboxOf, list }: ReaderDeps): Readonly<Record<string, Command>> {
  /** The one account of a small server needs no name. */
  async function chosen(name: string | undefined): Promise<Account> {
    if (name !== undefined) return accountOf(name)
    const all: Account[] = []
    for await (const account of list()) {
      all.push(account)
      if (all.length > 1) throw new Error('There are several accounts: name one, as in iems mail ann')
    }
    if (!all[0]) throw new Error('There is no account yet')
    return all[0]
  }

  async function* listed(mailbox: Mailbox, most: number): AsyncGenerator<CommandOutput> {
    const opened = await service.open(mailbox)
    if ('refused' in opened) throw new Error(opened.why)
    const entries = await Array.fromAsync(service.entries(mailbox, newest(opened.uids, most)))
    for (const entry of entries.reverse()) {
      const email = await service.email(entry.email)
      if (email) yield await lineOf(entry, email)
    }
    const rest = opened.mailbox.messages - entries.length
    const older = rest > 0 ? `, ${rest} older not shown (--limit)` : ''
    yield { text: `${mailbox.name}: ${counted(opened.mailbox.messages, 'message')}${older}` }
  }

  async function* shown(mailbox: Mailbox, uid: number, raw: boolean): AsyncGenerator<CommandOutput> {
    const [entry] = await Array.fromAsync(service.entries(mailbox, [[uid, uid]]))
    const email = entry && (await service.email(entry.email))
    if (!entry || !email) throw new Error(`${mailbox.name} has no message ${uid}; iems mail lists what it has`)
    if (raw) for await (const bytes of email.open()) yield { bytes }
    else yield* readable(entry, email)
  }

  return {
    mail: {
      summary: "lists the newest messages of an account's mailbox; with a number, shows that message",
      arguments: ['[account]', '[number]'],
      options: {
        '--mailbox <name>': 'the mailbox; default: INBOX',
        '--limit <count>': `messages of the list; default: ${LISTED}`,
        '--raw': 'the message as it was received',
      },
      async *run({ arguments: [first, second], options }) {
        // `iems mail 3` is a number: with one account it needs no name.
        const [name, number] = second === undefined && /^\d+$/.test(first ?? '') ? [undefined, first] : [first, second]
        const mailbox = await mailboxOf(await chosen(name), String(options.mailbox ?? 'INBOX'))
        if (number !== undefined) return yield* shown(mailbox, countOf(number, 'the number'), options.raw === true)
        yield* listed(mailbox, countOf(String(options.limit ?? LISTED), '--limit'))
      },
    },
  }
}

function countOf(text: string, what: string): number {
  if (!/^[1-9]\d{0,9}$/.test(text)) throw new Error(`${what} must be a whole number from 1`)
  return Number(text)
}

/** The last `most` UIDs. */
function newest(uids: Uids, most: number): Uids {
  const chosen: [number, number][] = []
  let left = most
  for (const [first, last] of uids.toReversed()) {
    if (left <= 0) break
    chosen.unshift([Math.max(first, last - left + 1), last])
    left -= last - first + 1
  }
  return chosen
}

const plainDate = (at: number) => new Date(at).toISOString().slice(0, 16).replace('T', ' ')
const cut = (text: string, width: number) => (text.length > width ? `${text.slice(0, width - 1)}…` : text).padEnd(width)
const fieldIn = (fields: readonly { readonly name: string; readonly value: string }[], name: string) =>
  fields
    .find((field) => field.name === name)
    ?.value.replace(/\s+/g, ' ')
    .trim()

async function lineOf({ uid, flags, received, size }: Entry, email: Email): Promise<CommandOutput> {
  const { fields } = await email.text(NO_BODY)
  const [from = '', subject = ''] = [fieldIn(fields, 'from'), fieldIn(fields, 'subject')]
  const mark = flags.includes('\\Seen') ? ' ' : '*'
  return {
    text: `${String(uid).padStart(5)} ${mark} ${plainDate(received)}  ${cut(from, WIDTH)}  ${subject}`,
    value: { uid, from, subject, received, size, flags },
  }
}

async function* readable(entry: Entry, email: Email): AsyncGenerator<CommandOutput> {
  const { fields, body, attachments, isPartial } = await readText(
    email,
    withoutVariants(await email.structure()),
    SHOWN,
  )
  const header = FIELDS.flatMap((name) => {
    const value = fieldIn(fields, name)
    return value === undefined ? [] : [`${name[0]?.toUpperCase()}${name.slice(1)}: ${value}`]
  })
  const notes = [
    ...attachments.map((name) => `[attachment: ${name}]`),
    ...(isPartial ? [`[there is more: --raw shows all ${formatSize(entry.size)}]`] : []),
  ]
  yield {
    text: [...header, '', body.replace(/\r\n/g, '\n').trimEnd(), ...(notes.length > 0 ? ['', ...notes] : [])].join(
      '\n',
    ),
    value: { uid: entry.uid, fields, body, attachments },
  }
}

/** Of alternatives, only the plain text where there is one (RFC 2046 section 5.1.4). */
function withoutVariants(part: MimePart): MimePart {
  if (!part.parts) return part
  const plain = part.parts.find(({ type, subtype }) => type === 'text' && subtype === 'plain')
  const isChoice = part.type === 'multipart' && part.subtype === 'alternative'
  return { ...part, parts: isChoice && plain ? [plain] : part.parts.map(withoutVariants) }
}
