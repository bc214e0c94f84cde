/** The API of the administration: what each route changes, and every command of every plugin. */
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { definePlugin, selfSigned } from 'iems'
import { acme } from 'iems/plugins/acme'
import { Admin } from 'iems/plugins/admin'
import { alerts } from 'iems/plugins/alerts'
import { antispam } from 'iems/plugins/antispam'
import { antivirus } from 'iems/plugins/antivirus'
import { attachments } from 'iems/plugins/attachments'
import { ccmail } from 'iems/plugins/ccmail'
import { disclaimer } from 'iems/plugins/disclaimer'
import { dkim } from 'iems/plugins/dkim'
import { mailsort } from 'iems/plugins/mailsort'
import { milter } from 'iems/plugins/milter'
import { notes } from 'iems/plugins/notes'
import { quota } from 'iems/plugins/quota'
import { senderAuth } from 'iems/plugins/sender-auth'
import * as z from 'zod'
import { fitsRange } from '../../plugins/web/admin/resources/packages.ts'
import type { Json } from '../support/jmap.ts'
import { type RoleName, startAdmin } from '../support/web-admin.ts'

test('every command of every plugin has a form, and runs by it or says what is missing', async (t) => {
  const { ask } = await startAdmin(t, {
    plugins: [
      alerts({ webhook: { url: 'https://alerts.invalid/' } }),
      antispam(),
      antivirus({ servers: ['127.0.0.1:1'] }),
      attachments(),
      ccmail({ domain: 'here.test' }),
      disclaimer({ rules: [{ name: 'usual', text: 'Confidential.' }] }),
      dkim(),
      mailsort(),
      milter({ filters: [{ name: 'none', servers: ['127.0.0.1:1'], whenDown: 'skip' }] }),
      notes(),
      quota(),
      senderAuth(),
    ],
  })
  const { commands } = (await ask('admin', 'GET', '/api/v1/commands')).json
  assert.ok(commands.length > 120, `${commands.length} commands`)
  for (const { words, summary, input, irreversible } of commands) {
    assert.equal(input.type, 'object', words)
    assert.ok(summary.length > 5, words)
    for (const [name, field] of Object.entries(
      input.properties as Record<string, { type?: string; enum?: unknown; anyOf?: unknown }>,
    ))
      assert.ok(field.type ?? field.enum ?? field.anyOf, `${words} ${name} has no type`)
    if (/ (remove|erase|unlink)$/.test(words)) assert.equal(irreversible, true, `${words} can be undone?`)
    if (words === 'log' || words.startsWith('backup')) continue
    const { status, lines } = await ask('admin', 'POST', '/api/v1/commands/run', { words, values: {} })
    assert.equal(status, 200, words)
    const last = lines.at(-1) ?? {}
    assert.ok(last.end === 'done' || typeof last.why === 'string', `${words}: ${JSON.stringify(last)}`)
    const said = JSON.stringify(lines).replaceAll('received undefined', '')
    assert.ok(!/undefined|\[object|TypeError|Cannot read/.test(said), `${words}: ${said.slice(0, 300)}`)
  }
  // The same by the support role: those that it admits, and no other.
  const own = (await ask('support', 'GET', '/api/v1/commands')).json.commands.map(
    ({ words }: { words: string }) => words,
  )
  assert.ok(own.length > 0 && own.length < commands.length)
  assert.ok(!own.includes('account add'))
  assert.equal((await ask('support', 'POST', '/api/v1/commands/run', { words: 'account add', values: {} })).status, 404)
})

test('a domain administrator changes people of their domains, and nothing else', async (t) => {
  const { ask, directory } = await startAdmin(t)
  const make = (body: object, kind = 'account') => ask('domain', 'POST', `/api/v1/directory/${kind}`, body)
  const listed = (await ask('domain', 'GET', '/api/v1/directory/account')).json.entries
  assert.deepEqual(listed.map(({ name }: { name: string }) => name).sort(), ['admin', 'domain', 'support', 'user'])
  const made = await make({ name: 'new', addresses: ['new@here.test'], password: 'long enough' })
  assert.equal(made.status, 200, made.text)
  assert.equal((await make({ name: 'b', addresses: ['b@other.test'] })).status, 403)
  assert.equal((await make({ name: 'b' })).status, 403)
  assert.equal((await make({ name: 'b', addresses: ['b@here.test'], roles: ['admin'] })).status, 403)
  assert.equal((await make({ name: 'b', addresses: ['b@here.test'], mayRelay: true })).status, 403)
  assert.equal((await make({ name: 'third.test' }, 'domain')).status, 403)
  assert.equal((await make({ match: '*', target: { channel: 'out', nexthop: 'x' } }, 'route')).status, 403)
  const admin = await directory.byName('account', 'admin')
  const far = await directory.byName('account', 'far')
  const at = (id = '') => `/api/v1/directory/account/${id}`
  assert.equal((await ask('domain', 'PATCH', at(admin?.id), { password: 'taken over' })).status, 403)
  assert.equal((await ask('domain', 'GET', at(far?.id))).status, 404)
  assert.equal((await ask('domain', 'PATCH', at(far?.id), { status: 'disabled' })).status, 404)
  assert.equal((await ask('domain', 'DELETE', at(far?.id))).status, 404)
  assert.equal((await ask('domain', 'PATCH', at(made.json.id), { addresses: ['new@other.test'] })).status, 403)
  assert.equal((await ask('domain', 'PATCH', at(made.json.id), { displayName: 'New One' })).json.displayName, 'New One')
  const many = await ask('domain', 'POST', '/api/v1/directory/account/changes', {
    action: 'remove',
    ids: [admin?.id, far?.id, made.json.id],
  })
  assert.deepEqual(many.lines.at(-2)?.value, { changed: 1, faults: 2 })
  assert.equal(many.lines.filter(({ fault }: { fault?: string }) => fault).length, 2)
})

test('the last administrator stays; changes are in the history with their author, passwords are not', async (t) => {
  const { ask, directory, make } = await startAdmin(t)
  const admin = await directory.byName('account', 'admin')
  const path = `/api/v1/directory/account/${admin?.id}`
  for (const change of [{ roles: [] }, { status: 'suspended' }])
    assert.equal((await ask('admin', 'PATCH', path, change)).status, 409)
  assert.equal((await ask('admin', 'DELETE', path)).status, 409)
  const all = await ask('admin', 'POST', '/api/v1/directory/account/changes', { action: 'remove', filter: {} })
  assert.deepEqual(all.lines.at(-2)?.value, { changed: 4, faults: 1 })
  assert.match(all.lines[0]?.fault, /last administrator/)
  await make({ add: { kind: 'account', name: 'user', addresses: ['user@here.test'] } })
  const user = await directory.byName('account', 'user')
  await ask('admin', 'PATCH', `/api/v1/directory/account/${user?.id}`, {
    password: 'a very secret one',
    quota: 5_000_000_000,
  })
  await ask('admin', 'POST', '/api/v1/commands/run', { words: 'account list', values: {} })
  const { text, json } = await ask('admin', 'GET', '/api/v1/history')
  assert.ok(!text.includes('a very secret one'))
  const [command, set] = json.records
  assert.deepEqual([command.by, command.what], ['admin', 'command'])
  assert.deepEqual(
    [set.by, set.what, set.about, set.fields.changed],
    ['admin', 'account.set', 'user', 'password, quota'],
  )
})

test('a key of the API has the rights of its role from its networks until it ends or is removed', async (t) => {
  const { ask, clock } = await startAdmin(t)
  const make = async (body: object) => (await ask('admin', 'POST', '/api/v1/keys', body)).json
  const key = await make({ name: 'watch', roles: ['support'] })
  assert.match(key.secret, /^iems_[\w-]{43}$/)
  assert.equal((await ask({ key: key.secret }, 'GET', '/api/v1/status')).status, 200)
  assert.equal((await ask({ key: key.secret }, 'GET', '/api/v1/keys')).status, 403)
  assert.equal((await ask({ key: `${key.secret}x` }, 'GET', '/api/v1/status')).status, 401)
  const far = await make({ name: 'far', roles: ['support'], networks: ['192.0.2.0/24'] })
  assert.equal((await ask({ key: far.secret }, 'GET', '/api/v1/status')).status, 401)
  const short = await make({ name: 'short', roles: ['support'], expires: clock.now() + 1000 })
  await clock.advance(2000)
  assert.equal((await ask({ key: short.secret }, 'GET', '/api/v1/status')).status, 401)
  const { text } = await ask('admin', 'GET', '/api/v1/keys')
  assert.ok(!text.includes(key.secret))
  assert.equal((await ask('admin', 'DELETE', `/api/v1/keys/${key.id}`)).status, 204)
  assert.equal((await ask({ key: key.secret }, 'GET', '/api/v1/status')).status, 401)
})

test('long work goes on without its client, is found again by its login alone, cancelled and forgotten', async (t) => {
  const begun = Promise.withResolvers<void>()
  const cancelled = Promise.withResolvers<void>()
  const slow = definePlugin({
    name: 'slow',
    config: z.undefined(),
    needs: [Admin],
    setup(_, ctx) {
      const table = {
        row: z.object({ id: z.string() }),
        rows: async () => ({ rows: [] }),
        actions: [{ id: 'wait', title: 'Wait', run: wait }],
      }
      ctx.use(Admin).page({ id: 'slow', title: 'Slow', group: 'manage', table })
      return {}
    },
  })
  async function* wait(_: unknown, { signal }: { signal: AbortSignal }) {
    yield { text: 'begun' }
    begun.resolve()
    await new Promise((resolve) => signal.addEventListener('abort', resolve))
    cancelled.resolve()
  }
  const { ask, base } = await startAdmin(t, { plugins: [slow()] })
  const begin = async (path: string, body: object) => {
    const response = await fetch(base + path, {
      method: 'POST',
      headers: {
        authorization: `Basic ${Buffer.from('admin:admin-secret').toString('base64')}`,
        'content-type': 'application/json',
        prefer: 'respond-async',
        'task-title': encodeURIComponent('Größere Arbeit'),
      },
      body: JSON.stringify(body),
    })
    assert.equal(response.status, 202)
    assert.equal(response.headers.get('preference-applied'), 'respond-async')
    return response.headers.get('location') ?? ''
  }
  const ids = ['none', 'nothing']
  const done = await begin('/api/v1/directory/account/changes', { action: 'set', ids, fields: { quota: 5 } })
  const { lines } = await ask('admin', 'GET', `${done}/lines`)
  assert.deepEqual(
    lines.filter(({ fault }) => fault).map(({ at }) => at),
    ids,
  )
  assert.deepEqual(lines.at(-1), { end: 'done' })
  assert.deepEqual((await ask('admin', 'GET', `${done}/lines?after=2`)).lines[0]?.value, { changed: 0, faults: 2 })
  assert.equal((await ask('user', 'GET', `${done}/lines`)).status, 404)
  assert.equal((await ask('user', 'DELETE', done)).status, 404)

  const waits = await begin('/api/v1/pages/slow/actions/wait', { ids })
  await begun.promise
  const listed = (await ask('admin', 'GET', '/api/v1/tasks')).json.tasks
  assert.deepEqual(listed.map(({ title, state }: Json) => [title, state]).sort(), [
    ['Größere Arbeit', 'done'],
    ['Größere Arbeit', 'running'],
  ])
  assert.deepEqual((await ask('user', 'GET', '/api/v1/tasks')).json.tasks, [])
  assert.equal((await ask('admin', 'DELETE', waits)).status, 204)
  await cancelled.promise
  assert.deepEqual((await ask('admin', 'GET', `${waits}/lines`)).lines, [{ text: 'begun' }, { end: 'cancelled' }])
  for (const path of [done, waits]) assert.equal((await ask('admin', 'DELETE', path)).status, 204)
  assert.deepEqual((await ask('admin', 'GET', '/api/v1/tasks')).json.tasks, [])
})

test('the list of accounts has the last login by any protocol', async (t) => {
  const { ask, session, clock, make } = await startAdmin(t)
  const row = async (name: string) =>
    (await ask('admin', 'GET', `/api/v1/directory/account?search=${name}`)).json.entries[0]
  assert.equal((await row('user')).lastLogin, undefined)
  const client = session({ protocol: 'IMAP' })
  await client.auth({ kind: 'password', username: 'user@here.test', password: 'user-secret' })
  assert.ok(Math.abs((await row('user')).lastLogin - clock.now()) < 600_000)
  assert.equal((await row('far')).lastLogin, undefined)
  // A new name keeps it, and an account that takes the old name has none.
  const { lastLogin, id } = await row('user')
  await ask('admin', 'PATCH', `/api/v1/directory/account/${id}`, { name: 'renamed' })
  assert.equal((await row('renamed')).lastLogin, lastLogin)
  await make({ add: { kind: 'account', name: 'user', addresses: ['user2@here.test'] } })
  assert.equal((await row('user2')).lastLogin, undefined)
})

test('deleted entries are restored with password, groups and members, one by one and all at once', async (t) => {
  const { ask, make, directory } = await startAdmin(t)
  const user = await directory.byName('account', 'user')
  const group = await make({
    add: { kind: 'group', name: 'crew', addresses: ['crew@here.test'], members: [{ id: user?.id ?? '' }] },
  })
  const outer = await make({
    add: { kind: 'group', name: 'all', addresses: ['all@here.test'], members: [{ id: group.id }] },
  })
  const members = async (id: string) => (await Array.fromAsync(directory.members(id))).length
  assert.equal((await ask('admin', 'DELETE', `/api/v1/directory/group/${group.id}`)).status, 204)
  assert.equal((await ask('admin', 'DELETE', `/api/v1/directory/account/${user?.id}`)).status, 204)
  assert.equal((await ask('user', 'GET', '/api/v1/me')).status, 401)
  const removed = async (who: RoleName = 'admin') => (await ask(who, 'GET', '/api/v1/removed')).json
  assert.deepEqual(
    (await removed()).entries.map(({ name, by }: Json) => [name, by]),
    [
      ['user', 'admin'],
      ['crew', 'admin'],
    ],
  )
  assert.equal((await ask('support', 'GET', '/api/v1/removed')).status, 403)
  const restore = (who: RoleName, body: object) => ask(who, 'POST', '/api/v1/removed/restorations', body)
  const far = await directory.byName('account', 'far')
  await ask('admin', 'DELETE', `/api/v1/directory/account/${far?.id}`)
  // A domain administrator sees and restores those of their domains.
  assert.equal((await removed('domain')).total, 2)
  assert.deepEqual((await restore('domain', { ids: [far?.id] })).lines[0], {
    fault: 'There is no such deleted entry',
    at: far?.id,
  })
  assert.deepEqual((await restore('domain', { search: 'user' })).lines.at(-2)?.value, { restored: 1, faults: 0 })
  assert.equal((await ask('user', 'GET', '/api/v1/me')).status, 200)
  // An address that was taken meanwhile refuses the restoration.
  const other = await make({ add: { kind: 'account', name: 'other', addresses: ['crew@here.test'] } })
  assert.match((await restore('admin', { ids: [group.id] })).lines[0]?.fault, /taken/)
  await ask('admin', 'DELETE', `/api/v1/directory/account/${other.id}`)
  assert.deepEqual((await restore('admin', { ids: [group.id] })).lines.at(-2)?.value, { restored: 1, faults: 0 })
  assert.deepEqual([await members(group.id), await members(outer.id)], [1, 1])
  assert.deepEqual((await directory.byId(group.id))?.kind, 'group')
  assert.deepEqual((await restore('admin', {})).lines.at(-2)?.value, { restored: 1, faults: 1 })
})

test('changes of the queue concern the deliveries that are named, and not the rest of their messages', async (t) => {
  const { ask, submit, deliver, queue } = await startAdmin(t)
  const to = ['ann@one.test', 'bea@two.test', 'cas@three.test']
  await submit({ from: 'admin@here.test', to, content: 'Subject: Hello\r\n\r\nText.\r\n' })
  await deliver()
  const waiting = async () => (await ask('admin', 'GET', '/api/v1/queue')).json.entries as Json[]
  const [one, two, three] = ['one.test', 'two.test', 'three.test'] as const
  const entryOf = async (nexthop: string) => (await waiting()).find((entry) => entry.nexthop === nexthop)
  const change = async (body: object) => (await ask('admin', 'POST', '/api/v1/queue/changes', body)).lines
  const heldNow = async () => (await waiting()).filter(({ held }) => held !== undefined).map(({ nexthop }) => nexthop)

  const [first, second] = [(await entryOf(one))?.id, (await entryOf(two))?.id]
  const { id: third, channel } = (await entryOf(three)) ?? {}
  assert.deepEqual((await change({ action: 'hold', ids: [first], reason: 'a look' })).at(-2)?.value, { count: 1 })
  assert.deepEqual(await heldNow(), [one])
  assert.deepEqual((await change({ action: 'hold', filter: { message: second } })).at(-2)?.value, { count: 1 })
  assert.deepEqual((await heldNow()).sort(), [one, two])
  assert.deepEqual((await change({ action: 'release', ids: [first] })).at(-2)?.value, { count: 1 })
  assert.deepEqual(await heldNow(), [two])
  const route = { channel, nexthop: 'relay.test' }
  await change({ action: 'reroute', ids: [third], route })
  assert.deepEqual((await waiting()).map(({ nexthop }) => nexthop).sort(), [one, 'relay.test', two].sort())
  assert.deepEqual((await change({ action: 'remove', ids: [second] })).at(-2)?.value, { count: 1 })
  assert.equal(await queue.count({}), 2)
  // Neither names that only look like one, nor one that has ended.
  const message = String(first).split('.')[0]
  for (const id of [
    second,
    `${message}.`,
    `${message}.x`,
    `${first}.1`,
    `${message}.0x1`,
    `${message}. 1`,
    `${message}.99`,
  ])
    assert.deepEqual(
      await change({ action: 'remove', ids: [id] }),
      [
        { fault: 'It is being attempted now, or has ended', at: id },
        { progress: '1 of 1', done: 1, total: 1 },
        { text: '0 changed', value: { count: 0 } },
        { end: 'done' },
      ],
      String(id),
    )
  // A message id names all that is left of it.
  assert.deepEqual((await change({ action: 'remove', ids: [message] })).at(-2)?.value, { count: 2 })
})

test('held posts of a list: listed, read, decided one by one and all at once, with a line for each fault', async (t) => {
  const { ask, submit, deliver } = await startAdmin(t)
  const run = (words: string, values: object) => ask('admin', 'POST', '/api/v1/commands/run', { words, values })
  await run('list add', { address: 'news@lists.here.test' })
  for (const subject of ['First', 'Second', 'Third', 'Fourth'])
    await submit({
      from: 'guest@bad.test',
      to: ['news@lists.here.test'],
      content: `From: guest@bad.test\r\nSubject: ${subject}\r\nMessage-ID: <${subject}@bad.test>\r\n\r\nText of ${subject}.\r\n`,
    })
  await deliver()
  const path = '/api/v1/lists/news@lists.here.test'
  const held = async () => (await ask('admin', 'GET', `${path}/held`)).json
  const before = await held()
  assert.equal(before.total, 4)
  assert.equal((await ask('admin', 'GET', '/api/v1/lists')).json.lists[0].held, 4)
  const [first, second] = before.items
  const { text } = await ask('admin', 'GET', `${path}/held/${first.id}`)
  assert.match(text, new RegExp(`Text of ${first.subject}`))
  assert.equal((await ask('support', 'GET', `${path}/held/${first.id}`)).status, 403)
  const decide = (body: object) => ask('admin', 'POST', `${path}/decisions`, body)
  const approved = await decide({ decision: 'approve', ids: [first.id, 'none'] })
  assert.deepEqual(approved.lines.at(-2)?.value, { decided: 1, faults: 1 })
  assert.deepEqual(
    approved.lines.find(({ fault }) => fault),
    { fault: 'It is held no more', at: 'none' },
  )
  await decide({ decision: 'reject', ids: [second.id], text: 'Off topic' })
  assert.equal((await held()).total, 2)
  assert.deepEqual((await decide({ decision: 'discard' })).lines.at(-2)?.value, { decided: 2, faults: 0 })
  assert.equal((await held()).total, 0)
  const { records } = (await ask('admin', 'GET', '/api/v1/history')).json
  assert.deepEqual(
    records.slice(0, 4).map(({ what }: { what: string }) => what),
    ['list.discard', 'list.reject', 'list.approve', 'list.read'],
  )
})

test('certificates: those in files with their names and end, and those by ACME with why one was not issued', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'iems-certificates-'))
  t.after(() => rm(folder, { recursive: true }))
  const { cert, key } = selfSigned(['mx.here.test', 'mail.here.test'])
  await writeFile(join(folder, 'cert.pem'), cert)
  await writeFile(join(folder, 'key.pem'), key)
  const tls = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') }
  const { ask } = await startAdmin(t, {
    plugins: [
      acme({
        certificates: [{ names: ['web.here.test'] }],
        agreeToTerms: true,
        authorities: [{ directory: 'https://127.0.0.1:1/directory' }],
      }),
    ],
    tls,
  })
  const renew = { words: 'acme renew', values: { names: ['web.here.test'] } }
  const rows = async () => (await ask('admin', 'GET', '/api/v1/certificates')).json.certificates
  let certificates = await rows()
  // The job at the start may be ordering now.
  while (certificates[0].failure === null) {
    await ask('admin', 'POST', '/api/v1/commands/run', renew)
    certificates = await rows()
  }
  const [ordered, file] = certificates
  assert.deepEqual([ordered.id, ordered.source, ordered.until], ['web.here.test', 'acme', null])
  assert.match(ordered.failure, /127\.0\.0\.1/)
  assert.deepEqual([file.names, file.usedBy, file.issuer], [['mx.here.test', 'mail.here.test'], ['mx'], 'itself'])
  assert.ok(file.until > Date.now())
  assert.ok(!JSON.stringify(certificates).includes('PRIVATE'))
})

test('a pasted configuration: its faults, what a reload would do, and no rights for what it runs', async (t) => {
  const { ask } = await startAdmin(t)
  const check = async (text: string) =>
    (
      await ask('admin', 'POST', '/api/v1/configuration/check', {
        text: `import { defineConfig } from 'iems'\n${text}`,
      })
    ).json
  const wrong = await check('export default defineConfig({ channels: {}, nonsense: 1 })')
  assert.equal(wrong.isValid, false)
  assert.match(wrong.problems.join(), /nonsense/)
  const right = await check(
    "import { directory } from 'iems/plugins/directory'\nexport default defineConfig({ hostname: 'other.test', store: { path: 'elsewhere' }, channels: {}, plugins: [directory({ history: '9 d' })] })",
  )
  assert.deepEqual(right.problems, [])
  const of = (name: string) => right.changes.find((one: { name: string }) => one.name === name)?.what
  assert.deepEqual(['hostname', 'store', 'directory', 'web', 'mx'].map(of), [
    'changed',
    'restart',
    'changed',
    'removed',
    'removed',
  ])
  const bad = await check(
    "import { writeFileSync } from 'node:fs'\nwriteFileSync('/tmp/iems-was-here', '')\nexport default {}",
  )
  assert.match(bad.problems.join(), /restricted/)
  assert.equal((await ask('support', 'POST', '/api/v1/configuration/check', { text: 'x' })).status, 403)
})

test('plugins of npm are searched in the registry that the administrator names, and in none without', async (t) => {
  const { createServer } = await import('node:http')
  const asked: string[] = []
  const registry = createServer((request, response) => {
    asked.push(request.url ?? '')
    response.end(
      JSON.stringify({ objects: [{ package: { name: 'iems-plugin-grey', version: '1.2.3', description: 'Grey' } }] }),
    )
  }).listen(0, '127.0.0.1')
  t.after(() => registry.close())
  await new Promise((resolve) => registry.once('listening', resolve))
  const { port } = registry.address() as import('node:net').AddressInfo
  const none = await startAdmin(t)
  assert.equal((await none.ask('admin', 'GET', '/api/v1/registry?text=grey')).status, 404)
  const { ask } = await startAdmin(t, { options: { registry: `http://127.0.0.1:${port}` } })
  const found = (await ask('admin', 'GET', '/api/v1/registry?text=grey')).json
  assert.deepEqual(found.packages, [{ name: 'iems-plugin-grey', version: '1.2.3', description: 'Grey' }])
  assert.match(asked.join(), /keywords%3Aiems-plugin\+grey/)
  assert.match((await ask('admin', 'GET', '/api/v1/packages')).json.version, /^\d+\.\d+\.\d+/)
  assert.ok(
    fitsRange('0.1.4', '^0.1.0') &&
      fitsRange('2.3.0', '^2.0.0') &&
      !fitsRange('0.2.0', '^0.1.0') &&
      !fitsRange('2.0.0', '1.x'),
  )
})

test('the administration is closed to other networks', async (t) => {
  const { ask } = await startAdmin(t, { options: { networks: ['192.0.2.0/24'] } })
  assert.equal((await ask('admin', 'GET', '/api/v1/status')).status, 403)
  assert.equal((await ask('admin', 'GET', '/api/v1/me')).status, 403)
  assert.equal((await ask('admin', 'GET', '/api/login')).status, 200)
})
