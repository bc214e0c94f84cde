/** Names of attachments as programs spell them, right and wrong. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { attachmentName, baseName, readStructure, writePart } from 'iems/mime'
import { fc } from '../support/property.ts'

async function nameIn(header: string | Buffer): Promise<string | undefined> {
  const octets = Buffer.concat([Buffer.from(header as string, 'latin1'), Buffer.from('\r\n\r\nx\r\n')])
  const part = await readStructure(async function* (range) {
    yield octets.subarray(range?.start ?? 0, range?.end ?? octets.length)
  }, octets.length)
  return attachmentName(part)
}

const disposition = (parameters: string) => `Content-Disposition: attachment; ${parameters}`
const WANTED = 'Résumé €.pdf'
const octets = (text: string) => Buffer.from(text).toString('latin1')
const b64 = (text: string | Buffer) => Buffer.from(text as string).toString('base64')

const SPELLINGS: Readonly<Record<string, readonly [header: string, wanted: string]>> = {
  'a token': [disposition('filename=a.pdf'), 'a.pdf'],
  'a quoted string': [disposition('filename="a b.pdf"'), 'a b.pdf'],
  'RFC 2231': [disposition("filename*=utf-8''R%C3%A9sum%C3%A9%20%E2%82%AC.pdf"), WANTED],
  'RFC 2231 with a language': [disposition("filename*=UTF-8'fr'R%C3%A9sum%C3%A9%20%E2%82%AC.pdf"), WANTED],
  'RFC 2231 in pieces': [
    disposition("filename*0*=utf-8''R%C3%A9sum; filename*1*=%C3%A9%20%E2; filename*2*=%82%AC; filename*3=.pdf"),
    WANTED,
  ],
  'pieces out of order': [
    disposition("filename*2=.pdf; filename*1*=%C3%A9%20%E2%82%AC; filename*0*=utf-8''R%C3%A9sum"),
    WANTED,
  ],
  'plain pieces': [disposition('filename*0="a long "; filename*1="name.pdf"'), 'a long name.pdf'],
  'RFC 2231 in an old charset': [disposition("filename*=iso-8859-1''R%E9sum%E9.pdf"), 'Résumé.pdf'],
  'RFC 2231 in Shift_JIS': [disposition("filename*=shift_jis''%93%FA%96%7B.txt"), '日本.txt'],
  'RFC 2231 in quotes': [disposition('filename*="utf-8\'\'R%C3%A9sum%C3%A9%20%E2%82%AC.pdf"'), WANTED],
  'RFC 2231 without a charset': [disposition('filename*=R%C3%A9sum%C3%A9.pdf'), 'Résumé.pdf'],
  'RFC 2231 beside a poorer name': [
    disposition('filename="R?sum?.pdf"; filename*=utf-8\'\'R%C3%A9sum%C3%A9.pdf'),
    'Résumé.pdf',
  ],
  'an encoded word in quotes': [disposition(`filename="=?utf-8?B?${b64(WANTED)}?="`), WANTED],
  'an encoded word without quotes': [disposition(`filename==?utf-8?Q?R=C3=A9sum=C3=A9_=E2=82=AC.pdf?=`), WANTED],
  'an encoded word with spaces': [disposition(`filename="=?utf-8?Q?R=C3=A9sum=C3=A9 =E2=82=AC.pdf?="`), WANTED],
  'encoded words that divide a character': [
    disposition(
      `filename="=?utf-8?B?${b64(Buffer.from(WANTED).subarray(0, 2))}?=\r\n =?utf-8?B?${b64(Buffer.from(WANTED).subarray(2))}?="`,
    ),
    WANTED,
  ],
  'an encoded word without its end': [disposition(`filename="=?utf-8?B?${b64(WANTED)}"`), WANTED],
  'an encoded word in pieces of RFC 2231': [
    disposition(`filename*0="=?utf-8?B?${b64(WANTED).slice(0, 8)}"; filename*1="${b64(WANTED).slice(8)}?="`),
    WANTED,
  ],
  'an encoded word in ISO-2022-JP': [disposition('filename="=?iso-2022-jp?B?GyRCRnxLXBsoQi50eHQ=?="'), '日本.txt'],
  'an encoded word in code page 850': [disposition('filename="=?cp850?Q?R=82sum=82.pdf?="'), 'Résumé.pdf'],
  'an encoded word in UTF-7': [disposition('filename="=?utf-7?Q?R+AOk-sum+AOk-.pdf?="'), 'Résumé.pdf'],
  'an encoded word in KOI8-R': [disposition('filename="=?koi8-r?B?8NLJ18XULnR4dA==?="'), 'Привет.txt'],
  'raw UTF-8': [disposition(`filename="${octets(WANTED)}"`), WANTED],
  'raw Windows-1252': [disposition('filename="R\xe9sum\xe9 \x80.pdf"'), WANTED],
  'percent signs as in a URL': [disposition('filename="R%C3%A9sum%C3%A9.pdf"'), 'Résumé.pdf'],
  'percent signs that mean themselves': [disposition('filename="100% sure%20.pdf"'), '100% sure%20.pdf'],
  'spaces without quotes': [disposition('filename=my annual report.pdf; size=3'), 'my annual report.pdf'],
  'single quotes': [disposition("filename='a b.pdf'"), 'a b.pdf'],
  'no closing quote': [disposition('filename="a b.pdf'), 'a b.pdf'],
  'a path of Windows': [disposition('filename="C:\\temp\\a.pdf"'), 'C:\\temp\\a.pdf'],
  'quotes within': [disposition('filename="a \\"b\\".pdf"'), 'a "b".pdf'],
  'the name of the type alone': ['Content-Type: application/pdf; name="a b.pdf"', 'a b.pdf'],
  'two names, one of them damaged': [
    `Content-Type: application/pdf; name="=?utf-8?B?${b64(WANTED)}?="\r\n${disposition("filename*=utf-8''R%E9sum")}`,
    WANTED,
  ],
  'an empty name and another': [`Content-Type: application/pdf; name=a.pdf\r\n${disposition('filename=""')}`, 'a.pdf'],
  'folded in the middle': [disposition('filename="a\r\n b.pdf"'), 'a b.pdf'],
  'a semicolon too many': [`Content-Disposition: attachment;; filename=a.pdf`, 'a.pdf'],
}

for (const [spelling, [header, wanted]] of Object.entries(SPELLINGS))
  test(`a name in ${spelling}`, async () => assert.equal(await nameIn(header), wanted))

test('every name that is written is read again', async () => {
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 200 }), async (name) => {
      const part = await writePart({ type: 'application/x', name, content: 'x' })
      const pieces: Uint8Array[] = []
      for await (const piece of part()) pieces.push(piece)
      const read = await nameIn(Buffer.concat(pieces).subarray(0, -8))
      // A name in encoded words or percent signs means what it decodes to, and blanks at its ends are none.
      if (!/=\?|%[89a-f]|^'|[\x80-\x9f]|^"/i.test(name)) assert.equal(read, name.trim() === '' ? read : name.trim())
    }),
    { numRuns: 200 },
  )
})

test('a name for a file system has no path and nothing that leaves the folder', () => {
  assert.equal(baseName('../../etc/passwd'), 'passwd')
  assert.equal(baseName('C:\\temp\\a.pdf'), 'a.pdf')
  assert.equal(baseName('..'), '_')
  assert.equal(baseName('con.txt'), '_con.txt')
  assert.equal(baseName('a\u202efdp.exe'), 'a_fdp.exe')
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (name) => {
      const safe = baseName(name)
      assert.ok(safe !== '' && Buffer.byteLength(safe) <= 255 && !/[/\\\0]|^\.+$/.test(safe))
    }),
  )
})
