/**
 * Forwards a worker's log lines to the thread that writes them.
 */
import type { LineWriter } from '../log-writer.ts'

/** Octets that justify a message of their own. */
const ENOUGH = 4096

export class LineForwarder implements LineWriter {
  readonly #send: (text: string) => void
  #lines: string[] = []
  #size = 0

  constructor(send: (text: string) => void) {
    this.#send = send
  }

  write(line: string): void {
    this.#lines.push(line)
    this.#size += line.length
    if (this.#size > ENOUGH) this.flush()
  }

  flush(): void {
    if (this.#size === 0) return
    this.#send(this.#lines.join(''))
    this.#lines = []
    this.#size = 0
  }
}
