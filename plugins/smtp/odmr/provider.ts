/**
 * The provider's side of On-Demand Mail Relay (RFC 2645): mail for a customer waits until the customer sends ATRN, and
 * then goes over that connection.
 *
 * Invariants: a customer gets mail of its own domains only, after it has logged in; a message is sent on one connection
 * at a time; mail that the customer does not accept stays in the queue; a session ends when nothing more is due.
 */
import type { Socket } from 'node:net'
import {
  type Clock,
  type DeliverContext,
  type Delivery,
  defer,
  type Identity,
  type Log,
  type Outcome,
  type Queue,
  type Reply,
  refuse,
} from 'iems'
import type { TakeReversed } from '../in/api.ts'
import { deliverOver, readFeatures, SmtpConnection, smtpOutOptions } from '../out/api.ts'
import type { Options } from './options.ts'

export interface ProviderDeps {
  readonly channel: string
  readonly hostname: string
  readonly queue: Queue
  readonly clock: Clock
  readonly log: Log
  readonly options: Pick<Options, 'customers' | 'session'>
}

/** Ms between two checks for mail that has become due while a customer is connected. */
const LOOK_MS = 250
/** Default times, limits and formats of smtp-out. */
const CHOSEN = smtpOutOptions.parse({})

const REFUSED = defer(450, '4.7.1', 'ATRN request refused').reply
const NOT_NOW = defer(451, '4.3.2', 'Unable to process ATRN request now').reply
const NO_MAIL = defer(453, '4.0.0', 'You have no mail').reply
const SYNTAX = refuse(501, '5.5.4', 'Syntax: ATRN domain,domain').reply
const AWAITED = defer(450, '4.4.1', 'Waits until the host fetches its mail').reply

/** A connection on which a customer receives its mail. */
class Customer {
  readonly #connection: SmtpConnection
  readonly #until: number
  #line: Promise<unknown> = Promise.resolve()
  #waiting = 0

  constructor(connection: SmtpConnection, until: number) {
    this.#connection = connection
    this.#until = until
  }

  get isIdle(): boolean {
    return this.#waiting === 0
  }

  isUsable(now: number): boolean {
    return !this.#connection.isOver && now < this.#until
  }

  /** Deliveries come one after the other. */
  async deliver(delivery: Delivery, ctx: DeliverContext, now: () => number): Promise<readonly Outcome[]> {
    this.#waiting++
    const turn = this.#line.then(() =>
      this.isUsable(now()) && !ctx.signal.aborted
        ? deliverOver(this.#connection, delivery, ctx, CHOSEN)
        : waiting(delivery),
    )
    this.#line = turn.catch(() => {})
    return turn.finally(() => {
      this.#waiting--
    })
  }

  end(): void {
    this.#connection.quit()
  }
}

const waiting = ({ recipients }: Delivery): Outcome[] =>
  recipients.map((recipient) => ({ recipient, status: 'deferred', reply: AWAITED, unreachable: true }))

export class Provider {
  readonly #deps: ProviderDeps
  /** By domain. */
  readonly #present = new Map<string, Customer>()
  #isClosed = false

  constructor(deps: ProviderDeps) {
    this.#deps = deps
  }

  takes(domain: string): boolean {
    return this.#deps.options.customers.some(({ domains }) => domains.includes(domain))
  }

  async deliver(delivery: Delivery, ctx: DeliverContext): Promise<readonly Outcome[]> {
    const customer = this.#present.get(delivery.route.nexthop)
    return customer?.deliver(delivery, ctx, this.#deps.clock.now) ?? waiting(delivery)
  }

  /** Answers ATRN. */
  async atrn(argument: string, { user }: Identity): Promise<Reply | TakeReversed> {
    const own = this.#deps.options.customers
      .filter(({ users }) => users.includes(user))
      .flatMap(({ domains }) => domains)
    const asked =
      argument === ''
        ? own
        : argument
            .toLowerCase()
            .split(',')
            .map((one) => one.trim())
    if (asked.length > 1000 || asked.some((one) => !/^[\w.-]{1,255}$/.test(one))) return SYNTAX
    if (asked.length === 0 || asked.some((one) => !own.includes(one))) return REFUSED
    if (this.#isClosed || asked.some((one) => this.#present.has(one))) return NOT_NOW
    try {
      if (!(await this.#hasMail(asked, () => true))) return NO_MAIL
    } catch (cause) {
      this.#deps.log.error('ATRN failed', { user, cause })
      return NOT_NOW
    }
    return (socket) => void this.#serve(asked, socket)
  }

  async #hasMail(domains: readonly string[], isMeant: (due: number | undefined, active: boolean) => boolean) {
    const { queue, channel } = this.#deps
    for (const nexthop of domains)
      for await (const { due, active = false } of queue.list({ channel, nexthop, held: false }))
        if (isMeant(due, active)) return true
    return false
  }

  /** The roles are reversed: this server is the client now. */
  async #serve(domains: readonly string[], socket: Socket): Promise<void> {
    const { clock, log, hostname, queue, channel, options } = this.#deps
    const connection = new SmtpConnection(socket.remoteAddress ?? 'customer', socket)
    socket.resume()
    const customer = new Customer(connection, clock.now() + options.session)
    for (const domain of domains) this.#present.set(domain, customer)
    try {
      const [greeting] = await connection.expect(1, CHOSEN.timeouts.greeting)
      if (greeting?.code !== 220) return log.info('a customer did not greet after ATRN', { reply: greeting?.code })
      const hello = await connection.ask(`EHLO ${hostname}`, CHOSEN.timeouts.reply)
      if (hello.code === 250) connection.features = readFeatures(hello.text)
      else await connection.ask(`HELO ${hostname}`, CHOSEN.timeouts.reply)
      for (const domain of domains) await queue.flush(domain, channel)
      while (customer.isUsable(clock.now()) && !this.#isClosed) {
        await new Promise<void>((resolve) => clock.after(LOOK_MS, resolve))
        const isDue = (due: number | undefined, active: boolean) => active || (due !== undefined && due <= clock.now())
        if (customer.isIdle && !(await this.#hasMail(domains, isDue))) break
      }
    } catch (cause) {
      log.warn('mail could not be handed to a customer', { cause })
    } finally {
      for (const domain of domains) this.#present.delete(domain)
      customer.end()
    }
  }

  close(): void {
    this.#isClosed = true
    for (const customer of this.#present.values()) customer.end()
  }
}
