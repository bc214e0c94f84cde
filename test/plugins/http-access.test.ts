/** The credentials and the origin of a request, as clients, proxies and browsers send them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HttpProblem } from '../../plugins/web/http/api.ts'
import {
  AccessControl,
  cookieName,
  cookieOf,
  credentialsOf,
  loginProblem,
  requireSecrecy,
} from '../../plugins/web/http/login/access.ts'
import { isSameOrigin, originOf } from '../../plugins/web/http/origin.ts'

const base64 = (text: string) => Buffer.from(text).toString('base64')
const password = (username: string, word: string) => ({ kind: 'password', username, password: word })

const CREDENTIALS: readonly (readonly [header: string | undefined, credentials: object | undefined])[] = [
  [undefined, undefined],
  // RFC 7617 section 2.
  ['Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==', password('Aladdin', 'open sesame')],
  ['basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==', password('Aladdin', 'open sesame')],
  [`Basic ${base64('ann:a:b')}`, password('ann', 'a:b')],
  [`Basic ${base64('ann:')}`, password('ann', '')],
  [`Basic ${base64('änn:größe')}`, password('änn', 'größe')],
  // RFC 6750 section 2.1.
  ['Bearer mF_9.B5f-4.1JqM', { kind: 'bearer', token: 'mF_9.B5f-4.1JqM' }],
]

test('credentials are Basic or Bearer', () => {
  for (const [header, credentials] of CREDENTIALS) assert.deepEqual(credentialsOf(header), credentials, header)
})

test('an Authorization header that cannot be read is refused, not ignored', () => {
  const wrong = [
    '',
    'Basic',
    'Basic ',
    'Basic !',
    `Basic ${base64('ann')}`,
    `Basic ${base64(':x')}`,
    'Bearer ',
    'Digest x',
  ]
  for (const header of [...wrong, `Bearer ${'x'.repeat(16_385)}`])
    assert.throws(
      () => credentialsOf(header),
      (error) => error instanceof HttpProblem && error.status === 401,
      header.slice(0, 40),
    )
})

test('the cookie is bound to its host where there is TLS', () => {
  assert.equal(cookieName(true).startsWith('__Host-'), true)
  const cookie = 'a=1; __Host-iems=secure; iems=plain; iemsx=2'
  assert.equal(cookieOf({ cookie }, true), 'secure')
  assert.equal(cookieOf({ cookie }, false), 'plain')
  assert.equal(cookieOf({ cookie: 'x__Host-iems=1' }, true), undefined)
  assert.equal(cookieOf({}, true), undefined)
})

const LOCAL = { address: '127.0.0.1', isSecure: false }
const isProxy = (address: string) => address.startsWith('127.') || address.startsWith('10.')
type Headers = Readonly<Record<string, string>>
const HOST = { host: 'Mail.Test' }

const ORIGINS: readonly (readonly [what: string, headers: Headers, peer: typeof LOCAL, origin: string | undefined])[] =
  [
    ['a client', HOST, { address: '192.0.2.1', isSecure: true }, '192.0.2.1 https://mail.test'],
    [
      'a client of HTTP/2',
      { ':authority': 'mail.test:8443' },
      { address: '192.0.2.1', isSecure: true },
      '192.0.2.1 https://mail.test:8443',
    ],
    [
      'a client that claims to be a proxy',
      { ...HOST, 'x-forwarded-for': '1.1.1.1', 'x-forwarded-proto': 'https' },
      { address: '192.0.2.1', isSecure: false },
      '192.0.2.1 http://mail.test',
    ],
    [
      'a proxy',
      { ...HOST, 'x-forwarded-for': '192.0.2.7', 'x-forwarded-proto': 'https' },
      LOCAL,
      '192.0.2.7 https://mail.test',
    ],
    [
      'a chain of proxies',
      { ...HOST, 'x-forwarded-for': '1.1.1.1, 192.0.2.7, 10.0.0.1' },
      LOCAL,
      '192.0.2.7 http://mail.test',
    ],
    ['an address with a port', { ...HOST, 'x-forwarded-for': '192.0.2.7:5555' }, LOCAL, '192.0.2.7 http://mail.test'],
    ['an IPv6 address', { ...HOST, 'x-forwarded-for': '[2001:db8::1]:5555' }, LOCAL, '2001:db8::1 http://mail.test'],
    [
      'nonsense in the chain',
      { ...HOST, 'x-forwarded-for': '192.0.2.7, unknown' },
      LOCAL,
      '127.0.0.1 http://mail.test',
    ],
    // RFC 7239 section 4.
    [
      'Forwarded',
      { ...HOST, forwarded: 'for=192.0.2.43, for="[2001:db8:cafe::17]:4711";proto=https' },
      LOCAL,
      '2001:db8:cafe::17 https://mail.test',
    ],
    [
      'the host that a proxy names',
      { host: 'backend', 'x-forwarded-host': 'mail.test' },
      LOCAL,
      '127.0.0.1 http://mail.test',
    ],
    ['no host', {}, LOCAL, undefined],
    ['a host that is none', { host: 'mail.test/evil' }, LOCAL, undefined],
    ['a host with a user', { host: 'a@mail.test' }, LOCAL, undefined],
    ['an address as the host', { host: '[::1]:8080' }, LOCAL, '127.0.0.1 http://[::1]:8080'],
  ]

test('address and origin of a request are those that trusted proxies report', () => {
  for (const [what, headers, peer, expected] of ORIGINS) {
    const found = originOf(headers, peer, isProxy)
    assert.equal(found && `${found.remote} ${found.origin}`, expected, what)
    if (found) assert.equal(found.isSecure, found.origin.startsWith('https:'))
  }
})

const OWN = 'https://mail.test'
const PAGES: readonly (readonly [headers: Headers, isSame: boolean])[] = [
  [{ origin: OWN }, true],
  [{ origin: 'https://evil.test', 'sec-fetch-site': 'same-origin' }, false],
  [{ origin: 'https://app.test' }, true],
  [{ origin: 'http://mail.test' }, false],
  [{ origin: 'null', 'sec-fetch-site': 'same-origin' }, true],
  [{ origin: 'null', 'sec-fetch-site': 'cross-site' }, false],
  [{ origin: 'null' }, false],
  [{ 'sec-fetch-site': 'same-origin' }, true],
  [{ 'sec-fetch-site': 'none' }, true],
  [{ 'sec-fetch-site': 'same-site' }, false],
  [{}, false],
]

test('a change with a cookie needs a page of this server', () => {
  for (const [headers, isSame] of PAGES)
    assert.equal(isSameOrigin(headers, OWN, ['https://app.test']), isSame, JSON.stringify(headers))
})

test('passwords pass only over TLS, from this machine, or where the administrator says so', () => {
  const status = (origin: string, remote: string, allowed = false) => {
    try {
      requireSecrecy({ origin, remote }, allowed)
      return 'passes'
    } catch (error) {
      return (error as HttpProblem).status
    }
  }
  assert.deepEqual(
    [
      status('https://mail.test', '192.0.2.1'),
      status('http://mail.test', '192.0.2.1'),
      status('http://mail.test', '127.0.0.1'),
      status('http://mail.test', '::1'),
      status('http://mail.test', '192.0.2.1', true),
    ],
    ['passes', 403, 'passes', 'passes', 'passes'],
  )
})

test('a refused login is 401 for good, 429 for too many, and 503 for later', () => {
  const problem = (code: number, enhanced: string) => loginProblem({ reply: { code, enhanced, text: 'No' } } as never)
  assert.deepEqual(
    [problem(535, '5.7.8'), problem(454, '4.7.0'), problem(451, '4.3.0')].map(({ status, headers }) => [
      status,
      headers['retry-after'],
    ]),
    [
      [401, undefined],
      [429, '30'],
      [503, '30'],
    ],
  )
})

test('a role has its permissions, with or without a scope; an administrator has all', () => {
  const permissions = { 'domain-admin': ['people:change'], support: ['queue:read'] }
  const access = new AccessControl({ permissions, isFresh: (shown: number) => shown > 5 } as never)
  const loginOf = (roles: readonly string[], web?: { id: string; fresh: number }) =>
    access.accessOf({ identity: { user: 'ann', roles }, kernel: {} } as never, web).login
  const may = (roles: readonly string[], permission: string) => loginOf(roles).may(permission)
  assert.deepEqual(
    [
      may(['admin'], 'anything'),
      may(['domain-admin:a.test'], 'people:change'),
      may(['domain-admin'], 'queue:read'),
      may(['support'], 'support'),
      may([], 'user'),
      may(['domain-admin:a.test'], 'domain-admin:a.test'),
      may(['domain-admin:a.test'], 'domain-admin:b.test'),
    ],
    [true, true, false, true, false, true, false],
  )
  const refused = (who: string, roles?: readonly string[]) => {
    try {
      access.require(who, roles && loginOf(roles))
      return 'passes'
    } catch (error) {
      return (error as HttpProblem).status
    }
  }
  assert.deepEqual(
    [
      refused('anyone'),
      refused('user'),
      refused('user', []),
      refused('queue:read', []),
      refused('queue:read', ['support']),
    ],
    ['passes', 401, 'passes', 403, 'passes'],
  )
  assert.deepEqual(
    [loginOf([]).isFresh, loginOf([], { id: 'w', fresh: 1 }).isFresh, loginOf([], { id: 'w', fresh: 9 }).isFresh],
    [true, false, true],
    'Basic and Bearer show the secret with each request',
  )
})
