/** POP3 as clients meet it: line by line, beside Dovecot, and by programs that people use. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import Pop3Command from 'node-pop3'
import { pop3 } from '../../plugins/access/pop3/index.ts'
import { stuffed, topOf } from '../../plugins/access/pop3/lines.ts'
import { hashPassword } from '../../plugins/directory/static/passwords.ts'
import { startDovecot, whyNoDovecot } from '../support/dovecot.ts'
import { talkTo } from '../support/imap-talk.ts'
import { allowed, contentOf, createMailKernel } from '../support/mailstore.ts'
import { talkPop3 } from '../support/pop3-talk.ts'
import { fc } from '../support/property.ts'
import { tempFolder } from '../support/running-server.ts'

const run = promisify(execFile)
const lacks = (path: string, name: string) => (existsSync(path) ? false : `${name} (Debian package) is not installed`)
const MESSAGES = [
  'From: a@far.test\r\nSubject: one\r\nMessage-ID: <1@x>\r\n\r\nHello\r\n',
  'From: a@far.test\r\nSubject: dots\r\nMessage-ID: <2@x>\r\n\r\n.\r\n..two\r\nx.\r\n.end\r\n',
  `From: a@far.test\r\nSubject: long\r\nMessage-ID: <3@x>\r\n\r\n${'A line of a long message.\r\n'.repeat(5000)}`,
  'From: a@far.test\r\nSubject: no body\r\nMessage-ID: <4@x>\r\n\r\n',
]

async function createPop3Kernel(
  t: TestContext,
  { messages = MESSAGES, pop3: settings = {} as Partial<Parameters<typeof pop3>[0]> } = {},
) {
  const password = await hashPassword('secret')
  const kernel = await createMailKernel(t, {
    people: ['ann', 'bob'].map((name) => ({ name, addresses: [`${name}@here.test`], password })),
    channels: { pop: pop3({ listen: '127.0.0.1:0', authWithoutTls: true, ...settings }) },
    mailstore: { undelete: '0 s' },
  })
  const inbox = await kernel.mailbox('ann')
  allowed(
    await kernel.mail.append(
      inbox,
      messages.map((text) => ({ content: contentOf(text) })),
    ),
  )
  return { ...kernel, inbox, port: kernel.listener('pop').port }
}

test('a session reads, deletes at QUIT only, and sees the mailbox as it was', async (t) => {
  const { port, inbox, mail, entries } = await createPop3Kernel(t)
  const { say } = await talkPop3(t, port)
  assert.deepEqual(await say('STAT'), ['-ERR Log in first'])
  assert.match(
    (await say('CAPA', true)).join(' '),
    /TOP UIDL PIPELINING RESP-CODES AUTH-RESP-CODE USER SASL PLAIN LOGIN EXPIRE NEVER UTF8 USER/,
  )
  await say('USER ann')
  assert.deepEqual(await say('PASS wrong'), ['-ERR [AUTH] Wrong name or password'])
  await say('USER ann')
  const total = MESSAGES.reduce((sum, { length }) => sum + length, 0)
  assert.deepEqual(await say('PASS secret'), [`+OK 4 ${total}`])
  assert.deepEqual(await say('LIST', true), [
    '+OK',
    ...MESSAGES.map(({ length }, index) => `${index + 1} ${length}`),
    '.',
  ])
  assert.deepEqual((await say('RETR 2', true)).slice(5), ['..', '...two', 'x.', '..end', '.'])
  assert.deepEqual((await say('TOP 2 2', true)).slice(4), ['', '..', '...two', '.'])
  assert.deepEqual(await say('UIDL 3'), [`+OK 3 ${inbox.uidValidity}.3`])

  allowed(await mail.append(inbox, [{ content: contentOf('Subject: new\r\n\r\n') }]))
  allowed(await mail.expunge(inbox, [[4, 4]]))
  assert.deepEqual(await say('DELE 1'), ['+OK Message 1 deleted'])
  assert.deepEqual(await say('RETR 1'), ['-ERR No such message'])
  assert.deepEqual(await say('STAT'), [`+OK 3 ${total - (MESSAGES[0]?.length ?? 0)}`])
  assert.deepEqual(await say('LIST 5'), ['-ERR No such message'])
  assert.equal((await entries('ann')).length, 4, 'nothing goes before QUIT')
  assert.deepEqual(await say('QUIT'), ['+OK POP3 server signing off'])
  assert.deepEqual(
    (await entries('ann')).map(({ uid }) => uid),
    [2, 3, 5],
  )
})

test('a session that ends without QUIT deletes nothing', async (t) => {
  const { port, entries } = await createPop3Kernel(t)
  const { say, socket } = await talkPop3(t, port)
  await say('USER ann')
  await say('PASS secret')
  await say('DELE 1')
  socket.destroy()
  await once(socket, 'close')
  assert.equal((await entries('ann')).length, 4)
})

test('commands may come together, and RSET brings back', async (t) => {
  const { port } = await createPop3Kernel(t)
  const client = await talkPop3(t, port)
  client.send('USER ann\r\nPASS secret\r\nDELE 1\r\nDELE 1\r\nRSET\r\nNOOP\r\nbogus\r\nQUIT\r\n')
  const lines: string[] = []
  for (let count = 0; count < 8; count++) lines.push(await client.line())
  assert.deepEqual(
    lines.map((line) => line.slice(0, 4).trim()),
    ['+OK', '+OK', '+OK', '-ERR', '+OK', '+OK', '-ERR', '+OK'],
  )
})

test('fifty sessions and as many deliveries use one mailbox at a time, and nobody waits for a lock', async (t) => {
  const { port, submit, deliver, entries, kernel } = await createPop3Kernel(t, {
    pop3: { limits: { connectionsPerAddress: 100 } },
  })
  kernel.run()
  const sessions = await Promise.all(
    Array.from({ length: 50 }, async () => {
      const { say } = await talkPop3(t, port)
      await submit({ from: 'me@far.test', to: ['ann@here.test'] })
      await say('USER ann')
      assert.match((await say('PASS secret'))[0] ?? '', /^\+OK/)
      return say
    }),
  )
  // All see the mailbox as it was before the first deletion, so that they count its messages alike.
  await Promise.all(
    sessions.map(async (say, index) => {
      await say('LIST', true)
      if (index < 4) await say(`DELE ${index + 1}`)
      assert.deepEqual(await say('QUIT'), ['+OK POP3 server signing off'])
    }),
  )
  await deliver()
  assert.equal((await entries('ann')).length, 50)
})

test('passwords are not taken without TLS; logins too soon and too often are refused', async (t) => {
  const closed = await createPop3Kernel(t, { pop3: { authWithoutTls: false } })
  const first = await talkPop3(t, closed.port)
  assert.ok(!(await first.say('CAPA', true)).includes('USER'))
  assert.deepEqual(await first.say('USER ann'), ['-ERR TLS required'])
  const { port, clock } = await createPop3Kernel(t, { pop3: { loginDelay: '60 s' } })
  const login = async () => {
    const { say } = await talkPop3(t, port)
    return (await say(`AUTH PLAIN ${Buffer.from('\0ann\0secret').toString('base64')}`))[0]
  }
  assert.match((await login()) ?? '', /^\+OK/)
  assert.equal(await login(), '-ERR [LOGIN-DELAY] Minimum time between logins has not passed')
  await clock.advance(61_000)
  assert.match((await login()) ?? '', /^\+OK/)
  const { say } = await talkPop3(t, port)
  for (let times = 0; times < 4; times++) await say(`AUTH PLAIN ${Buffer.from('\0ann\0no').toString('base64')}`)
  await say('USER ann')
  await say('PASS no')
  await assert.rejects(say('NOOP'), /hung up/)
})

test('content is stuffed and cut alike in whatever pieces it comes', async () => {
  const reference = (text: string) =>
    `${text.replace(/^\./gm, '..')}${text === '' || text.endsWith('\n') ? '' : '\r\n'}.\r\n`
  async function* pieces(text: string, size: number) {
    for (let at = 0; at < text.length; at += size) yield Buffer.from(text.slice(at, at + size), 'latin1')
  }
  const join = async (source: AsyncIterable<Uint8Array>) =>
    Buffer.concat(await Array.fromAsync(source)).toString('latin1')
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom('.', '\r\n', 'x', '..', '.\r\n')),
      fc.integer({ min: 1, max: 9 }),
      fc.nat(5),
      async (parts, size, lines) => {
        const text = parts.join('')
        assert.equal(await join(stuffed(pieces(text, size))), reference(text))
        const head = 'A: b\r\n\r\n'
        const wanted = head + (text.match(/[^\n]*\n|[^\n]+$/g) ?? []).slice(0, lines).join('')
        assert.equal(await join(topOf(pieces(head + text, size), head.length, lines)), wanted)
      },
    ),
  )
})

test('nonsense is refused, and a session cut anywhere leaves the next one alone', async (t) => {
  const { port, entries } = await createPop3Kernel(t)
  const session = 'CAPA\r\nUSER ann\r\nPASS secret\r\nRETR 3\r\nTOP 1 99999\r\nDELE 2\r\n\0\xff\r\nLIST 99999999999\r\n'
  for (let cut = 1; cut < session.length; cut += 3) {
    const socket = connect(port, '127.0.0.1')
    socket.end(Buffer.from(session.slice(0, cut), 'latin1'))
    socket.resume()
    await once(socket, 'close')
  }
  const { say } = await talkPop3(t, port)
  await say('USER ann')
  assert.match((await say('PASS secret'))[0] ?? '', /^\+OK 4 /)
  assert.equal((await entries('ann')).length, 4)
  const { say: other, line } = await talkPop3(t, port)
  void other('x'.repeat(10_000)).catch(() => {})
  assert.equal(await line(), '-ERR Line too long')
})

// --- Dovecot ----------------------------------------------------------------------------------------------

/** What may differ: every text behind the code, and the ids of messages. */
function normal(lines: readonly string[]): string[] {
  const [first = '', ...rest] = lines
  const code = /^(\+OK(?: \d+ \d+(?!\S))?|-ERR(?: \[[A-Z/-]+\])?)/.exec(first)?.[1] ?? first
  return [
    code.replace(/^\+OK \d+ messages.*/, '+OK'),
    ...rest.map((line) => line.replace(/^(\d+) [\w.]{3,}$/, '$1 ID')),
  ]
}

const LONG = /^(LIST|UIDL)$|^(RETR|TOP|CAPA)/
const SCRIPT = [
  'USER ann',
  'PASS secret',
  'STAT',
  'LIST',
  'LIST 1',
  'LIST 9',
  'LIST 0',
  'LIST x',
  'RETR 1',
  'RETR 2',
  'RETR 3',
  'RETR 4',
  'RETR 5',
  'TOP 1 0',
  'TOP 2 1',
  'TOP 2 100',
  'TOP 3 3',
  'TOP 9 1',
  'UIDL',
  'UIDL 9',
  'DELE 1',
  'DELE 1',
  'STAT',
  'LIST',
  'LIST 1',
  'RETR 1',
  'RSET',
  'STAT',
  'NOOP',
  'DELE 3',
  'nonsense',
  'USER bob',
  'QUIT',
]

test('a scripted session is answered as Dovecot answers it', { skip: whyNoDovecot() }, async (t) => {
  const dovecot = await startDovecot(t, { users: ['ann'] })
  const filler = await talkTo(t, dovecot.imap, { isChecked: false })
  await filler.line()
  await filler.command('LOGIN ann secret')
  for (const text of MESSAGES) await filler.command(`APPEND INBOX {${text.length}+}\r\n${text}`)
  const { port } = await createPop3Kernel(t)
  const [ours, theirs] = [await talkPop3(t, port), await talkPop3(t, dovecot.pop3, { isChecked: false })]
  for (const line of SCRIPT) {
    const told = normal(await ours.say(line, LONG.test(line)))
    const expected = normal(await theirs.say(line, LONG.test(line)))
    // Texts of +OK lines may hold numbers for people.
    if (!/^(STAT|LIST \d)/.test(line)) for (const lines of [told, expected]) lines[0] = lines[0]?.slice(0, 3) ?? ''
    assert.deepEqual(told, expected, line)
  }
})

// --- programs ------------------------------------------------------------------------------------------------

test("Python's poplib, curl and node-pop3 read what is there", {
  skip: lacks('/usr/bin/python3', 'python3') || lacks('/usr/bin/curl', 'curl'),
}, async (t) => {
  const { port, entries } = await createPop3Kernel(t)
  const { stdout } = await run('curl', ['-sS', '--max-time', '20', '-u', 'ann:secret', `pop3://127.0.0.1:${port}/2`], {
    encoding: 'latin1',
  })
  assert.equal(stdout, MESSAGES[1])
  const script = `
import poplib, sys
c = poplib.POP3('127.0.0.1', ${port}); c.user('ann'); c.pass_('secret')
assert c.stat()[0] == 4
assert b'\\r\\n'.join(c.retr(2)[1]) + b'\\r\\n' == sys.stdin.buffer.read()
assert len(c.uidl()[1]) == 4 and 'PIPELINING' in c.capa()
c.dele(1); c.quit(); print('done')
`
  const python = execFile('python3', ['-c', script])
  python.stdin?.end(MESSAGES[1])
  const [code] = (await once(python, 'close')) as [number]
  assert.equal(code, 0)
  assert.equal((await entries('ann')).length, 3)
  // It leaves the stuffed dots where they are: a message without any.
  const client = new Pop3Command({ host: '127.0.0.1', port, user: 'ann', password: 'secret' })
  assert.equal(
    String(await client.RETR(2))
      .replace(/\r?\n/g, '\r\n')
      .trimEnd(),
    (MESSAGES[2] ?? '').trimEnd(),
  )
  await client.QUIT()
})

interface Fetcher {
  readonly program: string
  readonly package: string
  fetch(folder: string, port: number): Promise<unknown>
}

const FETCHERS: readonly Fetcher[] = [
  {
    program: '/usr/bin/fetchmail',
    package: 'fetchmail',
    async fetch(folder, port) {
      const rc = join(folder, 'rc')
      await writeFile(
        rc,
        `poll 127.0.0.1 protocol pop3 port ${port} auth password user ann password secret sslproto "" fetchall mda "cat > ${folder}/new/$$.$(date +%N)"\n`,
      )
      await chmod(rc, 0o700)
      return run('fetchmail', ['-f', rc, '-i', join(folder, 'ids'), '--pidfile', join(folder, 'pid')], {
        env: { ...process.env, HOME: folder },
      })
    },
  },
  {
    program: '/usr/bin/getmail',
    package: 'getmail6',
    async fetch(folder, port) {
      // It delivers nothing as root.
      await run('chown', ['-R', 'nobody', folder])
      await writeFile(
        join(folder, 'getmailrc'),
        `[retriever]\ntype = SimplePOP3Retriever\nserver = 127.0.0.1\nport = ${port}\nusername = ann\npassword = secret\n[destination]\ntype = Maildir\npath = ${folder}/\nuser = nobody\n[options]\ndelete = true\nverbose = 0\n`,
      )
      return run('getmail', ['--getmaildir', folder, '--rcfile', 'getmailrc'], {
        env: { ...process.env, HOME: folder },
      })
    },
  },
  {
    program: '/usr/bin/mpop',
    package: 'mpop',
    async fetch(folder, port) {
      const rc = join(folder, 'mpoprc')
      await writeFile(
        rc,
        `defaults\ntls off\nauth user\nkeep off\nuidls_file ${folder}/uidls\naccount a\nhost 127.0.0.1\nport ${port}\nuser ann\npassword secret\ndelivery maildir ${folder}\naccount default : a\n`,
      )
      await chmod(rc, 0o600)
      return run('mpop', ['-C', rc, '-q'], { env: { ...process.env, HOME: folder } })
    },
  },
]

for (const { program, package: name, fetch } of FETCHERS) {
  test(`${name} fetches everything and leaves nothing`, { skip: lacks(program, name) }, async (t) => {
    const { port, entries } = await createPop3Kernel(t)
    const folder = await tempFolder(t)
    for (const part of ['new', 'cur', 'tmp']) await mkdir(join(folder, part))
    await fetch(folder, port)
    const bodies = await Promise.all(
      (await readdir(join(folder, 'new'))).map((file) => readFile(join(folder, 'new', file), 'latin1')),
    )
    const bodyOf = (text: string) => text.replaceAll('\r', '').split('\n\n').slice(1).join('\n\n').trimEnd()
    assert.deepEqual(bodies.map(bodyOf).sort(), MESSAGES.map(bodyOf).sort())
    assert.equal((await entries('ann')).length, 0)
  })
}

test('a session that has begun TLS forgets what came before', async (t) => {
  const folder = await tempFolder(t)
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
  await run('openssl', [
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-subj',
    '/CN=mx.test',
    '-days',
    '2',
    '-keyout',
    key,
    '-out',
    cert,
  ])
  const { port } = await createPop3Kernel(t, { pop3: { authWithoutTls: false, tls: { cert, key } } })
  const script = `
import poplib, ssl, socket
c = poplib.POP3('127.0.0.1', ${port})
c.stls(ssl._create_unverified_context())
c.user('ann'); assert c.pass_('secret').startswith(b'+OK 4'); c.quit()
s = socket.create_connection(('127.0.0.1', ${port})); s.recv(100)
s.sendall(b'STLS\\r\\nUSER evil\\r\\n'); s.recv(100)
try:
    t = ssl._create_unverified_context().wrap_socket(s); t.sendall(b'PASS x\\r\\n')
    assert b'Send USER first' in t.recv(1000)
except ssl.SSLError: pass
print('done')
`
  assert.equal((await run('python3', ['-c', script])).stdout, 'done\n')
})

test('a client that reads nothing loses its connection, and with it what it held', async (t) => {
  const { listener, clock } = await createPop3Kernel(t, {
    pop3: { timeouts: { write: '50 ms', handshake: '1 min' }, limits: { connections: 1 } },
  })
  const deaf = connect(listener('pop').port ?? 0, '127.0.0.1')
  t.after(() => deaf.destroy())
  await once(deaf, 'connect')
  deaf.pause()
  deaf.on('error', () => deaf.destroy())
  deaf.write('USER ann\r\nPASS secret\r\n')
  // Far more than any buffer between us holds.
  for (let number = 0; number < 400; number++) deaf.write('RETR 3\r\n')
  const gone = new Promise((resolve) => deaf.once('close', resolve))
  // It notices only by what it sends.
  const knocking = setInterval(() => deaf.write('NOOP\r\n'), 20)
  t.after(() => clearInterval(knocking))
  for (let isGone = false; !isGone; ) {
    await clock.advance(10_000)
    isGone = await Promise.race([
      gone.then(() => true),
      new Promise<boolean>((resolve) => setTimeout(() => resolve(false), 20)),
    ])
  }
  await talkPop3(t, listener('pop').port ?? 0)
})
