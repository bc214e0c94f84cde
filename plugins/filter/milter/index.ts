/**
 * Calls filters that speak the milter protocol of Sendmail and Postfix at each step of a client.
 *
 * Invariants: a filter sees the changes of earlier filters; its changes are applied before the message is stored, or
 * the message is deferred; a filter sees only recipients that all other plugins accepted.
 */
import { definePlugin } from 'iems'
import { Clients } from './clients.ts'
import { createFilter, type Envelope } from './filter.ts'
import { options } from './options.ts'

export const milter = definePlugin({
  name: 'milter',
  config: options,
  setup(config, ctx) {
    const filters = config.filters.map((one) =>
      createFilter({ options: one, hostname: ctx.hostname, maxBody: config.body, now: ctx.clock.now, log: ctx.log }),
    )
    const slowest = config.filters.reduce(
      (all, { connect, answer, content }) => all + connect + 3 * answer + content,
      0,
    )
    const clients = new Clients(filters, config)
    const wait = { stage: 'last', timeout: slowest } as const
    return {
      hooks: {
        connect: {
          ...wait,
          // Skips clients that only read mail or look up entries.
          handler: (session) =>
            session.brings === 'mail'
              ? clients.first(clients.of(session), (filter) => filter.connect(session))
              : undefined,
        },
        helo: { ...wait, handler: (session) => clients.first(clients.of(session), (filter) => filter.helo(session)) },
        mail: {
          ...wait,
          handler({ from, parameters, session }) {
            const client = clients.of(session)
            const envelope: Envelope = { from, parameters, recipients: [] }
            client.envelope = envelope
            return clients.first(client, (filter) => filter.mail(session, envelope))
          },
        },
        rcpt: {
          ...wait,
          async handler({ to, from, session }) {
            const client = clients.of(session)
            client.envelope ??= { from, parameters: {}, recipients: [] }
            const { envelope } = client
            const refusal = await clients.first(client, (filter) => filter.rcpt(session, envelope, to.address))
            if (!refusal) envelope.recipients.push(to.address)
            return refusal
          },
        },
        check: { ...wait, stage: 'late', handler: (message, context) => clients.check(message, context) },
        modify: { ...wait, stage: 'first', handler: (message, context) => clients.modify(message, context) },
        event(event) {
          if (event.name === 'session.closed') clients.forget(event.session as string)
        },
      },
      backends: () => filters.flatMap((filter) => filter.backends()),
      commands: {
        'milter status': {
          summary: 'the filters, whether they answer, and why they failed last',
          async *run() {
            for (const [at, filter] of filters.entries())
              for (const state of filter.states()) {
                const name = config.filters[at]?.name
                const why = state.lastFailure === undefined ? '' : `; last failure: ${state.lastFailure}`
                yield {
                  text: `${name}  ${state.server}  ${state.state}, ${state.answers} messages${why}`,
                  value: { name, ...state },
                }
              }
          },
        },
      },
      close() {
        clients.close()
      },
    }
  },
})
