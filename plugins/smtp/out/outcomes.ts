/**
 * Turns replies into one outcome for each recipient. Pure.
 *
 * Invariants: only a positive reply to the whole content delivers; only a 5yz reply of the server, or a property of the
 * message, fails; everything else is deferred. The reply code decides; a contradicting enhanced code is dropped.
 */
import type { EnhancedCode, Outcome, Recipient, Reply } from 'iems'
import type { RemoteReply } from './replies.ts'

/** Maximum length of the server's text in logs and reports: one printable line. */
const TEXT_LIMIT = 500
/** Octets kept verbatim. */
const SAID_LIMIT = 4096
const ENHANCED = /^[245]\.\d{1,3}\.\d{1,3}(?= |$)/

export function toReply({ code, text, said }: RemoteReply): Reply {
  // A code that is invalid for the command, such as 354 to MAIL, decides nothing.
  const kind = code < 300 ? '2' : code >= 500 ? '5' : '4'
  const enhanced = ENHANCED.exec(text)?.[0]
  const words = text.includes('\n') ? text.split('\n').map(withoutEnhanced).join(' ') : withoutEnhanced(text)
  return {
    code,
    enhanced: (enhanced?.[0] === kind ? enhanced : `${kind}.0.0`) as EnhancedCode,
    text: words.replace(/[^\x20-\x7e]+/g, '?').slice(0, TEXT_LIMIT),
    ...(said === undefined ? {} : { said: said.slice(0, SAID_LIMIT) }),
  }
}

function withoutEnhanced(line: string): string {
  return ENHANCED.test(line) ? line.replace(ENHANCED, '').trimStart() : line
}

export function isPositive({ code }: RemoteReply): boolean {
  return code >= 200 && code < 300
}

/** A server that could not be used. */
export interface ServerFailure {
  readonly status: 'deferred' | 'failed'
  readonly reply: Reply
  readonly remote?: string
  /** The server spoke SMTP. */
  readonly reached: boolean
}

/** The replies of one transaction. */
export interface Answers {
  readonly mail: RemoteReply
  readonly rcpts: readonly RemoteReply[]
  readonly data: RemoteReply
  /** Replies to the content: one for all or, with LMTP, one for each accepted recipient. */
  readonly finals: readonly RemoteReply[]
  /** The end of the content was sent: from then on the server may have accepted it. */
  readonly isComplete: boolean
}

export interface RecipientAnswer {
  readonly recipient: Recipient
  readonly reply: RemoteReply
  /**
   * `taken` and `refused` are final for this attempt; `full` requires another transaction; `gone` means that the
   * connection ended before the server could have accepted the message, so another server may be tried.
   */
  readonly fate: 'taken' | 'refused' | 'full' | 'gone'
}

/** The reply that decides for each recipient: the first negative, else the last positive one. */
export function answersFor(
  recipients: readonly Recipient[],
  { mail, rcpts, data, finals, isComplete }: Answers,
): RecipientAnswer[] {
  let accepted = 0
  return recipients.map((recipient, index): RecipientAnswer => {
    const rcpt = rcpts[index] ?? mail
    const no = [mail, rcpt].find((reply) => !isPositive(reply)) ?? (data.code === 354 ? undefined : data)
    if (no) {
      if (no === rcpt && accepted > 0 && meansTooMany(no)) return { recipient, reply: no, fate: 'full' }
      if (rcpt !== no) accepted++
      return { recipient, reply: no, fate: no.code === 421 ? 'gone' : 'refused' }
    }
    const reply = finals[Math.min(accepted++, finals.length - 1)] as RemoteReply
    if (isPositive(reply)) return { recipient, reply, fate: 'taken' }
    return { recipient, reply, fate: reply.code === 421 && !isComplete ? 'gone' : 'refused' }
  })
}

/** RFC 5321 section 4.5.3.1.10: 452, or 552 from servers that follow RFC 821, for too many recipients. */
function meansTooMany({ code, text }: RemoteReply): boolean {
  if (code !== 452 && code !== 552) return false
  const enhanced = ENHANCED.exec(text)?.[0]
  return enhanced === undefined || enhanced.slice(1) === '.5.3'
}

export interface Source {
  readonly remote: string
  readonly handover: 'final' | 'relayed' | 'reported'
}

export function outcomeOf({ recipient, reply, fate }: RecipientAnswer, { remote, handover }: Source): Outcome {
  if (fate === 'taken') return { recipient, status: 'delivered', reply: toReply(reply), remote, handover }
  return { recipient, status: reply.code >= 500 ? 'failed' : 'deferred', reply: toReply(temporary(reply)), remote }
}

/** A reply that is neither positive nor negative becomes temporary, including its code. */
function temporary(reply: RemoteReply): RemoteReply {
  return reply.code >= 400
    ? reply
    : { ...reply, code: 451, text: `4.5.0 Unexpected reply: ${reply.code} ${reply.text}` }
}

/** Outcomes for recipients without a server left: failed only if every server refused permanently. */
export function outcomesWithout(recipients: readonly Recipient[], troubles: readonly ServerFailure[]): Outcome[] {
  const decisive =
    troubles.findLast(({ status, reached }) => status === 'deferred' && reached) ??
    troubles.findLast(({ status }) => status === 'deferred') ??
    troubles.at(-1)
  const { status, reply, remote } = decisive ?? NOBODY
  const unreachable = troubles.length > 0 && troubles.every(({ reached }) => !reached)
  return recipients.map((recipient) => ({
    recipient,
    status,
    reply,
    ...(remote === undefined ? {} : { remote }),
    ...(unreachable ? { unreachable } : {}),
  }))
}

const NOBODY: ServerFailure = {
  status: 'deferred',
  reply: { code: 451, enhanced: '4.4.1', text: 'No server could be asked' },
  reached: true,
}
