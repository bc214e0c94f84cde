/** Full-text search in a running server: indexed in the background, the same after a restart and after a rebuild. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hashPassword } from '../../plugins/directory/static/passwords.ts'
import { talkTo } from '../support/imap-talk.ts'
import { freePort, type RunningServer, startProcess, tempFolder } from '../support/running-server.ts'

const WORDS = ['Rechnung', 'Überraschung', 'invoice', '請求書', 'привет']

async function until(what: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + 30_000
  while (!(await what())) assert.ok(Date.now() < end, 'it did not happen')
}

const isIndexed = async (server: RunningServer) => (await server.iems('mailbox', 'index')).out.startsWith('Everything')

test('words are found in bodies of every language, from the index as without it', async (t) => {
  const folder = await tempFolder(t)
  const port = await freePort()
  const config = `
import { defineConfig } from 'iems'
import { accounts } from 'iems/plugins/accounts'
import { imap } from 'iems/plugins/imap'
import { mailstore } from 'iems/plugins/mailstore'
export default defineConfig({
  hostname: 'mx.test',
  channels: {
    local: mailstore({}, { accepts: 'anyone' }),
    imap: imap({ listen: '127.0.0.1:${port}', authWithoutTls: true }),
  },
  plugins: [accounts({ domains: ['here.test'], accounts: [{ name: 'ann', addresses: ['ann@here.test'], password: '${await hashPassword('secret')}' }] })],
})
`
  let server = await startProcess(t, folder, config)
  const connect = async () => {
    const client = await talkTo(t, port, { isChecked: true })
    await client.line()
    await client.command('LOGIN ann secret')
    return client
  }
  const search = async (word: string) => {
    const client = await connect()
    await client.command('SELECT INBOX')
    const octets = Buffer.from(word).toString('latin1')
    const [found = ''] = await client.command(`SEARCH CHARSET UTF-8 BODY {${octets.length}+}\r\n${octets}`)
    client.close()
    return found
  }
  const client = await connect()
  for (let number = 0; number < 100; number++) {
    const text = Buffer.from(
      `Subject: ${number}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nHier: ${WORDS[number % WORDS.length]} ${number}.\r\n`,
    )
    await client.command(`APPEND INBOX {${text.length}+}\r\n${text.toString('latin1')}`)
  }
  const expected = (index: number) =>
    `* SEARCH${Array.from({ length: 20 }, (_, count) => ` ${count * 5 + index + 1}`).join('')}`
  const all = async () => {
    for (const [index, word] of WORDS.entries()) assert.equal(await search(word.slice(1)), expected(index), word)
    assert.equal(await search('uberr'), expected(1))
    assert.equal(await search('nowhere'), '* SEARCH')
  }
  await all()
  await until(() => isIndexed(server))
  await all()
  await server.iems('stop')
  await server.ended()
  server = await startProcess(t, folder)
  await all()
  await server.iems('mailbox', 'index', '--rebuild')
  await until(() => isIndexed(server))
  await all()
})
