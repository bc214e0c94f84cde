/** Lists of other systems: Mailman 2 (pickles), Sympa and LISTSERV. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { definePlugin } from 'iems'
import * as z from 'zod'
import { readPickle } from '../../plugins/lists/import/pickle.ts'
import { Lists, type ListsApi } from '../../plugins/lists/index.ts'
import { createListsKernel, LIST, type ListsKernel } from '../support/lists.ts'

const SCRIPT = fileURLToPath(new URL('../support/mailman2-config.py', import.meta.url))
const PYTHON = '/usr/bin/python3'

async function start(t: Parameters<typeof createListsKernel>[0]): Promise<ListsKernel> {
  const kernel = await createListsKernel(t)
  await kernel.iems('list add', { address: LIST, welcome: '', dmarc: 'none' })
  return kernel
}

async function imported(kernel: ListsKernel, input: string | Buffer, words = 'list import-config') {
  const output = await kernel.iems(words, { list: LIST }, input)
  const values = output.flatMap((one) => ('value' in one && one.value ? [one.value as Record<string, unknown>] : []))
  const [settings = {}] = await kernel.rows('list show', { list: LIST })
  const members = await kernel.rows('list members', { list: LIST })
  return { values, settings, members: new Map(members.map((one) => [one.address, one])) }
}

for (const protocol of [0, 1, 2])
  test(`config.pck of Mailman 2 in protocol ${protocol}: settings, and members with their options`, {
    skip: existsSync(PYTHON) ? false : 'Python is not installed',
  }, async (t) => {
    const kernel = await start(t)
    const { values, settings, members } = await imported(kernel, execFileSync(PYTHON, [SCRIPT, String(protocol)]))
    assert.deepEqual(
      values.flatMap(({ unknown }) => unknown ?? []),
      ['bounce_info', 'next_post_number', 'postings_responses', 'pipeline'],
    )
    assert.deepEqual(values.at(-1), { done: 5, faults: 0 })
    const expected = {
      description: 'The grüne developers',
      owners: ['owner@o.test'],
      archive: 'public',
      nonmembers: 'refuse',
      allowed: ['x@x.test'],
      maxSize: 40_960,
      subjectPrefix: '[Devs %d]',
      footer: '%list mailing list\n%list\n%page',
      replyTo: 'list',
      subscribe: 'confirm-approve',
      dmarc: 'wrap',
      bounceScore: 5,
      digestSize: 30_720,
      language: 'de',
      // A pattern with alternatives has no counterpart.
      topics: ['Bugs: *bug*'],
    }
    assert.deepEqual(Object.fromEntries(Object.keys(expected).map((name) => [name, settings[name]])), expected)
    const options = (address: string) => {
      const { delivery, own, acknowledge, moderated, duplicates } = members.get(address) ?? {}
      return [delivery, own, acknowledge, moderated, duplicates]
    }
    assert.deepEqual(options('ann@a.test'), ['post', false, true, false, true])
    assert.deepEqual([members.get('ann@a.test')?.name, members.get('ann@a.test')?.topics], ['Ann', ['Bugs']])
    assert.deepEqual(options('bob@b.test'), ['post', true, false, true, false])
    assert.deepEqual([members.get('dan@d.test')?.delivery, members.get('dan@d.test')?.language], ['mime', 'fr'])
    assert.equal(members.get('plain@p.test')?.delivery, 'plain')
    assert.equal(members.get('off@o.test')?.delivery, 'none')
  })

test('a pickle runs nothing; damaged ones are refused and change nothing', async (t) => {
  const kernel = await start(t)
  const attack = Buffer.from("\x80\x02cos\nsystem\n(S'touch /tmp/iems-pickled'\ntR.", 'latin1')
  await assert.rejects(imported(kernel, attack), /not the configuration of a list/)
  assert.equal(existsSync('/tmp/iems-pickled'), false)
  for (const damaged of ['}q\x00(', '}q\x00(U\xffab', '}u.', '}h\x09.', '}\xff.', '}q\x00(K\x01u.', '\x80\x04}.', 'd.'])
    assert.throws(() => readPickle(Buffer.from(damaged, 'latin1')), /pickle cannot be read/, JSON.stringify(damaged))
  // Every cut of a whole one ends in an error as well.
  const whole = Buffer.from('}q\x00(U\x01aK\x05U\x01b](K\x01K\x02eu.', 'latin1')
  assert.deepEqual(
    readPickle(whole),
    new Map<string, unknown>([
      ['a', 5],
      ['b', [1, 2]],
    ]),
  )
  for (let end = 0; end < whole.length; end++) assert.throws(() => readPickle(whole.subarray(0, end)), /pickle/)
})

test('a list of Sympa: its config, and the dump of its members', async (t) => {
  const kernel = await start(t)
  const config = `subject The developers\n\nowner\nemail ann@a.test\ngecos Ann\n\neditor\nemail mod@m.test\n\nsubscribe auth_owner\n\nsend privateoreditorkey\n\nvisibility conceal\n\ncustom_subject Dev\n\nmax_size 500K\n\nreply_to_header\nvalue list\napply forced\n\narchive\nperiod month\nweb_access public\n\nlang de\n\nfamily_name none\n`
  const { settings, values } = await imported(kernel, config)
  const expected = {
    description: 'The developers',
    owners: ['ann@a.test'],
    moderators: ['mod@m.test'],
    subscribe: 'confirm-approve',
    post: 'members',
    nonmembers: 'hold',
    advertised: 'no',
    subjectPrefix: '[Dev]',
    maxSize: 512_000,
    replyTo: 'list',
    archive: 'public',
    language: 'de',
  }
  assert.deepEqual(Object.fromEntries(Object.keys(expected).map((name) => [name, settings[name]])), expected)
  assert.deepEqual(values[0], { unknown: 'family_name' })
  const dump =
    'email bob@b.test\ngecos Bob B.\nreception digest\nvisibility noconceal\n\nemail cat@c.test\nreception nomail\n'
  const { members } = await imported(kernel, dump, 'list import')
  assert.deepEqual([members.get('bob@b.test')?.name, members.get('bob@b.test')?.delivery], ['Bob B.', 'mime'])
  assert.equal(members.get('cat@c.test')?.delivery, 'none')
})

test('a list of LISTSERV: its header, and its members', async (t) => {
  const kernel = await start(t)
  const file = `* The developers\n* Owner= ann@a.test (Ann)\n* Editor= mod@m.test\n* Subscription= Open,Confirm\n* Send= Private\n* Reply-to= List,Respect\n* Subject-Tag= "DEV"\n* Notebook= Yes,A,Monthly,Private\n* Confidential= No\n* Sizelim= 1M\n* Validate= Yes\n`
  const { settings, values } = await imported(kernel, file)
  const expected = {
    description: 'The developers',
    owners: ['ann@a.test'],
    moderators: ['mod@m.test'],
    subscribe: 'confirm',
    post: 'members',
    nonmembers: 'refuse',
    replyTo: 'list',
    subjectPrefix: '[DEV]',
    archive: 'members',
    advertised: 'yes',
    maxSize: 1_048_576,
  }
  assert.deepEqual(Object.fromEntries(Object.keys(expected).map((name) => [name, settings[name]])), expected)
  assert.deepEqual(values[0], { unknown: 'validate' })
  const { members } = await imported(kernel, `${file}*\nbob@b.test Bob B.\ncat@c.test\n`, 'list import')
  assert.equal(members.get('bob@b.test')?.name, 'Bob B.')
  assert.ok(members.has('cat@c.test'))
})

test('plugins change 10,000 members in one call: progress, a line for each fault, and the result', async (t) => {
  let service: ListsApi | undefined
  const borrow = definePlugin({
    name: 'borrow',
    config: z.undefined(),
    needs: [Lists],
    setup(_, ctx) {
      service = ctx.use(Lists)
      return {}
    },
  })
  const kernel = await createListsKernel(t, { plugins: [borrow()] })
  await kernel.iems('list add', { address: LIST, welcome: '', dmarc: 'none' })
  async function* input() {
    for (let at = 0; at < 10_000; at++) yield Buffer.from(`m${at}@d${at % 20}.test\n`)
    yield Buffer.from('not an address\nm7@d7.test\n')
  }
  const results = await Array.fromAsync(
    service?.changeMembers({ list: LIST, action: 'add', welcome: false }, input(), new AbortController().signal) ?? [],
  )
  assert.deepEqual(
    results.filter(({ kind }) => kind === 'fault'),
    [
      { kind: 'fault', line: 10_001, address: 'not an address', fault: 'not an address' },
      { kind: 'fault', line: 10_002, address: 'm7@d7.test', fault: 'a member already' },
    ],
  )
  assert.ok(results.filter(({ kind }) => kind === 'progress').length >= 50)
  assert.deepEqual(results.at(-1), { kind: 'end', done: 10_000, faults: 2 })
})
