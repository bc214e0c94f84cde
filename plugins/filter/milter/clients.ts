/**
 * Runs the filters for each client and collects their results for its message.
 *
 * Invariants: a filter sees the changes of earlier filters; its changes are applied before the message is accepted; the
 * number of clients with open connections is bounded.
 */
import {
  Cache,
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
import { type Envelope, type Filter, type FilterClient, SKIPPED } from './filter.ts'
import type { Options } from './options.ts'

interface Client {
  readonly filters: readonly FilterClient[]
  envelope: Envelope | undefined
}

/** The filters' result for a message, between `check` and `modify`. */
interface Outcome {
  readonly fields: readonly RawField[]
  readonly all: readonly Changes[]
  readonly body: readonly Buffer[] | undefined
}

export class Clients {
  readonly #filters: readonly Filter[]
  readonly #config: Options
  readonly #clients: Cache<Client>
  readonly #outcomes = new WeakMap<object, Outcome>()

  constructor(filters: readonly Filter[], config: Options) {
    this.#filters = filters
    this.#config = config
    // The least recently active client loses its connections; its next step opens them again.
    this.#clients = new Cache({ max: config.clients, evicted: closeFilters })
  }

  of({ id }: Session): Client {
    return this.#clients.getOrMake(id, () => ({
      filters: this.#filters.map((filter) => filter.client()),
      envelope: undefined,
    }))
  }

  forget(id: string): void {
    const client = this.#clients.get(id)
    if (client && this.#clients.delete(id)) closeFilters(client)
  }

  /** The first refusal. */
  async first(client: Client, step: (filter: FilterClient) => Promise<Refusal | undefined | typeof SKIPPED>) {
    for (const filter of client.filters) {
      const said = await step(filter)
      if (said !== undefined && said !== SKIPPED) return said
    }
    return undefined
  }

  async check(message: ReadableMessage, { state, note }: HookContext): Promise<Verdict | undefined> {
    const { session, from, parameters, recipients, id } = message
    const client = this.of(session)
    const envelope = client.envelope ?? { from, parameters, recipients: recipients.map(({ original }) => original) }
    client.envelope = undefined
    let split = await splitContent(message.open(), this.#config.header)
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
      // A body can be read only once.
      if (filter !== client.filters.at(-1) && !body)
        split = (await splitContent(message.open(), this.#config.header)) ?? split
    }
    if (all.some(({ list, body: other }) => list.length > 0 || other)) this.#outcomes.set(state, { fields, all, body })
    return held === undefined ? undefined : { kind: 'quarantine', reason: held }
  }

  async modify(message: Message, { state }: HookContext): Promise<void> {
    const outcome = this.#outcomes.get(state)
    if (!outcome) return
    const { all, fields, body } = outcome
    const list = all.flatMap((changes) => changes.list)
    for (const change of list) {
      if (change.kind === 'sender') message.setSender(change.address)
      if (change.kind === 'add-recipient') message.addRecipient(change.address)
      if (change.kind === 'remove-recipient') message.removeRecipient(change.address)
    }
    if (!body && !list.some((change) => 'name' in change)) return
    await message.replaceContent(contentOf(message, fields, body, this.#config.header))
  }

  close(): void {
    for (const id of [...this.#clients.keys()]) this.forget(id)
  }
}

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

function closeFilters({ filters }: Client): void {
  for (const filter of filters) filter.close()
}
