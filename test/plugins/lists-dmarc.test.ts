/**
 * Posts at a strict receiver (Rspamd: SPF, DKIM, DMARC), and signatures as Python's dkim verifies them: authors whose
 * domain is strict arrive aligned, the list signs with its own domain, and others' signatures survive.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { secret } from 'iems'
import { dkim } from 'iems/plugins/dkim'
import { senderAuth } from 'iems/plugins/sender-auth'
import { missing } from 'iems/testing'
import { serveZone } from '../support/dns-zone.ts'
import { bodyOf, createListsKernel, fieldsOf, LIST, runCommand } from '../support/lists.ts'
import { tempFolder } from '../support/running-server.ts'
import { RSPAMD, startRspamd } from '../support/spam-filters.ts'

const PYTHON = '/usr/bin/python3'
const skip =
  missing(RSPAMD) ?? (existsSync('/usr/lib/python3/dist-packages/dkim') ? false : "Python's dkim is not here")

function keyPair() {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  return {
    pem: String(privateKey.export({ type: 'pkcs8', format: 'pem' })),
    rsa: String(privateKey.export({ type: 'pkcs1', format: 'pem' })),
    record: `v=DKIM1; k=rsa; p=${publicKey.export({ type: 'spki', format: 'der' }).toString('base64')}`,
  }
}

/** Signs as another implementation: Python's dkim. */
function signedBy(content: string, pem: string, domain: string, headers: string): string {
  const script =
    'import sys, dkim; m = sys.stdin.buffer.read(); sys.stdout.buffer.write(dkim.sign(m, b"k", sys.argv[1].encode(), sys.argv[2].encode(), include_headers=[h.encode() for h in sys.argv[3].split()]) + m)'
  return execFileSync(PYTHON, ['-c', script, domain, pem, headers], { input: content }).toString()
}

/** The domains whose signatures hold, as Python's dkim says. */
function verifiedDomains(content: string, records: Readonly<Record<string, string>>): string[] {
  const script =
    'import sys, json, dkim\nm = sys.stdin.buffer.read()\nr = json.loads(sys.argv[1])\nd = dkim.DKIM(m)\nn = len([h for h in d.headers if h[0].lower() == b"dkim-signature"])\nfor i in range(n):\n  d = dkim.DKIM(m)\n  try:\n    ok = d.verify(i, dnsfunc=lambda name, timeout=5: r[name.decode().rstrip(".")].encode())\n  except dkim.DKIMException:\n    ok = False\n  if ok: print(d.domain.decode())'
  return execFileSync(PYTHON, ['-c', script, JSON.stringify(records)], { input: content })
    .toString()
    .split('\n')
    .filter(Boolean)
}

async function start(t: Parameters<typeof createListsKernel>[0]) {
  const [list, author, own] = [keyPair(), keyPair(), keyPair()]
  const folder = await tempFolder(t as never)
  await writeFile(join(folder, 'list.pem'), list.pem)
  await writeFile(join(folder, 'own.pem'), own.pem)
  const records = {
    'o._domainkey.own.test': own.record,
    'l._domainkey.lists.test': list.record,
    'k._domainkey.strict.test': author.record,
    'k._domainkey.plain.test': author.record,
  }
  const { dns } = await serveZone(t as never, {
    ...Object.fromEntries(
      Object.entries(records).map(([name, record]) => [`TXT ${name}`, [record.match(/.{1,250}/g) ?? []]]),
    ),
    'TXT _dmarc.strict.test': [['v=DMARC1; p=reject']],
    'TXT _dmarc.lists.test': [['v=DMARC1; p=reject']],
    'TXT lists.test': [['v=spf1 ip4:192.0.2.25 -all']],
    'TXT strict.test': [['v=spf1 ip4:192.0.2.1 -all']],
  })
  const kernel = await createListsKernel(t, {
    dns,
    plugins: [
      senderAuth({}),
      dkim({
        keys: [
          { domain: 'lists.test', selector: 'l', key: secret.file(join(folder, 'list.pem')) },
          { domain: 'own.test', selector: 'o', key: secret.file(join(folder, 'own.pem')) },
        ],
      }),
    ],
  })
  await runCommand(kernel, 'list add', {
    address: LIST,
    welcome: '',
    post: 'anyone',
    archive: 'none',
    description: 'Dev',
  })
  await runCommand(kernel, 'list join', { list: LIST, address: 'zoe@z.test' })
  let count = 0
  async function post(from: string, sign?: { readonly domain: string; readonly headers: string }) {
    const plain = `From: ${from}\r\nTo: ${LIST}\r\nSubject: Hello\r\nMessage-ID: <d${++count}@far.test>\r\nDate: Fri, 2 Jan 2026 10:00:00 +0000\r\n\r\nGood day.\r\n`
    const content = sign ? signedBy(plain, author.rsa, sign.domain, sign.headers) : plain
    const session = kernel.session({ remote: { address: '192.0.2.1' }, helo: 'mail.strict.test' })
    const { reply } = await session.submit({ from: /<(.*)>/.exec(from)?.[1] ?? from, to: [LIST], content })
    assert.equal(reply.code, 250, reply.text)
    await kernel.deliver()
    const last = kernel.delivered.at(-1)
    assert.ok(last)
    assert.ok(last.content.includes(`<d${count}@far.test>`))
    return last
  }
  return { kernel, dns, records, post }
}

/** The symbols of a strict receiver, and what it would do. */
async function received(server: string, { from, content }: { readonly from: string; readonly content: string }) {
  const headers = { IP: '192.0.2.25', Helo: 'lists.test', Hostname: 'lists.test', From: from, Rcpt: 'zoe@z.test' }
  const response = await fetch(`http://${server}/checkv2`, { method: 'POST', body: content, headers })
  const { symbols, action } = (await response.json()) as { symbols: Record<string, unknown>; action: string }
  return { symbols: Object.keys(symbols), action }
}

test('authors of strict domains arrive aligned at a strict receiver; signatures of others survive', {
  skip,
  timeout: 110_000,
}, async (t) => {
  const { kernel, dns, records, post } = await start(t)
  const { server } = await startRspamd(t, dns.servers[0])
  const strict = { domain: 'strict.test', headers: 'from to subject date message-id' }

  // Nothing that the signature covers changes: the author stays in From, aligned by their own signature.
  const kept = await post('Sue <sue@strict.test>', strict)
  assert.deepEqual(fieldsOf(kept, 'From'), ['Sue <sue@strict.test>'])
  assert.deepEqual(verifiedDomains(kept.content, records).sort(), ['lists.test', 'strict.test'])
  const seen = await received(server, kept)
  assert.ok(seen.symbols.includes('DMARC_POLICY_ALLOW'), String(seen.symbols))

  // The signature says that there is no Sender: it would break, so From names the list.
  const oversigned = await post('Sue <sue@strict.test>', { ...strict, headers: `${strict.headers} sender` })
  assert.deepEqual(fieldsOf(oversigned, 'From'), ['"Sue via Dev" <dev@lists.test>'])
  assert.ok((await received(server, oversigned)).symbols.includes('DMARC_POLICY_ALLOW'))

  await runCommand(kernel, 'list set', { list: LIST, subjectPrefix: '[Dev]', footer: 'Bye' })
  const rewritten = await post('Sue <sue@strict.test>', strict)
  assert.deepEqual(fieldsOf(rewritten, 'From'), ['"Sue via Dev" <dev@lists.test>'])
  assert.deepEqual(fieldsOf(rewritten, 'Reply-To'), ['"Sue" <sue@strict.test>'])
  assert.deepEqual(verifiedDomains(rewritten.content, records), ['lists.test'])
  const aligned = await received(server, rewritten)
  assert.ok(
    aligned.symbols.includes('DMARC_POLICY_ALLOW') && aligned.symbols.includes('R_DKIM_ALLOW'),
    String(aligned.symbols),
  )

  await runCommand(kernel, 'list set', { list: LIST, dmarc: 'wrap' })
  const wrapped = await post('Sue <sue@strict.test>', strict)
  assert.ok((await received(server, wrapped)).symbols.includes('DMARC_POLICY_ALLOW'))
  assert.match(bodyOf(wrapped), /\r\nFrom: Sue <sue@strict\.test>\r\n/)

  // Without the mitigation the same receiver rejects: the test is about something.
  await runCommand(kernel, 'list set', { list: LIST, dmarc: 'none' })
  const broken = await received(server, await post('Sue <sue@strict.test>', strict))
  assert.ok(broken.symbols.includes('DMARC_POLICY_REJECT'), String(broken.symbols))

  // An author without a policy keeps From, and the list signs with its own domain only.
  await runCommand(kernel, 'list set', { list: LIST, dmarc: 'rewrite', subjectPrefix: '', footer: '' })
  const plain = await post('Pat <pat@plain.test>', { domain: 'plain.test', headers: 'from to subject date message-id' })
  assert.deepEqual(fieldsOf(plain, 'From'), ['Pat <pat@plain.test>'])
  assert.deepEqual(verifiedDomains(plain.content, records).sort(), ['lists.test', 'plain.test'])
})

test('a list never signs in the name of an author, even when this server has a key for the domain', {
  skip,
}, async (t) => {
  const { post, records } = await start(t)
  const forged = await post('Boss <boss@own.test>')
  assert.deepEqual(fieldsOf(forged, 'From'), ['Boss <boss@own.test>'])
  assert.deepEqual(verifiedDomains(forged.content, records), ['lists.test'])
})
