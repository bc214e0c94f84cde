/**
 * Reputation: the share of spam in a sender's mail over time.
 *
 * A domain has a reputation only for mail that SPF or DMARC authenticates, so that forged mail neither harms nor uses
 * it. Other mail counts for the client's network, which many senders share, so it counts only against mail, never for
 * it. Invariants: it is based on scores without reputation; records are in the store and bounded in number, because a
 * hash has a fixed slot; a record halves over time and expires; senders with much mail are not replaced by new ones.
 */
import { createHash } from 'node:crypto'
import { decodeRecord, encodeRecord, key, type ReadableMessage, type Store } from 'iems'
import { networkOf, plainAddress, registeredDomain } from './dns/names.ts'
import { expiring } from './expiry.ts'
import type { Options } from './options.ts'
import type { Judged, Reason } from './score.ts'

const PLACE_BITS = 18
/** Halvings after which a record expires. */
const HALVINGS = 6
/** Maximum weight in messages. */
const MAX_WEIGHT = 1_000
const NETWORK_BITS = { ipv4: 24, ipv6: 48 }

/** Messages, halved over time; senders with little mail are below `minimum`. */
interface Standing {
  readonly sender: string
  readonly good: number
  readonly bad: number
  readonly at: number
}

export interface ReputationDeps {
  readonly store: Store
  readonly now: () => number
  readonly options: Options['reputation']
}

export class Reputation {
  readonly #store: Store
  readonly #now: () => number
  readonly #options: Options['reputation']

  constructor({ store, now, options }: ReputationDeps) {
    this.#store = store
    this.#now = now
    this.#options = options
  }

  /** Undefined for senders with too few messages. */
  async reasonFor(message: ReadableMessage): Promise<Reason | undefined> {
    const { good: goodScore, bad: badScore, minimum } = this.#options
    if (goodScore === 0 && badScore === 0) return undefined
    const sender = senderOf(message)
    const { standing } = await this.#read(sender)
    const messages = standing ? standing.good + standing.bad : 0
    if (!standing || messages < minimum) return undefined
    const share = standing.bad / messages
    const sure = messages / (messages + minimum)
    const most = share > 0.5 ? badScore : sender.isVouchedFor ? goodScore : 0
    const score = Math.round(most * Math.abs(2 * share - 1) * sure * 100) / 100
    if (score === 0) return undefined
    const says = `Of what ${sender.name} has sent, ${Math.round(share * 100)} % was spam.`
    return { name: 'reputation', score, about: sender.name, says }
  }

  /** Records a message's score without reputation. Messages between the thresholds count for neither side. */
  async remember(message: ReadableMessage, { score, action }: Pick<Judged, 'score' | 'action'>): Promise<void> {
    const { good: goodScore, bad: badScore, halfLife } = this.#options
    const isGood = action === 'none' && score <= 0
    if ((goodScore === 0 && badScore === 0) || (!isGood && (action === 'none' || action === 'tag'))) return
    const sender = senderOf(message)
    const { at, value, standing, other } = await this.#read(sender)
    // A sender with more mail occupies the slot.
    if (other >= 1) return
    const good = Math.min(MAX_WEIGHT, (standing?.good ?? 0) + (isGood ? 1 : 0))
    const bad = Math.min(MAX_WEIGHT, (standing?.bad ?? 0) + (isGood ? 0 : 1))
    const next: Standing = { sender: sender.hash, good, bad, at: this.#now() }
    const ops = expiring(at, encodeRecord(next), halfLife * HALVINGS)
    // A concurrent count may get lost: a single message does not matter.
    await this.#store.commit(ops, [{ key: at, is: value ?? 'absent' }])
  }

  /** The sender's current record, and the weight of another sender in its slot. */
  async #read({ hash, place }: Sender) {
    const at = key('reputation', place)
    const value = await this.#store.get(at)
    const found = value && decodeRecord<Standing>(value)
    if (!found) return { at, value, standing: undefined, other: 0 }
    const left = 0.5 ** (Math.max(0, this.#now() - found.at) / this.#options.halfLife)
    const standing = { ...found, good: found.good * left, bad: found.bad * left }
    return found.sender === hash
      ? { at, value, standing, other: 0 }
      : { at, value, standing: undefined, other: standing.good + standing.bad }
  }
}

interface Sender {
  readonly name: string
  readonly isVouchedFor: boolean
  readonly hash: string
  readonly place: number
}

function senderOf({ findings, session }: ReadableMessage): Sender {
  const found = (name: string) => findings.findLast((one) => one.name === name)?.value
  const domain =
    found('dmarc') === 'pass' ? found('from-domain') : found('spf') === 'pass' ? found('spf-domain') : undefined
  const name =
    domain === undefined
      ? networkOf(plainAddress(session.remote.address), NETWORK_BITS)
      : registeredDomain(String(domain).toLowerCase())
  const hash = createHash('sha256').update(name).digest()
  return {
    name,
    isVouchedFor: domain !== undefined,
    hash: hash.toString('base64url'),
    place: hash.readUInt32BE(0) >>> (32 - PLACE_BITS),
  }
}
