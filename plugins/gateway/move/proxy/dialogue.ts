/**
 * A connection to the old server as a conversation of lines, in clear or under TLS.
 *
 * Invariants: every wait has a timeout; nothing that came before TLS is read after it.
 */
import { connect, isIP, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect as connectTls } from 'node:tls'
import { LineReader } from 'iems'
import type { Server } from '../options.ts'

const WAIT_MS = 20_000
const MAX_LINE = 65_536

export type OldAddress = Pick<Server, 'host' | 'port' | 'tls' | 'verify'>

/** A conversation of lines before the session is handed over. */
export class Dialogue {
  readonly input = new LineReader(WAIT_MS)
  stream: Duplex

  constructor(stream: Duplex) {
    this.stream = stream
    this.input.attach(stream)
  }

  async line(): Promise<string> {
    return (await this.input.line(MAX_LINE)).toString('latin1')
  }

  send(text: string): void {
    this.stream.write(Buffer.from(`${text}\r\n`))
  }

  async secure({ host, verify }: OldAddress): Promise<void> {
    this.input.detach()
    this.stream = await secured({ host, verify, socket: this.stream as Socket })
    this.input.attach(this.stream)
  }
}

function secured(how: { host: string; verify: boolean; socket?: Socket; port?: number }): Promise<Duplex> {
  const { host, verify, ...rest } = how
  const socket = connectTls({ ...rest, host, ...(isIP(host) ? {} : { servername: host }), rejectUnauthorized: verify })
  return opened(socket, 'secureConnect')
}

async function opened<S extends Socket>(socket: S, event: string): Promise<S> {
  const late = setTimeout(() => socket.destroy(new Error('the old server does not answer')), WAIT_MS)
  try {
    await new Promise<void>((resolve, reject) => socket.once(event, resolve).once('error', reject))
    return socket
  } finally {
    clearTimeout(late)
  }
}

export async function dial(address: OldAddress): Promise<Dialogue> {
  const { host, port, tls, verify } = address
  const stream =
    tls === 'implicit' ? await secured({ host, port, verify }) : await opened(connect({ host, port }), 'connect')
  stream.on('error', () => {})
  return new Dialogue(stream)
}

export const must = (isGood: boolean, what: string, text: string) => {
  if (!isGood) throw new Error(`the old server refuses ${what}: ${text.slice(0, 200)}`)
}
