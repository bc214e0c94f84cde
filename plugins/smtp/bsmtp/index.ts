/**
 * Batch SMTP (RFC 2442): a channel that gathers mail for partners into batches, and takes batches from them.
 *
 * This file only wires: outbox.ts is the way out as the queue sees it, exchange.ts what happens by itself, inbox.ts the
 * way in. Invariants: nothing comes from a system that is not a partner.
 */
import { definePlugin, type ReadableMessage, type Recipient, type Refusal, refuse, type SetupContext } from 'iems'
import { Http } from '../../web/http/api.ts'
import { Builder } from './building.ts'
import { createCommands } from './commands.ts'
import { Exchange } from './exchange.ts'
import { readFolders } from './folders.ts'
import { addRoute } from './http.ts'
import { Inbox } from './inbox.ts'
import { createLinks, domainOf, type Links } from './links.ts'
import { INCOMING, IncomingMail } from './mail-in.ts'
import { type Options, options } from './options.ts'
import { Outbox } from './outbox.ts'
import { createReporting } from './reports.ts'
import { Sender } from './sending.ts'
import { sweep } from './sweep.ts'
import { createSend } from './transports.ts'

const SWEEP_EVERY_MS = 86_400_000

export const bsmtp = definePlugin({
  name: 'bsmtp',
  config: options.prefault({}),
  // Mail for the domains of partners is for anyone to send, as to an MX; a partner for every domain is in `rcpt` below.
  accepts: 'anyone',
  wants: [Http],
  records: { batch: { version: 1 } },
  setup(config, ctx) {
    const links = createLinks(config, ctx.hostname)
    const { inbox, exchange, outbox, sender } = createParts(config, ctx, links)
    const mail = new IncomingMail({ inbox, links, address: config.address })
    const http = ctx.find(Http)
    if (http) addRoute({ http, inbox, links, path: config.path, limit: largest(links) })
    let looking: Promise<unknown> = Promise.resolve()
    let isAwake = false
    const once = async () => {
      if (!isAwake) await sender.wake()
      isAwake = true
      await sender.heed()
      await inbox.resume()
      await readFolders({ inbox, links, log: ctx.log, settle: config.settle })
      await exchange.look()
    }
    // One after the other, whatever became of the one before.
    const look = () => {
      looking = looking.then(once, once)
      return looking
    }
    const idle = async () => {
      await looking.catch(() => {})
      await exchange.idle()
    }
    return {
      hooks: {
        route: { stage: 'early', handler: ({ to }) => routeOf({ links, config, channel: ctx.name }, to) },
        rcpt: ({ session, routed }) => denied(links, ctx.name, { session, routed }),
        check: (message) => mail.check(message),
        dispatch: (delivery) =>
          delivery.route.channel === ctx.name && delivery.route.nexthop !== INCOMING
            ? outbox.postpone(delivery)
            : undefined,
        settled: ({ delivery, outcomes }) =>
          delivery.route.channel === ctx.name ? outbox.settled({ delivery, outcomes }) : undefined,
      },
      deliver: (delivery, context) =>
        delivery.route.nexthop === INCOMING ? mail.deliver(delivery) : outbox.deliver(delivery, context),
      commands: createCommands({ ctx, links, exchange, inbox, sender, idle }),
      listen() {
        ctx.schedule({ name: 'look', every: config.look, run: look })
        ctx.schedule({
          name: 'sweep',
          every: SWEEP_EVERY_MS,
          run: () => sweep(ctx.store, ctx.contents, ctx.clock.now()),
        })
      },
      close: idle,
    }
  },
})

function createParts({ address, look }: Options, ctx: SetupContext, links: Links) {
  const { store, contents, queue, log, clock, hostname, submit, signal, name: channel } = ctx
  const { now } = clock
  const send = createSend({ submit, address, signal })
  const builder = new Builder({ store, contents, links, hostname, now })
  const sender = new Sender({ channel, store, contents, links, queue, send, log, now })
  const exchange = new Exchange({ store, contents, links, clock, log, builder, sender, look })
  const outbox = new Outbox({ store, contents, links, now, gathered: (link, one) => exchange.gathered(link, one) })
  const inbox = new Inbox({
    ...{ store, contents, links, log, now },
    openSession: (facts) => ctx.openSession(facts),
    maxRecipients: MAX_RECIPIENTS,
    report: createReporting({ hostname, submit, clock, log }),
    async acknowledged(link, { done, partial }) {
      for (const one of done) await sender.done(link, one)
      // Later batches first, since they show that earlier ones are not on their way any more.
      for (const one of partial.toReversed()) await sender.partial(link, one)
    },
    owes: (link) => exchange.owes(link),
  })
  return { inbox, exchange, outbox, sender }
}

/** Recipients of one transaction in a batch. */
const MAX_RECIPIENTS = 10_000

const largest = ({ all }: Links) => Math.max(0, ...all.map(({ accept }) => accept.size))

interface Routing {
  readonly links: Links
  readonly config: Options
  readonly channel: string
}

function routeOf({ links, config, channel }: Routing, { address }: Pick<Recipient, 'address'>) {
  if (config.address !== undefined && address.toLowerCase() === config.address.toLowerCase())
    return { channel, nexthop: INCOMING }
  // The mail that carries batches must not go into a batch.
  if (links.all.some(({ to }) => to && 'mail' in to && to.mail.toLowerCase() === address.toLowerCase()))
    return undefined
  const found = links.forDomain(domainOf(address))
  return found && { channel, nexthop: found.link.name }
}

type Denial = Pick<Parameters<typeof isDeniedTo>[1], 'session' | 'routed'>

function denied(links: Links, channel: string, rcpt: Denial): Refusal | undefined {
  return isDeniedTo(links, { ...rcpt, channel }) ? RELAYING : undefined
}

const RELAYING = refuse(550, '5.7.1', 'Relaying denied')

/** A partner for every domain is a relay, which only clients that may relay are let through to. */
function isDeniedTo(
  links: Links,
  {
    session,
    routed,
    channel,
  }: {
    readonly session: ReadableMessage['session']
    readonly routed: readonly {
      readonly recipient: Pick<Recipient, 'address'>
      readonly route: { readonly channel: string; readonly nexthop: string }
    }[]
    readonly channel: string
  },
): boolean {
  if (session.trusted || session.identity?.mayRelay === true) return false
  return routed.some(
    ({ recipient, route }) =>
      route.channel === channel &&
      route.nexthop !== INCOMING &&
      links.forDomain(domainOf(recipient.address))?.isAny !== false,
  )
}
