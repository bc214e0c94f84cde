/**
 * Counts a session's use of its limits. Each method counts one more and returns whether the client may continue.
 */
import type { Options } from './options.ts'

export class SessionCounts {
  readonly #limits: Options['limits']
  #commands = 0
  #errors = 0
  #messages = 0
  #smallChunks = 0
  #emptyCommands = 0
  #failedLogins = 0

  constructor(limits: Options['limits']) {
    this.#limits = limits
  }

  get mayTakeMessage(): boolean {
    return this.#messages < this.#limits.messages
  }

  command(): boolean {
    return ++this.#commands <= this.#limits.commands
  }

  error(): boolean {
    return ++this.#errors <= this.#limits.errors
  }

  emptyCommand(): boolean {
    return ++this.#emptyCommands <= this.#limits.emptyCommands
  }

  smallChunk(): boolean {
    return ++this.#smallChunks <= this.#limits.smallChunks
  }

  failedLogin(): boolean {
    return ++this.#failedLogins < this.#limits.authAttempts
  }

  /** Resets the counts per message after an accepted message. */
  message(): void {
    this.#messages++
    this.#errors = 0
    this.#smallChunks = 0
    this.#emptyCommands = 0
  }
}
