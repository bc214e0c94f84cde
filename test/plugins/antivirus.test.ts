/** Viruses in every form, with a real clamd; and what is done about what it finds. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { definePlugin } from 'iems'
import * as yazl from 'yazl'
import * as z from 'zod'
import { fieldsOf } from '../support/antispam.ts'
import {
  ATTACHED,
  attached,
  base64,
  CLAMD,
  EICAR,
  EICAR_NAME,
  forwarded,
  letter,
  nested,
  quotedPrintable,
  type Settings,
  single,
  startAntivirus,
  startClamd,
  uuencoded,
  withPart,
} from '../support/antivirus.ts'
import { missing } from '../support/spam-filters.ts'

const skip = missing(CLAMD)

async function zipped(octets: Buffer | string, name = 'file.com'): Promise<Buffer> {
  const zip = new yazl.ZipFile()
  zip.addBuffer(Buffer.from(octets as string, 'latin1'), name)
  zip.end()
  return Buffer.concat(await Array.fromAsync(zip.outputStream as unknown as AsyncIterable<Buffer>))
}

/** As if it were encrypted: that bit in both headers. */
async function encrypted(): Promise<Buffer> {
  const zip = await zipped('secret')
  zip.writeUInt16LE(zip.readUInt16LE(6) | 1, 6)
  const central = zip.indexOf('PK\x01\x02')
  zip.writeUInt16LE(zip.readUInt16LE(central + 8) | 1, central + 8)
  return zip
}

const text = (encoding: string, body: string) =>
  withPart(`Content-Type: text/plain\r\nContent-Transfer-Encoding: ${encoding}\r\n`, body)
const MULTI = 'Content-Type: multipart/mixed; boundary="o"\r\n'

const FORMS: Readonly<Record<string, string | (() => Promise<string>)>> = {
  plain: letter(EICAR),
  'plain, without end of line': letter(`${EICAR}`),
  'base64, as the whole': single(ATTACHED, base64(EICAR)),
  'base64, as a part': attached(EICAR),
  'base64, a letter a line': withPart(ATTACHED, base64(EICAR).trim().split('').join('\r\n')),
  'quoted-printable': withPart(ATTACHED.replace('base64', 'quoted-printable'), quotedPrintable(EICAR)),
  'with LF alone': attached(EICAR).replaceAll('\r\n', '\n'),
  'without the last boundary': attached(EICAR).replace('--b--', ''),
  zipped: async () => attached(await zipped(EICAR)),
  'zipped twice': async () => attached(await zipped(await zipped(EICAR), 'inner.zip')),
  uuencoded: letter(`Hello\r\n\r\n${uuencoded(EICAR)}`),
  'uuencoded and zipped': async () => letter(uuencoded(await zipped(EICAR), 'begin 644 a.zip')),
  'the second that is uuencoded': letter(`${uuencoded('harmless')}\r\nmore\r\n${uuencoded(EICAR)}`),
  'uuencoded in a text part': text('7bit', `Hello\r\n${uuencoded(EICAR)}`),
  'uuencoded before the first part': single(
    MULTI,
    `${uuencoded(EICAR)}\r\n--o\r\nContent-Type: text/plain\r\n\r\nHello\r\n--o--\r\n`,
  ),
  'uuencoded after the last part': single(
    MULTI,
    `--o\r\nContent-Type: text/plain\r\n\r\nHello\r\n--o--\r\n${uuencoded(EICAR)}`,
  ),
  'a message in a message': forwarded(1, attached(EICAR)),
  'a message in a base64 part': withPart(
    'Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n',
    base64(attached(EICAR, 'inner')),
  ),
  'ten levels of messages': forwarded(10, attached(EICAR)),
}

/** What clamd alone calls clean. */
const MISSED: Readonly<Record<string, string>> = {
  'uuencoded in quoted-printable': text('quoted-printable', quotedPrintable(`Hello\r\n${uuencoded(EICAR)}`)),
  'uuencoded in base64': text('base64', base64(`Hello\r\n${uuencoded(EICAR)}`)),
  'uuencoded, with a mode of four digits': letter(uuencoded(EICAR, 'begin 0644 eicar.com')),
  'uuencoded, without a mode': letter(uuencoded(EICAR, 'begin  eicar.com')),
  'uuencode -m': letter(`Hello\r\nbegin-base64 644 eicar.com\r\n${base64(EICAR)}====\r\n`),
  'thirty levels of parts': nested(30, ATTACHED, base64(EICAR)),
  'thirty levels, as plain text': nested(30, 'Content-Type: text/plain\r\n', EICAR),
  'thirty levels, uuencoded in base64': nested(
    30,
    'Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n',
    base64(`Hello\r\n${uuencoded(EICAR)}`),
  ),
  'thirty levels of messages': forwarded(30, attached(EICAR)),
  'ninety levels': nested(45, 'Content-Type: message/rfc822\r\n', nested(45, ATTACHED, base64(EICAR))),
}

test('EICAR is found in every form that clamd takes apart', { skip }, async (t) => {
  const { server } = await startClamd(t)
  const { send } = await startAntivirus(t, { options: { servers: [server] } })
  const reply = { code: 554, enhanced: '5.7.1', text: `This message contains a virus: ${EICAR_NAME}` }
  for (const [form, given] of Object.entries(FORMS)) {
    const content = typeof given === 'string' ? given : await given()
    assert.deepEqual((await send({ content })).reply, reply, form)
    const harmless = typeof given === 'string' ? content.replaceAll(EICAR, 'harmless') : letter()
    if (!harmless.includes(base64(EICAR).slice(0, 20)) && harmless !== content)
      assert.equal((await send({ content: harmless })).reply.code, 250, form)
  }
  const { reply: clean, findings } = await send()
  assert.deepEqual([clean.code, findings.antivirus, findings['antivirus-name']], [250, 'clean', undefined])
})

test('and in forms that clamd by itself calls clean', { skip }, async (t) => {
  const { tcp } = await startClamd(t)
  const { send } = await startAntivirus(t, { options: { servers: [tcp] } })
  for (const [form, content] of Object.entries(MISSED))
    assert.match((await send({ content })).reply.text, /contains a virus: Eicar/, form)
})
