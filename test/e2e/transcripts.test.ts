/**
 * Plays every `*.smtp` file in this folder against a kernel with smtp-in. A bug report becomes a file. Beside the lines
 * of a transcript (core/testing/transcript.ts) a file has:
 *
 *   config: NAME       one of SETTINGS below, `trusted NAME` when it trusts us; the first line that is not a comment
 *   got: FROM -> TO…   a message that must have been delivered, in order; without any, none may have been
 *   body: text         what the message before has after its header, with the escapes of C
 */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { definePlugin, refuse } from 'iems'
import { smtpIn } from 'iems/plugins/smtp-in'
import { createTestKernel, deliveredTo, playTranscript, transcriptOctets } from 'iems/testing'
import * as z from 'zod'
import { talk } from '../support/smtp-talk.ts'

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

interface Wanted {
  readonly envelope: string
  body?: string
}

/** The dialogue with its line numbers, and what a file has beside it. */
function read(file: string): { dialogue: string; config: string; wanted: Wanted[] } {
  let config = ''
  const wanted: Wanted[] = []
  const dialogue = file.split('\n').map((line) => {
    const [, word, rest = ''] = /^(config|got|body): ?(.*)$/.exec(line) ?? []
    if (word === undefined) return line
    if (word === 'config') config = rest
    else if (word === 'got') wanted.push({ envelope: rest })
    else Object.assign(wanted.at(-1) ?? {}, { body: transcriptOctets(rest).toString('latin1') })
    return ''
  })
  return { dialogue: dialogue.join('\n'), config, wanted }
}

async function play(t: TestContext, file: string): Promise<void> {
  const { dialogue, config, wanted } = read(file)
  const [, isTrusted, name = ''] = /^(trusted )?(\w+)$/.exec(config) ?? []
  const settings = SETTINGS[name]
  assert.ok(settings, 'the first line must name a config')
  const kernel = await createTestKernel(t, {
    channels: { mx: smtpIn(settings, { trusts: isTrusted ? ['127.0.0.1'] : [] }) },
    plugins: [house()],
    deliver: deliveredTo,
  })
  await playTranscript(await talk(t, kernel.listener('mx').port), dialogue)
  await kernel.deliver()
  const got = kernel.delivered.map(({ from, to }) => `${from || '<>'} -> ${to.join(' ')}`)
  assert.deepEqual(
    got,
    wanted.map(({ envelope }) => envelope),
  )
  for (const [index, { body }] of wanted.entries())
    if (body !== undefined) {
      const { content = '' } = kernel.delivered[index] ?? {}
      assert.equal(content.slice(content.indexOf('\r\n\r\n') + 4), body)
    }
}

for (const name of globSync('*.smtp', { cwd: import.meta.dirname }).sort()) {
  const file = readFileSync(join(import.meta.dirname, name), 'utf8')
  const [title = basename(name)] = file.split('\n')
  test(`${name}: ${title.replace(/^# /, '')}`, (t) => play(t, file))
}
