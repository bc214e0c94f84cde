/** The server as a service manager and an administrator see it: output, rights of files, hangs, restarts. */
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { hashPassword } from '../../plugins/directory/static/passwords.ts'
import { talkTo } from '../support/imap-talk.ts'
import { iemsCommand, startProcess, tempFolder } from '../support/running-server.ts'
import { talk } from '../support/smtp-talk.ts'

const root = join(import.meta.dirname, '../..')
const onWindows = process.platform === 'win32' && 'other rights and shells'

const SMALL = `
import { smtpIn } from 'iems/plugins/smtp-in'
export default { hostname: 'mx.test', channels: { mx: smtpIn({ listen: '127.0.0.1:0' }) } }
`

async function until<T>(what: () => Promise<T | undefined | false>): Promise<T> {
  const end = Date.now() + 30_000
  for (;;) {
    const seen = await what().catch(() => undefined)
    if (seen !== undefined && seen !== false) return seen
    assert.ok(Date.now() < end, 'it did not happen')
    await delay(20)
  }
}

/** Speaks SMTP: each command gives the last line of its reply. */
async function startTalk(
  t: Parameters<typeof tempFolder>[0],
  port: number,
): Promise<(command: string) => Promise<string>> {
  const client = await talk(t, port)
  await client.reply()
  return async (command) => (await client.ask(command)).split('\n').at(-1) ?? ''
}

// --- output --------------------------------------------------------------------------------------

for (const [what, output] of [
  ['the reader of all output is gone', '2>&1 | true'],
  ['the reader of the errors is gone', '2> >(true)'],
  ['the disk of the log is full', '>/dev/full 2>&1'],
] as const) {
  test(`${what}: the server works, and ends when it is told to`, { skip: onWindows }, async (t) => {
    const folder = await tempFolder(t)
    const config = join(folder, 'iems.config.ts')
    await writeFile(config, SMALL)
    const start = `{ "${process.execPath}" --conditions=source core/cli/main.ts start --config "${config}" & echo $! > "${folder}/pid"; wait $!; echo $? > "${folder}/code"; } ${output}`
    const shell = spawn('bash', ['-c', start], { cwd: root, stdio: 'ignore' })
    const pid = Number(await until(() => readFile(join(folder, 'pid'), 'utf8')))
    t.after(() => {
      shell.kill('SIGKILL')
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // It has ended, as it should.
      }
    })
    await until(async () => (await iemsCommand(['status', '--config', config])).code === 0)
    process.kill(pid, 'SIGTERM')
    assert.equal((await until(() => readFile(join(folder, 'code'), 'utf8'))).trim(), '0')
  })
}

// --- rights --------------------------------------------------------------------------------------

async function openTo(folder: string): Promise<string[]> {
  const names = await readdir(folder, { recursive: true })
  const found = await Promise.all(
    names.map(async (name) => ((await stat(join(folder, name))).mode & 0o077 ? name : undefined)),
  )
  return found.filter((name) => name !== undefined)
}

test('nothing that the server makes is for other users', { skip: onWindows }, async (t) => {
  const folder = await tempFolder(t)
  const password = await hashPassword('secret')
  const before = process.umask(0o022)
  t.after(() => process.umask(before))
  const server = await startProcess(
    t,
    folder,
    `
import { accounts } from 'iems/plugins/accounts'
import { antispam } from 'iems/plugins/antispam'
import { imap } from 'iems/plugins/imap'
import { mailstore } from 'iems/plugins/mailstore'
import { smtpIn } from 'iems/plugins/smtp-in'
export default {
  hostname: 'mx.test',
  channels: {
    imap: imap({ listen: '127.0.0.1:0', authWithoutTls: true }),
    mx: smtpIn({ listen: 'unix:${join(folder, 'data', 'smtp.sock')}' }),
    local: mailstore({}, { accepts: 'anyone' }),
  },
  plugins: [
    accounts({ domains: ['here.test'], accounts: [{ name: 'ann', addresses: ['ann@here.test'], password: '${password}' }] }),
    antispam({}),
  ],
}
`,
  )
  const sizes = ['small', 'large '.repeat(50_000)]
  for (const body of sizes)
    assert.equal(
      (await server.iemsWithInput(`Subject: x\n\n${body}\n`, 'send', '-f', 'me@far.test', 'ann@here.test')).code,
      0,
    )
  const { listeners } = JSON.parse((await server.iems('status', '--json')).out) as {
    listeners: { label: string; port: number }[]
  }
  const client = await talkTo(t, listeners.find(({ label }) => label.startsWith('IMAP'))?.port as number)
  await client.line()
  await client.command('LOGIN ann secret')
  await until(async () => (await client.command('STATUS INBOX (MESSAGES)')).join().includes('MESSAGES 2'))
  await client.command('SELECT INBOX')
  await until(async () => (await client.command('SEARCH TEXT small')).join().includes('SEARCH 1'))
  const names = await readdir(join(folder, 'data'), { recursive: true })
  for (const part of ['records', 'blobs', 'plugins', 'control.sock', 'reserve']) assert.ok(names.includes(part), part)
  assert.deepEqual(await openTo(folder), ['iems.config.ts'])
  assert.equal((await stat(join(folder, 'data'))).mode & 0o777, 0o700)
})

test('a data folder that others can enter is closed, and one that holds other things is refused', {
  skip: onWindows,
}, async (t) => {
  const folder = await tempFolder(t)
  const config = join(folder, 'iems.config.ts')
  const data = join(folder, 'data')
  await writeFile(config, SMALL)
  await mkdir(data)
  await chmod(data, 0o755)
  assert.match(
    (await iemsCommand(['check', '--config', config])).out,
    /warning: .*data can be entered by other users.*0755/,
  )
  const server = await startProcess(t, folder)
  await server.line(/"event":"folder\.secured".*"mode":"0755"/)
  assert.equal((await stat(data)).mode & 0o777, 0o700)
  server.process.kill('SIGTERM')
  await server.ended()

  await rm(data, { recursive: true })
  await mkdir(data)
  await chmod(data, 0o755)
  await writeFile(join(data, 'letter.txt'), 'of somebody')
  for (const command of ['check', 'start']) {
    const { code, err } = await iemsCommand([command, '--config', config])
    assert.equal(code, 1)
    assert.match(err, /data can be entered by other users of the machine \(mode 0755\)[\s\S]*chmod 700/)
  }
  assert.equal((await stat(data)).mode & 0o777, 0o755)
})

// --- check ---------------------------------------------------------------------------------------

async function checked(t: Parameters<typeof tempFolder>[0], source: string, files: Record<string, string> = {}) {
  const folder = await tempFolder(t)
  for (const [name, text] of Object.entries({ 'iems.config.ts': source, ...files }))
    await writeFile(join(folder, name), text)
  const { code, out, err } = await iemsCommand(['check', '--config', join(folder, 'iems.config.ts')])
  return { code, said: (out + err).replaceAll(folder, '.') }
}

const IMPORTS = `
import { accounts } from 'iems/plugins/accounts'
import { directory } from 'iems/plugins/directory'
import { imap } from 'iems/plugins/imap'
import { mailstore } from 'iems/plugins/mailstore'
import { smtpIn } from 'iems/plugins/smtp-in'
import { smtpOut } from 'iems/plugins/smtp-out'
`

test('check finds addresses that are none or taken, and plugins that stand in the wrong place', async (t) => {
  const addresses = await checked(
    t,
    `${IMPORTS}
export default {
  hostname: 'mx.test',
  channels: {
    a: smtpIn({ listen: '25' }),
    b: imap({ listen: ['127.0.0.1:143', 'localhost'] }),
    c: smtpIn({ listen: ':2525' }),
    d: smtpIn({ listen: ['127.0.0.1:0', '127.0.0.1:0', '127.0.0.1:2525'] }),
    e: smtpIn({ listen: ['unix:/run/x', '127.0.0.1:1', '127.0.0.2:1', '[::1]:1'] }),
    f: smtpIn({ listen: 'unix:/run/x' }),
  },
  plugins: [smtpIn({ listen: ':26' }), accounts({ domains: ['x.test'], accounts: [] })],
}`,
  )
  assert.equal(addresses.code, 1)
  const lines = addresses.said.split('\n').filter((line) => line.startsWith('  '))
  assert.deepEqual(lines, [
    "  channels.a.listen: must be an address such as ':25', '127.0.0.1:25', '[::1]:25' or 'unix:/path', got \"25\"",
    "  channels.b.listen[1]: must be an address such as ':25', '127.0.0.1:25', '[::1]:25' or 'unix:/path', got \"localhost\"",
    '  channels.d.listen[2]: 127.0.0.1:2525 is taken by channels.c.listen (:2525)',
    '  channels.f.listen: unix:/run/x is taken by channels.e.listen[0] (unix:/run/x)',
    '  smtp-in: smtp-in delivers mail or listens, but is configured under plugins',
  ])

  const wrong = `${IMPORTS}export default { hostname: 'mx.test', channels: {}, plugins: [accounts({ domains: ['x.test'], accounts: [] }), mailstore()] }`
  assert.match((await checked(t, wrong)).said, /mailstore delivers mail or listens, but is configured under plugins/)
  const lost = `${IMPORTS}export default { hostname: 'mx.test', channels: { out: smtpOut({ nexthop: '127.0.0.1:1' }) }, plugins: [directory({ channel: 'locale' })] }`
  const { code, said } = await checked(t, lost)
  assert.equal(code, 0)
  assert.match(
    said,
    /warning: directory routes mail to the channel locale, which is not configured or does not deliver; channels that deliver: out/,
  )
})

test('a mailstore takes mail from anybody without being told so, and relays nothing', async (t) => {
  const server = await startProcess(
    t,
    await tempFolder(t),
    `${IMPORTS}export default {
  hostname: 'mx.test',
  channels: { mx: smtpIn({ listen: '127.0.0.1:0' }), local: mailstore(), out: smtpOut({ nexthop: '127.0.0.1:1' }) },
  plugins: [accounts({ domains: ['here.test'], accounts: [{ name: 'ann', addresses: ['ann@here.test'] }] })],
}`,
  )
  const { listeners } = JSON.parse((await server.iems('status', '--json')).out) as { listeners: { port: number }[] }
  const client = await startTalk(t, listeners[0]?.port as number)
  assert.match(await client('EHLO far.test'), /^250/)
  assert.match(await client('MAIL FROM:<me@far.test>'), /^250/)
  assert.match(await client('RCPT TO:<ann@here.test>'), /^250/)
  assert.match(await client('RCPT TO:<you@elsewhere.test>'), /^550 5\.7\.1/)
})

test('every wrong TLS file is named, with what is wrong about it', async (t) => {
  const pem = join(root, 'test/fixtures/tls')
  const [cert, key] = [await readFile(join(pem, 'mx.pem'), 'utf8'), await readFile(join(pem, 'mx.key'), 'utf8')]
  const folder = await tempFolder(t)
  const other = (await promisify(execFile)('openssl', ['genpkey', '-algorithm', 'ed25519'])).stdout
  for (const [name, text] of Object.entries({ 'a.pem': cert, 'a.key': key, 'b.key': other, 'no.pem': 'nothing' }))
    await writeFile(join(folder, name), text)
  const config = join(folder, 'iems.config.ts')
  const tls = (certificate: string, its: string) => `tls: { cert: '${folder}/${certificate}', key: '${folder}/${its}' }`
  await writeFile(
    config,
    `${IMPORTS}export default { hostname: 'mx.test', channels: {
      a: smtpIn({ listen: ':25', ${tls('no.pem', 'gone.key')} }),
      b: imap({ listen: ':143', ${tls('a.pem', 'b.key')} }),
      c: smtpOut({ nexthop: 'x', ca: '${folder}/no.pem' }),
      local: mailstore(),
    }, plugins: [accounts({ domains: ['x.test'], accounts: [] })] }`,
  )
  const { code, err } = await iemsCommand(['check', '--config', config])
  assert.equal(code, 1)
  assert.match(err, /a could not be set up: [\s\S]*\/no\.pem: .*PEM[\s\S]*\/gone\.key: there is no such file/)
  assert.match(err, /b could not be set up: .*\/b\.key: not the key of the certificate in .*\/a\.pem/)
  assert.match(err, /c could not be set up: .*\/no\.pem: /)
})

for (const [what, text, file, expected] of [
  [
    'TypeScript that is none',
    `const a: number = 1\nexport default { channels: { mx: foo( } }`,
    'iems.config.ts',
    /iems\.config\.ts:2:\d+ could not be loaded: Expression expected/,
  ],
  [
    'JavaScript that is none',
    `const a = 1\nexport default { channels: { mx: foo( } }`,
    'iems.config.mjs',
    /iems\.config\.mjs:2:\d+ could not be loaded: Unexpected token/,
  ],
  [
    'an error when it runs',
    `const a = undefined\nexport default { channels: a.b }`,
    'iems.config.ts',
    /iems\.config\.ts:2:\d+ could not be loaded: Cannot read properties/,
  ],
  [
    'a plugin that is none of ours',
    `\nimport { smtp } from 'iems/plugins/smtp'\nexport default {}`,
    'iems.config.ts',
    /iems\.config\.ts:2:22 could not be loaded: cannot import 'iems\/plugins\/smtp': iems has no such part/,
  ],
  [
    'a name that a plugin does not have',
    `\nimport { smtpInn } from 'iems/plugins/smtp-in'\nexport default {}`,
    'iems.config.ts',
    /iems\.config\.ts:2:\d+ could not be loaded: .*smtpInn/,
  ],
  [
    'a package that is not installed',
    `import webhook from 'iems-plugin-webhook'\nexport default {}`,
    'iems.config.ts',
    /iems\.config\.ts:1:21 could not be loaded: cannot import 'iems-plugin-webhook': the package is not installed; run npm install in/,
  ],
  [
    'a file that is not there',
    `import tls from './tls.ts'\nexport default {}`,
    'iems.config.ts',
    /iems\.config\.ts:1:17 could not be loaded: cannot import '\.\/tls\.ts': there is no such file/,
  ],
] as const) {
  test(`a configuration with ${what}: the error has its file, line and column`, async (t) => {
    const folder = await tempFolder(t)
    await writeFile(join(folder, file), text)
    const { code, err } = await iemsCommand(['check', '--config', join(folder, file)])
    assert.equal(code, 1)
    assert.match(err, expected)
  })
}

// --- backends ------------------------------------------------------------------------------------

test('a filter that is down is in the log at its first failure, and in the status', async (t) => {
  const server = await startProcess(
    t,
    await tempFolder(t),
    `${IMPORTS}
import { antivirus } from 'iems/plugins/antivirus'
export default {
  hostname: 'mx.test',
  channels: { mx: smtpIn({ listen: '127.0.0.1:0' }), out: smtpOut({ nexthop: '127.0.0.1:1' }) },
  plugins: [antivirus({ servers: ['127.0.0.1:1'] })],
}`,
  )
  const before = await server.iems('status')
  assert.equal(before.code, 0)
  assert.match(before.out, /clamd +127\.0\.0\.1:1 +antivirus +in use/)
  await server.iemsWithInput('Subject: x\n\nx\n', 'send', 'you@far.test')
  assert.match(await server.line(/clamd does not answer/), /"server":"127\.0\.0\.1:1"/)
  const after = await server.iems('status')
  assert.equal(after.code, 1)
  assert.match(after.out, /clamd +127\.0\.0\.1:1 +antivirus +down, \d+ failures? in a row: .*ECONNREFUSED/)
})

// --- hangs ---------------------------------------------------------------------------------------

const LOOPING = (more: string) => `
import { definePlugin } from 'iems'
const none = { '~standard': { version: 1, vendor: 'test', validate: () => ({ value: undefined }) } } as const
function turnForEver(pattern: string) {
  if (pattern === 'expression') return /^(a*)*$/.test('a'.repeat(60) + 'b')
  for (;;) Math.sqrt(2)
}
const looper = definePlugin({
  name: 'looper',
  config: none,
  setup: () => ({
    commands: { loop: { describe: 'loops', async *run({ arguments: [how = ''] }: { arguments: readonly string[] }) { turnForEver(how); yield { text: '' } }, arguments: ['[how]'] } },
  }),
})
export default { hostname: 'mx.test', channels: {}, plugins: [looper()], ${more} }
`

for (const how of ['loop', 'expression']) {
  test(`a server that hangs in a ${how} says where and ends`, async (t) => {
    const folder = await tempFolder(t)
    const server = await startProcess(t, folder, LOOPING(`watchdog: '500 ms'`))
    const command = server.iems('loop', how)
    const line = JSON.parse(await server.line(/"event":"server\.hung"/)) as { ms: number; stack: string[] }
    assert.equal(line.ms, 500)
    assert.match(line.stack[0] ?? '', /^turnForEver \(file:.*iems\.config\.ts.*:\d+\)$/)
    await server.ended()
    assert.equal(server.process.signalCode, 'SIGKILL')
    assert.equal((await command).code, 1)
  })
}

test('a server that is stopped and continued is not hung', { skip: onWindows }, async (t) => {
  const server = await startProcess(t, await tempFolder(t), LOOPING(`watchdog: '300 ms'`))
  server.process.kill('SIGSTOP')
  await delay(1000)
  server.process.kill('SIGCONT')
  assert.equal((await server.iems('status')).code, 0)
  server.process.kill('SIGTERM')
  assert.equal(await server.ended(), 0)
})

// --- systemd -------------------------------------------------------------------------------------

/** Prints each datagram as a line; a barrier ends when its descriptor is closed. */
const NOTIFIED = `
import array, os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print('bound', flush=True)
while True:
    text, ancillary, _, _ = s.recvmsg(4096, 1024)
    print(text.decode().replace(chr(10), ' '), flush=True)
    for _, _, fds in ancillary:
        for fd in array.array('i', fds): os.close(fd)
`
const noSystemd = !existsSync('/usr/bin/systemd-notify') && 'systemd-notify is not installed'

test('systemd hears when the server is ready and that it lives', { skip: noSystemd }, async (t) => {
  const folder = await tempFolder(t)
  const socket = join(folder, 'notify.sock')
  const python = spawn('python3', ['-c', NOTIFIED, socket])
  t.after(() => python.kill())
  let told = ''
  python.stdout.on('data', (chunk) => {
    told += chunk
  })
  await until(async () => told.includes('bound'))
  Object.assign(process.env, { NOTIFY_SOCKET: socket, WATCHDOG_USEC: '400000' })
  t.after(() => {
    delete process.env.NOTIFY_SOCKET
    delete process.env.WATCHDOG_USEC
  })
  const server = await startProcess(t, folder, LOOPING(`watchdog: '0 s'`))
  await until(async () => /READY=1/.test(told) && (told.match(/WATCHDOG=1/g)?.length ?? 0) >= 3)
  assert.ok(told.includes(`MAINPID=${server.process.pid}`))
  void server.iems('loop')
  let before = -1
  // A hanging server is silent, so that systemd ends it.
  await until(async () => {
    const seen = told.length
    await delay(1000)
    const isSilent = seen === told.length && before === seen
    before = told.length
    return isSilent
  })
})

test('the unit leaves little to attack', {
  skip: !existsSync('/usr/bin/systemd-analyze') && 'systemd-analyze is not installed',
}, async (t) => {
  const unit = join(await tempFolder(t), 'iems.service')
  await writeFile(unit, await readFile(join(root, 'config/iems.service')))
  const { stdout } = await promisify(execFile)('systemd-analyze', ['security', '--offline=true', '--no-pager', unit])
  const [, level] = /Overall exposure level for iems\.service: ([\d.]+)/.exec(stdout) ?? []
  assert.ok(Number(level) < 2.5, stdout)
})
