/**
 * One conversation over each transport: everything a client sends goes out at once, and everything that comes back until
 * the server ends the connection is kept.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { Duplex, type Readable, type Writable } from 'node:stream'
import type { TestContext } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { constants, createDeflateRaw, createInflateRaw } from 'node:zlib'

export const TLS_FILES = { cert: 'test/fixtures/tls/mx.pem', key: 'test/fixtures/tls/mx.key' }

export type Transport = 'plain' | 'tls' | 'starttls' | 'compressed' | 'compressed over tls'

export interface Wish {
  readonly port: number
  readonly transport: Transport
  /** Sent in plain text, with the last words of the answer after which TLS begins. */
  readonly starttls: { readonly say: string | Buffer; readonly until: string }
  /** Lines sent one after the other, each with the last words of its answer, before what counts. */
  readonly before?: readonly (readonly [say: string, until: string])[]
  /** Sent at once. */
  readonly say: string | Buffer
  /** Whether the server speaks first. Default: true. */
  readonly greets?: boolean
  /** The client says nothing more, and closes its side. */
  readonly closesFirst?: boolean
  /** Done once this text has been heard. */
  readonly meanwhile?: { readonly after: string; do(): unknown }
}

export interface Heard {
  /** What came after `before`. */
  readonly text: string
  /** Whether TLS ended with close_notify; undefined without TLS. */
  readonly closeNotify: boolean | undefined
  /** The error that ended the connection, if one did. */
  readonly error: string | undefined
}

export async function hear(t: Pick<TestContext, 'after'>, wish: Wish): Promise<Heard> {
  const { port, transport, starttls, before = [], say, greets = true, closesFirst } = wish
  const raw = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  t.after(() => raw.destroy())
  let error: string | undefined
  raw.on('error', (cause) => {
    error ??= cause.message
  })
  const octets: Buffer[] = []
  let socket: Socket = raw
  let plain = ''
  if (transport === 'starttls') {
    if (greets) plain = await until(raw, '\n')
    raw.write(starttls.say)
    await until(raw, starttls.until)
  }
  if (transport.includes('tls')) {
    // TLS 1.2 shows what kind of record an alert is.
    const spied = relay(raw, octets)
    socket = connectTls({ socket: spied, rejectUnauthorized: false, maxVersion: 'TLSv1.2' })
    await once(socket, 'secureConnect')
    socket.on('error', (cause) => {
      error ??= cause.message
    })
  }
  if (greets && plain === '') plain = await until(socket, '\n')
  for (const [line, end] of before) {
    socket.write(`${line}\r\n`)
    await until(socket, end)
  }
  let [input, output]: [Readable, Writable] = [socket, socket]
  if (transport.startsWith('compressed')) {
    socket.write('z COMPRESS DEFLATE\r\n')
    await until(socket, 'z OK DEFLATE active\r\n')
    const [inflate, deflate] = [createInflateRaw(), createDeflateRaw({ flush: constants.Z_SYNC_FLUSH })]
    inflate.on('error', (cause) => {
      error ??= cause.message
    })
    ;[input, output] = [socket.pipe(inflate), deflate]
    deflate.pipe(socket, { end: closesFirst === true })
  }
  if (closesFirst) output.end(say)
  else output.write(say)
  const heard: Buffer[] = []
  let { meanwhile } = wish
  for await (const chunk of input) {
    heard.push(chunk as Buffer)
    if (!meanwhile || !Buffer.concat(heard).includes(meanwhile.after)) continue
    meanwhile.do()
    meanwhile = undefined
  }
  socket.destroy()
  const closeNotify = transport.includes('tls') ? endsWithAlert(Buffer.concat(octets)) : undefined
  return { text: Buffer.concat(heard).toString('latin1'), closeNotify, error }
}

async function until(stream: Readable, end: string): Promise<string> {
  let text = ''
  while (!text.endsWith(end)) {
    const chunk = stream.read()
    if (chunk) text += chunk.toString('latin1')
    else if (stream.readableEnded || stream.destroyed) throw new Error(`the server has hung up after: ${text}`)
    else await Promise.race([once(stream, 'readable'), once(stream, 'close')])
  }
  return text
}

/** The socket, with what comes over it kept. */
function relay(socket: Socket, octets: Buffer[]): Duplex {
  const over = new Duplex({
    read: () => void socket.resume(),
    write: (chunk, _, done) => void socket.write(chunk, done),
    final: (done) => void socket.end(done),
    destroy: (cause, done) => {
      socket.destroy()
      done(cause)
    },
  })
  socket.removeAllListeners('readable')
  socket.on('data', (chunk: Buffer) => {
    octets.push(chunk)
    if (!over.push(chunk)) socket.pause()
  })
  socket.on('end', () => over.push(null))
  socket.on('close', () => over.destroy())
  return over
}

/** RFC 5246 section 6.2.1: type, version, length; type 21 is an alert. */
function endsWithAlert(octets: Buffer): boolean {
  let last = -1
  let at = 0
  while (at + 5 <= octets.length) {
    last = octets[at] as number
    at += 5 + octets.readUInt16BE(at + 3)
  }
  return at === octets.length && last === 21
}
