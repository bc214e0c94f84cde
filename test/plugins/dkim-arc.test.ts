/** ARC (RFC 8617): mail of others that leaves again is sealed; verified by mailauth in sender-auth and by Python's dkim. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { type TestContext, test } from 'node:test'
import { dkim } from 'iems/plugins/dkim'
import { lists } from 'iems/plugins/lists'
import { missing } from 'iems/testing'
import { runCommand } from '../support/lists.ts'
import { fieldsOf, letter, startSenderAuth } from '../support/sender-auth.ts'

const PYTHON = '/usr/bin/python3'
const skip = missing(PYTHON, '/usr/lib/python3/dist-packages/dkim')
const VERIFY = `
import sys, json, dkim
given = json.load(sys.stdin)
dns = lambda name, timeout=5: given['zone'].get(name.decode().rstrip('.'), '').encode()
cv, results, reason = dkim.arc_verify(given['message'].encode('latin-1'), dnsfunc=dns)
print((cv or b'none').decode())
`

const STRANGER = letter('ann@a.test', ['Subject: to be forwarded', 'To: bob@here.test'])

async function start(t: TestContext) {
  const here = await startSenderAuth(t, {
    channels: { lists: lists() },
    plugins: [dkim({ arc: { domain: 'here.test', channels: ['lists', 'out'] } })],
  })
  const [line] = await here.command('dkim add', { arguments: ['here.test'], options: { selector: 'seal' } })
  const { name, record } = (line as unknown as { value: { name: string; record: string } }).value
  here.zone[`TXT ${name}`] = [record]
  await here.command('dkim activate', { arguments: ['here.test', 'seal'], options: {} })
  const says = (message: string) =>
    execFileSync(PYTHON, ['-c', VERIFY], {
      input: JSON.stringify({ message, zone: { [name]: record } }),
      encoding: 'utf8',
    }).trim()
  /** Hands a message in as a stranger; what leaves again. */
  const forwarded = async (content: string) => {
    const { delivered, findings } = await here.send({ content })
    return { content: delivered?.content ?? '', arc: findings.arc }
  }
  /** Submits as a list on this server does; what leaves. */
  const posted = async (content: string) => {
    const before = here.delivered.length
    await here.submit({ from: 'list-bounces@here.test', to: ['bob@b.test'], content })
    await here.deliver()
    return here.delivered[before]?.content ?? ''
  }
  return { ...here, says, forwarded, posted }
}

const seals = (content: string) => fieldsOf(content, 'ARC-Seal')

test('a forward carries what was found on arrival; the next server continues the chain', { skip }, async (t) => {
  const { forwarded, says } = await start(t)
  const first = await forwarded(STRANGER)
  assert.match(fieldsOf(first.content, 'ARC-Authentication-Results').join(), /^i=1; \S+; .*spf=/)
  assert.match(seals(first.content).join(), /^i=1; a=rsa-sha256; t=\d+; cv=none; d=here\.test; s=seal; b=/)
  assert.equal(says(first.content), 'pass')
  assert.deepEqual(fieldsOf(first.content, 'DKIM-Signature'), [])

  const second = await forwarded(first.content)
  assert.equal(second.arc, 'pass')
  assert.match(seals(second.content)[0] ?? '', /^i=2; .*cv=pass/)
  assert.equal(seals(second.content).length, 2)
  assert.equal(says(second.content), 'pass')
})

test('a chain that was broken on the way is not continued', { skip }, async (t) => {
  const { forwarded, says } = await start(t)
  const { content } = await forwarded(STRANGER)
  for (const broken of [
    content.replace(/\r\n\r\n[\s\S]*/, '\r\n\r\nOther words.\r\n'),
    content.replace('cv=none', 'cv=pass'),
    content.replace(/^ARC-Message-Signature:[\s\S]*?\r\n(?=\S)/m, ''),
    content.replace('ARC-Seal: i=1', 'ARC-Seal: i=2'),
  ]) {
    const again = await forwarded(broken)
    assert.equal(seals(again.content).length, 1)
    assert.notEqual(says(again.content), 'pass')
  }
})

test('a list changes what was sealed on its way in, and seals it again; a forged seal of ours does not count', {
  skip,
}, async (t) => {
  const { forwarded, posted, says } = await start(t)
  const { content } = await forwarded(STRANGER)
  const footed = `${content}-- \r\nThe list\r\n`
  const left = await posted(footed)
  assert.match(seals(left)[0] ?? '', /^i=2; .*cv=pass/)
  assert.match(fieldsOf(left, 'ARC-Authentication-Results')[0] ?? '', /^i=2; \S+; arc=pass$/)
  assert.equal(says(left), 'pass')
  const forged = await posted(footed.replace('spf=', 'spf=pass x='))
  assert.equal(seals(forged).length, 1)
})

test('a post through a list has the seal of its arrival and that of the list: a receiver sees who wrote it', {
  skip,
}, async (t) => {
  const { says, ...here } = await start(t)
  const add = {
    address: 'dev@here.test',
    post: 'anyone',
    explicit: 'no',
    welcome: '',
    footer: 'The list',
    dmarc: 'none',
  }
  await runCommand(here, 'list add', add)
  await runCommand(here, 'list join', { list: 'dev@here.test', address: 'bob@b.test' })
  const { reply } = await here.send({ content: STRANGER, to: 'dev@here.test' })
  assert.equal(reply.code, 250)
  await here.deliver()
  const { content = '' } = here.delivered.findLast(({ to }) => to.includes('bob@b.test')) ?? {}
  assert.match(content, /^List-Id: [\s\S]*-- \r\nThe list/m)
  assert.match(fieldsOf(content, 'ARC-Authentication-Results').join('\n'), /^i=2; \S+; arc=pass\ni=1; \S+; .*spf=/)
  assert.match(seals(content).join('\n'), /^i=2; .*cv=pass[\s\S]*\ni=1; .*cv=none/)
  assert.equal(says(content), 'pass')
})

test('mail of users who have logged in, and mail by other channels, is not sealed', { skip }, async (t) => {
  const { send } = await start(t)
  const identity = { kind: 'identity', user: 'ann', mayRelay: true } as const
  const { delivered } = await send({ content: STRANGER, to: 'x@b.test', identity })
  assert.deepEqual(seals(delivered?.content ?? ''), [])
})
