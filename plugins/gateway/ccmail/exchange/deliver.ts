/**
 * Deliveries to cc:Mail: each becomes one file in `out`, whose name is the delivery's, so that a repeated attempt
 * replaces it and never doubles it.
 */
import { createHash } from 'node:crypto'
import { accept, type Delivery, defer, type Outcome, refuse } from 'iems'
import { gather } from 'iems/mime'
import { fromMail } from '../message/from-mail.ts'
import type { Translator } from '../translator.ts'
import type { ExchangeFolders } from './folders.ts'

export interface DeliverDeps {
  readonly folders: ExchangeFolders
  readonly translator: Translator
  readonly now: () => number
}

export async function deliverToCc({ folders, translator, now }: DeliverDeps, delivery: Delivery): Promise<Outcome[]> {
  const { maxSize } = translator.options
  const all = (status: Outcome['status'], reply: Outcome['reply']): Outcome[] =>
    delivery.recipients.map((recipient) => ({
      recipient,
      status,
      reply,
      // cc:Mail sends no report of its own.
      ...(status === 'delivered' ? { handover: 'relayed' as const } : {}),
    }))
  if (delivery.size > maxSize)
    return all(
      'failed',
      refuse(552, '5.3.4', `The message is larger than the ${maxSize} octets that cc:Mail takes`).reply,
    )
  const recipients = delivery.recipients.map(({ address }) => address)
  const octets = await gather(delivery.open(), maxSize + 1)
  const file = await fromMail({ octets, from: delivery.from, recipients, now: now() }, translator)
  try {
    await folders.write('out', nameOf(delivery), file)
  } catch (error) {
    return all(
      'deferred',
      defer(451, '4.3.0', `The exchange folder cannot be written: ${(error as Error).message}`).reply,
    )
  }
  return all('delivered', accept(250, '2.0.0', 'Written for cc:Mail'))
}

/** Eight letters, for the systems that IMPORT runs on. */
const nameOf = ({ id }: Delivery) => `${createHash('sha256').update(id).digest('hex').slice(0, 8).toUpperCase()}.CCM`
