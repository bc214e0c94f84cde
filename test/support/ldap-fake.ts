/** An LDAP server that answers every request with what a test says. */
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import {
  BerReader,
  element,
  enumerated,
  integer,
  octetString,
  sequence,
  TAG,
} from '../../plugins/directory/ldap/server/protocol/ber.ts'
import { readEnvelope, readRequest } from '../../plugins/directory/ldap/server/protocol/requests.ts'

/** A server that answers every request with what the function says. */
export async function startFake(
  t: TestContext,
  answer: (request: ReturnType<typeof readRequest>, id: number, socket: Socket) => Buffer[],
) {
  const server = createServer((socket) => {
    let held = Buffer.alloc(0)
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
      held = Buffer.concat([held, chunk])
      while (held.length > 2) {
        const reader = new BerReader(held)
        const content = reader.element(0x30)
        held = held.subarray(content.byteOffset - held.byteOffset + content.length)
        const envelope = readEnvelope(content)
        const request = readRequest(envelope, { filterDepth: 20, filterTerms: 100 })
        socket.write(Buffer.concat(answer(request, envelope.id, socket)))
      }
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => void server.close())
  return `ldap://127.0.0.1:${(server.address() as { port: number }).port}`
}

export const result = (id: number, tag: number, code = 0, text = '') =>
  sequence(integer(id), element(tag, enumerated(code), octetString(''), octetString(text)))
export const entry = (id: number, dn: string, attributes: Record<string, (string | Buffer)[]>) =>
  sequence(
    integer(id),
    element(
      0x64,
      octetString(dn),
      sequence(
        ...Object.entries(attributes).map(([name, values]) =>
          sequence(octetString(name), element(TAG.set, ...values.map((value) => octetString(value)))),
        ),
      ),
    ),
  )
