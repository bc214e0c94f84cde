/**
 * One delivery: over a kept connection or to the servers of the next hop in turn, until every recipient has a reply or
 * no server is left.
 *
 * Invariants: exactly one outcome for each recipient; once the end of the content was sent for a recipient, no other
 * server is tried for it in the same call; nothing continues after the signal aborts.
 */
import { Cache, type DeliverContext, type Delivery, defer, type Outcome, type Recipient } from 'iems'
import { SmtpConnection } from './client.ts'
import { type Content, contentOf } from './content.ts'
import { obstacle, writeEnvelope } from './envelope.ts'
import type { Handshake } from './handshake.ts'
import type { FindServers, Server } from './mx.ts'
import { type Nexthop, parseNexthop } from './nexthop.ts'
import type { Options } from './options.ts'
import { answersFor, outcomeOf, outcomesWithout, type ServerFailure, toReply } from './outcomes.ts'
import type { Pool } from './pool.ts'
import type { DecideTls, TlsPolicy } from './tls.ts'
import { transact } from './transaction.ts'

type Chosen = Pick<Options, 'protocol' | 'eightBit' | 'recipientsPerTransaction' | 'timeouts'>
export interface DeliverSettings extends Chosen {
  readonly decideTls: DecideTls
  readonly findServers: FindServers
  readonly handshake: Handshake
  readonly pool: Pool
}

/** State of an active delivery. */
interface Attempt extends DeliverContext {
  readonly delivery: Delivery
  readonly content: Content
  pending: readonly Recipient[]
  readonly outcomes: Outcome[]
  readonly troubles: ServerFailure[]
}

interface Destination {
  readonly nexthop: Nexthop
  readonly policy: TlsPolicy
  /** Connections with equal keys are interchangeable. */
  readonly key: string
}

/** How long an address that did not answer is tried last. */
const SILENT_MS = 60_000
const SILENT_LIMIT = 10_000

export class Deliverer {
  readonly #settings: DeliverSettings
  /** Addresses that recently did not answer. */
  readonly #silent = new Cache<true>({ max: SILENT_LIMIT, ttl: SILENT_MS })

  constructor(settings: DeliverSettings) {
    this.#settings = settings
  }

  async deliver(delivery: Delivery, ctx: DeliverContext): Promise<readonly Outcome[]> {
    const content = contentOf(delivery)
    const attempt: Attempt = { ...ctx, delivery, content, pending: delivery.recipients, outcomes: [], troubles: [] }
    const nexthop = parseNexthop(delivery.route.nexthop)
    const decided = nexthop && this.#settings.decideTls(nexthop, delivery)
    const policy = decided instanceof Promise ? await before(ctx.signal, decided) : decided
    if (!nexthop || !policy) return outcomesWithout(delivery.recipients, [nexthop ? STOPPED : NO_NEXTHOP])
    const to = { nexthop, policy, key: `${delivery.route.nexthop} ${policy.key}` }
    const kept = ctx.signal.aborted ? undefined : this.#settings.pool.take(to.key)
    if (kept) await this.#use(kept, attempt, to)
    // A kept connection that ended proves nothing: connect again.
    attempt.troubles.length = 0
    if (attempt.pending.length > 0) await this.#askServers(attempt, to)
    return [...attempt.outcomes, ...outcomesWithout(attempt.pending, attempt.troubles)]
  }

  async #askServers(attempt: Attempt, to: Destination): Promise<void> {
    const { signal, troubles } = attempt
    const servers = (await before(signal, this.#settings.findServers(to.nexthop, to.policy))) ?? STOPPED
    if ('status' in servers) return void troubles.push(servers)
    for (const server of this.#silentLast(servers)) {
      if (attempt.pending.length === 0) return
      if (signal.aborted) return void troubles.push(STOPPED)
      const opened = await this.#settings.handshake.open(server, to.policy, signal)
      if (opened instanceof SmtpConnection) await this.#use(opened, attempt, to)
      else {
        troubles.push(opened)
        if (!opened.reached) this.#noteSilence(server)
      }
    }
  }

  #noteSilence({ address }: Server) {
    this.#silent.set(address, true)
  }

  #silentLast(servers: readonly Server[]): readonly Server[] {
    const isSilent = ({ address }: Server) => this.#silent.has(address)
    return this.#silent.size === 0 ? servers : [...servers.filter((one) => !isSilent(one)), ...servers.filter(isSilent)]
  }

  /** Sends the message over a connection, and keeps the connection if it can be reused. */
  async #use(conversation: SmtpConnection, attempt: Attempt, { key }: Destination): Promise<void> {
    await converse(conversation, attempt, this.#settings)
    this.#settings.pool.give(key, conversation)
  }
}

/** Delivers over a connection that is there already, such as one whose roles were reversed; it stays open. */
export async function deliverOver(
  conversation: SmtpConnection,
  delivery: Delivery,
  ctx: DeliverContext,
  chosen: Chosen,
): Promise<readonly Outcome[]> {
  const content = contentOf(delivery)
  const attempt: Attempt = { ...ctx, delivery, content, pending: delivery.recipients, outcomes: [], troubles: [] }
  await converse(conversation, attempt, chosen)
  return [...attempt.outcomes, ...outcomesWithout(attempt.pending, attempt.troubles)]
}

async function converse(conversation: SmtpConnection, attempt: Attempt, chosen: Chosen): Promise<void> {
  const { signal, log, delivery } = attempt
  const stop = () => conversation.lose('stopped')
  signal.addEventListener('abort', stop)
  try {
    await send(conversation, attempt, chosen)
  } catch (cause) {
    // A local failure: recipients that have a reply keep it, the others wait.
    log.error('the content cannot be read', { message: delivery.message.id, cause })
    settle(attempt, outcomesWithout(attempt.pending, [UNREADABLE]))
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

async function send(conversation: SmtpConnection, attempt: Attempt, chosen: Chosen): Promise<void> {
  const isLmtp = chosen.protocol === 'lmtp'
  const { delivery } = attempt
  const { features, remote } = conversation
  const refusal = await obstacle(delivery, features, chosen.eightBit)
  if (refusal)
    return settle(attempt, outcomesWithout(attempt.pending, [{ status: 'failed', reply: refusal, reached: true }]))
  const most = Math.min(chosen.recipientsPerTransaction, features.recipients)
  // LMTP replies for the mailbox itself, so no report remains to be sent.
  const dsn = features.dsn && !isLmtp
  const source = { remote, handover: isLmtp ? 'final' : dsn ? 'reported' : 'relayed' } as const
  while (attempt.pending.length > 0 && !conversation.isOver) {
    const envelope = writeEnvelope(delivery, attempt.pending.slice(0, most), { features, dsn })
    settle(attempt, envelope.unfit)
    if (envelope.recipients.length === 0) continue
    const answers = await transact(conversation, envelope, attempt.content, {
      lmtp: isLmtp,
      binary: delivery.needs.binary,
      timeouts: chosen.timeouts,
    })
    const answered = answersFor(envelope.recipients, answers)
    settle(
      attempt,
      answered.filter(({ fate }) => fate === 'taken' || fate === 'refused').map((one) => outcomeOf(one, source)),
    )
    const gone = answered.find(({ fate }) => fate === 'gone')
    if (gone) attempt.troubles.push({ status: 'deferred', reply: toReply(gone.reply), remote, reached: true })
  }
}

function settle(attempt: Attempt, outcomes: readonly Outcome[]) {
  if (outcomes.length === 0) return
  const settled = new Set(outcomes.map(({ recipient }) => recipient))
  attempt.outcomes.push(...outcomes)
  attempt.pending = attempt.pending.filter((recipient) => !settled.has(recipient))
}

/** The result of a promise, or undefined once the signal has aborted. */
async function before<T>(signal: AbortSignal, promise: Promise<T>): Promise<T | undefined> {
  let stop = () => {}
  const stopped = new Promise<undefined>((resolve) => {
    stop = () => resolve(undefined)
  })
  signal.addEventListener('abort', stop)
  if (signal.aborted) stop()
  try {
    return await Promise.race([promise, stopped])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

const deferred = (enhanced: `4.${number}.${number}`, text: string): ServerFailure => ({
  status: 'deferred',
  reply: defer(451, enhanced, text).reply,
  reached: true,
})
const STOPPED = deferred('4.3.2', 'Stopped before an answer came')
const UNREADABLE = deferred('4.3.0', 'Local error, tried again later')
const NO_NEXTHOP = deferred('4.3.5', 'The route names no next hop that can be used')
