/**
 * Mail to the address of this server that takes batches.
 *
 * Invariants: mail without a batch, or with one from an unknown sender, is refused to its client, so that no report
 * goes to a forged sender.
 */
import {
  accept,
  type Delivery,
  type Outcome,
  type ReadableMessage,
  type RecipientVerdict,
  type Reply,
  refuse,
} from 'iems'
import type { Inbox, Via } from './inbox.ts'
import type { Link, Links } from './links.ts'
import { batchesIn, type CarriedBatch, SIGNATURE_FIELD } from './mail-form.ts'

/** The next hop of mail with batches; no partner has such a name. */
export const INCOMING = '@incoming'

export interface IncomingMailDeps {
  readonly inbox: Inbox
  readonly links: Links
  readonly address: string | undefined
}

const NO_BATCH = refuse(550, '5.6.1', 'This address takes batches of mail only')
/** Batches in one mail. */
const MAX_BATCHES = 100

export class IncomingMail {
  readonly #deps: IncomingMailDeps

  constructor(deps: IncomingMailDeps) {
    this.#deps = deps
  }

  async check(message: ReadableMessage): Promise<readonly RecipientVerdict[] | undefined> {
    const address = this.#deps.address?.toLowerCase()
    const recipients = message.recipients.filter((one) => one.address.toLowerCase() === address)
    if (recipients.length === 0) return undefined
    const refusal = await this.#judge(message)
    return refusal && [{ ...refusal, recipients }]
  }

  async #judge(message: ReadableMessage) {
    const batches = await batchesIn(message)
    if (batches.length === 0 || batches.length > MAX_BATCHES) return NO_BATCH
    for (const batch of batches) {
      const refusal = await this.#deps.inbox.judge(batch.open(), this.#viaOf(message, batch))
      if (refusal) return refusal
    }
    return undefined
  }

  #viaOf({ headers, session }: ReadableMessage, { required }: CarriedBatch): Via {
    const [signature] = headers.get(SIGNATURE_FIELD)
    const link = linkOf(this.#deps.links, session)
    return {
      required,
      remote: session.remote.address,
      ...(link ? { link } : {}),
      ...(signature === undefined ? {} : { signature }),
    }
  }

  async deliver({ message, recipients }: Delivery): Promise<readonly Outcome[]> {
    let reply: Reply = NO_BATCH.reply
    for (const batch of await batchesIn(message)) {
      reply = await this.#deps.inbox.receive(batch.open(), this.#viaOf(message, batch))
      if (reply.code >= 300) break
    }
    const status = reply.code < 300 ? 'delivered' : reply.code < 500 ? 'deferred' : 'failed'
    const said = reply.code < 300 ? accept(250, '2.0.0', reply.text) : reply
    return recipients.map((recipient) => ({ recipient, status, reply: said }))
  }
}

/** The partner that a client's login or network shows. */
function linkOf({ all }: Links, { identity, remote }: ReadableMessage['session']): Link | undefined {
  return all.find(
    ({ accept: { users }, isNetwork }) => (identity && users.includes(identity.user)) || isNetwork(remote.address),
  )
}
