/**
 * One filter's session with one client: reports the client's steps and reads the filter's responses.
 *
 * Invariants: a filter gets each step once, in order, whenever it joins; a message ends with its content or with ABORT
 * before the next begins; after "accept" a filter gets nothing more of this message (or, before MAIL, of this client).
 */
import { isIP } from 'node:net'
import { defer, type EnhancedCode, type RawField, type Refusal, refuse, type Session } from 'iems'
import type { Change, Changes } from './changes.ts'
import type { Connection, Waits } from './connection.ts'
import {
  ACTION,
  CHUNK,
  type Packet,
  ProtocolFault,
  packet,
  readNumbered,
  readStrings,
  STEP,
  strings,
  type Terms,
} from './protocol.ts'

/** The filter's response to a step; undefined when it has no objection. */
export type Said = Refusal | undefined

export interface MessageForFilter {
  readonly id: string
  /** Without this server's own. */
  readonly fields: readonly RawField[]
  readonly body: AsyncIterable<Uint8Array>
}

/** The filter's result for a message. */
export interface Judgement {
  readonly refusal?: Refusal
  readonly isDiscarded: boolean
  readonly changes: Changes
  readonly quarantine?: string
}

export interface ConversationDeps {
  readonly connection: Connection
  readonly terms: Terms
  readonly waits: Waits & { readonly content: number }
  readonly hostname: string
  /** Maximum octets of a new body. */
  readonly maxBody: number
}

export const UNCHANGED: Changes = { list: [], body: undefined }
/** Maximum changes to a message. */
const MAX_CHANGES = 10_000

type Macros = Readonly<Record<string, string | undefined>>

export class MilterSession {
  readonly #parts: ConversationDeps
  #isInMessage = false
  /** The filter has accepted the rest of the message, or of the session. */
  #isDone: 'message' | 'session' | undefined
  #isDiscarded = false

  constructor(parts: ConversationDeps) {
    this.#parts = parts
  }

  /** Whether field values include the space after the colon. */
  get #isRaw(): boolean {
    return this.#has(STEP.leadingSpace)
  }

  async connect({ remote, local, channel }: Session): Promise<Said> {
    const version = isIP(remote.address)
    const name = remote.name ?? (version === 0 ? 'localhost' : `[${remote.address}]`)
    const where =
      version === 0
        ? ['L', numbers16(0), strings(remote.address)]
        : [version === 6 ? '6' : '4', numbers16(remote.port ?? 0), strings(remote.address)]
    const address = version === 6 ? `IPv6:${remote.address}` : remote.address
    return this.#step('C', [strings(name), ...where], {
      off: STEP.noConnect,
      mute: STEP.noReplyConnect,
      macros: {
        j: this.#parts.hostname,
        _: remote.name === undefined ? `[${address}]` : `${remote.name ?? 'unknown'} [${address}]`,
        '{daemon_name}': channel,
        '{client_addr}': remote.address,
        // As in Sendmail: a failed lookup differs from a missing name.
        '{client_name}': remote.name === undefined ? `[${remote.address}]` : (remote.name ?? 'unknown'),
        '{client_resolve}': remote.name === undefined ? 'TEMP' : remote.name === null ? 'FAIL' : 'OK',
        '{client_port}': remote.port === undefined ? undefined : String(remote.port),
        '{if_addr}': local?.address,
        v: 'IEMS',
      },
    })
  }

  helo({ helo = '', tls }: Session): Promise<Said> {
    return this.#step('H', [strings(helo)], {
      off: STEP.noHelo,
      mute: STEP.noReplyHelo,
      macros: { '{tls_version}': tls?.version, '{cipher}': tls?.cipher },
    })
  }

  async mail(from: string, { identity }: Session, esmtp: readonly string[]): Promise<Said> {
    this.abort()
    this.#isInMessage = true
    return this.#step('M', [strings(`<${from}>`, ...esmtp)], {
      off: STEP.noMail,
      mute: STEP.noReplyMail,
      macros: {
        '{mail_addr}': from,
        '{auth_authen}': identity?.user,
        '{auth_type}': identity ? 'PLAIN' : undefined,
      },
    })
  }

  rcpt(to: string, esmtp: readonly string[]): Promise<Said> {
    return this.#step('R', [strings(`<${to}>`, ...esmtp)], {
      off: STEP.noRecipient,
      mute: STEP.noReplyRecipient,
      macros: { '{rcpt_addr}': to },
    })
  }

  /** Sends the message to its end. */
  async content(letter: MessageForFilter): Promise<Judgement> {
    const refusal = await this.#send(letter)
    const isDiscarded = this.#isDiscarded
    if (refusal || this.#isDone) {
      this.abort()
      return { ...(refusal ? { refusal } : {}), isDiscarded, changes: UNCHANGED }
    }
    const judgement = await this.#end()
    this.#isInMessage = false
    return judgement
  }

  /** Aborts the current message. */
  abort(): void {
    if (this.#isInMessage) this.#parts.connection.send(packet('A'))
    this.#isInMessage = false
    this.#isDiscarded = false
    if (this.#isDone === 'message') this.#isDone = undefined
  }

  close(): void {
    this.#parts.connection.close()
  }

  #has(bit: number): boolean {
    return (this.#parts.terms.steps & bit) !== 0
  }

  /** Sends everything but the end, unless the filter has decided earlier. */
  async #send({ id, fields, body }: MessageForFilter): Promise<Said> {
    const macros = { i: id }
    let refusal = await this.#step('T', [], { off: STEP.noData, mute: STEP.noReplyData, macros })
    for (const { name, value } of fields) {
      if (refusal || this.#isDone) return refusal
      // As filters expect: without CR, and without leading space unless negotiated.
      const plain = (this.#isRaw ? value : value.replace(/^ /, '')).replaceAll('\r\n', '\n')
      refusal = await this.#step('L', [strings(name, plain)], { off: STEP.noHeaders, mute: STEP.noReplyHeader })
    }
    refusal ??= await this.#step('N', [], { off: STEP.noEndOfHeader, mute: STEP.noReplyEndOfHeader, macros })
    if (refusal || this.#isDone || this.#has(STEP.noBody)) return refusal
    for await (const chunk of inChunks(body)) {
      const { said, isEnough } = await this.#ask('B', [chunk], { off: STEP.noBody, mute: STEP.noReplyBody })
      if (said || isEnough || this.#isDone) return said
    }
    return undefined
  }

  async #end(): Promise<Judgement> {
    const { connection, waits, terms, maxBody } = this.#parts
    this.#macros('E', {})
    connection.send(packet('E'))
    const list: Change[] = []
    let body: Buffer[] | undefined
    let size = 0
    let quarantine: string | undefined
    for (let count = 0; count < MAX_CHANGES; count++) {
      const answer = await connection.receive(waits.content)
      const last = lastAnswer(answer)
      if (last) {
        const { refusal } = last
        return {
          ...(refusal ? { refusal } : {}),
          isDiscarded: last.kind === 'discard',
          changes: { list, body },
          ...(quarantine === undefined ? {} : { quarantine }),
        }
      }
      if (answer.letter === 'p') continue
      const action = ACTION_OF[answer.letter]
      if (action === undefined) throw new ProtocolFault(`its answer ${JSON.stringify(answer.letter)} is not known`)
      // Ignored, because it was not negotiated.
      if ((terms.actions & action) === 0) continue
      if (answer.letter === 'b') {
        size += answer.body.length
        if (size > maxBody) throw new ProtocolFault('its new body is too large')
        body = [...(body ?? []), Buffer.from(answer.body)]
      } else if (answer.letter === 'q') quarantine = readStrings(answer.body, 1)[0] ?? ''
      else list.push(changeOf(answer, this.#isRaw))
    }
    throw new ProtocolFault('its changes have no end')
  }

  #macros(of: string, macros: Macros): void {
    const known = Object.entries(macros).filter((one): one is [string, string] => one[1] !== undefined)
    if (known.length > 0) this.#parts.connection.send(packet('D', of, strings(...known.flat())))
  }

  async #step(letter: string, parts: readonly (string | Uint8Array)[], how: Step): Promise<Said> {
    return (await this.#ask(letter, parts, how)).said
  }

  async #ask(
    letter: string,
    parts: readonly (string | Uint8Array)[],
    { off, mute, macros = {} }: Step,
  ): Promise<{ readonly said: Said; readonly isEnough?: boolean }> {
    if (this.#isDone || this.#has(off)) return { said: undefined }
    const { connection, waits } = this.#parts
    this.#macros(letter, macros)
    connection.send(packet(letter, ...parts))
    await connection.drained(waits.answer)
    if (this.#has(mute)) return { said: undefined }
    let answer = await connection.receive(waits.answer)
    while (answer.letter === 'p') answer = await connection.receive(waits.answer)
    if (letter === 'B' && answer.letter === 's') return { said: undefined, isEnough: true }
    const last = lastAnswer(answer)
    if (!last) throw new ProtocolFault(`its answer ${JSON.stringify(answer.letter)} is not one to ${letter}`)
    if (last.kind === 'accept' || last.kind === 'discard') this.#isDone = this.#isInMessage ? 'message' : 'session'
    if (last.kind === 'discard') this.#isDiscarded = true
    return { said: last.refusal }
  }
}

interface Step {
  /** The filter does not want this step. */
  readonly off: number
  /** The filter does not respond to this step. */
  readonly mute: number
  readonly macros?: Macros
}

function numbers16(value: number): Buffer {
  const octets = Buffer.alloc(2)
  octets.writeUInt16BE(value)
  return octets
}

async function* inChunks(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const piece of body)
    for (let at = 0; at < piece.byteLength; at += CHUNK) yield piece.subarray(at, at + CHUNK)
}

interface LastAnswer {
  readonly kind: 'continue' | 'accept' | 'discard' | 'refuse'
  readonly refusal?: Refusal
}

const LATER = 'A filter asks to try again later'

/** Undefined for other packets. */
function lastAnswer({ letter, body }: Packet): LastAnswer | undefined {
  switch (letter) {
    case 'c':
      return { kind: 'continue' }
    case 'a':
      return { kind: 'accept' }
    case 'd':
      return { kind: 'discard' }
    case 'r':
      return { kind: 'refuse', refusal: refuse(550, '5.7.1', 'Refused by a filter') }
    case 't':
      return { kind: 'refuse', refusal: defer(451, '4.7.1', LATER) }
    case 'f':
    case '4':
      return { kind: 'refuse', refusal: defer(421, '4.7.1', LATER) }
    case 'y':
      return { kind: 'refuse', refusal: replyIn(readStrings(body, 1)[0] ?? '') }
    default:
      return undefined
  }
}

/** `550 5.7.1 text`, possibly of several lines; the first is used. */
function replyIn(text: string): Refusal {
  const [, digits, enhanced, words = ''] = /^([45]\d\d)[ -]?(?:([45]\.\d{1,3}\.\d{1,3}) ?)?([^\r\n]*)/.exec(text) ?? []
  if (digits === undefined) throw new ProtocolFault('its reply is none')
  const first = digits[0] as '4' | '5'
  const status = (enhanced?.startsWith(first) ? enhanced : `${first}.7.1`) as EnhancedCode
  return { kind: 'refuse', reply: { code: Number(digits), enhanced: status, text: words || 'Refused by a filter' } }
}

const ACTION_OF: Readonly<Record<string, number>> = {
  h: ACTION.addHeader,
  i: ACTION.addHeader,
  m: ACTION.changeHeader,
  b: ACTION.changeBody,
  '+': ACTION.addRecipient,
  '2': ACTION.addRecipientWithArguments,
  '-': ACTION.removeRecipient,
  e: ACTION.changeFrom,
  q: ACTION.quarantine,
}

const bare = (path = '') => path.replace(/^<([\s\S]*)>$/, '$1')

function changeOf({ letter, body }: Packet, isRaw: boolean): Change {
  const behindColon = (value: string) => (isRaw || value === '' ? value : ` ${value}`)
  if (letter === 'h') {
    const [name = '', value = ''] = readStrings(body, 2)
    return { kind: 'add-header', name, value: behindColon(value) }
  }
  if (letter === 'i' || letter === 'm') {
    const [at, name = '', value = ''] = readNumbered(body, 2)
    return { kind: letter === 'i' ? 'insert-header' : 'change-header', at, name, value: behindColon(value) }
  }
  const address = bare(readStrings(body, 1)[0])
  if (letter === 'e') return { kind: 'sender', address }
  return { kind: letter === '-' ? 'remove-recipient' : 'add-recipient', address }
}
