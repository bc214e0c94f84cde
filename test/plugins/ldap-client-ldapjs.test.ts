/** What is wrong in ldapjs's client, one test for each fault: what our client does all the same. Decision 15 lists them. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { TLSSocket } from 'node:tls'
import { secret } from '../../core/index.ts'
import {
  Connection,
  type ConnectionLimits,
  type ServerAddress,
  Unreachable,
} from '../../plugins/directory/ldap/client/connection.ts'
import { compileFilter, equality } from '../../plugins/directory/ldap/client/filter.ts'
import { element, integer, octetString, sequence } from '../../plugins/directory/ldap/server/protocol/ber.ts'
import { createClientKernel } from '../support/ldap-client.ts'
import { entry, result, startFake } from '../support/ldap-fake.ts'
import { startSlapd, whyNoSlapd } from '../support/slapd.ts'

const skip = whyNoSlapd() ?? false
const LIMITS: ConnectionLimits = { connect: 5000, request: 5000, messageSize: 1_000_000, entries: 1000 }

async function connect(t: TestContext, uri: string, tls: ServerAddress['tls'] = 'off', limits = {}) {
  const { hostname, port } = new URL(uri)
  const host = hostname.replace(/^\[|\]$/g, '')
  const connection = await Connection.open({ host, port: Number(port), tls }, {}, { ...LIMITS, ...limits })
  t.after(() => connection.close())
  return connection
}

const everything = (base = 'dc=x') =>
  ({ base, scope: 'sub', filter: compileFilter('(objectClass=*)'), attributes: [] }) as const

/** A server that sends these octets, with the id of the request for each `ID`, whatever it is asked. */
const saying = (t: TestContext, answer: (id: number) => Buffer[]) => startFake(t, (_, id) => answer(id))

test('a hundred thousand messages in one packet are read one by one', async (t) => {
  const reference = sequence(integer(1), element(0x73, octetString('ldap://other/')))
  const uri = await saying(t, (id) => [...Array.from({ length: 100_000 }, () => reference), result(id, 0x65)])
  assert.deepEqual(await (await connect(t, uri)).search(everything()), [])
})

test('messages that arrive octet by octet are whole in the end', async (t) => {
  const uri = await startFake(t, (_, id, socket) => {
    for (const octet of Buffer.concat([entry(id, 'uid=a', { uid: ['a'] }), result(id, 0x65)]))
      socket.write(Buffer.from([octet]))
    return []
  })
  assert.equal((await (await connect(t, uri)).search(everything())).length, 1)
})

test('elements that are longer than the one around them, of no length or of another kind, end the connection', async (t) => {
  const attribute = (value: string) => element(0x64, octetString('uid=a'), Buffer.from(value, 'hex'))
  for (const [what, operation] of [
    ['a value longer than its attribute', attribute('300a3008040161310304057a')],
    ['a value of negative length', attribute('300e300c0401613107 0484fffffffa'.replace(' ', ''))],
    ['an indefinite length', attribute('3080')],
    ['a control that ends early', Buffer.concat([element(0x65, Buffer.from('0a0100040004', 'hex'))])],
    ['an operation nobody knows', element(0x5f)],
    ['a request', element(0x63, octetString(''))],
    ['the answer to another request', element(0x61, Buffer.from('0a010004000400', 'hex'))],
  ] as const) {
    const uri = await saying(t, (id) => [sequence(integer(id), operation)])
    await assert.rejects((await connect(t, uri)).search(everything()), Unreachable, what)
  }
})

test('an unknown result code is a failure, not the end of the process', async (t) => {
  const uri = await saying(t, (id) => [result(id, 0x61, 4096, 'e-syncRefreshRequired')])
  await assert.rejects((await connect(t, uri)).bind('cn=a', 'b'), /4096 e-syncRefreshRequired/)
})

test('what the server says about a refusal is passed on', async (t) => {
  const uri = await saying(t, (id) => [result(id, 0x65, 50, 'not for you')])
  await assert.rejects((await connect(t, uri)).search(everything()), /says 50: not for you/)
})

test('a bind that is answered by anything else is no login', async (t) => {
  for (const answer of [
    (id: number) => entry(id, 'uid=bob', {}),
    (id: number) => result(id, 0x65),
    (id: number) => result(id, 0x78),
  ]) {
    const uri = await startFake(t, (request, id) => {
      if (request?.kind === 'bind') return [answer(id)]
      const bob = { entryUUID: ['1'], uid: ['bob'], mail: ['bob@example.org'] }
      return [entry(id, 'uid=bob', bob), result(id, 0x65)]
    })
    const here = await createClientKernel(t, { servers: [uri] }, { expectsFaults: true })
    assert.equal(await here.login('bob', 'x'), 454)
  }
})

test('a search that stops after its first entry ends in time', async (t) => {
  const uri = await saying(t, (id) => [entry(id, 'uid=a', { uid: ['a'] })])
  const connection = await connect(t, uri, 'off', { request: 100 })
  await assert.rejects(connection.search(everything()), /no answer in time/)
  assert.equal(connection.isOpen, false)
})

test('a server that speaks before it is asked is read by the same rules', async (t) => {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.write(Buffer.from('30847fffffff', 'hex'))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => void server.close())
  const { port } = server.address() as { port: number }
  const asked = connect(t, `ldap://127.0.0.1:${port}`).then((connection) => connection.bind('cn=a', 'b'))
  await assert.rejects(asked, /too long/)
})

test('names are sent and read as they are, whatever is in them', { skip }, async (t) => {
  const names = ['back\\slash', 'end\\', 'a,b+c=d', '#x', ' y ', 'Pä€😀', '"q"', 'a;b<c>', 'ctrl\u0001']
  const quoted = (value: string) =>
    [...Buffer.from(value)].map((octet) => `\\${octet.toString(16).padStart(2, '0')}`).join('')
  const units = names.map(
    (name) =>
      `dn: ou=${quoted(name)},dc=example\nobjectClass: organizationalUnit\nou:: ${Buffer.from(name).toString('base64')}\n`,
  )
  const ldif = `dn: dc=example\nobjectClass: domain\ndc: example\n\n${units.join('\n')}`
  const { uri, rootDn } = await startSlapd(t, { suffix: 'dc=example', ldif })
  const connection = await connect(t, uri)
  assert.equal(await connection.bind(rootDn, 'secret'), true)
  const ask = { scope: 'sub', attributes: ['ou'] } as const
  for (const name of names) {
    const [found, ...others] = await connection.search({ ...ask, base: 'dc=example', filter: equality('ou', name) })
    assert.deepEqual([found?.attributes.get('ou')?.map(String), others], [[name], []])
    const [again] = await connection.search({ ...everything(found?.dn), scope: 'base', attributes: ['ou'] })
    assert.deepEqual(again, found)
    assert.equal(await connection.bind(found?.dn ?? '', 'wrong'), false)
    assert.equal(await connection.bind(rootDn, 'secret'), true)
  }
  const escaped = compileFilter('(ou=p\\c3\\a4\\e2\\82\\ac*)')
  assert.equal((await connection.search({ ...ask, base: 'dc=example', filter: escaped })).length, 1)
})

test('a filter has any octets as its value, and none at all', async (t) => {
  const asked: string[] = []
  const uri = await startFake(t, (request, id) => {
    if (request?.kind === 'search' && request.filter.kind === 'equal') asked.push(request.filter.value.toString('hex'))
    return [result(id, 0x65)]
  })
  const connection = await connect(t, uri)
  const values = ['ffc3', 'e2', '5c', '', '00ff80f0', '5cc3'].map((hex) => Buffer.from(hex, 'hex'))
  for (const value of values) await connection.search({ ...everything(), filter: equality('objectGUID', value) })
  assert.deepEqual(
    asked,
    values.map((value) => value.toString('hex')),
  )
})

test('addresses of IPv6 can be servers', async (t) => {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => socket.write(result(1, 0x61)))
  }).listen(0, '::1')
  await once(server, 'listening')
  t.after(() => void server.close())
  const connection = await connect(t, `ldap://[::1]:${(server.address() as { port: number }).port}`)
  assert.equal(await connection.bind('cn=a', 'b'), true)
})

test('the connection is ended with an unbind request', async (t) => {
  let heard = Buffer.alloc(0)
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
      heard = Buffer.concat([heard, chunk])
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => void server.close())
  const accepted = once(server, 'connection')
  const connection = await connect(t, `ldap://127.0.0.1:${(server.address() as { port: number }).port}`)
  const [socket] = (await accepted) as [Socket]
  connection.close()
  await once(socket, 'close')
  assert.equal(heard.toString('hex'), '30050201014200')
})

// --- StartTLS -----------------------------------------------------------------------------------

/** A server whose answer to StartTLS a test chooses; what it hears afterwards. */
async function startTlsServer(t: TestContext, answer: (id: number, socket: Socket) => void) {
  const heard: Buffer[] = []
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.on('data', (chunk) => heard.push(chunk))
    socket.once('data', () => answer(1, socket))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => void server.close())
  return { uri: `ldap://127.0.0.1:${(server.address() as { port: number }).port}`, heard }
}

test('without TLS nothing is sent, however StartTLS fails', async (t) => {
  const answers: Record<string, (id: number, socket: Socket) => void> = {
    refused: (id, socket) => socket.write(result(id, 0x78, 52)),
    'refused with a code nobody knows': (id, socket) => socket.write(result(id, 0x78, 4097)),
    'answered by a bind': (id, socket) => socket.write(result(id, 0x61)),
    'ended at once': (_, socket) => socket.end(),
    'no handshake': (id, socket) => socket.end(result(id, 0x78)),
    'a handshake that is none': (id, socket) => {
      socket.write(result(id, 0x78))
      socket.once('data', () => socket.write(result(2, 0x61)))
    },
    'octets in the clear behind the answer': (id, socket) =>
      socket.write(Buffer.concat([result(id, 0x78), result(2, 0x61)])),
    'part of a message behind the answer': (id, socket) =>
      socket.write(Buffer.concat([result(id, 0x78), result(2, 0x61).subarray(0, 5)])),
    'a certificate that is not to be had': (id, socket) => {
      socket.write(result(id, 0x78))
      // A server without a certificate ends the handshake with an alert.
      new TLSSocket(socket, { isServer: true }).on('error', () => {})
    },
  }
  for (const [what, answer] of Object.entries(answers)) {
    const { uri, heard } = await startTlsServer(t, answer)
    const here = await createClientKernel(
      t,
      { servers: [uri], startTls: true, bindDn: 'cn=me', password: secret.value('very secret') },
      { expectsFaults: true },
    )
    assert.equal(await here.login('bob', 'open sesame'), 454, what)
    const said = Buffer.concat(heard).toString('latin1')
    assert.doesNotMatch(said, /very secret|open sesame|cn=me/, what)
    assert.match(said, /1\.3\.6\.1\.4\.1\.1466\.20037/, what)
  }
})

test('a handshake that does not go on is given up in time', async (t) => {
  const { uri } = await startTlsServer(t, (id, socket) => socket.write(result(id, 0x78)))
  await assert.rejects(connect(t, uri, 'starttls', { connect: 200 }), /no connection in time/)
  const silent = await startTlsServer(t, () => {})
  await assert.rejects(connect(t, silent.uri, 'starttls', { connect: 200 }), /no connection in time/)
  await assert.rejects(connect(t, silent.uri, 'implicit', { connect: 200 }), /in time|timeout/)
})
