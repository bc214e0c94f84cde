/** The verifier of sender-auth gives the results of mailauth's own entrance, with keys that it has parsed before. */
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { before, test } from 'node:test'
import { type DNSResolver, dkimSign, dkimVerify } from 'mailauth'
import { type Library, loadLibrary } from '../../plugins/filter/sender-auth/library.ts'
import { limitSignatures } from '../../plugins/filter/sender-auth/signature-limit.ts'

const NAME = 's._domainkey.a.test'
const HEADER = 'From: Ann <ann@a.test>\r\nSubject:  two  words\r\n'
const BODY = 'one  \ttwo \r\n\r\nthree\r\n.\r\n\r\n\r\n'

const rsa = () => generateKeyPairSync('rsa', { modulusLength: 1024 })
type Pair = ReturnType<typeof rsa>
const record = ({ publicKey }: Pair) =>
  `v=DKIM1; k=rsa; p=${publicKey.export({ type: 'spki', format: 'der' }).toString('base64')}`
const zone =
  (text: string): DNSResolver =>
  async (name) => {
    if (name === NAME) return [[text.slice(0, 100), text.slice(100)]]
    throw Object.assign(new Error(name), { code: 'ENOTFOUND' })
  }

async function sign(text: string, { privateKey }: Pair, options: { canonicalization: string; maxBodyLength?: number }) {
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  const by = { ...options, signingDomain: 'a.test', selector: 's', privateKey: key }
  const { signatures } = await dkimSign(text, { ...by, signatureData: [by] })
  return signatures + text
}

const OPTIONS = { strict: true, minBitLength: 1024, sender: 'ann@a.test', curTime: new Date() }
const LIMITS = { signatures: 10, fieldSize: 16_384 }

async function* inPieces(text: string, size: number) {
  const octets = Buffer.from(text, 'latin1')
  for (let at = 0; at < octets.length; at += size) yield octets.subarray(at, at + size)
}

let library: Library
let pair: Pair
before(async () => {
  library = await loadLibrary()
  pair = rsa()
})

async function resultsOf(text: string, resolver: DNSResolver, size = 1000) {
  const verified = library.verifyDkim(limitSignatures(inPieces(text, size), LIMITS), { ...OPTIONS, resolver })
  const { results, headerFrom, fromFields, arc, headers } = await verified
  const keys = headers.parsed.map(({ key }) => key)
  return { results: results.map(({ info }) => info), headerFrom, fromFields, chain: arc.chain, keys }
}

/** The same by `dkimVerify`. */
async function expected(text: string, resolver: DNSResolver) {
  const verified = await dkimVerify(Buffer.from(text, 'latin1'), { ...OPTIONS, resolver })
  const { results, headerFrom, fromFields, arc, headers } = verified
  const keys = headers?.parsed.map(({ key }) => key)
  return { results: results.map(({ info }) => info), headerFrom, fromFields, chain: arc?.chain, keys }
}

test('however a message is divided and its lines end, the results are those of dkimVerify', async () => {
  const resolver = zone(record(pair))
  const texts = [
    HEADER,
    `${HEADER}\r\n`,
    `\r\n${BODY}`,
    '',
    'no header at all',
    `${HEADER}no blank line\r\n\r\n${BODY}`,
  ]
  for (const canonicalization of ['relaxed/relaxed', 'simple/simple', 'relaxed/simple', 'simple/relaxed'])
    for (const options of [{ canonicalization }, { canonicalization, maxBodyLength: 9 }]) {
      const signed = await sign(`${HEADER}\r\n${BODY}`, pair, options)
      texts.push(signed, `${signed}more\r\n`, signed.replaceAll('\r\n', '\n'), signed.replace('three\r\n', 'three\n'))
      texts.push(await sign(HEADER, pair, options), signed.replace('\r\n\r\n', '\r\n'), signed.trimEnd())
    }
  let passed = 0
  for (const text of texts) {
    const want = await expected(text, resolver)
    passed += want.results.filter((info) => info?.startsWith('dkim=pass')).length
    for (const size of [1, 7, 10_000]) assert.deepEqual(await resultsOf(text, resolver, size), want, text)
  }
  assert.ok(passed > 20, `${passed} signatures pass`)
})

test('a key is that of the record which the DNS has now', async () => {
  const signed = await sign(`${HEADER}\r\n${BODY}`, pair, { canonicalization: 'relaxed/relaxed' })
  const resultOf = async (text: string) => (await resultsOf(signed, zone(text))).results[0]?.split(' header')[0]
  assert.equal(await resultOf(record(pair)), 'dkim=pass')
  assert.equal(await resultOf(record(rsa())), 'dkim=fail (bad signature)')
  assert.equal(await resultOf(record(pair)), 'dkim=pass')
  assert.equal(await resultOf('v=DKIM1; p='), 'dkim=neutral (invalid public key)')
  assert.equal(await resultOf(record(pair).replace('k=rsa', 'k=rsa; s=chat')), 'dkim=neutral (key not for email)')
})

test('a message without signatures is read no further than its header', async () => {
  let wasRead = false
  const content = (async function* () {
    yield Buffer.from(`${HEADER}\r\n`)
    wasRead = true
    yield Buffer.from(BODY)
  })()
  const { results } = await library.verifyDkim(limitSignatures(content, LIMITS), { ...OPTIONS, resolver: zone('') })
  assert.equal(results[0]?.info, 'dkim=none (message not signed)')
  assert.equal(wasRead, false)
})
