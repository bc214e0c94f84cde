/**
 * An LDAP client of a few lines, for tests that look at every octet. Every message of the server is held against the
 * grammar (ldap-grammar.ts).
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import {
  BerReader,
  element,
  enumerated,
  integer,
  octetString,
  readHeader,
  sequence,
  TAG,
} from '../../plugins/directory/ldap/server/protocol/ber.ts'
import { type Envelope, readEnvelope } from '../../plugins/directory/ldap/server/protocol/requests.ts'
import { checkMessage } from './ldap-grammar.ts'

export interface Answer extends Envelope {
  /** Undefined for entries. */
  readonly result: number | undefined
  readonly text: string
}

export interface LdapTalk {
  readonly socket: Socket
  send(...messages: readonly Buffer[]): void
  /** The next message; undefined when the server has ended the connection. */
  next(): Promise<Answer | undefined>
  /** Messages up to and with the result of a request. */
  until(id: number): Promise<Answer[]>
  /** Resolves with the last that was said when the server ends the connection. */
  ended(): Promise<Answer | undefined>
}

export async function talkLdap(t: Pick<TestContext, 'after'>, port: number, over?: Socket): Promise<LdapTalk> {
  const socket = over ?? connect(port, '127.0.0.1')
  if (!over) await once(socket, 'connect')
  t.after(() => void socket.destroy())
  socket.on('error', () => {})
  let held: Buffer = Buffer.alloc(0)
  let isOver = false
  let wake = () => {}
  socket.on('data', (chunk: Buffer) => {
    held = Buffer.concat([held, chunk])
    wake()
  })
  socket.once('close', () => {
    isOver = true
    wake()
  })
  async function next(): Promise<Answer | undefined> {
    for (;;) {
      const header = readHeader(held)
      if (header && held.length >= header.start + header.length) {
        const content = held.subarray(header.start, header.start + header.length)
        held = held.subarray(header.start + header.length)
        return answerOf(content)
      }
      if (isOver) return undefined
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
  }
  return {
    socket,
    send: (...messages) => void socket.write(Buffer.concat(messages)),
    next,
    async until(id) {
      const all: Answer[] = []
      for (;;) {
        const answer = await next()
        if (!answer) throw new Error('the connection has ended')
        all.push(answer)
        if (answer.id === id && answer.result !== undefined) return all
      }
    },
    async ended() {
      let last: Answer | undefined
      for (let answer = await next(); answer; answer = await next()) last = answer
      return last
    },
  }
}

function answerOf(content: Buffer): Answer {
  checkMessage(content)
  const envelope = readEnvelope(content)
  const isResult = envelope.operation !== 0x64
  const reader = new BerReader(envelope.content)
  const result = isResult ? reader.enumerated() : undefined
  if (isResult) reader.octets()
  return { ...envelope, result, text: isResult ? reader.octets().toString() : '' }
}

// --- requests ----------------------------------------------------------------------------------------

export const message = (id: number, ...operation: readonly Buffer[]) => sequence(integer(id), ...operation)

export const bind = (id: number, name: string, password: string) =>
  message(id, element(0x60, integer(3), octetString(name), octetString(password, 0x80)))

export const saslBind = (id: number, mechanism: string, credentials: string) =>
  message(
    id,
    element(0x60, integer(3), octetString(''), element(0xa3, octetString(mechanism), octetString(credentials))),
  )

export const equality = (attribute: string, value: string) => element(0xa3, octetString(attribute), octetString(value))
export const present = (attribute: string) => octetString(attribute, 0x87)

export function search(
  id: number,
  base: string,
  filter: Buffer,
  attributes: readonly string[] = ['1.1'],
  controls: readonly Buffer[] = [],
): Buffer {
  return message(
    id,
    element(
      0x63,
      octetString(base),
      enumerated(2),
      enumerated(0),
      integer(0),
      integer(0),
      element(TAG.boolean, Buffer.from([0])),
      filter,
      sequence(...attributes.map((name) => octetString(name))),
    ),
    ...(controls.length > 0 ? [element(0xa0, ...controls)] : []),
  )
}

export const abandon = (id: number, of: number) => message(id, integer(of, 0x50))
export const extended = (id: number, name: string) => message(id, element(0x77, octetString(name, 0x80)))
export const unbind = (id: number) => message(id, element(0x42))
