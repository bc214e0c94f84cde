/**
 * The lines of one AUTH command (RFC 4954): the exchange asks, the client's next line answers.
 *
 * A line of the client counts as answered when the exchange asks for the next one, or is over. What must stay true: an
 * exchange whose client has gone is always released.
 */
import { decodeResponse } from 'iems'

export class SaslDialogue {
  /** Waits for the client's next line; undefined is a line that is none, or a client that has gone. */
  #asked: ((text: string | undefined) => void) | undefined
  #hasAnswered: (() => void) | undefined

  /** The exchange waits for a line of the client. */
  get isAsking(): boolean {
    return this.#asked !== undefined
  }

  /** Starts an exchange, which never rejects. Settles when it asks the client, or is over. */
  begin(exchange: () => Promise<void>): Promise<void> {
    return this.#untilAnswered(() => void exchange().then(() => this.#hasAnswered?.()))
  }

  /** Gives the exchange the client's line. Settles when it asks for another, or is over. */
  respond(text: string | undefined): Promise<void> {
    const asked = this.#asked
    this.#asked = undefined
    return this.#untilAnswered(() => asked?.(text))
  }

  /** The client's next line, decoded; undefined when it gives up, or is gone. */
  async nextResponse(): Promise<Buffer | undefined> {
    const response = await new Promise<string | undefined>((resolve) => {
      this.#asked = resolve
      this.#hasAnswered?.()
    })
    return response === undefined || response === '*' ? undefined : decodeResponse(response)
  }

  /** The client has gone. */
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
