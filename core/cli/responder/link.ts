/**
 * The connection between responders: TLS with a key that all machines share (RFC 4279). Both ends prove that they have
 * the key; ECDHE keeps earlier connections secret if it is stolen.
 *
 * A request is a line of JSON; the answer is any number of `{ progress }` and then `{ result }` or `{ error }`.
 * Invariants: nothing is read from a client that does not know the key; lines and waits are bounded.
 */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { connect, createServer, type PSKCallbackNegotation } from 'node:tls'
import * as z from 'zod'
import { IemsError, reasonOf } from '../../api/errors.ts'

const IDENTITY = 'iems'
/** TLS 1.2, because Node offers pre-shared keys only there. */
const CIPHERS = {
  ciphers: 'ECDHE-PSK-CHACHA20-POLY1305:@SECLEVEL=1',
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.2',
} as const
const MAX_LINE = 4096
/** Ms for a handshake and a request, and between two lines of an answer. */
const QUIET_MS = 15_000
const ANSWER_MS = 600_000

export const request = z.strictObject({
  v: z.literal(1),
  do: z.enum(['status', 'start', 'stop', 'restart', 'upgrade']),
  /** For an upgrade: a version or a tag. */
  version: z
    .string()
    .regex(/^[\w.-]{1,50}$/)
    .optional(),
})
export type ResponderRequest = z.output<typeof request>

/** Yields what it does, and returns the result. */
export type Respond = (asked: ResponderRequest) => AsyncGenerator<string, unknown>

/** A long random text becomes a key; a short one would be guessed. Throws IEMS_RESPONDER_FAILED. */
function keyOf(text: string): Buffer {
  if (text.length < 32)
    throw new IemsError('IEMS_RESPONDER_FAILED', { what: 'The key', why: 'it is shorter than 32 characters' })
  return createHash('sha256').update('iems responder ').update(text).digest()
}

export interface Place {
  readonly host: string
  readonly port: number
}

export function placeOf(text: string): Place {
  const at = text.lastIndexOf(':')
  return { host: text.slice(0, at).replace('[', '').replace(']', ''), port: Number(text.slice(at + 1)) }
}

export interface Listening {
  readonly port: number
  close(): void
}

/** Listens for requests of those who know the key. */
export async function listen({ host, port }: Place, key: string, respond: Respond): Promise<Listening> {
  const psk = keyOf(key)
  const open = new Set<Socket>()
  const server = createServer(
    {
      ...CIPHERS,
      pskCallback: (_socket, identity) => (identity === IDENTITY ? psk : null),
      handshakeTimeout: QUIET_MS,
    },
    (socket) => {
      open.add(socket)
      socket.on('close', () => open.delete(socket))
      socket.on('error', () => socket.destroy())
      socket.setTimeout(QUIET_MS, () => socket.destroy())
      serve(socket, respond).catch(() => socket.destroy())
    },
  )
  // A client without the key is no fault of the responder.
  server.on('tlsClientError', () => {})
  server.listen(port, host)
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    close() {
      server.close()
      for (const socket of open) socket.destroy()
    },
  }
}

async function firstLine(socket: Socket): Promise<string> {
  let text = ''
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    text += String(chunk)
    if (text.length > MAX_LINE) throw new Error('the line is too long')
    if (text.includes('\n')) return text.slice(0, text.indexOf('\n'))
  }
  throw new Error('the connection ended')
}

async function serve(socket: Socket, respond: Respond): Promise<void> {
  const say = (value: object) => socket.write(`${JSON.stringify(value)}\n`)
  try {
    const asked = request.parse(JSON.parse(await firstLine(socket)))
    socket.setTimeout(0)
    const answers = respond(asked)
    for (;;) {
      const next = await answers.next()
      if (next.done) return void say({ result: next.value ?? null })
      say({ progress: next.value })
    }
  } catch (cause) {
    say({ error: reasonOf(cause) })
  } finally {
    socket.end()
  }
}

/** Asks a responder; `progress` hears what it does. Throws IEMS_RESPONDER_FAILED. */
export async function ask(
  place: Place,
  key: string,
  asked: ResponderRequest,
  progress: (text: string) => void = () => {},
): Promise<unknown> {
  const failed = (why: unknown) => new IemsError('IEMS_RESPONDER_FAILED', { what: `${place.host}:${place.port}`, why })
  const credentials: PSKCallbackNegotation = { psk: keyOf(key), identity: IDENTITY }
  const socket = connect({
    ...CIPHERS,
    ...place,
    pskCallback: () => credentials,
    // The shared key proves who the other one is; there is no certificate.
    checkServerIdentity: () => undefined,
  })
  try {
    socket.setTimeout(QUIET_MS, () => socket.destroy(new Error('no answer')))
    await once(socket, 'secureConnect')
    socket.setTimeout(ANSWER_MS, () => socket.destroy(new Error('no answer')))
    socket.write(`${JSON.stringify(asked)}\n`)
    for await (const line of createInterface({ input: socket })) {
      const said = JSON.parse(line) as { progress?: string; result?: unknown; error?: string }
      if (said.error !== undefined) throw failed(said.error)
      if ('result' in said) return said.result
      progress(String(said.progress))
    }
    throw new Error('the connection ended')
  } catch (cause) {
    if (cause instanceof IemsError) throw cause
    throw failed(
      /alert|PSK|handshake|bad record|socket disconnected/i.test(reasonOf(cause)) ? 'the keys differ' : reasonOf(cause),
    )
  } finally {
    socket.destroy()
  }
}
