/**
 * From content to promise: stage ▸ inspect ▸ check ▸ modify ▸ ACCEPT. The 250 line is here.
 *
 * Before the queue's `accept` returns, everything that goes wrong is an answer to the sender and leaves nothing behind;
 * after it, the message is ours and whatever happens is a bounce. What must stay true: no 250 before the commit; a
 * fault is always 4xx; this file does not know which channel the content came by, how it is scanned or changed, or
 * when it will be tried.
 */
import { isAscii } from 'node:buffer'
import type { Clock } from '../api/clock.ts'
import { IemsError, reasonOf } from '../api/errors.ts'
import type { Discard, MailParameters, Priority, Routed, Session, Verdict } from '../api/hooks.ts'
import { accept, classOf, defer, FAULT, format, type Refusal, type Reply, refuse } from '../api/reply.ts'
import type { DataReply } from '../api/session.ts'
import {
  createChangeableMessage,
  createHeaders,
  createMessage,
  type Edits,
  headerField,
  type MessageDeps,
  sizeWith,
} from '../message/message.ts'
import type { Trace } from '../message/trace.ts'
import { createHeaderScanner, type HeaderEnd, mboxLine, withBlankLine } from '../mime/header-end.ts'
import { groupByRoute, type SharedQueue } from '../queue/queue.ts'
import type { MessageRecord } from '../queue/records.ts'
import type { RememberRefusal } from '../queue/refusals.ts'
import type { Emit } from '../runtime/log.ts'
import type { Hooks } from '../runtime/wiring.ts'
import type { Staged, Store } from '../store/store.ts'
import type { Resolve } from './resolve.ts'

export interface ReceiveLimits {
  /** Octets of content. */
  readonly messageSize: number
  /** Octets of header. */
  readonly headerSize: number
  /** Received fields after which a message is taken to be in a loop. */
  readonly hops: number
  /** Octets up to which `parse()` reads a message. */
  readonly parse: number
}

export interface ReceiveDeps {
  readonly store: Store
  readonly queue: SharedQueue
  readonly hooks: Hooks
  readonly clock: Clock
  readonly emit: Emit
  readonly hostname: string
  readonly limits: ReceiveLimits
  readonly resolve: Resolve
  readonly refusals: RememberRefusal
}

export type Receive = ReturnType<typeof createReceive>

/** What is known of a message when its content begins. */
export interface Envelope {
  readonly session: Session
  readonly from: string
  readonly parameters: MailParameters
  readonly priority: Priority
  readonly recipients: readonly Routed[]
  readonly once?: string
}

/** Reads along while content is staged: its size, its header, what it needs of a transport. */
function createInspector({ messageSize, headerSize }: ReceiveLimits, isBinary: boolean) {
  const head: Uint8Array[] = []
  const scanner = createHeaderScanner()
  let end: HeaderEnd | undefined
  let headSize = 0
  let size = 0
  let ascii = true
  function inspect(chunk: Uint8Array) {
    size += chunk.byteLength
    if (size > messageSize) throw new IemsError('IEMS_CONTENT_TOO_LARGE', { limit: messageSize })
    if (!end && headSize <= headerSize) {
      head.push(chunk)
      headSize += chunk.byteLength
      end = scanner.push(chunk)
    }
    ascii &&= isAscii(chunk)
    // RFC 2045 sections 2.7 and 2.8: a reader that drops NULs sees another message, and perhaps an earlier end.
    if (!isBinary && chunk.includes(0)) throw new IemsError('IEMS_CONTENT_NUL')
  }
  return {
    async *watch(source: AsyncIterable<Uint8Array>) {
      try {
        for await (const chunk of source) {
          inspect(chunk)
          yield chunk
        }
      } catch (cause) {
        throw cause instanceof IemsError ? cause : new IemsError('IEMS_CONTENT_BROKEN', { why: reasonOf(cause) }, cause)
      }
    },
    /** The header with its blank line; undefined when it is longer than allowed. */
    header(): Uint8Array | undefined {
      if (!end && headSize > headerSize) return undefined
      const { body } = end ?? scanner.finish()
      return body > headerSize ? undefined : Buffer.concat(head).subarray(0, body)
    },
    isAscii: () => ascii,
  }
}

function dateOf(ms: number): string {
  return new Date(ms).toUTCString().replace('GMT', '+0000')
}

/** A name from outside inside a comment or after a keyword of Received: nothing that ends the comment or the line. */
function plain(text: string): string {
  return text.replace(/[^\w.:[\]@+=-]/g, '?').slice(0, 255)
}

interface Contents {
  readonly staged: Staged
  readonly header: Uint8Array
  readonly ascii: boolean
}

interface CheckedMessage extends Contents {
  readonly verdict: Verdict | undefined
  readonly kept: MessageDeps
  readonly recipients: readonly Routed[]
}

/** What a tap did to a message's size, in words, each time it is asked. */
function sizeChange(message: { readonly size: number }): () => string | undefined {
  let size = message.size
  return () => {
    const was = size
    size = message.size
    return was === size ? undefined : `${was} → ${size} octets`
  }
}

interface IncomingMessage extends Envelope {
  readonly id: string
  readonly trace: Trace
  /** Octets that have come. */
  size: number
}

/** Values of `with` in Received (RFC 3848, RFC 6531); other ways in have none. */
const WITH = /^(E?SMTP|LMTP)(S?A?)$/

function withClause(protocol: string, isUtf8: boolean): string {
  const [, name, rest = ''] = WITH.exec(protocol) ?? []
  if (name === undefined) return ''
  return ` with ${isUtf8 && name !== 'SMTP' ? `UTF8${name.replace(/^E/, '')}` : name}${rest}`
}

export function createReceive(parts: ReceiveDeps) {
  const { store, queue, hooks, clock, emit, hostname, limits, resolve, refusals } = parts

  /** RFC 5321 section 4.4. */
  function received({ session, recipients, id }: IncomingMessage): string {
    const { remote, helo, protocol, tls } = session
    const address = remote.address.includes(':') ? `IPv6:${remote.address}` : remote.address
    // `unknown` says that there is no name; a name that could not be asked for is left out.
    const name = remote.name === undefined ? '' : `${plain(remote.name ?? 'unknown')} `
    const from = `from ${plain(helo ?? 'unknown')} (${name}[${plain(address)}])`
    const secured = tls ? ` (${plain(tls.version)} ${plain(tls.cipher)})` : ''
    const only = recipients.length === 1 ? recipients[0]?.recipient.original : undefined
    // With several recipients the field would tell each of the others.
    const to = only !== undefined && /^[\x21-\x7e]+$/.test(only) ? `\r\n\tfor <${only}>` : ''
    const isUtf8 = recipients.some(({ recipient }) => !isAscii(Buffer.from(recipient.address)))
    const by = `by ${hostname} (IEMS)${withClause(protocol, isUtf8)} id ${id}${to};\r\n\t${dateOf(clock.now())}`
    // What a plugin or a command hands in has no client to name.
    return protocol === 'LOCAL' ? by : `${from}${secured}\r\n\t${by}`
  }

  /** RFC 6409 section 8: what a mail user agent left out, and the trace field that every hop adds. */
  function firstEdits(arrival: IncomingMessage, header: Uint8Array): Edits | Refusal {
    const start = mboxLine(header)
    const edits: Edits = { prefix: '', cuts: start > 0 ? [[0, start]] : [] }
    const headers = createHeaders(header, edits)
    if (headers.get('received').length >= limits.hops)
      return refuse(554, '5.4.6', 'Too many hops: this message is in a loop')
    if (arrival.session.submission) {
      if (headers.get('date').length === 0) headers.prepend('Date', dateOf(clock.now()))
      if (headers.get('message-id').length === 0) headers.prepend('Message-ID', `<${arrival.id}@${hostname}>`)
    }
    edits.prefix = headerField('Received', received(arrival)) + edits.prefix
    return edits
  }

  async function stage({ parameters }: IncomingMessage, content: AsyncIterable<Uint8Array>): Promise<Contents> {
    const inspector = createInspector(limits, parameters.body === 'BINARYMIME')
    const staged = await store.blobs.stage(inspector.watch(withBlankLine(content)))
    const header = inspector.header()
    if (header) return { staged, header, ascii: inspector.isAscii() }
    await staged.discard()
    throw new IemsError('IEMS_HEADER_TOO_LONG', { limit: limits.headerSize })
  }

  /** Runs `check`, then `modify`: the verdict, and the message as it is to be kept. */
  async function judge(arrival: IncomingMessage, first: Contents, edits: Edits): Promise<CheckedMessage> {
    const { trace } = arrival
    const run = { ...trace.run, to: arrival.recipients.map(({ route }) => route.channel) }
    let now = first
    const partsOf = ({ staged, header }: Contents, changes: Edits): MessageDeps => ({
      ...arrival,
      recipients: arrival.recipients.map(({ recipient }) => recipient),
      findings: () => trace.findings,
      edits: changes,
      body: staged,
      header,
      parseLimit: limits.parse,
    })
    const before = partsOf(first, edits)
    const bound = <T extends object>(message: T): T => {
      hooks.bind(message, run)
      return message
    }
    try {
      const verdict = hooks.isTapped('check') ? await hooks.call('check', bound(createMessage(before)), run) : undefined
      if (!hooks.isTapped('modify') || verdict?.kind === 'refuse' || verdict?.kind === 'discard')
        return { ...first, verdict, kept: before, recipients: arrival.recipients }
      const changeable = createChangeableMessage(before, async (source) => {
        const next = await stage(arrival, source)
        await now.staged.discard()
        now = next
        return partsOf(next, { prefix: '', cuts: [] })
      })
      trace.watch(sizeChange(changeable.message))
      await hooks.call('modify', bound(changeable.message), run)
      const { parts: kept, added } = changeable.changed()
      const recipients = await reroute(arrival, kept, added)
      if ('kind' in recipients) return { ...now, verdict: recipients, kept, recipients: [] }
      return {
        ...now,
        verdict,
        kept: { ...kept, recipients: recipients.map(({ recipient }) => recipient) },
        recipients,
      }
    } catch (error) {
      await now.staged.discard()
      throw error
    }
  }

  /** Where it goes after `modify`: the same as before, without those who were removed and with those who were added. */
  async function reroute(
    { session, recipients, trace }: IncomingMessage,
    kept: MessageDeps,
    added: readonly string[],
  ): Promise<readonly Routed[] | Refusal | Discard> {
    const still = new Set(kept.recipients)
    const left = recipients.filter(({ recipient }) => still.has(recipient))
    const more: Routed[] = []
    for (const address of added) {
      // It is the plugin who names him, and plugins are the admin's.
      const by = { ...session, trusted: true }
      const routed = await resolve.resolve({ address, original: address }, kept.from, by, trace.run)
      if ('kind' in routed)
        return defer(451, '4.3.0', `A recipient that was added cannot be reached: ${routed.reply.text}`)
      more.push(...routed)
    }
    return left.length + more.length > 0 ? [...left, ...more] : { kind: 'discard', reason: 'no recipient is left' }
  }

  function recordOf(arrival: IncomingMessage, kept: MessageDeps, blob: string, ascii: boolean): MessageRecord {
    const { id, session, parameters, priority, trace, recipients } = arrival
    const { edits, body, header, from } = kept
    const addresses = [from, ...recipients.map(({ recipient }) => recipient.address)].join('')
    const all = edits.prefix + Buffer.from(header.buffer, header.byteOffset, header.byteLength).toString('latin1')
    const asciiHeader = isAscii(Buffer.from(all, 'latin1'))
    return {
      v: 1,
      id,
      at: clock.now(),
      session,
      from,
      parameters,
      priority,
      recipients: recipients.map(({ recipient }) => recipient),
      blob,
      blobSize: body.size,
      headerSize: header.byteLength,
      edits,
      size: sizeWith(body, edits),
      needs: {
        eightBit: !ascii,
        binary: parameters.body === 'BINARYMIME',
        utf8: !asciiHeader || !isAscii(Buffer.from(addresses)),
      },
      findings: trace.findings,
      state: trace.state,
      steps: trace.steps,
      of: 0,
    }
  }

  async function keep(
    first: IncomingMessage,
    { kept, staged, ascii, verdict, recipients }: CheckedMessage,
  ): Promise<DataReply> {
    const arrival = { ...first, from: kept.from, recipients }
    const { id: blob, ops } = await staged.keep()
    const routes = groupByRoute(arrival.recipients)
    const hash = staged.hash === undefined ? {} : { hash: staged.hash }
    const record = { ...recordOf(arrival, kept, blob, ascii), ...hash, of: routes.length }
    const held = verdict?.kind === 'quarantine' ? { held: verdict.reason } : {}
    const once = arrival.once === undefined ? {} : { once: arrival.once }
    const id = await queue.accept({ record, routes, body: ops, ...held, ...once })
    if (id === arrival.id) announce(arrival, record, kept)
    if (id === arrival.id && verdict?.kind === 'quarantine')
      emit('message.quarantined', { message: id, reason: verdict.reason })
    return { ...accept(250, '2.0.0', `Ok: queued as ${id}`), message: id, queued: true }
  }

  function announce({ session, recipients, trace }: IncomingMessage, record: MessageRecord, kept: MessageDeps) {
    const { id, from, size } = record
    emit('message.accepted', {
      message: id,
      channel: session.channel,
      session: session.id,
      from,
      recipients: recipients.map(({ recipient }) => recipient.address),
      size,
    })
    // After the commit nobody's fault can hurt the message, and the sender need not wait for who is told.
    if (hooks.isTapped('queued')) {
      hooks
        .call('queued', createMessage(kept), trace.run)
        .catch((cause: unknown) => emit('kernel.fault', { hook: 'queued', message: id, cause }))
    }
  }

  async function take(arrival: IncomingMessage, content: AsyncIterable<Uint8Array>): Promise<DataReply> {
    const contents = await stage(arrival, content)
    arrival.size = contents.staged.size
    const edits = firstEdits(arrival, contents.header)
    if ('kind' in edits) {
      await contents.staged.discard()
      return edits.reply
    }
    const judged = await judge(arrival, contents, edits)
    const { verdict, staged } = judged
    if (verdict?.kind === 'refuse') {
      await staged.discard()
      return verdict.reply
    }
    if (verdict?.kind === 'discard') {
      await staged.discard()
      emit('message.discarded', {
        message: arrival.id,
        channel: arrival.session.channel,
        from: arrival.from,
        reason: verdict.reason,
      })
      return accept(250, '2.0.0', `Ok: ${arrival.id}`)
    }
    return keep(arrival, judged)
  }

  /** What a sender hears of an exception: always "later", but for content that can never be taken. */
  function replyTo(error: unknown, id: string): Reply {
    const code = error instanceof IemsError ? error.code : undefined
    if (code === 'IEMS_CONTENT_TOO_LARGE') return refuse(552, '5.3.4', 'The message is too large').reply
    if (code === 'IEMS_HEADER_TOO_LONG') return refuse(552, '5.3.4', 'The header is too long').reply
    if (code === 'IEMS_CONTENT_NUL') return refuse(550, '5.6.0', 'NUL octets in the content need BODY=BINARYMIME').reply
    if (code === 'IEMS_CONTENT_BROKEN') return defer(451, '4.4.2', 'The content ended early').reply
    if (code?.startsWith('IEMS_STORE')) emit('store.failing', { message: id, cause: error })
    if (code === 'IEMS_STORE_FULL') return defer(452, '4.3.1', 'No space left, try again later').reply
    // A plugin's fault has been logged where it happened.
    else if (code !== 'IEMS_PLUGIN_FAULT') emit('kernel.fault', { message: id, cause: error })
    return { ...FAULT.reply, text: `${FAULT.reply.text} (${id})` }
  }

  function refused({ id, session, from, recipients, priority, trace, size }: IncomingMessage, reply: Reply) {
    const addresses = recipients.map(({ recipient }) => recipient)
    emit('message.refused', {
      message: id,
      channel: session.channel,
      session: session.id,
      remote: session.remote.address,
      ...(session.identity ? { user: session.identity.user } : {}),
      ...(session.identity?.actor ? { actor: session.identity.actor.user } : {}),
      from,
      recipients: addresses.map(({ address }) => address),
      reply: format(reply),
    })
    const { steps, findings } = trace
    refusals({ id, session, from, recipients: addresses, priority, size, steps, findings, refused: reply })
  }

  /** Takes one message in. Never throws; the reply is the sender's. */
  return async function receive(
    envelope: Envelope,
    id: string,
    trace: Trace,
    content: AsyncIterable<Uint8Array>,
  ): Promise<DataReply> {
    const arrival: IncomingMessage = { ...envelope, id, trace, size: 0 }
    let reply: DataReply
    try {
      reply = await take(arrival, content)
    } catch (error) {
      reply = replyTo(error, id)
    }
    if (classOf(reply) !== 'success') refused(arrival, reply)
    return { message: id, ...reply }
  }
}
