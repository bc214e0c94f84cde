/** What mail programs open in other ways than clamd reads: found; and what keeps clamd from looking in: told. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { gather, writeAppleDouble, writeAppleSingle, writeBinhex, writeUuencode, writeYenc } from 'iems/mime'
import { missing } from 'iems/testing'
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
  single,
  startAntivirus,
  startClamd,
  uuencoded,
  withPart,
} from '../support/antivirus.ts'
import { compressed, detached, enveloped, rar, sevenZip, signed, tar, tnef, zip } from '../support/antivirus-forms.ts'
import { tempFolder } from '../support/running-server.ts'
import { MESSAGE_ID, writeTnef } from '../support/tnef-writer.ts'

const skip = missing(CLAMD)

const TYPE = 'Content-Type: application/octet-stream; name=file.com\r\n'
const BASE64 = 'Content-Transfer-Encoding: base64\r\n'
const QUOTED = `${TYPE}Content-Transfer-Encoding: quoted-printable\r\n`
const encodedBy = (field: string) => withPart(`${TYPE}${field}\r\n`, base64(EICAR))
/** Above the encoding stands a line that is not quite empty. */
const folded = (line: string) => withPart(`${TYPE}${line}\r\n${BASE64}`, base64(EICAR))
const part = (type: string, octets: Buffer) => withPart(`Content-Type: ${type}\r\n${BASE64}`, base64(octets))
const smime = (octets: Buffer, type = 'application/pkcs7-mime; smime-type=signed-data; name=smime.p7m') =>
  single(`Content-Type: ${type}\r\n${BASE64}`, base64(octets))
const entity = (content: string) => content.slice(content.indexOf('Content-Type'))
const soft = (behind: string) =>
  withPart(QUOTED, `${quotedPrintable(EICAR.slice(0, 30))}=${behind}\r\n${quotedPrintable(EICAR.slice(30))}`)
const bare = (between: string) =>
  single(
    'Content-Type: multipart/mixed; boundary="b"\r\n',
    `--b\r\nContent-Type: text/plain\r\n\r\nHello\r\n--b\r\n${between}${EICAR}\r\n--b--\r\n`,
  )
const twoTypes = (first: string, second: string) => {
  const field = (boundary: string) => `Content-Type: multipart/mixed; boundary=${boundary}\r\n`
  return single(`${field(first)}${field(second)}`, `--b\r\n${ATTACHED}\r\n${base64(EICAR)}\r\n--b--\r\n`)
}
const winmail = (octets: Buffer) => part('application/ms-tnef; name=winmail.dat', octets)

const FORMS: Readonly<Record<string, string>> = {
  'a header line of one space': folded(' '),
  'a header line of one tab': folded('\t'),
  'a header line of white space': folded(' \t \t'),
  'two header lines of white space': folded(' \r\n\t'),
  'a header line of white space in the message': single(`${TYPE} \r\n${BASE64}`, base64(EICAR)),
  'the same in a message in a message': forwarded(2, folded(' ')),
  'the same in parts in parts': nested(4, `${TYPE}\t\r\n${BASE64}`, base64(EICAR)),
  'the same with LF alone': folded(' ').replaceAll('\r\n', '\n'),
  'the same before the boundary is named': single(
    ' \r\nContent-Type: multipart/mixed; boundary="b"\r\n',
    `--b\r\n${ATTACHED}\r\n${base64(EICAR)}\r\n--b--\r\n`,
  ),
  'a soft line break and a space': soft(' '),
  'a soft line break and a tab': soft('\t'),
  'a soft line break and much white space': soft(' \t'.repeat(50)),
  'a soft line break and a space, with LF alone': soft(' ').replaceAll('\r\n', '\n'),
  'quoted-printable in lower case': withPart(QUOTED, quotedPrintable(EICAR).toLowerCase()),
  'a part with an empty header': bare('\r\n'),
  'a part without a header': bare(''),
  'a part with a header of white space': bare(' \r\n\r\n'),
  'an encoding with a comment': encodedBy('Content-Transfer-Encoding: base64 (as usual)'),
  'an encoding behind a comment': encodedBy('Content-Transfer-Encoding: (as usual) base64'),
  'an encoding in quotes': encodedBy('Content-Transfer-Encoding: "base64"'),
  'an encoding with a semicolon': encodedBy('Content-Transfer-Encoding: base64;'),
  'an encoding that is folded': encodedBy('Content-Transfer-Encoding:\r\n base64'),
  'an encoding with a space before the colon': encodedBy('Content-Transfer-Encoding : base64'),
  'an encoding with x before it': encodedBy('Content-Transfer-Encoding: x-base64'),
  'an encoding in capitals': encodedBy('CONTENT-TRANSFER-ENCODING: BASE64'),
  'two encodings, the first of which counts': encodedBy(
    'Content-Transfer-Encoding: base64\r\nContent-Transfer-Encoding: 7bit',
  ),
  'two encodings, the last of which counts': encodedBy(
    'Content-Transfer-Encoding: 7bit\r\nContent-Transfer-Encoding: base64',
  ),
  'two types, the first of which counts': twoTypes('b', 'other'),
  'two types, the last of which counts': twoTypes('other', 'b'),
  'two boundaries, the first of which counts': twoTypes('b; boundary=x', 'b; boundary=x'),
  'two boundaries, the last of which counts': twoTypes('x; boundary=b', 'x; boundary=b'),
  'two types, the last of which counts, and a line of white space': twoTypes('other', 'b').replace(
    ATTACHED,
    `${TYPE} \r\n${BASE64}`,
  ),
  'two boundaries, the last of which counts, and a line of white space': twoTypes(
    'x; boundary=b',
    'x; boundary=b',
  ).replace(ATTACHED, `${TYPE} \r\n${BASE64}`),
  'a boundary in pieces': twoTypes('x', 'x').replace(/boundary=x/g, 'boundary*0=""; boundary*1=b'),
  'a boundary that is percent-encoded': twoTypes('x', 'x').replace(/boundary=x/g, "boundary*=us-ascii''%62"),
  'an opaque signature': smime(signed(entity(attached(EICAR)))),
  'an opaque signature, as other programs call it': smime(
    signed(entity(attached(EICAR))),
    'application/x-pkcs7-mime; name=smime.p7m',
  ),
  'an opaque signature of unknown type': attached(signed(entity(attached(EICAR)))),
  'an opaque signature in BER': smime(signed(entity(attached(EICAR)), 'ber')),
  'an opaque signature in pieces': smime(signed(entity(attached(EICAR)), 'constructed')),
  'an opaque signature that is cut off': smime(signed(entity(attached(EICAR))).subarray(0, -2)),
  'an opaque signature around a file': smime(signed(`${ATTACHED}\r\n${base64(EICAR)}`)),
  'an opaque signature around a signature': smime(signed(entity(smime(signed(entity(attached(EICAR)), 'ber'))))),
  'an opaque signature in a message in a message': forwarded(3, smime(signed(entity(attached(EICAR))))),
  'an opaque signature around a line of white space': smime(signed(entity(folded(' ')))),
  'an opaque signature, armoured': attached(
    `-----BEGIN PKCS7-----\n${base64(signed(entity(attached(EICAR))))}-----END PKCS7-----\n`,
  ),
  'uuencoded in an opaque signature': smime(
    signed(`Content-Type: text/plain\r\n\r\nHello\r\n${uuencoded(EICAR, 'begin  eicar.com')}`),
  ),
  'uuencoded in quoted-printable in an opaque signature': smime(
    signed(`${QUOTED}\r\n${quotedPrintable(`Hello\r\n${uuencoded(EICAR)}`)}`),
  ),
  'uuencoded in a part of the last type': twoTypes('other', 'b')
    .replace(ATTACHED, QUOTED)
    .replace(base64(EICAR), quotedPrintable(uuencoded(EICAR))),
  'a compressed message': smime(compressed(entity(attached(EICAR)))),
  'a winmail.dat with a property': winmail(tnef(EICAR)),
  'a winmail.dat of unknown type': attached(tnef(EICAR)),
  'a winmail.dat with an object': winmail(tnef(EICAR, 'object')),
  'a winmail.dat with a property of the message': winmail(tnef(EICAR, 'message')),
  'a winmail.dat in a winmail.dat': winmail(tnef(tnef(EICAR), 'object')),
  'a winmail.dat with a zip': winmail(tnef(zip(EICAR))),
  'a winmail.dat in an opaque signature': smime(signed(entity(winmail(tnef(EICAR))))),
}

const wrapped = async (source: AsyncIterable<Uint8Array>) => (await gather(source, 100_000)).toString('latin1')
async function* octets(text: string) {
  yield Buffer.from(text, 'latin1')
}
const mac = { type: 'TEXT', creator: 'ttxt', flags: 0, resource: Buffer.from('none') }
const yencParts = (...parts: readonly string[]) =>
  parts.map((one, index) => {
    const start = parts.slice(0, index).join('').length
    const data = Buffer.from(one, 'latin1').map((octet) => (octet + 42) & 255)
    const head = `=ybegin part=${index + 1} total=${parts.length} line=128 size=${parts.join('').length} name=e.com\r\n`
    return `${head}=ypart begin=${start + 1} end=${start + one.length}\r\n${Buffer.from(data).toString('latin1')}\r\n=yend size=${one.length} part=${index + 1}\r\n`
  })

/** By the model of attachments. */
Object.assign(FORMS, {
  'yEnc in a letter': letter(await wrapped(writeYenc('e.com', () => octets(EICAR)))),
  'yEnc in a part in base64': part(
    'text/plain',
    await gather(
      writeYenc('e.com', () => octets(EICAR)),
      10_000,
    ),
  ),
  'yEnc without its end': letter((await wrapped(writeYenc('e.com', () => octets(EICAR)))).replace(/=yend.*/, '')),
  'yEnc in two parts': letter(yencParts(EICAR.slice(0, 30), EICAR.slice(30)).join('and\r\n')),
  'uuencoded behind yEnc that begins and does not end': letter(
    `=ybegin line=128 size=99999 name=x\r\n${await wrapped(writeUuencode({ name: 'e.com' }, octets(EICAR)))}`,
  ),
  'BinHex in a letter': letter(writeBinhex({ name: 'e.com', mac }, Buffer.from(EICAR)).toString('latin1')),
  'BinHex as a part': part('application/mac-binhex40', writeBinhex({ name: 'e.com', mac }, Buffer.from(EICAR))),
  'the resource fork of BinHex': letter(
    writeBinhex({ name: 'e.com', mac: { ...mac, resource: Buffer.from(EICAR) } }, Buffer.from('x')).toString('latin1'),
  ),
  AppleSingle: part('application/applefile', writeAppleSingle({ name: 'e.com', mac }, Buffer.from(EICAR))),
  'the resource fork of AppleDouble': part(
    'application/applefile',
    writeAppleDouble({ name: 'e.com', mac: { ...mac, resource: Buffer.from(EICAR) } }),
  ),
  'uuencode in BinHex': letter(
    writeBinhex({ name: 'e.com', mac }, await gather(writeUuencode({ name: 'x' }, octets(EICAR)), 10_000)).toString(
      'latin1',
    ),
  ),
  'a winmail.dat in BinHex': letter(writeBinhex({ name: 'winmail.dat', mac }, tnef(EICAR)).toString('latin1')),
  'a message in a winmail.dat': winmail(
    writeTnef({
      files: [
        {
          properties: [
            {
              id: 0x3701,
              object: Buffer.concat([
                MESSAGE_ID,
                writeTnef({ files: [{ title: 'e.com', octets: Buffer.from(EICAR) }] }),
              ]),
            },
          ],
        },
      ],
    }),
  ),
})

const partial = (type: string) => single(`${type}; id="x"; number=1; total=2\r\n`, 'a part\r\n')

/** What is held unless the admin says otherwise, and how it is called. */
const CLOSED: Readonly<Record<string, readonly [content: string, finding: string]>> = {
  'a fragment': [partial('Content-Type: message/partial'), 'unscannable a fragment of a message'],
  'a fragment in capitals': [partial('CONTENT-TYPE: MESSAGE/PARTIAL'), 'unscannable a fragment of a message'],
  'a fragment with spaces': [partial('Content-Type: message / partial'), 'unscannable a fragment of a message'],
  'a fragment that is folded': [
    partial('Content-Type:\r\n message/\r\n\tpartial'),
    'unscannable a fragment of a message',
  ],
  'a fragment with a comment': [partial('Content-Type: message/(x)partial'), 'unscannable a fragment of a message'],
  'a fragment behind a comment': [
    partial('Content-Type: (x (y)) message/partial'),
    'unscannable a fragment of a message',
  ],
  'a fragment with a comment behind it': [
    partial('Content-Type: message/partial(x)'),
    'unscannable a fragment of a message',
  ],
  'a fragment by the second field': [
    partial('Content-Type: text/plain\r\nContent-Type: message/partial'),
    'unscannable a fragment of a message',
  ],
  'a fragment by the first field': [
    partial('Content-Type: message/partial\r\nContent-Type: text/plain'),
    'unscannable a fragment of a message',
  ],
  'a fragment below a line of white space': [
    partial(' \r\nContent-Type: message/partial'),
    'unscannable a fragment of a message',
  ],
  'a fragment in an opaque signature': [
    smime(signed('Content-Type: message/partial; id=x; number=1\r\n\r\nx\r\n')),
    'unscannable a fragment of a message',
  ],
  'a zip with LZMA': [attached(zip('secret', { method: 14 })), 'unreadable Zip.Method-14'],
  'a zip with Zstandard': [attached(zip('secret', { method: 93 })), 'unreadable Zip.Method-93'],
  'a zip with LZMA in a zip': [
    attached(zip(zip('secret', { method: 14 }), { name: 'a.txt' })),
    'unreadable Zip.Method-14',
  ],
  'a zip with LZMA in gzip': [attached(gzipSync(zip('secret', { method: 14 }))), 'unreadable Zip.Method-14'],
  'a zip with LZMA behind a program': [
    attached(zip('secret', { method: 14, before: Buffer.from('MZ a program') })),
    'unreadable Zip.Method-14',
  ],
  'a zip with LZMA and a comment': [
    attached(zip('secret', { method: 14, comment: 'PK\x05\x06 x' })),
    'unreadable Zip.Method-14',
  ],
  'a zip with LZMA in a winmail.dat': [winmail(tnef(zip('secret', { method: 14 }))), 'unreadable Zip.Method-14'],
  'a zip that is cut off': [
    attached(zip('secret'.repeat(500), { method: 0 }).subarray(0, 1000)),
    'unreadable Zip.Broken',
  ],
  'an encrypted zip': [attached(zip('secret', { flags: 1 })), 'encrypted Zip.Encrypted'],
  'an encrypted zip in a zip': [attached(zip(zip('secret', { flags: 1 }))), 'encrypted Zip.Encrypted'],
  'gzip that is cut off': [attached(gzipSync('secret'.repeat(500)).subarray(0, -10)), 'unreadable Gzip.Broken'],
  'a RAR that this clamd does not open': [attached(rar('plain')), 'unreadable Rar'],
  'a RAR that is encrypted': [attached(rar('file')), 'encrypted Rar.Encrypted'],
  'a RAR whose header is encrypted': [attached(rar('header')), 'encrypted Rar.Encrypted'],
  'a RAR that is cut off': [attached(rar('plain').subarray(0, -8)), 'unreadable Rar.Broken'],
  'a 7z that is encrypted': [attached(sevenZip('encrypted')), 'encrypted 7Zip.Encrypted'],
  'a 7z with bzip2': [attached(sevenZip('bzip2')), 'unreadable 7Zip.Method-040202'],
  'a 7z that is encrypted and unpacks itself': [
    attached(Buffer.concat([Buffer.from('MZ a program'), sevenZip('encrypted')])),
    'encrypted 7Zip.Encrypted',
  ],
  'a zip with sizes of 64 bits': [attached(zip('secret', { isLong: true })), 'unreadable Zip.Zip64'],
  'a tar that is cut off': [attached(tar(Buffer.alloc(2000, 'x')).subarray(0, 1500)), 'unreadable Tar.Broken'],
  'a 7z that is cut off': [attached(sevenZip('plain').subarray(0, -1)), 'unreadable 7Zip.Broken'],
  'xz that is cut off': [attached(Buffer.from('\xfd7zXZ\0 and more', 'latin1')), 'unreadable Xz.Broken'],
  'bzip2 that is cut off': [attached(Buffer.from('BZh91AY&SY and more', 'latin1')), 'unreadable Bzip2.Broken'],
  Zstandard: [attached(Buffer.from('\x28\xb5\x2f\xfd and more', 'latin1')), 'unreadable Zstandard'],
  'an encrypted document': [
    attached(Buffer.concat([Buffer.from('d0cf11e0a1b11ae1', 'hex'), Buffer.from('EncryptedPackage', 'utf16le')])),
    'encrypted Office.Encrypted',
  ],
  'OpenPGP in a text': [letter('Hello\r\n-----BEGIN PGP MESSAGE-----\r\n\r\nx\r\n'), 'encrypted OpenPGP'],
  'OpenPGP in a part': [attached('-----BEGIN PGP MESSAGE-----\n\nx\n'), 'encrypted OpenPGP'],
  'a zip with LZMA in tar in gzip': [
    attached(gzipSync(tar(zip(zip('secret', { method: 14 }))))),
    'unreadable Zip.Method-14',
  ],
  'a zip with LZMA before another': [
    attached(Buffer.concat([zip('secret', { method: 14 }), zip('Hello')])),
    'unreadable Zip.Method-14',
  ],
  'a zip with LZMA that says it has no files': [
    attached(zip('secret', { method: 14, count: 0 })),
    'unreadable Zip.Method-14',
  ],
  'an encrypted RAR that unpacks itself': [
    attached(Buffer.concat([Buffer.from('MZ a program'), rar('file')])),
    'encrypted Rar.Encrypted',
  ],
  'one of several RARs': [attached(rar('volume')), 'unreadable Rar.Spanned'],
  'a winmail.dat that is cut off': [winmail(tnef('secret').subarray(0, -20)), 'unreadable Tnef.Broken'],
  'S/MIME that is no CMS': [smime(Buffer.from('what?')), 'unreadable Smime.Broken'],
  'S/MIME that is encrypted': [smime(enveloped()), 'encrypted Smime.Encrypted'],
  OpenPGP: [
    single('Content-Type: multipart/encrypted; boundary=b\r\n', '--b\r\n\r\nVersion: 1\r\n--b--\r\n'),
    'encrypted OpenPGP',
  ],
}

/** What nobody should be kept from. */
const HARMLESS: Readonly<Record<string, string>> = {
  'a zip': attached(zip('Hello')),
  'a zip with a comment': attached(zip('Hello', { comment: 'made by hand' })),
  'a zip in a zip': attached(zip(zip('Hello'))),
  'a 7z': attached(sevenZip('plain')),
  gzip: attached(gzipSync('Hello')),
  'a tar in gzip': attached(gzipSync(tar(zip('Hello')))),
  'a detached signature': part('application/pkcs7-signature; name=smime.p7s', detached()),
  'a winmail.dat': winmail(tnef('Hello')),
  'an opaque signature': smime(signed(entity(attached('Hello')))),
  'a text about zips': letter('PK and Rar! are where archives begin.\r\n'),
}

const kept = (content: string) =>
  content.replaceAll(EICAR, 'harmless').replaceAll(base64(EICAR).trim(), base64('harmless').trim())

test('EICAR is found in every form that mail programs open', { skip }, async (t) => {
  const { server } = await startClamd(t)
  const { send } = await startAntivirus(t, { options: { servers: [server], cache: { entries: 0 } } })
  const missed: string[] = []
  for (const [form, content] of Object.entries(FORMS)) {
    const { reply } = await send({ content })
    if (!reply.text.startsWith(`This message contains a virus: ${EICAR_NAME} (`))
      missed.push(`${form}: ${reply.code} ${reply.text}`)
    // It is the file that is found, not the form.
    const harmless = kept(content)
    if (harmless !== content) assert.equal((await send({ content: harmless })).reply.code, 250, form)
  }
  assert.deepEqual(missed, [])
  assert.ok(Object.keys(FORMS).length >= 40)
})

test('what keeps clamd from looking in is never clean', { skip }, async (t) => {
  const { server } = await startClamd(t)
  const { send } = await startAntivirus(t, { options: { servers: [server], cache: { entries: 0 } } })
  const found: Record<string, string> = {}
  const wanted = Object.fromEntries(Object.entries(CLOSED).map(([form, [, finding]]) => [form, finding]))
  for (const [form, [content]] of Object.entries(CLOSED)) {
    const { findings } = await send({ content })
    found[form] = `${findings.antivirus} ${findings['antivirus-name']}`
  }
  assert.deepEqual(found, wanted)
  for (const [form, content] of Object.entries(HARMLESS))
    assert.equal((await send({ content })).findings.antivirus, 'clean', form)
})

test('archives that cannot be opened have a policy of their own, and the strictest policy counts', {
  skip,
}, async (t) => {
  const { server } = await startClamd(t)
  const closed = attached(zip('secret', { method: 14 }))
  const both = withPart(`Content-Type: application/zip\r\n${BASE64}`, base64(zip('secret', { flags: 1 }))).replace(
    '--b--',
    `--b\r\n${ATTACHED}\r\n${base64(zip('secret', { method: 14 }))}\r\n--b--`,
  )
  const held = await startAntivirus(t, { options: { servers: [server] } })
  await held.send({ content: closed })
  assert.equal(await held.queue.count({ held: true }), 1)
  const refuses = await startAntivirus(t, { options: { servers: [server], unreadable: 'refuse' } })
  assert.match(
    (await refuses.send({ content: closed })).reply.text,
    /^Archives that cannot be scanned for viruses are not accepted here \([0-9A-Z]{26}\)$/,
  )
  const strict = await startAntivirus(t, { options: { servers: [server], encrypted: 'refuse', unreadable: 'tag' } })
  assert.match(
    (await strict.send({ content: both })).reply.text,
    /^Encrypted attachments are not accepted here \([0-9A-Z]{26}\)$/,
  )
  assert.equal((await strict.send({ content: closed })).reply.code, 250)
})

test('a message that openssl has signed is opened', { skip: missing('/usr/bin/openssl') || skip }, async (t) => {
  const { server } = await startClamd(t)
  const { send } = await startAntivirus(t, { options: { servers: [server] } })
  const folder = await tempFolder(t)
  const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')]
  const quiet = { stdio: ['pipe', 'pipe', 'ignore'] as ['pipe', 'pipe', 'ignore'] }
  const request = [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-subj',
    '/CN=ann',
    '-days',
    '9',
  ]
  execFileSync('openssl', [...request, '-keyout', key, '-out', certificate], quiet)
  const sign = (how: readonly string[]) =>
    execFileSync('openssl', ['cms', '-sign', '-nodetach', '-signer', certificate, '-inkey', key, ...how], {
      ...quiet,
      input: entity(attached(EICAR)),
    }).toString('latin1')
  const head = letter().slice(0, letter().indexOf('\r\n\r\n') + 2)
  for (const how of [[], ['-stream'], ['-indef']])
    assert.equal((await send({ content: `${head}${sign(how)}` })).reply.code, 554, how.join(' '))
  const der = sign(['-outform', 'DER'])
  assert.equal((await send({ content: smime(Buffer.from(der, 'latin1')) })).reply.code, 554, 'DER')
})

test('what holds too much is not clean either', { skip }, async (t) => {
  const { server } = await startClamd(t)
  const { send } = await startAntivirus(t, {
    options: { servers: [server], cache: { entries: 0 }, parts: 20, maxSize: '1 MB' },
  })
  let deep = Buffer.from('secret')
  for (let n = 0; n < 12; n++) deep = zip(deep)
  const bomb = zip(gzipSync(Buffer.alloc(50_000_000)))
  const many = single('Content-Type: multipart/mixed; boundary=b\r\n', `${'--b\r\n\r\nx\r\n'.repeat(21)}--b--\r\n`)
  let signatures = 'Content-Type: text/plain\r\n\r\nx\r\n'
  for (let n = 0; n < 12; n++) signatures = entity(smime(signed(signatures)))
  const wide = withPart(`X-Wide: ${'x'.repeat(300_000)}\r\n${TYPE}${BASE64}`, base64('x'))
  const cases: readonly [content: string, kind: string][] = [
    [attached(deep), 'oversize'],
    [attached(bomb), 'oversize'],
    [many, 'unscannable'],
    [
      single(
        signatures.slice(0, signatures.indexOf('\r\n\r\n') + 2),
        signatures.slice(signatures.indexOf('\r\n\r\n') + 4),
      ),
      'unscannable',
    ],
    [wide, 'unscannable'],
  ]
  for (const [content, kind] of cases) assert.equal((await send({ content })).findings.antivirus, kind)
})
