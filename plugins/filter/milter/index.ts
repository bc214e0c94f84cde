/**
 * Filters that speak the milter protocol of Sendmail and Postfix are asked at each step of a client.
 *
 * What must stay true: a filter sees what a filter before it has changed; what it wants is done before the message is
 * kept, or the sender is told to come later; a filter hears only of recipients that everybody else has taken.
 */
import {
  definePlugin,
  type HookContext,
  type Message,
  type RawField,
  type ReadableMessage,
  type Refusal,
  refuse,
  type Session,
  splitContent,
  type Verdict,
} from 'iems'
import { applyTo, type Changes, ourField, written } from './changes.ts'
import { createFilter, type Envelope, type FilterClient, SKIPPED } from './filter.ts'
import { options } from './options.ts'

interface Client {
  readonly filters: readonly FilterClient[]
  envelope: Envelope | undefined
}

/** What filters made of a message, between `check` and `modify`. */
interface Outcome {
  readonly fields: readonly RawField[]
  readonly all: readonly Changes[]
  readonly body: readonly Buffer[] | undefined
}

export const milter = definePlugin({
  name: 'milter',
  config: options,
  setup(config, ctx) {
    const filters = config.filters.map((one) =>
      createFilter({ options: one, hostname: ctx.hostname, maxBody: config.body, now: ctx.clock.now, log: ctx.log }),
    )
    const clients = new Map<string, Client>()
    const outcomes = new WeakMap<object, Outcome>()
    const slowest = config.filters.reduce(
      (all, { connect, answer, content }) => all + connect + 3 * answer + content,
      0,
    )

    function clientOf({ id }: Session): Client {
      const known = clients.get(id)
      if (known) return known
      const client = { filters: filters.map((filter) => filter.client()), envelope: undefined }
      clients.set(id, client)
      // Who has been silent for longest loses his connections; they are opened again when he speaks.
      if (clients.size > config.clients) forget(clients.keys().next().value as string)
      return client
    }

    function forget(id: string): void {
      for (const filter of clients.get(id)?.filters ?? []) filter.close()
      clients.delete(id)
    }

    /** The first refusal. */
    async function each(client: Client, step: (filter: FilterClient) => Promise<Refusal | undefined | typeof SKIPPED>) {
      for (const filter of client.filters) {
        const said = await step(filter)
        if (said !== undefined && said !== SKIPPED) return said
      }
      return undefined
    }

    async function check(message: ReadableMessage, { state, note }: HookContext): Promise<Verdict | undefined> {
      const { session, from, parameters, recipients, id } = message
      const client = clientOf(session)
      const envelope = client.envelope ?? { from, parameters, recipients: recipients.map(({ original }) => original) }
      client.envelope = undefined
      let split = await splitContent(message.open(), config.header)
      if (!split) return refuse(552, '5.3.4', 'The header is too long for a filter')
      let { fields } = split
      let body: readonly Buffer[] | undefined
      let held: string | undefined
      const all: Changes[] = []
      for (const filter of client.filters) {
        const letter = { id, fields: withoutOurs(fields), body: body ? chunksOf(body) : split.body }
        const judgement = await filter.content(session, envelope, letter)
        if (judgement === undefined || judgement === SKIPPED) {
          if (judgement === SKIPPED) note(filter.name, 'unavailable')
        } else if ('reply' in judgement) return judgement
        else {
          const { refusal, isDiscarded, quarantine, changes } = judgement
          if (refusal) return refusal
          if (isDiscarded) return { kind: 'discard', reason: `the filter ${filter.name}` }
          held ??= quarantine === undefined ? undefined : `${filter.name}: ${quarantine}`
          fields = applyTo(fields, changes)
          body = changes.body ?? body
          all.push(changes)
        }
        // A body is read once.
        if (filter !== client.filters.at(-1) && !body)
          split = (await splitContent(message.open(), config.header)) ?? split
      }
      if (all.some(({ list, body: other }) => list.length > 0 || other)) outcomes.set(state, { fields, all, body })
      return held === undefined ? undefined : { kind: 'quarantine', reason: held }
    }

    async function modify(message: Message, { state }: HookContext): Promise<void> {
      const outcome = outcomes.get(state)
      if (!outcome) return
      const { all, fields, body } = outcome
      const list = all.flatMap((changes) => changes.list)
      for (const change of list) {
        if (change.kind === 'sender') message.setSender(change.address)
        if (change.kind === 'add-recipient') message.addRecipient(change.address)
        if (change.kind === 'remove-recipient') message.removeRecipient(change.address)
      }
      if (!body && !list.some((change) => 'name' in change)) return
      await message.replaceContent(contentOf(message, fields, body, config.header))
    }

    const wait = { stage: 'last', timeout: slowest } as const
    return {
      hooks: {
        connect: {
          ...wait,
          // Clients that only read mail or look up entries are no filter's business.
          handler: (session) =>
            session.brings === 'mail' ? each(clientOf(session), (filter) => filter.connect(session)) : undefined,
        },
        helo: { ...wait, handler: (session) => each(clientOf(session), (filter) => filter.helo(session)) },
        mail: {
          ...wait,
          handler({ from, parameters, session }) {
            const client = clientOf(session)
            const envelope: Envelope = { from, parameters, recipients: [] }
            client.envelope = envelope
            return each(client, (filter) => filter.mail(session, envelope))
          },
        },
        rcpt: {
          ...wait,
          async handler({ to, from, session }) {
            const client = clientOf(session)
            client.envelope ??= { from, parameters: {}, recipients: [] }
            const { envelope } = client
            const refusal = await each(client, (filter) => filter.rcpt(session, envelope, to.address))
            if (!refusal) envelope.recipients.push(to.address)
            return refusal
          },
        },
        check: { ...wait, stage: 'late', handler: check },
        modify: { ...wait, stage: 'first', handler: modify },
        event(event) {
          if (event.name === 'session.closed') forget(event.session as string)
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
        for (const id of [...clients.keys()]) forget(id)
      },
    }
  },
})

function withoutOurs(fields: readonly RawField[]): RawField[] {
  const ours = ourField(fields)
  return fields.filter((_, at) => at !== ours)
}

async function* chunksOf(body: readonly Buffer[]): AsyncGenerator<Uint8Array> {
  yield* body
}

async function* contentOf(
  message: Message,
  fields: readonly RawField[],
  body: readonly Buffer[] | undefined,
  maxHeader: number,
): AsyncGenerator<Uint8Array> {
  yield Buffer.from(`${written(fields)}\r\n`, 'latin1')
  if (body) return yield* body
  const split = await splitContent(message.open(), maxHeader)
  if (!split) throw new Error('the header has grown beyond its limit since it was filtered')
  yield* split.body
}
