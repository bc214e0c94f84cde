/**
 * One message at a time: MAIL, RCPT, then DATA or BDAT (RFC 3030), until the kernel has replied.
 *
 * Each method returns the reply. Invariants: a refused command does not change the state; announced octets are always
 * read to their end, so that none of them is taken for a command; content ends only where the protocol says so, and a
 * client that disconnects during content has sent nothing.
 */
import { accept, type Reply, type ServerSession } from 'iems'
import { hasDomain, isAscii, type Path, readLenientPath, readPath } from './addresses.ts'
import type { Ask } from './ask.ts'
import { Content, countedSink, dottedSink, type Sink } from './content.ts'
import type { Options } from './options.ts'
import { isReply, type Offer, readMailParameters, readRcptParameters } from './parameters.ts'
import { NO, type ReplyText, START_DATA, YES } from './replies.ts'
import { createScanner, type Scanner } from './scanner.ts'

/** A transaction's access to the input after DATA and BDAT. */
export interface ContentWire {
  say(text: ReplyText): void
  /** Passes the client's input to the sink; resolves at its end or when the client disconnects. */
  receive(sink: Sink): Promise<void>
}

export interface TransactionDeps {
  readonly options: Options
  readonly wire: ContentWire
  readonly open: ServerSession
  /** Calls the kernel; a fault becomes a refusal. */
  readonly ask: Ask
}

/** Content on its way to the kernel. */
interface Sending {
  readonly content: Content
  /** One reply, or one for each recipient. */
  readonly answer: Promise<readonly Reply[]>
  /** For chunks that are not BINARYMIME. */
  readonly scanner?: Scanner | undefined
  /** The kernel has replied, possibly before the end. */
  isAnswered: boolean
}

export class Transaction {
  readonly #parts: TransactionDeps
  #from: string | undefined
  #isUtf8 = false
  #isBinary = false
  /** Number and addresses of accepted recipients: LMTP counts repeated ones again. */
  #accepted = 0
  #recipients = new Set<string>()
  #sending: Sending | undefined

  constructor(parts: TransactionDeps) {
    this.#parts = parts
  }

  /** MAIL has been accepted and the message has not been answered. */
  get isOpen(): boolean {
    return this.#from !== undefined
  }

  /** Few commands are allowed between two BDAT chunks. */
  get isBetweenChunks(): boolean {
    return this.#sending !== undefined
  }

  async mail(argument: string, offer: Offer): Promise<Reply> {
    if (this.isOpen) return NO.nested
    const path = this.#pathIn(argument, 'from', offer)
    if (!path || (path.address !== '' && !hasDomain(path.address))) return NO.senderSyntax
    const parameters = readMailParameters(path.rest, offer)
    if (isReply(parameters)) return parameters
    if (!parameters.smtpUtf8 && !isAscii(path.address)) return NO.senderUtf8
    const refusal = await this.#parts.ask(() => this.#parts.open.mail(path.address, parameters))
    if (refusal) return refusal.reply
    this.#from = path.address
    this.#isUtf8 = parameters.smtpUtf8 === true
    this.#isBinary = parameters.body === 'BINARYMIME'
    return YES.sender
  }

  async rcpt(argument: string, offer: Offer): Promise<Reply> {
    if (!this.isOpen) return NO.senderFirst
    const path = this.#pathIn(argument, 'to', offer)
    const address = path?.address ?? ''
    // RFC 5321 section 4.5.1: the only recipient that needs no domain.
    if (!path || !(hasDomain(address) || /^postmaster$/i.test(address))) return NO.recipientSyntax
    const parameters = readRcptParameters(path.rest, offer)
    if (isReply(parameters)) return parameters
    if (!this.#isUtf8 && !isAscii(address)) return NO.recipientUtf8
    const { options, open, ask } = this.#parts
    // RFC 2033 section 4.2: LMTP replies for each RCPT, so repeated ones are not merged.
    if (options.protocol === 'smtp' && this.#recipients.has(address)) return YES.recipient
    if (this.#accepted >= options.limits.recipients) return NO.tooManyRecipients
    const refusal = await ask(() => open.rcpt({ address, ...parameters }))
    if (refusal) return refusal.reply
    this.#accepted++
    this.#recipients.add(address)
    return YES.recipient
  }

  /** The path after FROM: or TO:, with the default domain where the client may omit it. */
  #pathIn(argument: string, word: 'from' | 'to', { lenient }: Offer): Path | undefined {
    const [start = '', before = '', space] = /^(\w+)( *):/.exec(argument) ?? []
    if (before.toLowerCase() !== word || (space !== '' && !lenient)) return undefined
    const path = (lenient ? readLenientPath : readPath)(argument.slice(start.length))
    const { protocol, defaultDomain } = this.#parts.options
    const mayLeaveOut = defaultDomain !== undefined && (protocol === 'lmtp' || lenient)
    if (!path || !mayLeaveOut || path.address === '' || hasDomain(path.address)) return path
    return /^postmaster$/i.test(path.address) ? path : { ...path, address: `${path.address}@${defaultDomain}` }
  }

  /** The replies to DATA, after the content: for LMTP one for each recipient. */
  async data({ known }: Offer): Promise<readonly Reply[]> {
    const refusal = this.#contentRefusal() ?? (this.#isBinary ? NO.binaryNeedsBdat : undefined)
    if (refusal) return [refusal]
    const { wire, options } = this.#parts
    wire.say(START_DATA)
    const sending = this.#send()
    const mustWait = options.pipelinedTransactions === 'refuse' && !known
    await wire.receive(dottedSink(sending.content, options.bareNewlines, mustWait))
    return this.#answers(sending)
  }

  /** The replies to one BDAT, after its octets. */
  async bdat(octets: number, position: 'middle' | 'last'): Promise<readonly Reply[]> {
    const { wire, options } = this.#parts
    const refusal = this.#contentRefusal()
    if (refusal) {
      await wire.receive(countedSink(octets))
      return [refusal]
    }
    this.#sending ??= this.#send(
      this.#isBinary ? undefined : createScanner({ dots: false, bare: options.bareNewlines }),
    )
    const sending = this.#sending
    const { content, scanner } = sending
    await wire.receive(countedSink(octets, content, scanner))
    if (position === 'last') {
      const owed = scanner?.finish()
      if (owed) content.push(owed)
      if (scanner?.isViolated) content.refuse(NO.bareNewline)
      content.end()
      return this.#answers(sending)
    }
    if (content.refusal || sending.isAnswered) return (await this.#answers(sending)).slice(0, 1)
    return [accept(250, '2.0.0', `${octets} octets received`)]
  }

  /** Ends the transaction, even one with partial content. */
  async reset(): Promise<void> {
    this.abort()
    await this.#sending?.answer
    if (this.isOpen) this.#parts.open.reset()
    this.#clear()
  }

  /** Ends the current content before its end. */
  abort(): void {
    this.#sending?.content.fail(new Error('The client gave up'))
  }

  #contentRefusal(): Reply | undefined {
    if (!this.isOpen) return NO.senderFirst
    return this.#accepted === 0 ? NO.recipientFirst : undefined
  }

  #send(scanner?: Scanner): Sending {
    const content = new Content(this.#parts.options.maxSize)
    const sending: Sending = { content, scanner, answer: this.#hand(content), isAnswered: false }
    // A kernel that has replied reads no more, but the remaining input must still be consumed.
    void sending.answer.then(() => {
      sending.isAnswered = true
      return content.return()
    })
    this.#sending = sending
    return sending
  }

  async #hand(content: Content): Promise<readonly Reply[]> {
    const { open, ask, options } = this.#parts
    const answer = await ask(() => open.data(content, { each: options.protocol === 'lmtp' }))
    if ('kind' in answer) return [answer.reply]
    return (answer.each ?? [answer]).map((reply) => withId(reply, answer.message))
  }

  /** Waits for the kernel's reply, which ends the transaction. */
  async #answers({ content, answer }: Sending): Promise<readonly Reply[]> {
    const replies = await answer
    const times = this.#parts.options.protocol === 'lmtp' ? this.#accepted : 1
    this.#clear()
    if (!content.refusal && replies.length === times) return replies
    return Array<Reply>(times).fill(content.refusal ?? (replies[0] as Reply))
  }

  #clear(): void {
    this.#from = undefined
    this.#accepted = 0
    this.#recipients = new Set()
    this.#sending = undefined
  }
}

/** Adds the id to a refusal, so that its sender can quote it to the administrator. */
function withId(reply: Reply, id: string | undefined): Reply {
  if (id === undefined || reply.code < 400 || reply.text.includes(id)) return reply
  return { ...reply, text: `${reply.text.slice(0, 400)} (${id})` }
}
