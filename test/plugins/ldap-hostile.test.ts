/** What strangers may send to an LDAP server to end it, to fill it or to hold it up. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { connect } from 'node:tls'
import { promisify } from 'node:util'
import {
  BerError,
  BerReader,
  element,
  integer,
  octetString,
  sequence,
} from '../../plugins/directory/ldap/server/protocol/ber.ts'
import { foldDn, formatDn, parseDn } from '../../plugins/directory/ldap/server/protocol/dn.ts'
import { FilterTooLarge } from '../../plugins/directory/ldap/server/protocol/filter.ts'
import { readEnvelope, readRequest } from '../../plugins/directory/ldap/server/protocol/requests.ts'
import { createLdapKernel, PASSWORD, SUFFIX } from '../support/ldap.ts'
import {
  type Answer,
  abandon,
  bind,
  equality,
  extended,
  message,
  present,
  search,
  talkLdap,
  unbind,
} from '../support/ldap-talk.ts'
import { fc } from '../support/property.ts'
import { tempFolder } from '../support/running-server.ts'

const DISCONNECTION = 0x78
const MIB = 1024 * 1024

/** Logged in as somebody, by default as bob, who is no administrator. */
async function loggedIn(t: TestContext, port: number, who = 'bob') {
  const client = await talkLdap(t, port)
  client.send(bind(1, `uid=${who},${SUFFIX}`, PASSWORD))
  assert.equal((await client.until(1))[0]?.result, 0)
  return client
}

/** The server is still there, and answers. */
async function answers(t: TestContext, port: number) {
  const client = await loggedIn(t, port)
  client.send(search(2, SUFFIX, equality('uid', 'ann')))
  assert.deepEqual(
    (await client.until(2)).map(({ result }) => result),
    [undefined, 0],
  )
  client.socket.destroy()
}

test('requests in one packet are answered one after the other, and those given up not at all', async (t) => {
  const { port } = await createLdapKernel(t)
  const client = await loggedIn(t, port)
  const ids = Array.from({ length: 8000 }, (_, at) => at + 10)
  client.send(...ids.map((id) => abandon(id, 1)))
  client.send(...ids.map((id) => search(id, SUFFIX, equality('uid', 'ann'))))
  const all = await client.until(8009)
  assert.deepEqual(
    all.filter(({ result }) => result === 0).map(({ id }) => id),
    ids,
  )
  assert.equal(all.length, 16_000)
  client.send(search(2, SUFFIX, present('cn')), abandon(3, 2), search(4, SUFFIX, present('cn')))
  assert.ok(
    (await client.until(4)).every(({ id }) => id === 4),
    'nothing of what was given up is told',
  )
})

test('what is no LDAP ends the connection at once, with a notice', async (t) => {
  const { port } = await createLdapKernel(t)
  const strange: readonly (readonly [what: string, octets: Buffer])[] = [
    ['a length of two gigabytes', Buffer.from('30847fffffff', 'hex')],
    ['a length of five octets', Buffer.from('30850000000001', 'hex')],
    ['an indefinite length', Buffer.from('30800201010000', 'hex')],
    ['RDP', Buffer.from('0300002f2ae00000000000436f6f6b69653a', 'hex')],
    ['HTTP', Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')],
    ['TLS', Buffer.from('1603010200010001fc0303', 'hex')],
    ['an empty message', sequence()],
    ['a message without an operation', message(1)],
    ['an operation that there is not', message(1, element(0x7f, Buffer.from('x')))],
    ['a negative id', sequence(Buffer.from([2, 1, 0xff]), element(0x42))],
    ['an answer', message(1, element(0x65, Buffer.from('0a01000400040', 'hex')))],
    ['more than may be sent before a login', Buffer.from('308400100000', 'hex')],
  ]
  for (const [what, octets] of strange) {
    const client = await talkLdap(t, port)
    client.send(octets)
    const last = await client.ended()
    assert.deepEqual([last?.id, last?.operation], [0, DISCONNECTION], what)
  }
  const twice = await loggedIn(t, port)
  // More than two: on a busy machine the first may be answered before the next is read.
  twice.send(...Array.from({ length: 30 }, () => search(7, SUFFIX, present('cn'))))
  assert.equal((await twice.ended())?.operation, DISCONNECTION, 'one id for two requests under way')
  await answers(t, port)
})

test('a request that is wrong inside gets protocolError, and after too many the connection ends', async (t) => {
  const { port } = await createLdapKernel(t, { limits: { errors: 5 } })
  const client = await loggedIn(t, port)
  const wrong = [0x63, 0x66, 0x68, 0x6c].map((tag, at) => message(at + 2, element(tag, Buffer.from('0401', 'hex'))))
  client.send(...wrong)
  for (const at of wrong.keys()) assert.equal((await client.until(at + 2)).at(-1)?.result, 2)
  client.send(message(9, element(0x6e, Buffer.from('ff', 'hex'))))
  const last = await client.ended()
  assert.equal(last?.operation, DISCONNECTION)
})

/** `(!(!(!…)))`, as deep as fits. */
function nested(depth: number): Buffer {
  let filter = present('cn')
  for (let at = 0; at < depth; at++) filter = element(at % 3 === 0 ? 0xa2 : 0xa0, filter)
  return filter
}

test('deep and wide filters are refused for what they are', async (t) => {
  const { port } = await createLdapKernel(t)
  const client = await loggedIn(t, port)
  client.send(search(2, SUFFIX, nested(5000)))
  assert.equal((await client.until(2))[0]?.result, 11)
  client.send(search(3, SUFFIX, element(0xa1, ...Array.from({ length: 20_000 }, () => equality('title', 'x')))))
  assert.equal((await client.until(3))[0]?.result, 11)
  client.send(search(4, SUFFIX, element(0xa1, ...Array.from({ length: 400 }, () => equality('title', 'x')))))
  assert.equal((await client.until(4)).at(-1)?.result, 0)
  const parts = Array.from({ length: 20_000 }, () => octetString('a', 0x81))
  client.send(search(5, SUFFIX, element(0xa4, octetString('cn'), sequence(...parts))))
  assert.notEqual((await client.until(5)).at(-1)?.result, undefined)
  client.send(
    search(
      6,
      SUFFIX,
      present('cn'),
      Array.from({ length: 20_000 }, (_, at) => `a${at}`),
    ),
  )
  assert.equal((await client.until(6)).at(-1)?.result, 2)
  client.send(search(7, `${'ou=x,'.repeat(50_000)}${SUFFIX}`, present('cn')))
  assert.equal((await client.until(7)).at(-1)?.result, 34)
  client.send(message(8, element(0x66, octetString(`uid=bob,${SUFFIX}`), octetString(Buffer.alloc(3 * MIB), 0x30))))
  assert.equal((await client.until(8)).at(-1)?.result, 2)
  await answers(t, port)
})

test('who says half a word, or takes nothing of what he asked for, is left', async (t) => {
  const here = await createLdapKernel(t, { timeouts: { message: '300 ms', login: '3 s', write: '300 ms' } })
  const { port } = here
  const half = await talkLdap(t, port)
  half.send(bind(1, 'x', 'y').subarray(0, 9))
  assert.equal((await half.ended())?.operation, DISCONNECTION)
  const silent = await talkLdap(t, port)
  assert.equal((await silent.ended())?.operation, DISCONNECTION)

  const photo = Buffer.alloc(40_000, 7).toString('base64')
  await here.directory.change(
    Array.from({ length: 100 }, (_, at) => ({
      add: { kind: 'account', name: `p${at}`, attributes: { jpegphoto: [photo] } },
    })),
    'test',
  )
  const deaf = await loggedIn(t, port)
  deaf.socket.pause()
  const closed = new Promise((resolve) => deaf.socket.once('close', resolve))
  for (let id = 10; id < 60; id++) deaf.send(search(id, SUFFIX, present('uid'), ['*']))
  // Writes of ours find out that the server has hung up, whatever is left unread.
  const timer = setInterval(() => deaf.socket.write(Buffer.alloc(1)), 20)
  t.after(() => clearInterval(timer))
  deaf.socket.once('error', () => deaf.socket.destroy())
  await closed
  await answers(t, port)
})

test('a cookie is good for its search, once', async (t) => {
  const { port } = await createLdapKernel(t)
  const client = await loggedIn(t, port)
  const paged = (id: number, filter: Buffer, cookie: Buffer) => {
    const value = octetString(sequence(integer(1), octetString(cookie)))
    return search(id, SUFFIX, filter, ['1.1'], [sequence(octetString('1.2.840.113556.1.4.319'), value)])
  }
  const cookieIn = (answer: Answer | undefined) => {
    const value = new BerReader(answer?.controls[0]?.value ?? Buffer.alloc(0)).inside()
    value.integer()
    return value.octets()
  }
  const ask = async (id: number, filter: Buffer, cookie: Buffer) => {
    client.send(paged(id, filter, cookie))
    return (await client.until(id)).at(-1)
  }
  const nothing = Buffer.alloc(0)
  const first = cookieIn(await ask(2, present('uid'), nothing))
  assert.ok(first.length > 0)
  assert.equal((await ask(3, present('cn'), first))?.result, 53, 'of another search')
  const last = await ask(4, present('uid'), first)
  assert.deepEqual([last?.result, cookieIn(last).length], [0, 0])
  assert.equal((await ask(5, present('uid'), first))?.result, 53, 'used')
  assert.equal((await ask(6, present('uid'), Buffer.from('made up')))?.result, 53)
  const cookies: Buffer[] = []
  for (let id = 10; id < 17; id++) cookies.push(cookieIn(await ask(id, present('uid'), nothing)))
  assert.equal((await ask(20, present('uid'), cookies[0] as Buffer))?.result, 53, 'the oldest have been let go')
  assert.equal((await ask(21, present('uid'), cookies[6] as Buffer))?.result, 0)
})

test('connections are counted, in all and from one address', async (t) => {
  const { port } = await createLdapKernel(t, { limits: { connectionsPerAddress: 3 } })
  const kept = await Promise.all([1, 2, 3].map(() => loggedIn(t, port)))
  const more = await talkLdap(t, port)
  assert.equal(await more.ended(), undefined)
  kept[0]?.send(unbind(2))
  await kept[0]?.ended()
  await answers(t, port)
})

test('guesses end the connection', async (t) => {
  const { port } = await createLdapKernel(t, { limits: { authAttempts: 3 } })
  const client = await talkLdap(t, port)
  const guess = (id: number) => bind(id, `uid=bob,${SUFFIX}`, `guess ${id}`)
  client.send(guess(1), guess(2), guess(3), guess(4))
  const results: (number | undefined)[] = []
  for (let answer = await client.next(); answer; answer = await client.next()) results.push(answer.result)
  assert.deepEqual(results, [49, 49, 49, 53])
})

test('what is said before TLS does not count after it', async (t) => {
  const folder = await tempFolder(t)
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  await promisify(execFile)('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', key, '-out', cert],
    ...['-days', '2', '-subj', '/CN=localhost'],
  ])
  const { port } = await createLdapKernel(t, { tls: { key, cert } })
  const client = await loggedIn(t, port)
  const whoAmI = '1.3.6.1.4.1.4203.1.11.3'
  client.send(extended(2, '1.3.6.1.4.1.1466.20037'), extended(3, whoAmI))
  assert.equal((await client.until(2))[0]?.result, 0)
  client.socket.removeAllListeners('data')
  const socket = connect({ socket: client.socket, rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  const secured = await talkLdap(t, port, socket)
  secured.send(extended(4, whoAmI))
  const [first] = await secured.until(4)
  assert.equal(first?.id, 4, 'what came in the clear is not answered under TLS')
  assert.equal(first?.content.includes('bob'), false, 'and its login is over')
  secured.send(extended(5, '1.3.6.1.4.1.1466.20037'))
  assert.equal((await secured.until(5))[0]?.result, 1)
})

test('an element has a length of its own, within the one around it', () => {
  const read = (hex: string) => new BerReader(Buffer.from(hex, 'hex')).element()
  assert.equal(read('0402aabb').toString('hex'), 'aabb')
  assert.equal(read('048102aabb').toString('hex'), 'aabb')
  for (const hex of [
    '0403aabb',
    '0480aabb0000',
    '048500000002aabb',
    '04',
    '',
    '048400',
    '1f0402aabb',
    '0484ffffffffaa',
  ])
    assert.throws(() => read(hex), BerError, hex)
  const inner = new BerReader(Buffer.from('30040402aabbcc', 'hex')).inside()
  assert.equal(inner.octets().toString('hex'), 'aabb')
  assert.throws(() => inner.octets(), BerError, 'what is behind it belongs to others')
  for (const hex of ['0200', '020500000000ff', '0401'])
    assert.throws(() => new BerReader(Buffer.from(hex, 'hex')).integer(), BerError)
  assert.throws(() => new BerReader(Buffer.from('0402c328', 'hex')).text(), BerError)
})

test('any octets are read as a request or refused as none', () => {
  const limits = { filterDepth: 20, filterTerms: 100 }
  const read = (octets: Buffer) => {
    try {
      readRequest(readEnvelope(octets), limits)
    } catch (cause) {
      if (!(cause instanceof BerError) && !(cause instanceof FilterTooLarge)) throw cause
    }
  }
  const samples = [
    bind(1, `uid=bob,${SUFFIX}`, PASSWORD),
    search(2, SUFFIX, element(0xa0, equality('cn', 'x'), element(0xa2, present('mail'))), ['cn', 'mail']),
    search(3, SUFFIX, element(0xa4, octetString('cn'), sequence(octetString('a', 0x80), octetString('b', 0x82)))),
    search(4, SUFFIX, element(0xa9, octetString('caseExactMatch', 0x81), octetString('x', 0x83))),
    message(5, element(0x66, octetString(SUFFIX), sequence(sequence(Buffer.from('0a0100', 'hex'))))),
    extended(6, '1.3.6.1.4.1.4203.1.11.1'),
    abandon(7, 6),
  ].map((whole) => new BerReader(whole).element(0x30))
  const mutated = fc
    .tuple(fc.constantFrom(...samples), fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { maxLength: 8 }), fc.nat(250))
    .map(([sample, changes, length]) => {
      const octets = Buffer.from(sample)
      for (const [at, value] of changes) if (at < octets.length) octets[at] = value
      return octets.subarray(0, length)
    })
  fc.assert(
    fc.property(
      fc.oneof(
        mutated,
        fc.uint8Array().map((octets) => Buffer.from(octets)),
      ),
      read,
    ),
    { numRuns: 20_000 },
  )
})

test('the server lives through whatever is sent', async (t) => {
  const { port } = await createLdapKernel(t)
  const start = fc.constantFrom(
    Buffer.alloc(0),
    bind(1, 'bob', PASSWORD),
    search(2, SUFFIX, present('cn')),
    Buffer.from('300c020102', 'hex'),
  )
  await fc.assert(
    fc.asyncProperty(start, fc.uint8Array({ maxLength: 300 }), async (before, octets) => {
      const client = await talkLdap(t, port)
      client.send(before, Buffer.from(octets))
      client.socket.end()
      await client.ended()
    }),
    { numRuns: 300 },
  )
  await answers(t, port)
})

test('names come back as they were, and are the same however they are written', () => {
  const value = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).filter((text) => text.trim() === text)
  fc.assert(
    fc.property(fc.array(value, { minLength: 1, maxLength: 4 }), (values) => {
      const dn = values.map((one) => [{ type: 'cn', value: one }])
      const text = formatDn(dn)
      assert.deepEqual(parseDn(text), dn, text)
      const shouted = parseDn(text.replaceAll('cn=', ' CN = ').replaceAll(',', ' , '))
      if (!/[\\]/.test(text)) assert.equal(foldDn(shouted ?? []), foldDn(dn))
    }),
  )
  for (const one of ['cn', '=x', 'cn=a,', 'cn=a"b"', 'cn=\\g', 'cn=\\', 'cn=#04', 'cn=\\ff', '1=x', 'c n=x'])
    assert.equal(parseDn(one), undefined, one)
  assert.equal(
    foldDn(parseDn('CN=A\\2CB + UID=x, DC=\\65xample') ?? []),
    foldDn(parseDn('uid=X+cn=a\\,b,dc=Example') ?? []),
  )
})
