/**
 * Serves this server's plugins to other mail servers as a milter: Postfix, Sendmail and whatever speaks the protocol.
 *
 * Invariants: plugins run as for mail of this server, with the same hooks in the same order; nothing is accepted here,
 * so nothing is queued, stored or bounced.
 */
import type { Socket } from 'node:net'
import { definePlugin, type SetupContext } from 'iems'
import { type Packet, ProtocolFault } from '../milter/api.ts'
import { type Options, options } from './options.ts'
import { MilterServerSession } from './session.ts'

/** Maximum octets of a packet; Sendmail sends bodies in chunks of 65,535. */
const MOST = 1_100_000

export const milterServer = definePlugin({
  name: 'milter-server',
  config: options,
  setup(config, ctx) {
    const sockets = new Map<Socket, Promise<void>>()
    return {
      async listen() {
        await ctx.port(config.listen, 'milter', (socket) => {
          if (sockets.size >= config.connections) return void socket.destroy()
          sockets.set(
            socket,
            serve(socket, config, ctx).finally(() => sockets.delete(socket)),
          )
        })
      },
      async close(signal) {
        const end = () => {
          for (const socket of sockets.keys()) socket.destroy()
        }
        // A mail server keeps its connection open between messages.
        if (signal.aborted) end()
        else signal.addEventListener('abort', end, { once: true })
        await Promise.all(sockets.values())
      },
    }
  },
})

async function serve(socket: Socket, { header, idle }: Options, ctx: SetupContext): Promise<void> {
  const { log } = ctx
  const session = new MilterServerSession({ log, maxHeader: header, openSession: (facts) => ctx.openSession(facts) })
  socket.setTimeout(idle, () => socket.destroy())
  socket.on('error', () => {})
  try {
    for await (const one of packetsOf(socket)) {
      const answers = await session.take(one)
      if (!answers) break
      for (const answer of answers) socket.write(answer)
    }
  } catch (cause) {
    if (cause instanceof ProtocolFault) log.warn('a mail server does not speak the milter protocol', { cause })
    else if (!socket.destroyed) log.error('a milter session failed', { cause })
  } finally {
    session.close()
    socket.end()
  }
}

async function* packetsOf(socket: Socket): AsyncGenerator<Packet> {
  let held: Buffer = Buffer.alloc(0)
  try {
    for await (const chunk of socket as AsyncIterable<Buffer>) {
      held = held.length === 0 ? chunk : Buffer.concat([held, chunk])
      while (held.length >= 5) {
        const length = held.readUInt32BE()
        if (length < 1 || length > MOST) throw new ProtocolFault(`a packet of ${length} octets`)
        if (held.length < 4 + length) break
        yield { letter: held.toString('latin1', 4, 5), body: held.subarray(5, 4 + length) }
        held = held.subarray(4 + length)
      }
    }
  } catch (cause) {
    // A connection that breaks ends the session.
    if (cause instanceof ProtocolFault) throw cause
  }
}
