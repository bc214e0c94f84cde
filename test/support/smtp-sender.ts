/**
 * Sends many messages over several SMTP connections, and knows which were answered 250.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { connectLineClient, type LineClient } from 'iems/testing'

export interface SmtpSenderOptions {
  readonly port: number
  readonly to: string
  readonly connections: number
  /** Messages in all. */
  readonly messages: number
  readonly text?: (name: string) => string
  readonly subject?: (index: number) => string
  /** Called after each 250. */
  readonly accepted?: (name: string) => void
}

const MAX_CUTS = 100
const MAX_TRIES = 300
const RETRY_MS = 100

class Connection {
  readonly #port: number
  #client: LineClient | undefined

  constructor(port: number) {
    this.#port = port
  }

  /** True: answered 250. Throws when the connection is cut. */
  async send(to: string, name: string, text: string): Promise<boolean> {
    this.#client ??= await this.#open()
    for (const line of ['MAIL FROM:<a@there.test>', `RCPT TO:<${to}>`])
      if (!(await this.#say(line)).startsWith('250')) return false
    if (!(await this.#say('DATA')).startsWith('354')) return false
    return (await this.#say(`Subject: ${name}\r\n\r\n${text}\r\n.`)).startsWith('250')
  }

  close(): void {
    this.#client?.destroy()
    this.#client = undefined
  }

  /** Waits while nothing listens. */
  async #open(): Promise<LineClient> {
    for (let tries = 0; ; tries++) {
      const client = await connectLineClient({ after: () => {} }, this.#port)
      const greeting = await client.line().catch(() => undefined)
      if (greeting !== undefined) {
        this.#client = client
        await this.#say('HELO client.test')
        return client
      }
      client.destroy()
      if (tries > MAX_TRIES) throw new Error('nothing listens')
      await delay(RETRY_MS)
    }
  }

  async #say(line: string): Promise<string> {
    this.#client?.send(`${line}\r\n`)
    return this.#answer()
  }

  async #answer(): Promise<string> {
    const line = await this.#client?.line()
    if (line === undefined) throw new Error('the connection is cut')
    return line
  }
}

/** Resolves with the subjects that were answered 250, when all have been tried. */
export async function sendMany(options: SmtpSenderOptions): Promise<readonly string[]> {
  const {
    port,
    to,
    connections,
    messages,
    text = () => 'x',
    subject = (index: number) => `message-${index}`,
    accepted,
  } = options
  const answered: string[] = []
  let next = 0
  let cuts = 0
  async function run(): Promise<void> {
    const connection = new Connection(port)
    while (next < messages) {
      const name = subject(next++)
      try {
        if (!(await connection.send(to, name, text(name)))) continue
        answered.push(name)
        accepted?.(name)
      } catch (cause) {
        connection.close()
        if (++cuts > MAX_CUTS) throw cause
      }
    }
    connection.close()
  }
  await Promise.all(Array.from({ length: connections }, run))
  return answered
}
