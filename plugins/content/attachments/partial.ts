/**
 * Joins messages that were sent in fragments (message/partial, RFC 2046 section 5.2.2).
 *
 * The server accepts a fragment and keeps it in the store. The last fragment submits the whole message as its client
 * would have, so that every filter judges it. Invariants: a fragment stays in the store until the whole message is
 * accepted or refused, and is delivered as it is when the others do not come in time; kernels on one store share the
 * fragments, and of two that complete a message one is accepted; fragments, octets and their time have limits.
 */
import { createHash } from 'node:crypto'
import {
  below,
  type Content,
  type ContentStore,
  decodeRecord,
  defer,
  encodeRecord,
  fieldName,
  key,
  type ReadableMessage,
  type ServerSession,
  type SetupContext,
  type Store,
  unkey,
  type Verdict,
} from 'iems'
import { gather, type MimePart } from 'iems/mime'
import type { Options } from './options.ts'

type PartialOptions = NonNullable<Options['partial']>

/** Fragments of one message, and of all. */
const MAX_FRAGMENTS = 200
const MAX_WAITING = 10_000
const MAX_HEADER = 262_144
/** How often a commit that another kernel overtook is tried again. */
const TRIES = 20

interface FragmentRecord {
  readonly v: 1
  readonly content: Content
  /** Where its body begins. */
  readonly body: number
  /** The number of all fragments, where this one says it. */
  readonly total?: number
  readonly at: number
  readonly from: string
  readonly to: readonly string[]
}

interface Stored extends FragmentRecord {
  readonly set: string
  readonly number: number
}

interface Fragment {
  readonly set: string
  readonly number: number
  readonly total: number | undefined
}

export interface PartialDeps extends Pick<SetupContext, 'openSession' | 'submit'> {
  readonly store: Store
  readonly contents: ContentStore
  readonly now: () => number
  readonly options: PartialOptions
}

const fragmentKey = ({ set, number }: Pick<Fragment, 'set' | 'number'>) => key('fragment', set, number)
const ownerOf = ({ set, number }: Pick<Fragment, 'set' | 'number'>) => `fragment ${set} ${number}`
const LATER = defer(451, '4.3.0', 'The fragments of this message cannot be put together now, try again later')

/** The fragment that a message states to be; undefined for a message that is not a fragment. */
function fragmentOf(message: ReadableMessage, root: MimePart): Fragment | undefined {
  if (root.type !== 'message' || root.subtype !== 'partial') return undefined
  const { id, number, total } = root.parameters
  const count = (text: string | undefined) => (text !== undefined && /^\d{1,4}$/.test(text) ? Number(text) : undefined)
  const [at, all] = [count(number), count(total)]
  const isSound =
    id !== undefined && id !== '' && at !== undefined && at >= 1 && /^(?:7bit|8bit|binary)$/.test(root.encoding)
  if (!isSound || at > MAX_FRAGMENTS || (all !== undefined && (all > MAX_FRAGMENTS || at > all))) return undefined
  const to = message.recipients.map(({ address }) => address).sort()
  const said = JSON.stringify([message.session.channel, message.from, to, id.slice(0, 1000)])
  return { set: createHash('sha256').update(said).digest('base64url'), number: at, total: all }
}

export class Partials {
  readonly #deps: PartialDeps

  constructor(deps: PartialDeps) {
    this.#deps = deps
  }

  /** Takes a fragment: undefined lets it be delivered as it is. */
  async take(message: ReadableMessage, root: MimePart, note: (text: string) => void): Promise<Verdict | undefined> {
    const { options } = this.#deps
    const fragment = options.channels.includes(message.session.channel) ? fragmentOf(message, root) : undefined
    if (!fragment || message.recipients.length === 0) return undefined
    if (!(await this.#hasRoom(fragment, message.size))) {
      note('a fragment is delivered as it is: the limits of waiting fragments are reached')
      return undefined
    }
    if (fragment.number === 1 && (await isNested(message, root))) {
      note('a fragment is delivered as it is: it holds a fragment')
      return undefined
    }
    await this.#keep(message, root, fragment)
    const all = await this.#complete(fragment.set)
    note(`fragment ${fragment.number} of ${fragment.total ?? 'a message'} is kept`)
    if (!all) return { kind: 'discard', reason: `fragment ${fragment.number} waits for the others` }
    const reply = await this.#handIn(message, all, fragment.set)
    const kind = Math.floor(reply.code / 100)
    if (kind === 4) return LATER
    for (const one of all) await this.#remove(one)
    if (kind === 5) return { kind: 'refuse', reply }
    return { kind: 'discard', reason: `${all.length} fragments were put together` }
  }

  /** Delivers fragments whose time is over as they are. */
  async sweep(signal?: AbortSignal): Promise<void> {
    const { options, now, submit } = this.#deps
    for await (const one of this.#list(below('fragment'))) {
      if (signal?.aborted) return
      if (one.at + options.keep > now()) continue
      const { reply } = await submit({ from: one.from, to: one.to, content: one.content, once: ownerOf(one) })
      if (Math.floor(reply.code / 100) !== 4) await this.#remove(one)
    }
  }

  async *#list(range: ReturnType<typeof below>): AsyncGenerator<Stored> {
    for await (const [at, value] of this.#deps.store.scan(range)) {
      const [, set, number] = unkey(at)
      yield { ...decodeRecord<FragmentRecord>(value), set: String(set), number: Number(number) }
    }
  }

  async #hasRoom({ set }: Fragment, size: number): Promise<boolean> {
    const { maxOctets, maxSize } = this.#deps.options
    let [count, octets, own] = [0, size, size]
    for await (const one of this.#list(below('fragment'))) {
      count++
      octets += one.content.size
      if (one.set === set) own += one.content.size
    }
    return count < MAX_WAITING && octets <= maxOctets && own <= maxSize
  }

  async #keep(message: ReadableMessage, root: MimePart, fragment: Fragment): Promise<void> {
    const { contents, store, now } = this.#deps
    if (await store.get(fragmentKey(fragment))) return
    const staged = await contents.stage(message.open())
    const record: FragmentRecord = {
      v: 1,
      content: staged.content,
      body: root.body,
      at: now(),
      from: message.from,
      to: message.recipients.map(({ address }) => address),
      ...(fragment.total === undefined ? {} : { total: fragment.total }),
    }
    for (let tries = 0; tries < TRIES; tries++) {
      const isKept = await contents.commit({
        ops: [...staged.ops, { put: fragmentKey(fragment), value: encodeRecord(record) }],
        checks: [{ key: fragmentKey(fragment), is: 'absent' }],
        hold: [{ from: staged, owner: ownerOf(fragment) }],
      })
      // Another kernel may have taken the same fragment.
      if (isKept || (await store.get(fragmentKey(fragment)))) {
        if (!isKept) await staged.discard()
        return
      }
    }
    await staged.discard()
    throw new Error('a fragment cannot be kept')
  }

  /** All fragments in order, when none is missing. */
  async #complete(set: string): Promise<readonly Stored[] | undefined> {
    const all = await Array.fromAsync(this.#list(below('fragment', set)))
    const sorted = all.toSorted((a, b) => a.number - b.number)
    const total = sorted.find((one) => one.total !== undefined)?.total
    return total !== undefined && sorted.length === total && sorted.every((one, index) => one.number === index + 1)
      ? sorted
      : undefined
  }

  /** As the client of the last fragment. */
  async #handIn(message: ReadableMessage, all: readonly Stored[], set: string) {
    const { session, from, parameters, recipients } = message
    const { protocol, remote, local, submission, helo, identity } = session
    const whole: ServerSession = this.#deps.openSession({
      protocol,
      remote,
      submission,
      ...(local ? { local } : {}),
      ...(session.tls ? { tls: session.tls } : {}),
    })
    try {
      whole.update({ ...(helo === undefined ? {} : { helo }), ...(identity ? { identity } : {}) })
      const { size: _, ...others } = parameters
      const refusal = (await whole.connect()) ?? (await whole.mail(from, others))
      if (refusal) return refusal.reply
      for (const one of recipients) {
        const refused = await whole.rcpt(one)
        if (refused) return refused.reply
      }
      return await whole.data(this.#whole(all), { once: `partial ${set}` })
    } finally {
      whole.close()
    }
  }

  async *#whole(all: readonly Stored[]): AsyncGenerator<Uint8Array> {
    const { contents } = this.#deps
    const [first] = all
    if (!first) return
    const outer = await gather(contents.open(first.content, { start: 0, end: first.body }), MAX_HEADER)
    const start = await gather(contents.open(first.content, { start: first.body, end: first.content.size }), MAX_HEADER)
    const end = headerSize(start)
    yield Buffer.from(`${mergedHeader(outer, start.subarray(0, end))}\r\n`, 'latin1')
    yield* contents.open(first.content, { start: first.body + end, end: first.content.size })
    for (const one of all.slice(1)) yield* contents.open(one.content, { start: one.body, end: one.content.size })
  }

  async #remove(one: Stored): Promise<void> {
    const { contents, store } = this.#deps
    const at = fragmentKey(one)
    for (let tries = 0; tries < TRIES && (await store.get(at)); tries++)
      if (await contents.commit({ ops: [{ del: at }], free: [{ blob: one.content.blob, owner: ownerOf(one) }] })) return
  }
}

/** Whether the message inside is a fragment too: fragments within fragments have no end. */
async function isNested(message: ReadableMessage, { body, end }: MimePart): Promise<boolean> {
  const start = await gather(message.open({ start: body, end }), MAX_HEADER)
  const fields = fieldsOf(start.subarray(0, headerSize(start)))
  return fields.some((field) => /^content-type[ \t]*:/i.test(field) && /message\s*\/\s*partial/i.test(field))
}

/** Octets of a header, its blank line included. */
function headerSize(octets: Buffer): number {
  const ends = [octets.indexOf('\r\n\r\n') + 4, octets.indexOf('\n\n') + 2].filter((end) => end > 3)
  return ends.length > 0 ? Math.min(...ends) : octets.length
}

/** Fields with their folded lines. */
function fieldsOf(header: Buffer): readonly string[] {
  const fields: string[] = []
  for (const line of header.toString('latin1').split(/\r?\n/)) {
    if (/^[ \t]/.test(line) && fields.length > 0) fields[fields.length - 1] += `\r\n${line}`
    else if (fieldName(line) !== undefined) fields.push(line)
  }
  return fields
}

/** RFC 2046 section 5.2.2.1: these fields are those of the message inside, all others those of the first fragment. */
const INNER = new Set(['subject', 'message-id', 'encrypted', 'mime-version'])

function isInner(field: string): boolean {
  const name = field.slice(0, field.indexOf(':')).trim().toLowerCase()
  return name.startsWith('content-') || INNER.has(name)
}

function mergedHeader(outer: Buffer, inner: Buffer): string {
  const fields = [...fieldsOf(outer).filter((one) => !isInner(one)), ...fieldsOf(inner).filter((one) => isInner(one))]
  return fields.map((field) => `${field}\r\n`).join('')
}
