/** The first minutes with a server: it starts, says what to do, and its first account reads its first message. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join, resolve } from 'node:path'
import { type TestContext, test } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import { isPlainLine } from '../../core/index.ts'
import { talkTo } from '../support/imap-talk.ts'
import { freePort, iemsCommand, tempFolder } from '../support/running-server.ts'

const root = resolve(import.meta.dirname, '../..')

/** The configuration of `npm start`, on free ports. */
async function configIn(
  folder: string,
): Promise<{ readonly config: string; readonly port: number; readonly web: number }> {
  const config = join(folder, 'iems.config.ts')
  const port = await freePort()
  const web = await freePort()
  await writeFile(
    config,
    `
import { defineConfig } from 'iems'
import { http } from 'iems/plugins/http'
import { imap } from 'iems/plugins/imap'
import { smtpIn } from 'iems/plugins/smtp-in'
import { mailServer } from 'iems/presets'
export default defineConfig(mailServer({
  domain: 'example.test',
  outgoing: 'none',
  protection: 'none',
  without: ['mx', 'pop3', 'ldap', 'sieve'],
  channels: {
    submission: smtpIn({ listen: '127.0.0.1:0', auth: 'required', authWithoutTls: true }),
    imap: imap({ listen: '127.0.0.1:${port}', authWithoutTls: true }),
    web: http({ listen: '127.0.0.1:${web}' }),
  },
}))
`,
  )
  return { config, port, web }
}

/** `iems start`, until it has said all that it says at a start. */
async function startShown(t: TestContext, config: string, env: Record<string, string> = {}) {
  const args = ['--conditions=source', join(root, 'core/cli/main.ts'), 'start', '--config', config]
  const child = spawn(process.execPath, args, { env: { ...process.env, ...env } })
  t.after(() => child.kill('SIGKILL'))
  let screen = ''
  let log = ''
  child.stdout.on('data', (chunk) => {
    log += chunk
  })
  const shown = new Promise<void>((resolve) => {
    child.stderr.on('data', (chunk) => {
      screen += chunk
      if (/iems mail|iems stop/.test(screen)) resolve()
    })
    child.once('close', () => resolve())
  })
  await shown
  const stop = async () => {
    child.kill('SIGTERM')
    await once(child, 'close')
    return log
  }
  return { screen: stripVTControlCharacters(screen), stop, child }
}

async function login(t: TestContext, port: number, password: string): Promise<string> {
  const client = await talkTo(t, port)
  await client.line()
  return (await client.command(`LOGIN admin ${password}`)).at(-1) ?? ''
}

test('the first start makes an account, and the two commands it names send and show a message', async (t) => {
  const folder = await tempFolder(t)
  const { config, port, web } = await configIn(folder)
  const first = await startShown(t, config)
  assert.match(first.screen, /^iems is running as mail\.example\.test with /)
  assert.match(first.screen, new RegExp(`IMAP +127\\.0\\.0\\.1:${port} +imap`))
  assert.match(first.screen, /The first account is admin@example\.test, an administrator\./)
  const [, password = ''] = /shown this once: ((?:[a-z2-9]{4}-){3}[a-z2-9]{4})/.exec(first.screen) ?? []
  assert.match(first.screen, new RegExp(`^Mail in the browser: http://127\\.0\\.0\\.1:${web}/$`, 'm'))
  assert.match(first.screen, new RegExp(`^Administration in the browser: http://127\\.0\\.0\\.1:${web}/admin/$`, 'm'))
  const session = await fetch(`http://127.0.0.1:${web}/jmap/session`, {
    headers: { authorization: `Basic ${Buffer.from(`admin:${password}`).toString('base64')}` },
  })
  assert.equal(((await session.json()) as { readonly username: string }).username, 'admin')
  const [, sent = ''] = /^ {2}(?:npx )?iems (send .*)$/m.exec(first.screen) ?? []
  const [, read = ''] = /^ {2}(?:npx )?iems (mail .*)$/m.exec(first.screen) ?? []
  const words = (line: string) =>
    [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '')

  const submitted = await iemsCommand(words(sent))
  assert.equal(submitted.code, 0, `${sent}\n${submitted.out}${submitted.err}`)
  const list = await iemsCommand(words(read))
  assert.match(list.out, / 1 \* \d{4}-\d\d-\d\d \d\d:\d\d {2}\S+ +Hello\nINBOX: 1 message\n/)
  assert.match(
    (await iemsCommand([...words(read), '1'])).out,
    /^From: .*\nTo: admin@example\.test\nSubject: Hello\nDate: .*\n\nIt works\n$/,
  )
  assert.match(await login(t, port, password), /OK/)

  const outside = await iemsCommand(['send', 'you@elsewhere.test', '--text', 'x', '--config', config])
  assert.match(outside.out, /^550 5\.7\.1 Mail to other servers is switched off on this server/)
  assert.equal(outside.code, 69)
  assert.ok(!(await first.stop()).includes(password), 'the password is in the log')

  const second = await startShown(t, config)
  assert.equal(second.screen.trim().split('\n').length, 5, second.screen)
  assert.ok(!second.screen.includes('password'))
})

test('the password may come from the environment; one that is too weak ends the start', async (t) => {
  const folder = await tempFolder(t)
  const { config, port } = await configIn(folder)
  const weak = await startShown(t, config, { IEMS_PASSWORD: 'short' })
  assert.match(weak.screen, /the first account cannot be made: .*8/)
  const good = await startShown(t, config, { IEMS_PASSWORD: 'long enough to be one' })
  assert.ok(!good.screen.includes('long enough'))
  assert.match(await login(t, port, '"long enough to be one"'), /OK/)
})

test('ports that are taken are all named, and the account waits for a start that works', async (t) => {
  const folder = await tempFolder(t)
  const { config, port } = await configIn(folder)
  const { createServer } = await import('node:net')
  const other = createServer().listen(port, '127.0.0.1')
  await once(other, 'listening')
  const failed = await startShown(t, config)
  assert.match(
    failed.screen,
    new RegExp(`127\\.0\\.0\\.1:${port} cannot be opened: another program listens there \\(channel imap\\)`),
  )
  other.close()
  await once(other, 'close')
  assert.match((await startShown(t, config)).screen, /shown this once/)
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'data')
  socket.destroy()
})

test('what a stranger writes moves no cursor in iems mail', async (t) => {
  const folder = await tempFolder(t)
  const { config } = await configIn(folder)
  await startShown(t, config)
  const message =
    'From: x\nSubject: a\x1b[2Jb\u202ec\nContent-Type: multipart/alternative; boundary=b\n\n--b\n\nplain \x1b]0;title\x07text\n--b\nContent-Type: text/html\n\n<b>markup</b>\n--b--\n'
  await iemsCommand(['send', 'admin@example.test', '--config', config], message)
  for (const args of [['mail'], ['mail', '1'], ['mail', 'admin', '1', '--json']]) {
    const { out, code } = await iemsCommand([...args, '--config', config])
    assert.equal(code, 0)
    assert.ok(out.trimEnd().split('\n').every(isPlainLine), JSON.stringify(out))
  }
  const { out } = await iemsCommand(['mail', '1', '--config', config])
  assert.match(out, /plain .*text/)
  assert.ok(!out.includes('markup'))
  assert.match((await iemsCommand(['mail', '7', '--config', config])).err, /INBOX has no message 7/)
})
