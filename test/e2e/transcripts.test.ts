/**
 * Plays every `*.smtp` file in this folder against a kernel with smtp-in. A bug report becomes a file.
 *
 *   config: NAME       one of SETTINGS below, `trusted NAME` when it trusts us; the first line that is not a comment
 *   C: text            is sent with CRLF; escapes: \r \n \t \0 \\ \xHH
 *   c: text            is sent without CRLF
 *   S: pattern         the next line the server says; * stands for anything
 *   TLS                the client shakes hands
 *   END                the server closes
 *   got: FROM -> TO…   a message that must have been delivered, in order; without any, none may have been
 *   body: text         what the message before has after its header, with the escapes of C
 */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { definePlugin, refuse } from 'iems'
import { smtpIn } from 'iems/plugins/smtp-in'
import { createTestKernel, deliveredTo } from 'iems/testing'
import * as z from 'zod'
import { type Talk, talk } from '../support/smtp-talk.ts'

const tls = { cert: 'test/fixtures/tls/mx.pem', key: 'test/fixtures/tls/mx.key' }
const listen = '127.0.0.1:0'
const SETTINGS: Readonly<Record<string, Parameters<typeof smtpIn>[0]>> = {
  plain: { listen },
  tls: { listen, tls },
  submission: { listen, tls, auth: 'required' },
  unsafe: { listen, auth: 'optional', authWithoutTls: true },
  lmtp: { listen, protocol: 'lmtp' },
  small: { listen, maxSize: '100 B', limits: { recipients: 2, messages: 2, errors: 3, lineLength: '200 B' } },
  domain: { listen, protocol: 'lmtp', defaultDomain: 'here.test' },
  alone: { listen, pipelinedTransactions: 'refuse' },
  strict: { listen, lenient: false },
  normalise: { listen, bareNewlines: 'normalise' },
  etrn: { listen, etrn: [{ from: ['127.0.0.1'], for: ['slow.test', '#out'] }] },
  proxied: { listen, xclientFrom: ['127.0.0.1'] },
}

/** Ann knows her password; nobody is unknown; refused.test may not send; the word virus is refused. */
const house = definePlugin({
  name: 'house',
  config: z.undefined(),
  setup: () => ({
    hooks: {
      connect: ({ remote }) => (remote.address === '192.0.2.66' ? refuse(554, '5.7.1', 'Not you') : undefined),
      auth: (attempt) =>
        attempt.kind === 'password' && attempt.username === 'ann' && attempt.password === 'secret'
          ? { kind: 'identity', user: 'ann', mayRelay: true }
          : undefined,
      mail: ({ from }) => (from.endsWith('@refused.test') ? refuse(550, '5.7.1', 'Not from there') : undefined),
      rcpt: ({ to }) => (to.address.startsWith('nobody@') ? refuse(550, '5.1.1', 'No such user') : undefined),
      check: async (message) => {
        for await (const chunk of message.open())
          if (Buffer.from(chunk).includes('virus')) return refuse(554, '5.6.0', 'Infected')
        return undefined
      },
    },
  }),
})

const ESCAPES: Readonly<Record<string, string>> = { r: '\r', n: '\n', t: '\t', '0': '\0', '\\': '\\' }

/** Octets of a line of the file, which is UTF-8. */
function octetsOf(text: string): Buffer {
  const latin1 = Buffer.from(text).toString('latin1')
  const plain = latin1.replace(/\\(?:x([0-9a-fA-F]{2})|([rnt0\\]))/g, (_, hex?: string, letter = '') =>
    hex ? String.fromCharCode(Number.parseInt(hex, 16)) : (ESCAPES[letter] ?? ''),
  )
  return Buffer.from(plain, 'latin1')
}

function matches(pattern: string, line: string): boolean {
  const source = pattern.split('*').map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'))
  return new RegExp(`^${source.join('.*')}$`).test(line)
}

async function play(t: TestContext, script: readonly string[]): Promise<void> {
  const [, isTrusted, name = ''] = /^config: (trusted )?(\w+)$/.exec(script[0] ?? '') ?? []
  const settings = SETTINGS[name]
  assert.ok(settings, 'the first line must name a config')
  const kernel = await createTestKernel(t, {
    channels: { mx: smtpIn(settings, { trusts: isTrusted ? ['127.0.0.1'] : [] }) },
    plugins: [house()],
    deliver: deliveredTo,
  })
  const client = await talk(t, kernel.door('mx').port)
  let said: string[] = []
  const wanted: { envelope: string; body?: string }[] = []
  for (const [index, line] of script.slice(1).entries()) {
    const [, word = '', rest = ''] = /^(\w+):? ?(.*)$/.exec(line) ?? []
    const at = `line ${index + 2}: ${line}`
    if (word === 'C' || word === 'c')
      client.send(Buffer.concat([octetsOf(rest), Buffer.from(word === 'C' ? '\r\n' : '')]))
    else if (word === 'S') {
      if (said.length === 0) said = (await client.reply()).split('\n')
      const [next = '', ...others] = said
      said = others
      assert.ok(matches(rest, next), `${at}\ngot: ${next}`)
    } else if (word === 'TLS') await client.startTls()
    else if (word === 'END') assert.equal(await client.rest(), '', at)
    else if (word === 'got') wanted.push({ envelope: rest })
    else if (word === 'body') Object.assign(wanted.at(-1) ?? {}, { body: octetsOf(rest).toString('latin1') })
    else assert.fail(`not understood: ${at}`)
  }
  assert.deepEqual(said, [], 'the server said more than the file has')
  await settle(client)
  await kernel.deliver()
  const got = kernel.delivered.map(({ from, to }) => `${from || '<>'} -> ${to.join(' ')}`)
  assert.deepEqual(
    got,
    wanted.map(({ envelope }) => envelope),
  )
  for (const [index, { body }] of wanted.entries())
    if (body !== undefined)
      assert.equal(
        kernel.delivered[index]?.content
          .split(/\r\n\r\n/)
          .slice(1)
          .join('\r\n\r\n'),
        body,
      )
}

/** Nothing unasked for is said at the end. */
async function settle(client: Talk): Promise<void> {
  client.end()
  assert.equal(await client.rest(), '', 'the server said more than the file has')
}

for (const file of globSync('*.smtp', { cwd: import.meta.dirname }).sort()) {
  const lines = readFileSync(join(import.meta.dirname, file), 'utf8').split('\n')
  const script = lines.filter((line) => line !== '' && !line.startsWith('#'))
  const [title = basename(file)] = lines
  test(`${file}: ${title.replace(/^# /, '')}`, (t) => play(t, script))
}
