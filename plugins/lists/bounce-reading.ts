/**
 * Reads bounces sent to a return path: RFC 3464 and RFC 5965 reports, and common other forms.
 *
 * Invariants: linear time and bounded work for any message; an unrecognized message counts as a bounce only if it comes
 * from the null sender.
 */
import type { ReadableMessage } from 'iems'
import { gather, type MimePart, partBody, readFields, readStructure } from 'iems/mime'

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

function* eachPart(root: MimePart): Generator<MimePart> {
  const stack = [root]
  for (let count = 0; count < MAX_PARTS; count++) {
    const next = stack.pop()
    if (!next) return
    yield next
    stack.push(...[...(next.parts ?? [])].reverse())
  }
}

async function textOf(message: Message, part: MimePart): Promise<string> {
  return (await gather(partBody(message, part) ?? [], MAX_PART)).toString('latin1')
}

const addressIn = (field = '') => {
  const value = field.includes(';') ? field.slice(field.indexOf(';') + 1) : field
  return value.trim().replace(/^<|>$/g, '').slice(0, 320)
}

/** RFC 3464: groups of fields behind blank lines, the first about the message. */
function readStatus(text: string): Bounced[] {
  const groups = text.replaceAll('\r\n', '\n').split(/\n\n+/).slice(0, MAX_RECIPIENTS)
  return groups.flatMap((group): Bounced[] => {
    const fields = readFields(Buffer.from(group, 'latin1'))
    const action = fields.get('action')?.trim().toLowerCase()
    if (action === undefined || !action.startsWith('failed')) return []
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

/** Sentences of servers that send no RFC 3464 report: qmail, exim, Yahoo, Exchange, Lotus, Groupwise, … */
const PERMANENT =
  /user unknown|unknown user|no such (?:user|mailbox|recipient|person)|mailbox (?:unavailable|not found|does not exist)|does(?: not|n't) (?:exist|have an? \S{1,20} account)|(?:address|recipient) (?:rejected|not found|unknown)|undeliverable|permanent (?:fatal )?errors?|permanent failure|delivery (?:has |to the following recipients? )?failed|could not be delivered|account (?:is |has been )?(?:disabled|inactive|closed)|unrouteable address|this is a permanent error|\b55[0-4][ -]/i
const TEMPORARY =
  /(?:over ?quota|quota exceeded|mailbox (?:is )?full|temporar(?:y|ily)|try again later|\b4[25]\d[ -]\d)/i
const DELAYED =
  /(?:delivery (?:is )?delayed|delayed delivery|warning:|will (?:be retried|keep trying)|not yet been delivered|you do not need to resend)/i
const ANSWER =
  /(?:out of (?:the )?office|vacation|away from|automatic reply|auto(?:matic)?[- ]?(?:reply|response)|abwesen)/i

/** Addresses that common forms name: `<a@b>:` of qmail, `Failed-Recipient` of exim. */
function addressNamed(headers: Message['headers'], text: string): string | undefined {
  const [failed] = headers.get('x-failed-recipients')
  if (failed !== undefined) return failed.split(',')[0]?.trim()
  return (
    /^\s{0,10}<?([^\s<>@]{1,64}@[^\s<>@:]{1,255})>?:?\s{0,5}$/m.exec(text)?.[1] ??
    /<([^\s<>@]{1,64}@[^\s<>@]{1,255})>:/.exec(text)?.[1]
  )
}

export async function readBounce(message: Message): Promise<readonly Bounced[]> {
  const { headers, from } = message
  const root = await readStructure((range) => message.open(range), message.size)
  let isReport = false
  const found: Bounced[] = []
  let text = ''
  for (const part of eachPart(root)) {
    if (part.type === 'message' && /^(?:global-)?delivery-status$/.test(part.subtype)) {
      isReport = true
      found.push(...readStatus(await textOf(message, part)))
    } else if (part.type === 'message' && part.subtype === 'feedback-report') {
      isReport = true
      found.push(...readComplaint(await textOf(message, part)))
    } else if (part.type === 'text' && part.subtype === 'plain' && text.length < MAX_PART && !isReport)
      text += await textOf(message, part)
  }
  // A report that names no failure is about a delay or a success.
  if (isReport) return found
  const subject = headers.get('subject')[0] ?? ''
  const auto = headers.get('auto-submitted')[0]?.trim().toLowerCase() ?? ''
  if (auto.startsWith('auto-replied') || ANSWER.test(subject)) return []
  const all = `${subject}\n${text}`
  if (DELAYED.test(all)) return []
  const address = addressNamed(headers, text)
  const why = subject.slice(0, 200)
  const named = address === undefined ? {} : { address }
  if (PERMANENT.test(all)) return [{ kind: TEMPORARY.test(all) ? 'temporary' : 'permanent', ...named, why }]
  if (TEMPORARY.test(all) || from === '') return [{ kind: 'temporary', ...named, why }]
  return []
}
