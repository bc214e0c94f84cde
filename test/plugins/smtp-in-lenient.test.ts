/** Old devices: what is forgiven to clients that are known, by their network or by a login, and to no others. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { definePlugin } from 'iems'
import { smtpIn } from 'iems/plugins/smtp-in'
import { createTestKernel, deliveredTo } from 'iems/testing'
import * as z from 'zod'
import { talk } from '../support/smtp-talk.ts'

const login = definePlugin({
  name: 'login',
  config: z.undefined(),
  setup: () => ({ hooks: { auth: () => ({ kind: 'identity', user: 'ann', mayRelay: true }) } }),
})
const listen = '127.0.0.1:0'

async function send(t: Parameters<typeof talk>[0], trusts: readonly string[], isLogin: boolean) {
  const kernel = await createTestKernel(t, {
    channels: { mx: smtpIn({ listen, auth: 'optional', authWithoutTls: true }, { trusts: [...trusts] }) },
    plugins: [login()],
    deliver: deliveredTo,
  })
  const client = await talk(t, kernel.listener('mx').port)
  await client.reply()
  await client.ask('EHLO scanner')
  if (isLogin) await client.ask(`AUTH PLAIN ${Buffer.from('\0ann\0x').toString('base64')}`)
  const mail = await client.ask('MAIL FROM:scan@here.test')
  if (!mail.startsWith('250')) return mail
  await client.ask('RCPT TO: ann@here.test')
  await client.ask('DATA')
  await client.ask('Subject: scan\r\n\r\nx\r\n.')
  await kernel.deliver()
  return kernel.delivered[0]?.content ?? ''
}

test('a trusted or authenticated client may leave out brackets, Date and Message-ID; a stranger may not', async (t) => {
  for (const content of [await send(t, ['127.0.0.1'], false), await send(t, [], true)]) {
    assert.match(content, /^Date: .*\+0000\r$/m)
    assert.match(content, /^Message-ID: <[^@]+@mx\.test>\r$/im)
  }
  assert.match(await send(t, [], false), /^501 5\.1\.7/)
})
