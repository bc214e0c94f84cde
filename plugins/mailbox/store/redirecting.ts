/**
 * Messages sent on to another address by a filter (RFC 5228 section 4.2).
 *
 * Invariants: a delivery that is repeated sends none twice; a message that has already come to this recipient by a
 * redirect is not sent on again.
 */
import type { Delivery, Recipient, Submission, Submitted } from 'iems'
import type { FilingPlan } from './filing.ts'

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
  redirects: FilingPlan['redirects'],
): Promise<readonly string[]> {
  if (redirects.length === 0) return []
  const address = recipient.address.replaceAll(/[\r\n]/g, '')
  if (delivery.message.headers.get('delivered-to').includes(address)) return ['redirect: the message runs in a circle']
  const failures: string[] = []
  for (const [index, { address: to, notify, ret, content: own }] of redirects.entries()) {
    const content = sentOn(own ?? delivery.message, address)
    const once = `redirect ${delivery.id} ${account} ${to}`
    const receiver = notify === undefined ? to : { address: to, notify }
    const parameters = ret === undefined ? {} : { parameters: { ret } }
    const { reply } =
      index < MAX_REDIRECTS
        ? await submit({ from: delivery.message.from, to: [receiver], content, once, ...parameters })
        : TOO_MANY
    if (reply.code !== 250) failures.push(`redirect to ${to}: ${reply.text}`)
  }
  return failures
}

const TOO_MANY = { reply: { code: 550, text: 'too many redirects' } }

async function* sentOn(content: { open(): AsyncIterable<Uint8Array> }, address: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(`Delivered-To: ${address}\r\n`)
  yield* content.open()
}
