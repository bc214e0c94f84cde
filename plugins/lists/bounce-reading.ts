/**
 * Reads bounces sent to a return path: RFC 3464 and RFC 5965 reports, and common other forms.
 *
 * Invariants: linear time and bounded work for any message; an unrecognized message counts as a bounce only if it comes
 * from the null sender.
 */
import type { ReadableMessage } from 'iems'
import { eachPart, fromHtml, gather, type MimePart, partBody, readFields, readStructure } from 'iems/mime'

export interface Bounced {
  readonly kind: 'permanent' | 'temporary' | 'complaint'
  /** Absent when the report does not say. */
  readonly address?: string
  readonly why: string
}

const MAX_PART = 65_536
const MAX_PARTS = 100
const MAX_RECIPIENTS = 100

type Message = Pick<ReadableMessage, 'open' | 'size' | 'headers' | 'from'>

async function textOf(message: Message, part: MimePart): Promise<string> {
  return (await gather(partBody(message, part) ?? [], MAX_PART)).toString('latin1')
}

const addressIn = (field = '') => {
  const value = field.includes(';') ? field.slice(field.indexOf(';') + 1) : field
  return value.trim().replace(/^<|>$/g, '').slice(0, 320)
}

/** RFC 3464: groups of fields behind blank lines, the first about the message. */
function readStatus(text: string): Bounced[] {
  const groups = text
    .replaceAll('\r\n', '\n')
    .split(/\n[ \t]*\n/)
    .slice(0, MAX_RECIPIENTS)
  return groups.flatMap((group): Bounced[] => {
    const fields = readFields(Buffer.from(group, 'latin1'))
    const action = fields.get('action')?.trim().toLowerCase()
    // RFC 3464 says `failed`; some say `failure` or `error`.
    if (action === undefined || !/^(?:fail|error)/.test(action)) return []
    const address = addressIn(fields.get('original-recipient') ?? fields.get('final-recipient'))
    const status = fields.get('status') ?? ''
    const kind = /^\s*4\./.test(status) ? 'temporary' : 'permanent'
    return [
      {
        kind,
        ...(address === '' ? {} : { address }),
        why: `${status} ${fields.get('diagnostic-code') ?? ''}`.trim().slice(0, 500),
      },
    ]
  })
}

/** RFC 5965: abuse and fraud are a wish to get no more. */
function readComplaint(text: string): Bounced[] {
  const fields = readFields(Buffer.from(text, 'latin1'))
  const type = fields.get('feedback-type')?.trim().toLowerCase()
  if (type === undefined || type === 'not-spam' || type === 'auth-failure') return []
  const address = addressIn(fields.get('original-rcpt-to'))
  return [{ kind: 'complaint', ...(address === '' ? {} : { address }), why: `Complaint: ${type}` }]
}

/** Sentences of servers that send no RFC 3464 report: qmail, exim, Yahoo, Exchange, Lotus, Groupwise, MDaemon, … */
const PERMANENT =
  /user unknown|unknown (?:user|recipient|address)|addressee unknown|no such (?:user|mailbox|recipient|person|address)|not (?:a )?(?:valid|known) (?:user|recipient|mailbox|address)|invalid (?:final |delivery |recipient |user|address|mailbox)|recipient name is not recognized|mailbox (?:unavailable|not found|does not exist)|does(?: not|n't) (?:exist|have an? \S{1,20} account)|not listed in|(?:address|recipient) (?:rejected|not found|unknown)|automatically rejected|undeliver(?:able|ed)|unable to deliver|(?:was|were|been|be|is) not (?:be )?delivered|not delivered to|did not (?:reach|receive)|permanent(?:ly)? (?:fatal )?(?:errors?|failure|failed)|failed permanently|delivery (?:has |to the following recipients? )?failed|could(?: not|n't) be delivered|has been returned|intended recipient|account (?:is |has been )?(?:disabled|inactive|closed)|unrouteable address|this is a permanent error|\b55[0-4][ -]/i
const TEMPORARY =
  /(?:over (?:the )?(?:its )?(?:disk )?quota|quota (?:exceeded|violation)|mailbox (?:is )?full|temporar(?:y|ily)|try again later|\b4[25]\d[ -]\d)/i
/** Signs of a permanent failure that outweigh words of a temporary one. */
const CERTAIN = /\b5\.1\.[0-9]\b|\b55[013][ -]|permanent|user unknown|unknown user|no such user/i
const DELAYED =
  /(?:delivery (?:is )?delayed|delayed delivery|warning:|will (?:be retried|keep trying)|not yet been delivered|you do not need to resend)/i
const ANSWER =
  /(?:out of (?:the )?office|vacation|away from|automatic reply|auto(?:matic)?[- ]?(?:reply|response)|abwesen)/i

/** Where the text ends and a copy of the message begins. */
const COPY =
  /^[-=_*> \t]{0,20}(?:original message|returned (?:mail|message)|unsent message|message header|(?:below|this line|this) is a copy|a copy of (?:the|your) (?:original )?message|included is a copy|start of (?:the )?(?:returned|original)|received: |return-path: )/im
/** Lines whose addresses are not those of recipients that failed. */
const OTHERS =
  /^\s{0,10}(?:from|sender|reply-to|(?:system )?contact|subject|message-id|please|if you|for (?:further|more|help)|your message)\b/i
const ADDRESS = /^[A-Za-z0-9_][A-Za-z0-9!#$%&'*+/?^_`{|}~.-]{0,63}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,10}$/
const BETWEEN = /[\s<>()[\]",;:'=\\]/
const SYSTEM = /^(?:postmaster|mailer-daemon|abuse|hostmaster|noreply|no-reply|help|support)@/i

/** Addresses that the text or the field of exim names, without those of the systems that write. */
function addressesNamed(headers: Message['headers'], text: string): readonly string[] {
  const [failed] = headers.get('x-failed-recipients')
  const before = text.slice(0, COPY.exec(text)?.index)
  const lines = before.split('\n').filter((line) => !OTHERS.test(line) || /deliver|rejected|to </i.test(line))
  const words = (failed ?? lines.join('\n')).split(BETWEEN)
  const found = words
    .map((word) => (word.endsWith('.') ? word.slice(0, -1) : word))
    .filter((word) => ADDRESS.test(word))
  const known = new Map(found.map((address) => [address.toLowerCase(), address]))
  return [...known.values()].filter((address) => !SYSTEM.test(address)).slice(0, MAX_RECIPIENTS)
}

export async function readBounce(message: Message): Promise<readonly Bounced[]> {
  const { headers, from } = message
  const root = await readStructure((range) => message.open(range), message.size)
  let isReport = false
  const found: Bounced[] = []
  let text = ''
  for (const part of eachPart(root).take(MAX_PARTS)) {
    const isText = part.type === 'text' && (part.subtype === 'plain' || part.subtype === 'html')
    if (part.type === 'message' && /^(?:global-)?delivery-status$/.test(part.subtype)) {
      const status = await textOf(message, part)
      // One that names no recipient says less than the text beside it.
      isReport ||= /^action:/im.test(status)
      found.push(...readStatus(status))
    } else if (part.type === 'message' && part.subtype === 'feedback-report') {
      isReport = true
      found.push(...readComplaint(await textOf(message, part)))
    } else if (part.type === 'message') break
    else if (isText && text.length < MAX_PART && !isReport) {
      const shown = await textOf(message, part)
      text += `${part.subtype === 'html' ? fromHtml(shown) : shown}\n`
    }
  }
  // A report that names no failure is about a delay or a success.
  if (isReport) return onePerAddress(found)
  const subject = headers.get('subject')[0] ?? ''
  const auto = headers.get('auto-submitted')[0]?.trim().toLowerCase() ?? ''
  if (auto.startsWith('auto-replied') || ANSWER.test(subject)) return []
  const all = `${subject}\n${text.slice(0, COPY.exec(text)?.index)}`
  if (DELAYED.test(all) && !CERTAIN.test(all)) return []
  const isPermanent = PERMANENT.test(all)
  if (!isPermanent && !TEMPORARY.test(all) && from !== '') return []
  const kind = isPermanent && (CERTAIN.test(all) || !TEMPORARY.test(all)) ? 'permanent' : 'temporary'
  const why = subject.slice(0, 200)
  const addresses = addressesNamed(headers, text.replaceAll('\r\n', '\n'))
  return addresses.length === 0 ? [{ kind, why }] : addresses.map((address) => ({ kind, address, why }))
}

/** The first of each address. */
function onePerAddress(found: readonly Bounced[]): readonly Bounced[] {
  const seen = new Set<string>()
  return found.filter(({ address = '' }) => {
    const isNew = !seen.has(address.toLowerCase())
    seen.add(address.toLowerCase())
    return isNew
  })
}
