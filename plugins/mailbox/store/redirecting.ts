/**
 * Messages sent on to another address by a filter (RFC 5228 section 4.2).
 *
 * Invariants: a delivery that is repeated sends none twice; a message that has already come to this recipient by a
 * redirect is not sent on again.
 */
import type { Delivery, Recipient, Submission, Submitted } from 'iems'

/** Redirects of one message. */
const MAX_REDIRECTS = 5

export interface Redirecting {
  readonly delivery: Delivery
  readonly recipient: Recipient
  readonly account: string
}

/** Sends the message to each address. Answers why it could not be, for each that failed. */
export async function redirectAll(
  submit: (message: Submission) => Promise<Submitted>,
  { delivery, recipient, account }: Redirecting,
  addresses: readonly string[],
): Promise<readonly string[]> {
  if (addresses.length === 0) return []
  const address = recipient.address.replaceAll(/[\r\n]/g, '')
  if (delivery.message.headers.get('delivered-to').includes(address)) return ['redirect: the message runs in a circle']
  const failures: string[] = []
  for (const [index, to] of addresses.entries()) {
    const content = sentOn(delivery, address)
    const once = `redirect ${delivery.id} ${account} ${to}`
    const { reply } =
      index < MAX_REDIRECTS ? await submit({ from: delivery.message.from, to: [to], content, once }) : TOO_MANY
    if (reply.code !== 250) failures.push(`redirect to ${to}: ${reply.text}`)
  }
  return failures
}

const TOO_MANY = { reply: { code: 550, text: 'too many redirects' } }

async function* sentOn({ message }: Delivery, address: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(`Delivered-To: ${address}\r\n`)
  yield* message.open()
}
