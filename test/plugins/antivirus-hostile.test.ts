/** Containers that are broken in every way, and made to be costly: looked through in linear time, never a fault. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { archiveProblems as problemsOf } from 'iems/mime'
import { Unscannable } from '../../plugins/filter/antivirus/extraction/missed.ts'
import { lastCounts } from '../../plugins/filter/antivirus/shown/last.ts'
import { filesOf, filesShown } from '../../plugins/filter/antivirus/shown/parts.ts'
import { attached, letter, nested, single, withPart } from '../support/antivirus.ts'
import { compressed, rar, sevenZip, signed, tar, tnef, zip } from '../support/antivirus-forms.ts'

const LIMITS = { parts: 1000, maxSize: 4_000_000 }

const source = (octets: Buffer) => ({
  size: octets.length,
  async *open({ start, end } = { start: 0, end: octets.length }) {
    yield octets.subarray(start, end)
  },
})

/** How many files, or that there is no taking it apart. */
async function filesIn(octets: Buffer, as: typeof filesOf): Promise<number | 'unscannable'> {
  try {
    return (await Array.fromAsync(as(source(octets), { limits: LIMITS, report: () => undefined }))).length
  } catch (cause) {
    if (cause instanceof Unscannable) return 'unscannable'
    throw cause
  }
}

/** The same numbers in every run. */
function createRandom(seed: number) {
  let state = seed
  return (below: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

const inner = 'Content-Type: text/plain\r\n\r\nHello\r\n'
const CONTAINERS: Readonly<Record<string, Buffer>> = {
  signed: signed(inner),
  'signed in BER': signed(inner, 'ber'),
  'signed in pieces': signed(inner, 'constructed'),
  compressed: compressed(inner),
  tnef: tnef('Hello'),
  'tnef in tnef': tnef(tnef('Hello'), 'object'),
  zip: zip('Hello'),
  'zip in zip': zip(zip('Hello'), { comment: 'x' }),
  rar: rar('plain'),
  'encrypted rar': rar('file'),
  '7z': sevenZip('plain'),
  'encrypted 7z': sevenZip('encrypted'),
  tar: tar(Buffer.from('Hello')),
  gzip: gzipSync(tar(zip('Hello'))),
}

test('containers that are cut off or changed anywhere are no fault', async () => {
  for (const [name, whole] of Object.entries(CONTAINERS)) {
    const random = createRandom(whole.length)
    for (let n = 0; n < 300; n++) {
      const broken = Buffer.from(whole.subarray(0, n % 2 === 0 ? whole.length : random(whole.length)))
      for (let changes = random(4); changes >= 0 && broken.length > 0; changes--)
        broken[random(broken.length)] = random(3) === 0 ? 0xff : random(256)
      await assert.doesNotReject(filesIn(broken, filesOf), `${name} ${broken.toString('hex')}`)
    }
  }
})

/** Octets that are all begin and no end. */
const COSTLY: Readonly<Record<string, (size: number) => Buffer>> = {
  'octet strings without octets': (size) => wrapped(Buffer.alloc(size, '0400', 'hex')),
  'lengths that are not said': (size) => wrapped(Buffer.alloc(size, '2480', 'hex')),
  'files of zip': (size) => Buffer.concat([Buffer.from('PK\x03\x04'), Buffer.alloc(size, 'PK\x01\x02', 'latin1')]),
  'ends of zip': (size) => Buffer.alloc(size, 'PK\x05\x06', 'latin1'),
  'headers of RAR': (size) =>
    Buffer.concat([rar('plain').subarray(0, 8), Buffer.alloc(size, '0000000003020000', 'hex')]),
  'properties of TNEF': (size) =>
    Buffer.concat([tnef('x').subarray(0, 6), Buffer.alloc(size, '020f800600000000000000', 'hex')]),
  'blocks of tar': (size) => Buffer.alloc(size, tar(Buffer.alloc(0)).subarray(0, 512)),
  beginnings: (size) => Buffer.alloc(size, 'begin\n'),
  'Rar in a program': (size) => Buffer.concat([Buffer.from('MZ'), Buffer.alloc(size, 'Rar!\x1a\x07\x00', 'latin1')]),
  'white space': (size) => Buffer.alloc(size, ' '),
  zeros: (size) => Buffer.alloc(size),
}

/** The beginning of a signature around octets that stand for its pieces. */
const wrapped = (octets: Buffer) =>
  Buffer.concat([
    Buffer.from('308006092a864886f70d010702a0803080020101310030800609', 'hex'),
    Buffer.from('2a864886f70d010701a0802480', 'hex'),
    octets,
  ])

test('the time is linear in the octets', async () => {
  const spent = async (work: () => Promise<unknown>) => {
    const times: number[] = []
    for (let n = 0; n < 5; n++) {
      const start = process.cpuUsage()
      await work()
      const { user } = process.cpuUsage(start)
      times.push(user)
    }
    return (times.sort((a, b) => a - b)[1] as number) / 1000
  }
  for (const [what, make] of Object.entries(COSTLY)) {
    const [once, more] = [make(250_000), make(1_000_000)]
    const base = await spent(() => filesIn(once, filesOf))
    const four = await spent(() => filesIn(more, filesOf))
    assert.ok(four < 12 * base + 100, `${what}: ${base} ms, with four times the octets ${four} ms`)
  }
})

test('fields that stand there twice are renamed in place', async () => {
  const twice = single(
    'Content-Type: text/plain;\r\n boundary=a\r\ncontent-type : multipart/mixed; boundary=b; boundary=c\r\n',
    'Content-Type: x\r\n\r\nbody\r\n',
  )
  const expected = twice.replace('Content-Type: text', 'xontent-Type: text').replace('boundary=b', 'xoundary=b')
  for (const size of [1, 7, 1000]) {
    const pieces = async function* () {
      for (let at = 0; at < twice.length; at += size) yield Buffer.from(twice.slice(at, at + size), 'latin1')
    }
    const read = Buffer.concat(await Array.fromAsync(lastCounts(pieces()))).toString('latin1')
    assert.equal(read, expected)
  }
  const plain = nested(3, 'Content-Type: text/plain\r\n', 'x')
  const same = Buffer.concat(await Array.fromAsync(lastCounts(source(Buffer.from(plain)).open())))
  assert.equal(same.toString(), plain)
})

test('a plain letter is not taken apart, and what has parts is', async () => {
  const count = (content: string) => filesIn(Buffer.from(content, 'latin1'), filesShown)
  assert.equal(await count(letter()), 0)
  assert.equal(await count(single('Content-Type: text/html\r\n', '<p>Hello')), 0)
  assert.equal(await count(attached('Hello')), 2)
  assert.equal(await count(withPart('Content-Type: message/rfc822\r\n', attached('Hello', 'inner'))), 3)
})

test('an archive is judged within the octets that are left', async () => {
  const large = gzipSync(Buffer.alloc(1_000_000))
  assert.deepEqual(await problemsOf(large, { octets: 2_000_000 }), [])
  assert.deepEqual(await problemsOf(large, { octets: 500_000 }), [{ kind: 'oversize', name: 'Archive.TooLarge' }])
})
