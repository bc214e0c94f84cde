/**
 * Compares the fate of each message here with its fate in the shadow.
 *
 * Invariants: mail never waits for the shadow and never fails with it; the number of waiting messages is bounded; a
 * message whose fate is not known on both sides counts as not compared.
 */
import type { KernelEvent, ReadableMessage, Rehearsal, RehearsedMessage, Reply } from 'iems'
import { acceptedFate, DISCARDED, type Fate, fieldsOf, isSameFate, refusedFate, rehearsedFate } from './fate.ts'

export interface Changed {
  readonly message: string
  readonly from: string
  readonly to: readonly string[]
  readonly subject: string
  readonly here: Fate
  readonly shadow: Fate
}

export interface Counts {
  compared: number
  changed: number
  skipped: number
  failed: number
}

export interface ComparisonDeps {
  readonly fields: readonly string[]
  readonly maxWaiting: number
  readonly counts: Counts
  /** Sets the shadow up. */
  rehearse(): Promise<Rehearsal>
  changed(one: Changed): Promise<void>
  failed(cause: unknown): void
}

interface Waiting {
  readonly message: RehearsedMessage & { readonly id: string; readonly subject: string }
  readonly parts: { isHeld: boolean; id: string; fields?: readonly string[]; recipients: readonly string[] }[]
  readonly decided: (fate: Fate | undefined) => void
}

export class Comparison {
  readonly #deps: ComparisonDeps
  readonly #waiting = new Map<string, Waiting>()
  /** Ids of the parts of messages that were split. */
  readonly #partOf = new Map<string, string>()
  #work: Promise<unknown> = Promise.resolve()
  #rehearsal: Promise<Rehearsal> | undefined
  /** Reason of the last comparison's failure. */
  problem: string | undefined

  constructor(deps: ComparisonDeps) {
    this.#deps = deps
  }

  get isFull(): boolean {
    return this.#waiting.size >= this.#deps.maxWaiting
  }

  /** The content of a message is known, its fate not yet. */
  begin(message: Waiting['message']): void {
    const decided = Promise.withResolvers<Fate | undefined>()
    this.#waiting.set(message.id, { message, parts: [], decided: decided.resolve })
    const before = this.#work
    this.#work = (async () => {
      await before
      await this.#compare(message, decided.promise)
    })()
  }

  async #compare(message: Waiting['message'], decided: Promise<Fate | undefined>): Promise<void> {
    const { counts, fields } = this.#deps
    try {
      this.#rehearsal ??= this.#deps.rehearse()
      const rehearsed = await (await this.#rehearsal).examine(message)
      const shadow = await rehearsedFate(rehearsed, fields)
      const here = await decided
      if (!here) return void counts.skipped++
      counts.compared++
      this.problem = undefined
      if (isSameFate(here, shadow)) return
      counts.changed++
      const { id, from, recipients: to, subject } = message
      await this.#deps.changed({ message: id, from, to, subject, here, shadow })
    } catch (cause) {
      counts.failed++
      this.problem = (cause as Error).message
      this.#deps.failed(cause)
    } finally {
      this.#waiting.delete(message.id)
    }
  }

  heard({ name, message, splitFrom, reply, recipients }: KernelEvent): void {
    const id = String(splitFrom ?? this.#partOf.get(String(message)) ?? message)
    const waiting = this.#waiting.get(id)
    if (!waiting) return
    const part = waiting.parts.find((one) => one.id === message)
    if (name === 'message.accepted') {
      waiting.parts.push({ isHeld: false, id: String(message), recipients: recipients as readonly string[] })
      if (splitFrom !== undefined) this.#partOf.set(String(message), id)
    } else if (name === 'message.quarantined' && part) part.isHeld = true
    else if (name === 'message.discarded' && waiting.parts.length === 0) waiting.decided(DISCARDED)
    else if (name === 'message.refused') waiting.decided(refusedFate(replyOf(String(reply))))
  }

  /** The message has been accepted; its parts are announced within the same turn. */
  accepted(message: ReadableMessage): void {
    const id = this.#partOf.get(message.id) ?? message.id
    const waiting = this.#waiting.get(id)
    const part = waiting?.parts.find((one) => one.id === message.id)
    if (!waiting || !part) return
    part.fields = fieldsOf(message, this.#deps.fields)
    setImmediate(() => {
      if (!waiting.parts.every((one) => one.fields)) return
      for (const one of waiting.parts) this.#partOf.delete(one.id)
      waiting.decided(acceptedFate(waiting.parts.map((one) => ({ ...one, fields: one.fields ?? [] }))))
    })
  }

  /** Gives up what waits for a fate here, and finishes the rest. */
  async close(): Promise<void> {
    for (const { decided } of this.#waiting.values()) decided(undefined)
    await this.renew()
  }

  /** The next message sets the shadow up again. */
  async renew(): Promise<void> {
    const before = this.#rehearsal
    this.#rehearsal = undefined
    this.problem = undefined
    await this.#work
    await (await before?.catch(() => undefined))?.close()
  }

  /** Everything so far has been compared. */
  settled(): Promise<unknown> {
    return this.#work
  }
}

function replyOf(text: string): Reply {
  const [, code, enhanced] = /^(\d{3}) (\d\.\d{1,3}\.\d{1,3})/.exec(text) ?? []
  return { code: Number(code), enhanced: enhanced as Reply['enhanced'], text }
}
