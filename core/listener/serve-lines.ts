/**
 * From a client to a session of a protocol of lines: reader and writer on its socket, the kernel's session, and the
 * refusal of `connect`.
 *
 * Invariants: the kernel's session is closed when the client has been served; input from before TLS is never read after
 * it.
 */
import type { Duplex } from 'node:stream'
import type { SetupContext } from '../api/plugin.ts'
import type { ConnectionInfo, ServerSession } from '../api/session.ts'
import { LineReader } from './line-reader.ts'
import { LineWriter } from './line-writer.ts'
import type { Client } from './listener.ts'

export interface LineProtocol {
  readonly protocol: ConnectionInfo['protocol']
  /** In ms: for the first command, and for the client to accept octets. */
  readonly timeouts: { readonly login: number; readonly write: number }
  /** The lines that refuse a connection, with their line ends. */
  refusal(text: string): string
}

export interface LineSession {
  readonly input: LineReader
  readonly output: LineWriter
  readonly open: ServerSession
  /** Aborted when the server stops or the login is no longer valid. */
  readonly signal: AbortSignal
  isSecure(): boolean
  hasTls(): boolean
  startTls(): Promise<void>
  compress(): void
  /**
   * Hands the connection over: what the client sends goes to `there`, and what comes from there goes to the client,
   * `first` before it. Resolves when either side has ended, or the signal has.
   */
  relay(there: Duplex, first: Uint8Array): Promise<void>
}

/** Serves a client until `run` has ended. `signal`: the server is stopping. */
export async function serveLines(
  ctx: Pick<SetupContext, 'openSession'>,
  { client, signal }: { readonly client: Client; readonly signal: AbortSignal },
  { protocol, timeouts, refusal }: LineProtocol,
  run: (session: LineSession) => Promise<void>,
): Promise<void> {
  const { remote, local, tls } = client
  const open = ctx.openSession({ protocol, brings: 'nothing', remote, local, ...(tls ? { tls } : {}) })
  const input = new LineReader(timeouts.login)
  const output = new LineWriter(timeouts.write)
  let isSecure = tls !== undefined
  let here: Duplex = client.socket
  try {
    input.attach(client.socket)
    output.attach(client.socket)
    const refused = await open.connect()
    if (refused) {
      output.write(Buffer.from(refusal(refused.reply.text)))
      return await output.flush()
    }
    const ending = AbortSignal.any([signal, open.revoked])
    await run({
      input,
      output,
      open,
      signal: ending,
      isSecure: () => isSecure,
      hasTls: () => client.mayStartTls,
      async startTls() {
        input.detach()
        const { socket, tls } = await client.startTls()
        isSecure = true
        here = socket
        open.update({ tls })
        input.attach(socket)
        output.attach(socket)
      },
      compress() {
        input.detach()
        const { readable, writable } = client.compress()
        input.attach(readable)
        output.attach(writable)
      },
      async relay(there, first) {
        there.write(input.release())
        output.write(Buffer.from(first))
        await output.flush()
        await carry(here, there, ending)
      },
    })
  } finally {
    open.close()
  }
}

async function carry(here: Duplex, there: Duplex, signal: AbortSignal): Promise<void> {
  const end = () => {
    here.destroy()
    there.destroy()
  }
  const ended = [here, there].map((side) => {
    const { promise, resolve } = Promise.withResolvers<void>()
    side.once('close', resolve)
    side.on('error', end)
    if (side.destroyed) resolve()
    return promise
  })
  signal.addEventListener('abort', end, { once: true })
  here.pipe(there)
  there.pipe(here)
  await Promise.race(ended)
  signal.removeEventListener('abort', end)
  end()
}
