/**
 * Calls between the main thread and a worker, in both directions.
 *
 * Invariants: every call is answered, or fails when the other thread ends; an error in a handler is thrown at the
 * caller, with its code.
 */
import { IemsError } from '../../api/errors.ts'
import { type CarriedError, carried, thrown } from '../../store/remote/protocol.ts'

/** The other thread: a worker, or the main thread. */
export interface Thread {
  postMessage(message: unknown): void
  // biome-ignore lint/suspicious/noExplicitAny: Node types both kinds of thread this way
  on(event: string, hear: (message: any) => void): unknown
}

/** Functions by name; each takes at most one argument, which must be cloneable. */
// biome-ignore lint/suspicious/noExplicitAny: each function has a different argument
export type Handlers = { readonly [name: string]: (given: any) => unknown }

type Message =
  | { readonly call: string; readonly id: number; readonly given: unknown }
  | { readonly notify: string; readonly given: unknown }
  | { readonly answered: number; readonly value: unknown }
  | { readonly answered: number; readonly error: CarriedError }

interface Waiting {
  resolve(value: unknown): void
  reject(cause: unknown): void
}

export class Peer<Theirs extends Handlers> {
  readonly #thread: Thread
  readonly #own: Handlers
  readonly #waiting = new Map<number, Waiting>()
  #count = 0
  #ended: unknown

  constructor(thread: Thread, own: Handlers) {
    this.#thread = thread
    this.#own = own
    thread.on('message', (message: Message) => this.#hear(message))
  }

  /** Calls a function of the other thread. */
  call<N extends keyof Theirs & string>(
    call: N,
    given?: Parameters<Theirs[N]>[0],
  ): Promise<Awaited<ReturnType<Theirs[N]>>> {
    return new Promise((resolve, reject) => {
      if (this.#ended !== undefined) return reject(this.#ended)
      const id = ++this.#count
      this.#waiting.set(id, { resolve: resolve as Waiting['resolve'], reject })
      this.#thread.postMessage({ call, id, given } satisfies Message)
    })
  }

  /** Calls without waiting for an answer. */
  notify<N extends keyof Theirs & string>(notify: N, given?: Parameters<Theirs[N]>[0]): void {
    this.#thread.postMessage({ notify, given } satisfies Message)
  }

  /** Fails all pending calls after the other thread has ended. */
  end(cause: unknown): void {
    this.#ended = cause
    for (const { reject } of this.#waiting.values()) reject(cause)
    this.#waiting.clear()
  }

  #hear(message: Message): void {
    if ('call' in message) void this.#answer(message.id, message.call, message.given)
    else if ('notify' in message) void this.#own[message.notify]?.(message.given)
    else {
      const waiting = this.#waiting.get(message.answered)
      this.#waiting.delete(message.answered)
      if ('error' in message) waiting?.reject(thrown(message.error))
      else waiting?.resolve(message.value)
    }
  }

  async #answer(id: number, name: string, given: unknown): Promise<void> {
    try {
      const handler = this.#own[name]
      if (!handler) throw new IemsError('IEMS_CONTROL_REFUSED', { why: `no call ${name}` })
      this.#thread.postMessage({ answered: id, value: await handler(given) } satisfies Message)
    } catch (cause) {
      this.#thread.postMessage({ answered: id, error: carried(cause) } satisfies Message)
    }
  }
}
