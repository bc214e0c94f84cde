/**
 * The lines of one AUTH command (RFC 4954): the exchange sends challenges, the client's lines are the responses.
 *
 * A client's line counts as handled when the exchange asks for the next one or ends. Invariants: an exchange is always
 * released when its client disconnects.
 */
import { decodeResponse } from 'iems'

export class SaslDialogue {
  /** Waits for the client's next line; undefined for an invalid line or a disconnect. */
  #asked: ((text: string | undefined) => void) | undefined
  #hasAnswered: (() => void) | undefined

  /** The exchange is waiting for the client. */
  get isAsking(): boolean {
    return this.#asked !== undefined
  }

  /** Starts an exchange, which must not reject. Resolves when it asks the client or ends. */
  begin(exchange: () => Promise<void>): Promise<void> {
    return this.#untilAnswered(() => void exchange().then(() => this.#hasAnswered?.()))
  }

  /** Passes the client's line to the exchange. Resolves when it asks for another or ends. */
  respond(text: string | undefined): Promise<void> {
    const asked = this.#asked
    this.#asked = undefined
    return this.#untilAnswered(() => asked?.(text))
  }

  /** The client's next line, decoded; undefined when it cancels or disconnects. */
  async nextResponse(): Promise<Buffer | undefined> {
    const response = await new Promise<string | undefined>((resolve) => {
      this.#asked = resolve
      this.#hasAnswered?.()
    })
    return response === undefined || response === '*' ? undefined : decodeResponse(response)
  }

  /** Called when the client disconnects. */
  giveUp(): void {
    this.#asked?.(undefined)
  }

  #untilAnswered(step: () => void): Promise<void> {
    return new Promise((resolve) => {
      this.#hasAnswered = resolve
      step()
    })
  }
}
