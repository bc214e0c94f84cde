/**
 * One message at a time: MAIL, RCPT, then DATA or BDAT (RFC 3030), until the kernel has answered for it.
 *
 * Each verb gives back what is to be answered. What must stay true: after a refusal the state is what it was before;
 * octets that were announced are always read to their end, so that none of them is ever taken for a command; content
 * ends only where the protocol says so, and a client that leaves in the middle has sent nothing.
 */
import { accept, type Reply, type ServerSession } from 'iems'
import { hasDomain, isAscii, type Path, readLenientPath, readPath } from './addresses.ts'
import type { Ask } from './ask.ts'
import { Content, countedSink, dottedSink, type Sink } from './content.ts'
import type { Options } from './options.ts'
import { isReply, type Offer, readMailParameters, readRcptParameters } from './parameters.ts'
import { NO, type ReplyText, START_DATA, YES } from './replies.ts'
import { createScanner, type Scanner } from './scanner.ts'

/** How a transaction gets at what the client sends after DATA and BDAT. */
export interface ContentWire {
  say(text: ReplyText): void
  /** Hands what the client sends to the sink; settles when the sink has its end, or the client is gone. */
  receive(sink: Sink): Promise<void>
}

export interface TransactionDeps {
  readonly options: Options
  readonly wire: ContentWire
  readonly open: ServerSession
  /** Asks the kernel; a fault is a refusal. */
  readonly ask: Ask
}

/** Content on its way to the kernel. */
interface Sending {
  readonly content: Content
  /** One, or one for each recipient. */
  readonly answer: Promise<readonly Reply[]>
  /** For chunks that are not BINARYMIME. */
  readonly scanner?: Scanner | undefined
  /** The kernel has answered, perhaps before the end. */
  isAnswered: boolean
}

export class Transaction {
  readonly #parts: TransactionDeps
  #from: string | undefined
  #isUtf8 = false
  #isBinary = false
  /** How many have been accepted, and which: LMTP counts one that was given twice twice. */
  #accepted = 0
  #recipients = new Set<string>()
  #sending: Sending | undefined

  constructor(parts: TransactionDeps) {
    this.#parts = parts
  }

  /** MAIL has been accepted and the message has not been answered for. */
  get isOpen(): boolean {
    return this.#from !== undefined
  }

  /** Between two BDAT chunks little else may come. */
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
    // RFC 5321 section 4.5.1: the one recipient without a domain.
    if (!path || !(hasDomain(address) || /^postmaster$/i.test(address))) return NO.recipientSyntax
    const parameters = readRcptParameters(path.rest, offer)
    if (isReply(parameters)) return parameters
    if (!this.#isUtf8 && !isAscii(address)) return NO.recipientUtf8
    const { options, open, ask } = this.#parts
    // RFC 2033 section 4.2: LMTP answers for each RCPT, so none may be merged with another.
    if (options.protocol === 'smtp' && this.#recipients.has(address)) return YES.recipient
    if (this.#accepted >= options.limits.recipients) return NO.tooManyRecipients
    const refusal = await ask(() => open.rcpt({ address, ...parameters }))
    if (refusal) return refusal.reply
    this.#accepted++
    this.#recipients.add(address)
    return YES.recipient
  }

  /** The path behind FROM: or TO:, with the default domain where the client may leave it out. */
  #pathIn(argument: string, word: 'from' | 'to', { lenient }: Offer): Path | undefined {
    const [start = '', before = '', space] = /^(\w+)( *):/.exec(argument) ?? []
    if (before.toLowerCase() !== word || (space !== '' && !lenient)) return undefined
    const path = (lenient ? readLenientPath : readPath)(argument.slice(start.length))
    const { protocol, defaultDomain } = this.#parts.options
    const mayLeaveOut = defaultDomain !== undefined && (protocol === 'lmtp' || lenient)
    if (!path || !mayLeaveOut || path.address === '' || hasDomain(path.address)) return path
    return /^postmaster$/i.test(path.address) ? path : { ...path, address: `${path.address}@${defaultDomain}` }
  }

  /** The answers to DATA, once the content has come: for LMTP one for each recipient. */
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

  /** The answers to one BDAT, once its octets have come. */
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

  /** Forgets the message, also one that is half sent. */
  async reset(): Promise<void> {
    this.abort()
    await this.#sending?.answer
    if (this.isOpen) this.#parts.open.reset()
    this.#clear()
  }

  /** The content that is on its way will not come to its end. */
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
    // A kernel that has answered reads no more, but what comes must still be taken off the wire.
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

  /** Waits for the kernel; the transaction is over then, whatever it said. */
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

/** The administrator finds a refusal by the id that its sender can quote. */
function withId(reply: Reply, id: string | undefined): Reply {
  if (id === undefined || reply.code < 400 || reply.text.includes(id)) return reply
  return { ...reply, text: `${reply.text.slice(0, 400)} (${id})` }
}
