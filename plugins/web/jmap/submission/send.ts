/**
 * A message handed to the kernel, as every other client hands it: in the client's own identity, without its Bcc.
 */
import type { ServerSession } from 'iems'
import type { JmapCall } from '../api.ts'
import { invalidProperties, ObjectError } from '../errors.ts'
import type { MailDeps } from '../mail/deps.ts'
import type { Envelope } from './records.ts'

interface Sending {
  readonly emailId: string
  readonly envelope: Envelope
  readonly sendAt: number
}

/** Hands the message to the kernel; the message's id in the queue. Throws `ObjectError`. */
export async function send(
  deps: Pick<MailDeps, 'mail' | 'clock'>,
  { emailId, envelope, sendAt }: Sending,
  call: JmapCall,
): Promise<string> {
  const content = await deps.mail.email(emailId)
  if (!content) throw invalidProperties(['emailId'], 'There is no such email')
  const session = await call.openSession()
  try {
    const { ret, envid } = dsnParameters(envelope.mailFrom.parameters)
    const refused = await session.mail(envelope.mailFrom.email, {
      size: content.size,
      ...(sendAt > deps.clock.now() ? { notBefore: sendAt } : {}),
      ...(ret ? { ret } : {}),
      ...(envid === undefined ? {} : { envid }),
      ...(isInternational(envelope) ? { smtpUtf8: true } : {}),
    })
    if (refused) throw new ObjectError('forbiddenFrom', refused.reply.text)
    await addRecipients(session, envelope)
    const reply = await session.data(withoutBcc(content.open()))
    if (reply.code !== 250 || reply.message === undefined) throw new ObjectError('forbiddenToSend', reply.text)
    return reply.message
  } finally {
    session.close()
  }
}

const isInternational = ({ mailFrom, rcptTo }: Envelope) =>
  [mailFrom, ...rcptTo].some(({ email }) => /\P{ASCII}/u.test(email))

function dsnParameters(given: Readonly<Record<string, string | null>> | null) {
  const named = Object.fromEntries(Object.entries(given ?? {}).map(([name, value]) => [name.toUpperCase(), value]))
  const ret = named.RET === 'FULL' || named.RET === 'HDRS' ? (named.RET as 'FULL' | 'HDRS') : undefined
  return { ret, envid: named.ENVID ?? undefined }
}

const NOTIFY = ['NEVER', 'SUCCESS', 'FAILURE', 'DELAY'] as const

/** Every recipient, or none (RFC 8621 section 7.5: a submission is refused as a whole). */
async function addRecipients(session: ServerSession, { rcptTo }: Envelope): Promise<void> {
  const invalid: string[] = []
  for (const { email, parameters: given } of rcptTo) {
    const asked = Object.entries(given ?? {}).find(([name]) => name.toUpperCase() === 'NOTIFY')?.[1]
    const notify = NOTIFY.filter((one) => asked?.toUpperCase().split(',').includes(one))
    const refused = await session.rcpt({ address: email, ...(notify.length > 0 ? { notify } : {}) })
    if (refused) invalid.push(email)
  }
  if (invalid.length > 0) {
    session.reset()
    throw new ObjectError('invalidRecipients', 'Some recipients were refused', { invalidRecipients: invalid })
  }
}

const BCC = /^bcc[ \t]*:/i

/** Removes Bcc, so that recipients do not see blind copies. */
async function* withoutBcc(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let held = Buffer.alloc(0)
  let isHeader = true
  for await (const chunk of content) {
    if (!isHeader) {
      yield chunk
      continue
    }
    held = Buffer.concat([held, chunk])
    const end = headerLength(held)
    if (end < 0 && held.length < MAX_HEADER) continue
    isHeader = false
    const split = end < 0 ? held.length : end
    yield Buffer.concat([withoutField(held.subarray(0, split)), held.subarray(split)])
  }
  if (isHeader && held.length > 0) yield withoutField(held)
}

const MAX_HEADER = 1024 * 1024

function headerLength(octets: Buffer): number {
  const found = [octets.indexOf('\r\n\r\n'), octets.indexOf('\n\n')].filter((at) => at >= 0)
  return found.length === 0 ? -1 : Math.min(...found) + 2
}

function withoutField(header: Buffer): Buffer {
  let isLeftOut = false
  const lines = header.toString('latin1').split(/(?<=\n)/)
  const kept = lines.filter((line) => {
    if (!/^[ \t]/.test(line)) isLeftOut = BCC.test(line)
    return !isLeftOut
  })
  return Buffer.from(kept.join(''), 'latin1')
}
