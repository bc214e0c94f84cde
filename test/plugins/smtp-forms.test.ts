/** The readers of SMTP on both sides, each form by the RFC or manual that names it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { authservIdOf } from '../../plugins/filter/sender-auth/results-header.ts'
import { isHttp, readChunk, splitCommand } from '../../plugins/smtp/in/commands.ts'
import { readXclient } from '../../plugins/smtp/in/xclient.ts'
import { domainOf, matchDomains, parseNexthop } from '../../plugins/smtp/out/nexthop.ts'
import { type RemoteReply, ReplyParser } from '../../plugins/smtp/out/replies.ts'

test('a command line is a verb in any case and the rest; a browser is known by its first line', () => {
  for (const [text, parts] of [
    ['NOOP', ['NOOP', '']],
    ['mail FROM:<a@b.test>', ['MAIL', 'FROM:<a@b.test>']],
    ['Rcpt  TO:<a@b.test> ', ['RCPT', 'TO:<a@b.test>']],
    ['', ['', '']],
    [' NOOP', ['', 'NOOP']],
  ] as const)
    assert.deepEqual(splitCommand(text), parts, text)
  for (const text of ['GET / HTTP/1.1', 'post /x http/1.0', 'CONNECT a.test:25 HTTP/1.1']) assert.ok(isHttp(text), text)
  for (const text of ['GET', 'HELO HTTP/1.1', 'MAIL FROM:<a@b> HTTP/', 'GETX / HTTP/1.1'])
    assert.ok(!isHttp(text), text)
})

test('BDAT has a number of octets and perhaps LAST (RFC 3030 section 2)', () => {
  for (const [text, octets, isLast, isSmall] of [
    ['0 LAST', 0, true, false],
    ['1', 1, false, true],
    ['1023', 1023, false, true],
    ['1024', 1024, false, false],
    ['86  last', 86, true, false],
    ['999999999999999', 999_999_999_999_999, false, false],
  ] as const)
    assert.deepEqual(readChunk(text), { octets, isLast, isSmall }, text)
  for (const text of ['', 'LAST', '-1', '1.5', '0x10', '1 LAST x', '1LAST', '1 FIRST', '1'.repeat(16)])
    assert.equal(readChunk(text), undefined, text)
})

test('XCLIENT has the attributes of Postfix, in xtext; one wrong attribute makes it invalid', () => {
  const cases: readonly (readonly [text: string, found: ReturnType<typeof readXclient>])[] = [
    ['ADDR=192.0.2.1', { address: '192.0.2.1' }],
    ['addr=IPV6:2001:db8::1 port=25', { address: '2001:db8::1', port: 25 }],
    ['ADDR=2001:db8::1', { address: '2001:db8::1' }],
    ['NAME=[UNAVAILABLE]', { name: null }],
    ['NAME=[TEMPUNAVAIL] ADDR=[UNAVAILABLE]', {}],
    ['NAME=mx.a.test  HELO=a+20b', { name: 'mx.a.test', helo: 'a b' }],
    ['PROTO=esmtp LOGIN=ann+40a.test', { protocol: 'ESMTP', login: 'ann@a.test' }],
    ['DESTADDR=192.0.2.9 DESTPORT=587', { localAddress: '192.0.2.9', localPort: 587 }],
    ['', undefined],
    ['ADDR', undefined],
    ['ADDR=', undefined],
    ['ADDR=a.test', undefined],
    ['ADDR=IPV6:192.0.2.1', undefined],
    ['PORT=smtp', undefined],
    ['PROTO=LMTP', undefined],
    ['NAME=a b', undefined],
    ['NAME=a+0D+0Ab', undefined],
    ['HELO=+4', undefined],
    ['COLOUR=red', undefined],
    ['ADDR=192.0.2.1 PORT=x', undefined],
  ]
  for (const [text, found] of cases) assert.deepEqual(readXclient(text), found, text)
})

/** What a parser makes of the text in chunks of that size: codes and texts, or the fault. */
function repliesIn(text: string, size: number): readonly (string | readonly [number, string])[] {
  const parser = new ReplyParser()
  const found: (string | readonly [number, string])[] = []
  const take = ({ code, text }: RemoteReply) => void found.push([code, text])
  for (let at = 0; at < text.length; at += size) {
    const fault = parser.push(Buffer.from(text.slice(at, at + size), 'latin1'), take)
    if (fault !== undefined) return [...found, fault]
  }
  return found
}

test('replies are the same in chunks of any size, and what is no reply is a fault', () => {
  const cases: readonly (readonly [text: string, found: ReturnType<typeof repliesIn>])[] = [
    ['250 ok\r\n', [[250, 'ok']]],
    ['250\r\n', [[250, '']]],
    [
      '250 \r\n354 go\r\n',
      [
        [250, ''],
        [354, 'go'],
      ],
    ],
    ['250-a\r\n250-\r\n250 b\r\n', [[250, 'a\n\nb']]],
    ['250-a\n250 b\n', [[250, 'a\nb']]],
    ['250-a\r\n', []],
    ['250 unfinished', []],
    ['599 x\r\n', [[599, 'x']]],
    ['199 x\r\n', ['this is not SMTP']],
    ['600 x\r\n', ['this is not SMTP']],
    ['25 x\r\n', ['this is not SMTP']],
    ['2500 x\r\n', ['this is not SMTP']],
    ['HTTP/1.1 400 Bad Request\r\n', ['this is not SMTP']],
    ['\r\n', ['this is not SMTP']],
    ['220 a\r\nSSH-2.0\r\n', [[220, 'a'], 'this is not SMTP']],
    [`250 ${'x'.repeat(5000)}\r\n`, ['a reply is too long']],
    [`${`250-${'x'.repeat(1000)}\r\n`.repeat(70)}250 x\r\n`, ['a reply is too long']],
  ]
  for (const [text, found] of cases)
    for (const size of [1, 2, 7, text.length]) assert.deepEqual(repliesIn(text, size), found, text.slice(0, 40))
})

test('a next hop is a domain, a host, an address or a socket', () => {
  const cases: readonly (readonly [text: string, found: ReturnType<typeof parseNexthop>])[] = [
    ['Example.org', { kind: 'domain', name: 'example.org' }],
    ['example.org.', { kind: 'domain', name: 'example.org' }],
    ['bücher.example', { kind: 'domain', name: 'xn--bcher-kva.example' }],
    ['[mx.example.org]', { kind: 'host', name: 'mx.example.org' }],
    ['mx.example.org:2525', { kind: 'host', name: 'mx.example.org', port: 2525 }],
    ['[mx.example.org]:25', { kind: 'host', name: 'mx.example.org', port: 25 }],
    ['192.0.2.1', { kind: 'host', name: '192.0.2.1' }],
    ['[192.0.2.1]:26', { kind: 'host', name: '192.0.2.1', port: 26 }],
    ['2001:db8::1', { kind: 'host', name: '2001:db8::1' }],
    ['[IPv6:2001:db8::1]:24', { kind: 'host', name: '2001:db8::1', port: 24 }],
    ['unix:/run/lmtp', { kind: 'socket', path: '/run/lmtp' }],
    ['localhost', { kind: 'domain', name: 'localhost' }],
    ['unix:', undefined],
    ['', undefined],
    ['a b', undefined],
    ['a.test:0', undefined],
    ['a.test:65536', undefined],
    ['a.test:smtp', undefined],
    ['[a.test', undefined],
    ['a..test', undefined],
    ['.a.test', undefined],
    ['user@a.test', undefined],
    ['a.test\r\nQUIT', undefined],
  ]
  for (const [text, found] of cases) assert.deepEqual(parseNexthop(text), found, text)
})

test('the domain of an address is what follows its last at sign, and patterns match it or what is below', () => {
  for (const [address, domain] of [
    ['ann@A.test', 'a.test'],
    ['"a@b"@c.test', 'c.test'],
    ['"a@b"', undefined],
    ['postmaster', undefined],
    ['ann@bücher.example', 'xn--bcher-kva.example'],
    ['ann@', undefined],
  ] as const)
    assert.equal(domainOf(address), domain, address)
  const cases: readonly (readonly [patterns: string[], yes: string[], no: string[]])[] = [
    [['a.test'], ['a.test'], ['b.a.test', 'aa.test', 'test']],
    [['.a.test'], ['b.a.test', 'c.b.a.test'], ['a.test', 'ba.test']],
    [['*'], ['a.test', 'localhost'], []],
    [['A.test', '.Bücher.example'], ['a.test', 'x.xn--bcher-kva.example'], ['xn--bcher-kva.example']],
    [[], [], ['a.test']],
  ]
  for (const [patterns, yes, no] of cases) {
    const matches = matchDomains(patterns)
    assert.deepEqual([yes.filter((one) => !matches(one)), no.filter(matches)], [[], []], patterns.join())
  }
})

test('the id of an Authentication-Results field is found as readers find it (RFC 8601 section 2.2)', () => {
  for (const [value, id] of [
    ['mx.a.test; spf=pass', 'mx.a.test'],
    [' MX.A.test 1; none', 'mx.a.test'],
    ['(a (nested) comment) mx.a.test ; none', 'mx.a.test'],
    ['(a \\) comment)\tmx.a.test;none', 'mx.a.test'],
    ['"mx.a.test"; none', 'mx.a.test'],
    ['"mx\\.a.test"; none', 'mx.a.test'],
    ['mx.a.test.; none', 'mx.a.test'],
    ['mx.a.test(comment); none', 'mx.a.test'],
    ['; none', undefined],
    ['', undefined],
    ['(unclosed mx.a.test; none', undefined],
  ] as const)
    assert.equal(authservIdOf(value), id, value)
})
