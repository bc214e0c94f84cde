/**
 * One client's connection: reads requests, answers them in order, and abandons them on request.
 *
 * Invariants: limits bound the cost of any input: the size of a message and the number read ahead; a malformed request
 * gets a response or ends the connection; nothing received before TLS counts after it.
 */
import { setImmediate as turn } from 'node:timers/promises'
import { ConnectionClosed, type LineReader, type LineWriter, type Log, TimedOut } from 'iems'
import type { Options } from './options.ts'
import { BerError, readHeader } from './protocol/ber.ts'
import { FilterTooLarge } from './protocol/filter.ts'
import { type Envelope, OPERATION, type Request, readEnvelope, readRequest } from './protocol/requests.ts'
import { ANSWERED, disconnection, LdapError, type Result, resultMessage } from './protocol/responses.ts'
import { EXTENSION } from './root.ts'

/** A request in progress. */
export interface Operation {
  readonly envelope: Envelope
  /** The client has abandoned it (RFC 4511 section 4.11). */
  isAbandoned: boolean
}

export interface ConnectionDeps {
  readonly input: LineReader
  readonly output: LineWriter
  readonly options: Options
  readonly log: Log
  /** Server is stopping. */
  readonly signal: AbortSignal
  isBound(): boolean
  /** Answers a request; undefined for no response. Search entries have been sent by then. */
  answer(request: Request, operation: Operation): Promise<Result | undefined>
  /** Starts TLS after the response was sent. */
  startTls(): Promise<void>
  /** Disconnects a client that does not read. */
  cut(): void
}

/** The tag 0x30, and the maximum length. */
const HEADER = 2

export class Connection {
  readonly #parts: ConnectionDeps
  readonly #pending = new Map<number, Operation>()
  #last: Promise<void> = Promise.resolve()
  #isReading = true
  #errors = 0
  #failures = 0
  #fault: unknown

  constructor(parts: ConnectionDeps) {
    this.#parts = parts
  }

  async run(): Promise<void> {
    const { input, output, signal } = this.#parts
    const stop = () => input.close()
    signal.addEventListener('abort', stop, { once: true })
    if (signal.aborted) stop()
    const farewell = await this.#read().catch((cause: unknown) => this.#farewellTo(cause))
    this.#isReading = false
    signal.removeEventListener('abort', stop)
    if (farewell === undefined && !signal.aborted) this.#abandonAll()
    await this.#last
    const words = signal.aborted
      ? disconnection('unavailable', typeof signal.reason === 'string' ? signal.reason : 'the server is stopping')
      : farewell
    if (this.#fault instanceof TimedOut) this.#parts.cut()
    if (words === undefined || this.#fault !== undefined) return
    output.write(words)
    await output.flush().catch(() => this.#parts.cut())
  }

  /** Called when the client has disconnected. */
  gone(): void {
    this.#abandonAll()
    this.#parts.input.close()
  }

  #farewellTo(cause: unknown): Buffer | undefined {
    if (cause instanceof ConnectionClosed) return undefined
    if (cause instanceof TimedOut) return disconnection('unavailable', 'nothing has been said for too long')
    if (cause instanceof BerError) return disconnection('protocolError', cause.message)
    if (cause instanceof LdapError) return disconnection(cause.result.result, cause.result.text ?? '')
    throw cause
  }

  #abandonAll(): void {
    for (const operation of this.#pending.values()) operation.isAbandoned = true
  }

  // --- reading -----------------------------------------------------------------------------------

  /** Ends with the client's input, or throws the reason to stop. */
  async #read(): Promise<undefined> {
    const { limits } = this.#parts.options
    for (;;) {
      const envelope = readEnvelope(await this.#message())
      const { operation } = envelope
      if (operation === OPERATION.unbind) return undefined
      if (operation === OPERATION.abandon) this.#abandon(envelope)
      else if (ANSWERED[operation] === undefined) throw new BerError('there is no such operation')
      else this.#take(envelope)
      // Requests after these run under other conditions.
      const isTurningPoint = operation === OPERATION.bind || operation === OPERATION.extended
      if (isTurningPoint || this.#pending.size >= limits.pending) {
        this.#isReading = false
        await this.#last
        this.#isReading = true
      }
      if (this.#fault !== undefined) return undefined
    }
  }

  async #message(): Promise<Buffer> {
    const { input, options, isBound } = this.#parts
    const { limits, timeouts } = options
    const first = await this.#first(isBound() ? timeouts.idle : timeouts.login)
    if (first[0] !== 0x30) throw new BerError('no message of LDAP')
    input.timeout = timeouts.message
    const more = (first[1] as number) >= 0x80 ? (first[1] as number) & 0x7f : 0
    const header = readHeader(more > 0 && more <= 4 ? Buffer.concat([first, await input.octets(more)]) : first)
    if (!header) throw new BerError('no length that LDAP allows')
    if (header.length > (isBound() ? limits.messageSize : limits.messageSizeBeforeBind))
      throw new LdapError('unwillingToPerform', 'the request is too large')
    return input.octets(header.length)
  }

  /** Waits for the start of a message; the timeout does not run while an operation is in progress. */
  async #first(timeout: number): Promise<Buffer> {
    const { input } = this.#parts
    for (;;) {
      input.timeout = timeout
      try {
        return await input.octets(HEADER)
      } catch (cause) {
        if (!(cause instanceof TimedOut) || this.#pending.size === 0) throw cause
      }
    }
  }

  #abandon({ content }: Envelope): void {
    const id = content.length > 0 && content.length <= 4 ? content.readIntBE(0, content.length) : -1
    const operation = this.#pending.get(id)
    if (operation) operation.isAbandoned = true
  }

  #take(envelope: Envelope): void {
    if (this.#pending.has(envelope.id)) throw new BerError('two requests with one id')
    const operation = { envelope, isAbandoned: false }
    this.#pending.set(envelope.id, operation)
    this.#last = this.#last.then(() => this.#perform(operation))
  }

  // --- answering -----------------------------------------------------------------------------------

  /** Never throws: closes the connection instead. */
  async #perform(operation: Operation): Promise<void> {
    const { input, output, log } = this.#parts
    await input.pace.due()
    // A request that was sent together with its abandonment is not answered.
    while (this.#isReading && input.hasMore && !input.isWaiting) await turn()
    if (this.#fault !== undefined) return
    try {
      await this.#respond(operation)
      this.#pending.delete(operation.envelope.id)
      if (this.#pending.size === 0 || output.isFull) await output.flush()
    } catch (cause) {
      if (!(cause instanceof TimedOut) && !(cause instanceof ConnectionClosed))
        log.debug('connection failed', { cause })
      this.#fault = cause
      input.close()
    }
  }

  async #respond(operation: Operation): Promise<void> {
    const { output, options } = this.#parts
    const { id, operation: tag } = operation.envelope
    const kind = ANSWERED[tag]
    if (kind === undefined || operation.isAbandoned) return
    const { request, result } = await this.#resultOf(operation)
    if (!result || operation.isAbandoned) return
    output.write(resultMessage(id, kind, result))
    if (result.result === 'success' && request?.kind === 'extended' && request.name === EXTENSION.startTls) {
      await output.flush()
      await this.#parts.startTls()
    }
    const { authAttempts, errors } = options.limits
    if (result.result === 'invalidCredentials' && ++this.#failures >= authAttempts)
      await this.#end('too many failed logins')
    else if (result.result === 'protocolError' && ++this.#errors >= errors) await this.#end('too many errors')
  }

  async #end(why: string): Promise<void> {
    this.#parts.output.write(disconnection('unwillingToPerform', why))
    await this.#parts.output.flush()
    throw new ConnectionClosed()
  }

  async #resultOf(operation: Operation): Promise<{ readonly request?: Request; readonly result: Result | undefined }> {
    const { options, answer, log } = this.#parts
    let request: Request | undefined
    try {
      request = readRequest(operation.envelope, options.limits)
      if (!request) return { result: { result: 'protocolError' } }
      return { request, result: await answer(request, operation) }
    } catch (cause) {
      if (cause instanceof LdapError) return { result: cause.result }
      if (cause instanceof BerError) return { result: { result: 'protocolError', text: cause.message } }
      if (cause instanceof FilterTooLarge)
        return { result: { result: 'adminLimitExceeded', text: 'the filter is too large' } }
      if (cause instanceof TimedOut || cause instanceof ConnectionClosed) throw cause
      log.error('request failed', { operation: request?.kind, cause })
      return { result: { result: 'unavailable', text: 'not at this moment' } }
    }
  }
}
