/**
 * The antivirus as an admin meets it: a running server, a real clamd that comes and goes, and the command line.
 */
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { missing } from 'iems/testing'
import { attached, CLAMD, EICAR, EICAR_NAME, letter, startClamd, uuencoded } from '../support/antivirus.ts'
import { startProcess, tempFolder } from '../support/running-server.ts'
import { talk } from '../support/smtp-talk.ts'

const NEW = 'a virus that nobody knows yet'

const configFor = (server: string) => `
import { defineConfig } from 'iems'
import { accounts } from 'iems/plugins/accounts'
import { antivirus } from 'iems/plugins/antivirus'
import { mailstore } from 'iems/plugins/mailstore'
import { smtpIn } from 'iems/plugins/smtp-in'
export default defineConfig({
  hostname: 'mx.test',
  channels: {
    mx: smtpIn({ listen: '127.0.0.1:0' }),
    local: mailstore({}, { accepts: 'anyone' }),
  },
  plugins: [
    accounts({ domains: ['here.test'], accounts: [{ name: 'ann', addresses: ['ann@here.test'] }] }),
    antivirus({ servers: ['${server}'], failures: 1 }, { from: ['mx'] }),
  ],
})
`

test('a virus is refused at the listener; what was delivered is taken back; without clamd mail waits', {
  skip: missing(CLAMD),
}, async (t) => {
  const clamd = await startClamd(t)
  const folder = await tempFolder(t)
  const server = await startProcess(t, folder, configFor(clamd.server))
  const iems = async (...words: string[]) => {
    const { code, out, err } = await server.iems(...words)
    assert.equal(code, 0, err)
    return out
  }
  const { listeners } = JSON.parse(await iems('status', '--json')) as { listeners: { plugin: string; port: number }[] }
  const port = listeners.find(({ plugin }) => plugin === 'mx')?.port as number
  async function send(content: string): Promise<string> {
    const client = await talk(t, port)
    await client.reply()
    for (const line of ['EHLO client.test', 'MAIL FROM:<eve@far.test>', 'RCPT TO:<ann@here.test>', 'DATA'])
      await client.ask(line)
    client.send(`${content}\r\n.\r\n`)
    const reply = await client.reply()
    client.destroy()
    if (!reply.startsWith('2')) assert.match(reply, / \(\w{26}\)$/, 'a refusal names the message')
    return reply.replace(/ \(\w{26}\)$/, '')
  }

  assert.equal(await send(letter(uuencoded(EICAR))), `554 5.7.1 This message contains a virus: ${EICAR_NAME}`)
  assert.match(await send(attached(NEW)), /^250 /)
  await server.line(/"event":"delivery\.delivered"/)
  assert.match(await iems('antivirus', 'status'), /in use, \d+ answers, 0 failures in a row\nClamAV /)
  const file = join(folder, 'file.com')
  await writeFile(file, EICAR)
  assert.equal(await iems('antivirus', 'scan', '--input', file), `virus  ${EICAR_NAME}\n`)

  await clamd.learn({ 'New-Virus': NEW })
  const said = await iems('antivirus', 'rescan', '--since', '1 day')
  assert.match(said, /^ann {2}INBOX {2}1 {2}New-Virus\.UNOFFICIAL {2}taken back\n1 scanned, 1 with a virus\n$/)
  assert.match(await iems('mailbox', 'list', 'ann'), /INBOX +0 /)
  await server.line(/a delivered copy was taken back/)
  const [, id = ''] = /^(taken-\w+) .* antivirus: virus New-Virus/.exec(await iems('antivirus', 'quarantine')) ?? []
  await iems('antivirus', 'release', id)
  assert.match(await iems('mailbox', 'list', 'ann'), /INBOX +1 /)

  await clamd.stop()
  assert.equal(await send(letter()), '451 4.7.1 The message cannot be scanned for viruses now, try again later')
  await server.line(/clamd is left alone for a while/)
  assert.match(await iems('antivirus', 'status'), /paused, .* last failure: .*\nNo clamd answers: mail is deferred/)
  const { code, err } = await server.iems('antivirus', 'rescan', '--since', '1 day')
  assert.notEqual(code, 0)
  assert.match(err, /no clamd answers; 0 messages were scanned/)
})
