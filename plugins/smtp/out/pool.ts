/**
 * Idle connections for further messages to the same next hop under the same TLS policy.
 *
 * Invariants: a connection serves one delivery at a time; one that has ended, is too old, or has sent its maximum
 * number of messages is never reused; the number of idle connections is bounded, and none keeps the process alive after
 * `close`.
 */
import type { SmtpConnection } from './client.ts'

export interface PoolSettings {
  readonly idle: number
  readonly age: number
  readonly messages: number
  readonly connections: number
}

export class Pool {
  readonly #settings: PoolSettings
  /** By key, most recently used last. */
  readonly #byKey = new Map<string, SmtpConnection[]>()
  /** All of them, in order of arrival. */
  readonly #all = new Map<SmtpConnection, string>()
  #isClosed = false

  constructor(settings: PoolSettings) {
    this.#settings = settings
  }

  take(key: string): SmtpConnection | undefined {
    const conversation = this.#byKey.get(key)?.at(-1)
    if (!conversation) return undefined
    this.#forget(conversation)
    conversation.wake()
    return conversation
  }

  /** Keeps a connection or closes it. */
  give(key: string, conversation: SmtpConnection) {
    if (conversation.isOver) return
    const { idle, age, messages, connections } = this.#settings
    const spent =
      conversation.messages >= Math.min(messages, conversation.features.messages) ||
      performance.now() - conversation.since > age
    if (this.#isClosed || spent || connections === 0) return conversation.quit()
    const same = this.#byKey.get(key)
    if (same) same.push(conversation)
    else this.#byKey.set(key, [conversation])
    this.#all.set(conversation, key)
    conversation.onEnd = () => this.#forget(conversation)
    conversation.rest(idle)
    if (this.#all.size > connections) this.#all.keys().next().value?.quit()
  }

  close() {
    this.#isClosed = true
    for (const conversation of [...this.#all.keys()]) conversation.quit()
  }

  #forget(conversation: SmtpConnection) {
    const key = this.#all.get(conversation)
    if (key === undefined) return
    this.#all.delete(conversation)
    conversation.onEnd = () => {}
    const same = this.#byKey.get(key) ?? []
    same.splice(same.lastIndexOf(conversation), 1)
    if (same.length === 0) this.#byKey.delete(key)
  }
}
