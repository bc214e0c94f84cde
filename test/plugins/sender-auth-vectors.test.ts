/**
 * What others have published or signed: the openspf.org suite for RFC 7208, and messages signed by opendkim and by
 * Python's dkim. All of it stands on the machine that runs the tests, in Debian's packages.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { missing } from 'iems/testing'
import type { Zone } from '../support/dns-zone.ts'
import { letter, startSenderAuth } from '../support/sender-auth.ts'

const PYTHON = '/usr/bin/python3'
const SUITE = '/usr/share/doc/python3-spf/rfc7208-tests.yml.gz'
const OPENDKIM = '/usr/sbin/opendkim'
const DKIM_PY = '/usr/lib/python3/dist-packages/dkim'

// --- SPF ------------------------------------------------------------------------------------

interface Scenario {
  readonly description: string
  readonly tests: Readonly<
    Record<string, { helo: string; host: string; mailfrom: string; result: string | readonly string[] }>
  >
  readonly zonedata: Readonly<Record<string, readonly (string | Readonly<Record<string, unknown>>)[]>>
}

function readSuite(): Scenario[] {
  const program = 'import yaml,json,gzip,sys; print(json.dumps(list(yaml.safe_load_all(gzip.open(sys.argv[1])))))'
  return JSON.parse(execFileSync(PYTHON, ['-c', program, SUITE], { encoding: 'utf8', timeout: 20_000 }))
}

/** The suite's zone in ours: records of type SPF count as TXT where there is none of that. */
function zoneOf({ zonedata }: Scenario): Zone {
  const zone: Record<string, Zone[string]> = {}
  for (const [name, records] of Object.entries(zonedata)) {
    const isSilent = records.includes('TIMEOUT')
    const hasTxt = records.some((record) => typeof record === 'object' && 'TXT' in record)
    const types = new Map<string, unknown[]>()
    for (const record of records) {
      for (const [type, value] of Object.entries(typeof record === 'object' ? record : {})) {
        if (value === 'NONE' || (type === 'SPF' && hasTxt)) continue
        const as = type === 'SPF' ? 'TXT' : type
        types.set(as, [...(types.get(as) ?? []), readRecord(as, value)])
      }
    }
    for (const type of ['TXT', 'A', 'AAAA', 'MX', 'PTR', 'CNAME']) {
      const found = types.get(type)
      if (found) zone[`${type} ${name}`] = found
      else if (isSilent) zone[`${type} ${name}`] = 'TIMEOUT'
    }
  }
  return zone
}

function readRecord(type: string, value: unknown): unknown {
  if (type !== 'MX') return value
  const [priority, exchange] = value as [number, string]
  return { priority, exchange }
}

test('the openspf.org suite for RFC 7208, to the letter', { skip: missing(PYTHON, SUITE) }, async (t) => {
  const wrong: string[] = []
  let count = 0
  for (const scenario of readSuite()) {
    const options = { spf: { strict: true }, dmarc: { temporary: 'tag', ambiguousFrom: 'tag' } } as const
    const { send } = await startSenderAuth(t, { zone: zoneOf(scenario), options })
    for (const [name, { helo, host, mailfrom, result }] of Object.entries(scenario.tests)) {
      const { findings } = await send({ content: letter(), helo: helo ?? '', ip: host, from: mailfrom })
      const expected = [result].flat()
      count++
      if (!expected.includes(`${findings.spf}`))
        wrong.push(`${scenario.description}: ${name} is ${findings.spf}, not ${expected.join(' or ')}`)
    }
  }
  t.diagnostic(`${count} tests`)
  assert.deepEqual(wrong, [])
})

// --- DKIM and ARC ---------------------------------------------------------------------------

interface Keys {
  readonly folder: string
  readonly privateKey: string
  readonly zone: Zone
}

/** A key for `sel._domainkey.<domain>`. */
async function makeKeys(t: TestContext, ...domains: readonly string[]): Promise<Keys> {
  const folder = await mkdtemp(join(tmpdir(), 'iems-sender-auth-'))
  t.after(() => rm(folder, { recursive: true }))
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const file = join(folder, 'key.pem')
  await writeFile(file, privateKey.export({ type: 'pkcs1', format: 'pem' }), { mode: 0o600 })
  const text = createPublicKey(publicKey.export({ type: 'spki', format: 'pem' }))
    .export({ type: 'spki', format: 'der' })
    .toString('base64')
  const record = `v=DKIM1; k=rsa; p=${text}`
  const zone = Object.fromEntries(
    domains.map((domain) => [`TXT sel._domainkey.${domain}`, [[record.slice(0, 200), record.slice(200)]]]),
  )
  return { folder, privateKey: file, zone }
}

const REJECT = { 'TXT _dmarc.a.test': ['v=DMARC1; p=reject'] }
const crlf = (text: string) => text.replace(/\r?\n/g, '\r\n')

/** The field that opendkim would insert, from the report of its test mode. */
async function signWithOpendkim({ folder, privateKey }: Keys, content: string, canonicalization: string) {
  const [config, message] = [join(folder, 'opendkim.conf'), join(folder, 'message')]
  const settings = `Mode s\nDomain a.test\nSelector sel\nKeyFile ${privateKey}\nRequireSafeKeys no\n`
  await writeFile(config, `${settings}Canonicalization ${canonicalization}\nSignatureAlgorithm rsa-sha256\n`)
  await writeFile(message, content, 'latin1')
  const told = execFileSync(OPENDKIM, ['-x', config, '-t', message, '-vvv'], {
    encoding: 'latin1',
    timeout: 20_000,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const field = /hname='DKIM-Signature' hvalue='([^']*)'/.exec(told)?.[1] ?? ''
  return `DKIM-Signature: ${crlf(field)}\r\n${content}`
}

function runPython(script: string, args: readonly string[], content: string): string {
  return execFileSync(`/usr/bin/${script}`, args, {
    input: Buffer.from(content, 'latin1'),
    encoding: 'latin1',
    timeout: 20_000,
    stdio: ['pipe', 'pipe', 'ignore'],
  })
}

const AWKWARD = letter('"Ann, the first" <ann@a.test>', ['X-Long:  a \r\n\t b   c ']).replace(
  'Hello Bob,',
  'Hello  Bob, \t\r\n\r\n  \r\n\u00e9\u00fc',
)

for (const canonicalization of ['simple/simple', 'relaxed/relaxed', 'relaxed/simple'])
  test(`a signature of opendkim, ${canonicalization}`, { skip: missing(OPENDKIM) }, async (t) => {
    const keys = await makeKeys(t, 'a.test')
    const { send } = await startSenderAuth(t, { zone: { ...keys.zone, ...REJECT } })
    const signed = await signWithOpendkim(keys, `${AWKWARD}\r\n\r\n`, canonicalization)
    const good = await send({ content: signed, from: 'x@elsewhere.test' })
    assert.deepEqual([good.findings.dkim, good.findings.dmarc, good.reply.code], ['pass', 'pass', 250])
    assert.equal(good.findings['dkim-domains'], 'a.test')
    assert.match(
      good.results[0] ?? '',
      /dkim=pass header\.d=a\.test header\.i=@a\.test header\.s=sel header\.a=rsa-sha256/,
    )
    const bad = await send({ content: signed.replace('how are you', 'how are you all'), from: 'x@elsewhere.test' })
    assert.deepEqual([bad.reply.code, bad.reply.enhanced], [550, '5.7.26'])
  })

test('a signature of Python’s dkim verifies, and not under another subject', { skip: missing(DKIM_PY) }, async (t) => {
  const keys = await makeKeys(t, 'a.test')
  const { send } = await startSenderAuth(t, { zone: { ...keys.zone, ...REJECT } })
  const signed = runPython('dkimsign', ['sel', 'a.test', keys.privateKey], AWKWARD)
  const good = await send({ content: signed, from: '' })
  assert.deepEqual([good.findings.dkim, good.findings.dmarc], ['pass', 'pass'])
  const bare = await send({ content: signed.replace('\r\n\r\n', '\n\n'), from: '' })
  assert.equal(bare.findings.dkim, 'pass')
  const bad = await send({ content: signed.replace('Subject: Hello', 'Subject: Hell'), from: '' })
  assert.equal(bad.reply.code, 550)
})

test('a relaxed signature over a field of very many lines verifies', { skip: missing(DKIM_PY) }, async (t) => {
  const keys = await makeKeys(t, 'a.test')
  const { send } = await startSenderAuth(t, { zone: keys.zone })
  const long = letter().replace('To: bob@here.test', `To: bob@here.test${',\r\n\tx@here.test'.repeat(2000)}`)
  const signed = runPython('dkimsign', ['sel', 'a.test', keys.privateKey], long)
  assert.equal((await send({ content: signed })).findings.dkim, 'pass')
})

test('the Ed25519 signature of RFC 8463’s example', { skip: missing(DKIM_PY) }, async (t) => {
  const signed = crlf(await readFile(join(DKIM_PY, 'tests/data/rfc6376.signed.msg'), 'latin1'))
  const { send } = await startSenderAuth(t, {
    zone: {
      'TXT brisbane._domainkey.football.example.com': [
        'v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=',
      ],
    },
  })
  const { results } = await send({ content: signed })
  assert.match(results[0] ?? '', /dkim=pass header\.d=football\.example\.com [^;]*header\.a=ed25519-sha256/)
})

test('ARC sets of Python’s dkim: pass, fail after a change, believed only if trusted', {
  skip: missing(DKIM_PY),
}, async (t) => {
  const keys = await makeKeys(t, 'list.test', 'other.test')
  const zone = { ...keys.zone, ...REJECT }
  const told = 'Authentication-Results: list.test; spf=pass smtp.mailfrom=a.test; dmarc=pass header.from=a.test\r\n'
  const once = runPython('arcsign', ['sel', 'list.test', keys.privateKey, 'list.test'], told + letter())
  const failed = 'Authentication-Results: other.test; arc=pass; dmarc=fail header.from=a.test\r\n'
  const twice = runPython('arcsign', ['sel', 'other.test', keys.privateKey, 'other.test'], failed + once)
  const doubting = await startSenderAuth(t, { zone })
  assert.equal((await doubting.send({ content: twice })).reply.code, 550)

  const partly = await startSenderAuth(t, { zone, options: { arc: { trusted: ['other.test'] } } })
  assert.equal((await partly.send({ content: twice })).reply.code, 550)

  const trusting = await startSenderAuth(t, { zone, options: { arc: { trusted: ['list.test', 'Other.test'] } } })
  const believed = await trusting.send({ content: twice })
  assert.deepEqual([believed.findings.arc, believed.findings.dmarc, believed.reply.code], ['pass', 'fail', 250])
  assert.match(believed.results[0] ?? '', /arc=pass \(i=2/)
  assert.equal((await trusting.send({ content: once })).reply.code, 250)
  assert.equal((await trusting.send({ content: twice.replace('how are you', 'who are you') })).reply.code, 550)
})
