/**
 * One connection of a mail server: its client's steps run the hooks, and their answers become those of the protocol.
 *
 * Invariants: a fault and everything that cannot be expressed is a temporary refusal; the body is held by no more than
 * one chunk; a message of which some recipients are refused after its content is refused as a whole, because the
 * protocol cannot refuse them one by one.
 */
import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import {
  type ConnectionInfo,
  type Examination,
  FAULT,
  format,
  type Log,
  type MailParameters,
  type RawField,
  type Refusal,
  refuse,
  type ServerSession,
  splitContent,
} from 'iems'
import { ACTION, numbers, type Packet, ProtocolFault, packet, readStrings, STEP, strings } from '../milter/api.ts'
import { bodyActions, envelopeActions, headerActions, isOffered, type Terms } from './actions.ts'

export interface SessionDeps {
  readonly log: Log
  readonly maxHeader: number
  openSession(facts: ConnectionInfo): ServerSession
}

const VERSION = 6
const WANTED_ACTIONS = Object.values(ACTION).reduce((all, bit) => all | bit, 0) & ~ACTION.addRecipientWithArguments
/** Nothing is said about single fields and chunks, so the mail server need not wait. */
const WANTED_STEPS =
  STEP.noUnknown | STEP.noData | STEP.noReplyHeader | STEP.noReplyEndOfHeader | STEP.noReplyBody | STEP.leadingSpace
const CONTINUE = packet('c')

interface Content {
  readonly fields: RawField[]
  size: number
  /** Set from the end of the header on. */
  body?: PassThrough
  answers?: Promise<readonly Buffer[]>
}

export class MilterServerSession {
  readonly #deps: SessionDeps
  readonly #macros = new Map<string, string>()
  #terms: Terms & { readonly steps: number } = { actions: 0, steps: 0, isRaw: false }
  #open: ServerSession | undefined
  #from = ''
  #recipients: string[] = []
  #content: Content = { fields: [], size: 0 }

  constructor(deps: SessionDeps) {
    this.#deps = deps
  }

  /** The packets to answer with; undefined when the mail server ends the connection. */
  async take(given: Packet): Promise<readonly Buffer[] | undefined> {
    switch (given.letter) {
      case 'O':
        return [this.#negotiate(given.body)]
      case 'D':
        this.#learn(given.body)
        return []
      case 'C':
        return this.#step(() => this.#connect(given.body))
      case 'H':
        this.#open?.update({ helo: readStrings(given.body, 1)[0] ?? '', ...this.#tls() })
        return [CONTINUE]
      case 'M':
        return this.#step(() => this.#mail(readStrings(given.body, 1)))
      case 'R':
        return this.#step(() => this.#rcpt(bare(readStrings(given.body, 1)[0])))
      case 'T':
      case 'U':
        return [CONTINUE]
      case 'L':
        return this.#header(given.body)
      case 'N':
        this.#begin()
        return this.#reply(STEP.noReplyEndOfHeader)
      case 'B':
        return this.#body(given.body)
      case 'E':
        return this.#end(given.body)
      case 'A':
        this.#abort()
        return []
      case 'K':
        this.close()
        return []
      case 'Q':
        return undefined
      default:
        throw new ProtocolFault(`its packet ${JSON.stringify(given.letter)} is not known`)
    }
  }

  close(): void {
    this.#abort()
    this.#open?.close()
    this.#open = undefined
    this.#macros.clear()
  }

  #reply(mute: number): readonly Buffer[] {
    return (this.#terms.steps & mute) !== 0 ? [] : [CONTINUE]
  }

  #negotiate(body: Buffer): Buffer {
    if (body.length < 12) throw new ProtocolFault('its terms break off')
    const [version, offered, steps] = [body.readUInt32BE(0), body.readUInt32BE(4), body.readUInt32BE(8)]
    if (version < 2) throw new ProtocolFault(`it speaks version ${version} of the protocol`)
    const actions = offered & WANTED_ACTIONS
    const chosen = steps & WANTED_STEPS
    this.#terms = { actions, steps: chosen, isRaw: (chosen & STEP.leadingSpace) !== 0 }
    return packet('O', numbers(Math.min(version, VERSION), actions, chosen))
  }

  #learn(body: Buffer): void {
    // The first octet is the command that the macros belong to.
    const words = readStrings(body.subarray(1), 0)
    for (let at = 0; at + 1 < words.length; at += 2)
      this.#macros.set((words[at] ?? '').replace(/^\{(.*)\}$/, '$1'), words[at + 1] ?? '')
  }

  /** Runs a step; its refusal or fault is the answer. */
  async #step(run: () => Promise<Refusal | undefined>): Promise<readonly Buffer[]> {
    try {
      const refusal = await run()
      return [refusal ? refused(refusal) : CONTINUE]
    } catch (cause) {
      if (cause instanceof ProtocolFault) throw cause
      this.#deps.log.error('a step failed', { cause })
      return [refused(FAULT)]
    }
  }

  async #connect(body: Buffer): Promise<Refusal | undefined> {
    this.#open?.close()
    const end = body.indexOf(0)
    if (end < 0) throw new ProtocolFault('a client has no name')
    const name = body.toString('latin1', 0, end)
    const family = body.toString('latin1', end + 1, end + 2)
    const isInternet = family === '4' || family === '6'
    const address = isInternet ? (readStrings(body.subarray(end + 4), 1)[0] ?? '').replace(/^IPv6:/i, '') : '127.0.0.1'
    const isNamed = isInternet && name !== 'unknown' && !name.startsWith('[')
    this.#open = this.#deps.openSession({
      protocol: 'ESMTP',
      remote: {
        address,
        ...(isInternet ? { port: body.readUInt16BE(end + 2), name: isNamed ? name : null } : {}),
      },
      isElsewhere: true,
    })
    return this.#open.connect()
  }

  #tls(): Pick<ConnectionInfo, 'tls'> | undefined {
    const [version, cipher] = [this.#macros.get('tls_version'), this.#macros.get('cipher')]
    return version && cipher ? { tls: { version, cipher } } : undefined
  }

  async #mail([from, ...esmtp]: string[]): Promise<Refusal | undefined> {
    this.#abort()
    const open = this.#client()
    this.#from = bare(from)
    const user = this.#macros.get('auth_authen')
    if (user && open.session.identity?.user !== user)
      open.update({ identity: { kind: 'identity', user, mayRelay: true } })
    return open.mail(this.#from, parametersOf(esmtp))
  }

  async #rcpt(address: string): Promise<Refusal | undefined> {
    const refusal = await this.#client().rcpt({ address })
    if (!refusal) this.#recipients.push(address)
    return refusal
  }

  #client(): ServerSession {
    if (!this.#open) throw new ProtocolFault('it names no client')
    return this.#open
  }

  #header(body: Buffer): readonly Buffer[] {
    const [name = '', value = ''] = readStrings(body, 2)
    const raw = (this.#terms.isRaw ? value : ` ${value}`).replace(/\r?\n/g, '\r\n')
    this.#content.size += name.length + raw.length + 3
    if (this.#content.size <= this.#deps.maxHeader) this.#content.fields.push({ name, value: raw })
    return this.#reply(STEP.noReplyHeader)
  }

  /** From the end of the header on the plugins read what arrives. */
  #begin(): void {
    const content = this.#content
    if (content.body || content.size > this.#deps.maxHeader) return
    const body = new PassThrough()
    content.body = body
    body.on('error', () => {})
    const header = content.fields.map(({ name, value }) => `${name}:${value}\r\n`).join('')
    body.write(Buffer.from(`${header}\r\n`, 'latin1'))
    const look = (examination: Examination) => this.#answersTo(examination, content)
    content.answers = this.#client()
      .examine(body, look)
      .catch((cause: unknown) => {
        if (!body.destroyed || body.readableEnded) this.#deps.log.warn('not examined', { cause })
        return [refused(FAULT)]
      })
  }

  async #body(chunk: Buffer): Promise<readonly Buffer[]> {
    this.#begin()
    const { body } = this.#content
    if (body && !body.destroyed && !body.write(Buffer.from(chunk)))
      await Promise.race([once(body, 'drain'), this.#content.answers])
    return this.#reply(STEP.noReplyBody)
  }

  async #end(last: Buffer): Promise<readonly Buffer[]> {
    if (last.length > 0) await this.#body(last)
    this.#begin()
    const { body, answers } = this.#content
    body?.end()
    const said = (await answers) ?? [refused(refuse(552, '5.3.4', 'The header is too long for a filter'))]
    this.#abort()
    return said
  }

  #abort(): void {
    this.#content.body?.destroy()
    this.#content = { fields: [], size: 0 }
    this.#recipients = []
    this.#open?.reset()
  }

  async #answersTo({ verdict, refused: some, messages }: Examination, content: Content): Promise<readonly Buffer[]> {
    if (verdict?.kind === 'refuse') return [refused(verdict)]
    if (verdict?.kind === 'discard') return [packet('d')]
    const [one] = some
    if (one) return [refused(one.refusal)]
    const [message, ...others] = messages
    if (!message) return [CONTINUE]
    if (others.length > 0) this.#deps.log.warn('a message was split, which the protocol cannot express')
    const split = await splitContent(message.open(), this.#deps.maxHeader)
    if (!split) return [refused(FAULT)]
    const recipients = messages.flatMap((each) => each.recipients.map(({ address }) => address))
    const body = message.isReplaced ? Buffer.concat(await Array.fromAsync(split.body)) : undefined
    const actions = [
      ...headerActions({ before: content.fields, after: split.fields }, this.#terms),
      ...envelopeActions({
        before: { from: this.#from, recipients: this.#recipients },
        after: { from: message.from, recipients },
      }),
      ...(body ? bodyActions(body) : []),
      ...(verdict ? [packet('q', strings(verdict.reason.replace(/[\r\n]/g, ' ')))] : []),
    ]
    if (isOffered(actions, this.#terms)) return [...actions, CONTINUE]
    this.#deps.log.warn('the mail server does not take the changes of a filter')
    return [refused(FAULT)]
  }
}

const bare = (path = '') => path.replace(/^<([\s\S]*)>$/, '$1')

/** In a reply, `%` is written twice, as smfi_setreply does. */
const refused = ({ reply }: Refusal) =>
  packet(
    'y',
    strings(
      format(reply)
        .replaceAll('%', '%%')
        .replace(/[\r\n]+/g, ' '),
    ),
  )

function parametersOf(esmtp: readonly string[]): MailParameters {
  const known = new Map(esmtp.map((word) => word.split('=') as [string, string?]).map(([k, v]) => [k.toUpperCase(), v]))
  const [size, body] = [Number(known.get('SIZE')), known.get('BODY')?.toUpperCase()]
  return {
    ...(Number.isSafeInteger(size) && known.has('SIZE') ? { size } : {}),
    ...(body === '7BIT' || body === '8BITMIME' || body === 'BINARYMIME' ? { body } : {}),
    ...(known.has('SMTPUTF8') ? { smtpUtf8: true } : {}),
  }
}
