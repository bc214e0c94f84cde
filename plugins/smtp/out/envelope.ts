/**
 * MAIL and RCPT for one server, within its extensions: supported parameters, addresses in a supported form (RFC 1870,
 * 3030, 3461, 6152, 6531, 6533, 6710, 8689).
 *
 * Invariants: a requirement that the server cannot meet fails or is reported, never dropped silently; no address can
 * end its command.
 */
import { createHeaderScanner, type Delivery, type Outcome, type Recipient, type Reply, refuse } from 'iems'
import type { Features } from './features.ts'
import { toAscii } from './nexthop.ts'

export interface Envelope {
  readonly mail: string
  /** RCPT for each of `recipients`, in order. */
  readonly rcpts: readonly string[]
  readonly recipients: readonly Recipient[]
  /** Recipients that this server cannot accept. */
  readonly unfit: readonly Outcome[]
}

export interface Terms {
  readonly features: Features
  /** DSN parameters are passed on. */
  readonly dsn: boolean
}

const PRINTABLE = /^[\x20-\x7e]*$/
// biome-ignore lint/suspicious/noControlCharactersInRegex: rejects control characters
const CONTROL = /[\x00-\x1f\x7f-\x9f]/

/** The reason why this server cannot be given the message at all. */
export async function obstacle(
  delivery: Delivery,
  features: Features,
  eightBit: 'send' | 'bounce',
): Promise<Reply | undefined> {
  const { needs, size, message } = delivery
  if (size > features.sizeLimit)
    return refuse(552, '5.3.4', `Message size ${size} exceeds the limit of the next server, ${features.sizeLimit}`)
      .reply
  if (needs.binary && !features.binary)
    return refuse(554, '5.6.1', 'The next server does not take binary content').reply
  if (addressFor(delivery.from, features) === undefined)
    return refuse(553, '5.6.7', 'The next server does not take the internationalised sender address').reply
  if (needs.eightBit && !features.eightBit && eightBit === 'bounce')
    return refuse(554, '5.6.3', 'The next server does not take 8-bit content').reply
  if (message.parameters.smtpUtf8 && needs.utf8 && !features.utf8 && !(await hasAsciiHeader(delivery))) {
    return refuse(554, '5.6.9', 'The next server does not take internationalised headers').reply
  }
  return undefined
}

/** `needs.utf8` may be set only for addresses, which may have an ASCII form. */
async function hasAsciiHeader(delivery: Delivery): Promise<boolean> {
  const scanner = createHeaderScanner()
  let before = 0
  for await (const chunk of delivery.open()) {
    const end = scanner.push(chunk)
    const text = Buffer.from(chunk.subarray(0, end && Math.max(0, end.fields - before))).toString('latin1')
    if (!/^[\r\n\t\x20-\x7e]*$/.test(text)) return false
    if (end) return true
    before += chunk.byteLength
  }
  return true
}

export function writeEnvelope(delivery: Delivery, recipients: readonly Recipient[], terms: Terms): Envelope {
  const fit: Recipient[] = []
  const rcpts: string[] = []
  const unfit: Outcome[] = []
  let utf8 = delivery.needs.utf8 || !PRINTABLE.test(delivery.from)
  for (const recipient of recipients) {
    const address = addressFor(recipient.address, terms.features)
    if (address === undefined) {
      unfit.push({
        recipient,
        status: 'failed',
        reply: refuse(553, '5.6.7', 'The next server does not take internationalised addresses').reply,
      })
      continue
    }
    utf8 ||= !PRINTABLE.test(address)
    fit.push(recipient)
    rcpts.push(`RCPT TO:<${address}>${terms.dsn ? rcptDsn(recipient) : ''}\r\n`)
  }
  return {
    mail: `MAIL FROM:<${addressFor(delivery.from, terms.features)}>${mailParameters(delivery, terms, utf8)}\r\n`,
    rcpts,
    recipients: fit,
    unfit,
  }
}

/** An address in a form that this server supports: unchanged, or with A-labels; undefined if there is none. */
function addressFor(address: string, features: Features): string | undefined {
  if (PRINTABLE.test(address)) return address
  if (CONTROL.test(address)) return undefined
  if (features.utf8) return address
  const at = address.lastIndexOf('@') + 1
  const domain = toAscii(address.slice(at))
  return domain !== undefined && PRINTABLE.test(address.slice(0, at)) ? address.slice(0, at) + domain : undefined
}

function mailParameters(
  { message: { parameters }, needs, size }: Delivery,
  { features, dsn }: Terms,
  utf8: boolean,
): string {
  let text = ''
  if (features.size) text += ` SIZE=${size}`
  if (needs.binary) text += ' BODY=BINARYMIME'
  else if (needs.eightBit && features.eightBit) text += ' BODY=8BITMIME'
  if (utf8 && features.utf8) text += ' SMTPUTF8'
  if (parameters.requireTls) text += ' REQUIRETLS'
  if (parameters.mtPriority !== undefined && features.priority) text += ` MT-PRIORITY=${parameters.mtPriority}`
  if (dsn && parameters.ret) text += ` RET=${parameters.ret}`
  if (dsn && parameters.envid) text += ` ENVID=${xtext(parameters.envid)}`
  return text
}

function rcptDsn({ notify, orcpt }: Recipient): string {
  const semicolon = orcpt?.indexOf(';') ?? -1
  const original =
    orcpt === undefined || semicolon < 1
      ? ''
      : ` ORCPT=${encodeOrcpt(orcpt.slice(0, semicolon), orcpt.slice(semicolon + 1))}`
  return `${notify?.length ? ` NOTIFY=${notify.join(',')}` : ''}${original}`
}

function encodeOrcpt(type: string, address: string): string {
  if (type.toLowerCase() !== 'utf-8') return `${type};${xtext(address)}`
  // RFC 6533 section 3, in the form that does not require SMTPUTF8.
  return `${type};${address.replace(/[^!-*,-<>-[\]-~]/gu, (letter) => `\\x{${(letter.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(2, '0')}}`)}`
}

/** RFC 3461 section 4. */
function xtext(text: string): string {
  return text.replace(/[^!-*,-<>-~]/g, (letter) =>
    [...Buffer.from(letter)].map((octet) => `+${octet.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
  )
}
