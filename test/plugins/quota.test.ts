/** Quotas: which limit holds, that none is ever passed, warnings, counts after a crash, reports. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type TestContext, test } from 'node:test'
import { imap } from 'iems/plugins/imap'
import { quota } from 'iems/plugins/quota'
import { smtpIn } from 'iems/plugins/smtp-in'
import { memoryStore, testClock } from '../../core/testing/index.ts'
import { missing } from '../../core/testing/program.ts'
import { createDirectoryKernel } from '../support/directory.ts'
import { talkTo } from '../support/imap-talk.ts'
import { contentOf, createMailKernel, type MailKernel } from '../support/mailstore.ts'
import { NAMES, openQuota } from '../support/quota-process.ts'
import { tempFolder } from '../support/running-server.ts'
import { STORES } from '../support/several-kernels.ts'
import { talk } from '../support/smtp-talk.ts'
import { look } from '../support/web-looks.ts'
import { CHROMIUM, startBrowser } from '../support/web-mail.ts'

type Options = Parameters<typeof quota>[0]
const DAY = 86_400_000
const person = (name: string, more = {}) => ({ name, addresses: [`${name}@here.test`], ...more })
const PEOPLE = [person('ann'), person('bob'), person('cyd', { groups: ['staff'] }), person('dan', { quota: '5 kB' })]

const start = (t: TestContext, options: Options, more: Parameters<typeof createMailKernel>[1] = {}) =>
  createMailKernel(t, { people: PEOPLE, plugins: [quota(options)], ...more })

async function append({ mail, mailbox }: MailKernel, account: string, octets: number, name?: string) {
  const done = await mail.append(await mailbox(account, name), [{ content: contentOf('x'.repeat(octets)) }])
  return 'refused' in done ? done.refused : 'OK'
}

async function run(kernel: MailKernel, words: string, [name]: readonly string[] = [], options = {}) {
  const fields = kernel.kernel.commands.get(words)?.fields
  const read = await fields?.['~standard'].validate({ ...(name === undefined ? {} : { name }), ...options })
  assert.ok(read && !read.issues, JSON.stringify(read))
  const outputs = await kernel.command(words, { values: read.value })
  const bytes = Buffer.concat(outputs.flatMap((one) => ('bytes' in one ? [one.bytes] : [])))
  return { outputs, bytes }
}

test('the first that says something counts: the administrator, the directory, the class, the default', async (t) => {
  const kernel = await start(t, {
    default: { octets: '1 kB', messages: 10 },
    classes: [{ group: 'staff', octets: '3 kB' }],
    grace: { octets: '0 B' },
  })
  const limits = async (name: string) => {
    const { octets, messages } = await kernel.mail.limitsOf(name)
    return [octets, messages]
  }
  assert.deepEqual(await limits('ann'), [1000, 10])
  assert.deepEqual(await limits('cyd'), [3000, 10])
  assert.deepEqual(await limits('dan'), [5000, 10])
  await run(kernel, 'quota set', ['dan'], { octets: '7 kB', messages: 'none' })
  assert.deepEqual(await limits('dan'), [7000, null])
  await run(kernel, 'quota set', ['dan'], { octets: 'default' })
  assert.deepEqual(await limits('dan'), [5000, null])
})

test('a mailbox has a limit of its own, for APPEND, COPY and MOVE', async (t) => {
  const kernel = await start(t, { mailboxes: { Trash: { octets: '1 kB' } } })
  assert.equal(await append(kernel, 'ann', 800, 'Trash'), 'OK')
  assert.equal(await append(kernel, 'ann', 300, 'Trash'), 'OVERQUOTA')
  assert.equal(await append(kernel, 'ann', 300), 'OK')
  const [inbox, trash] = [await kernel.mailbox('ann'), await kernel.mailbox('ann', 'Trash')]
  for (const how of ['copy', 'move'] as const) {
    const done = await kernel.mail[how](inbox, [[1, 1]], trash)
    assert.ok('refused' in done && done.refused === 'OVERQUOTA', how)
  }
  assert.equal((await kernel.entries('ann')).length, 1)
})

for (const [whenFull, reply] of [
  ['defer', '452 4.2.2'],
  ['refuse', '552 5.2.2'],
] as const)
  test(`a full account, and one in a full domain, get ${reply} at RCPT`, async (t) => {
    const kernel = await start(
      t,
      { whenFull, default: { octets: '2 kB' }, domains: { 'here.test': { octets: '3 kB' } } },
      { channels: { mx: smtpIn({ listen: '127.0.0.1:0' }) } },
    )
    const session = await talk(t, kernel.listener('mx').port ?? 0)
    await session.reply()
    await session.ask('EHLO far.test')
    await session.ask('MAIL FROM:<me@far.test>')
    const rcpt = async (name: string) => (await session.ask(`RCPT TO:<${name}@here.test>`)).slice(0, 9)
    await append(kernel, 'ann', 2000)
    assert.equal(await rcpt('ann'), reply)
    assert.equal(await rcpt('bob'), '250 2.1.5')
    await append(kernel, 'bob', 1000)
    assert.equal(await rcpt('cyd'), reply)
  })

for (const [name, makeStore] of Object.entries(STORES))
  test(`40 deliveries and APPENDs at once, by two kernels, never pass a limit and lose nothing: ${name}`, async (t) => {
    const shared = await makeStore(t)
    const options: Options = {
      default: { octets: '20 kB' },
      domains: { 'here.test': { octets: '30 kB' } },
      grace: { octets: '2 kB' },
      warnings: { at: [] },
    }
    const people = [...'abcde'].map((one) => person(one))
    const kernels = [await start(t, options, { ...shared, people }), await start(t, options, { ...shared, people })]
    let appended = 0
    const work = Array.from({ length: 40 }, async (_, at) => {
      const kernel = kernels[at % 2] as MailKernel
      const account = people[at % 5]?.name ?? ''
      if (at % 4 < 2) {
        if ((await append(kernel, account, 1500)) === 'OK') appended++
        return
      }
      const content = `Subject: ${at}\r\n\r\n${'x'.repeat(70)}\r\n`.padEnd(1500, 'y\r\n')
      const { reply } = await kernel.submit({ from: 'me@far.test', to: [`${account}@here.test`], content })
      assert.equal(reply.code, 250)
    })
    await Promise.all(work)
    await Promise.all(kernels.map((kernel) => kernel.deliver()))
    const [kernel] = kernels as [MailKernel, MailKernel]
    const pool = await kernel.mail.poolUsage('domain:here.test')
    assert.ok(pool.octets <= 32_000 && pool.octets > 28_000, `${pool.octets}`)
    let filed = 0
    const sum = { octets: 0, messages: 0 }
    for (const { name } of people) {
      const usage = await kernel.mail.usage(name)
      assert.ok(usage.octets <= 22_000)
      sum.octets += usage.octets
      sum.messages += usage.messages
      filed += (await kernel.entries(name)).length
    }
    assert.deepEqual(sum, pool)
    // Every delivery is in a mailbox or waits.
    assert.equal(filed + (await kernel.queue.count()), appended + 20)
  })

test('the grace size is lost after the grace time, and comes back when there is room', async (t) => {
  const kernel = await start(t, {
    default: { octets: '1 kB' },
    grace: { octets: '1 kB', time: '2 days' },
    warnings: { at: [] },
  })
  assert.equal(await append(kernel, 'ann', 1500), 'OK')
  await kernel.advance(DAY)
  assert.equal(await append(kernel, 'ann', 100), 'OK')
  await kernel.advance(2 * DAY)
  assert.equal(await append(kernel, 'ann', 100), 'OVERQUOTA')
  await kernel.mail.expunge(await kernel.mailbox('ann'), [[1, 2]])
  await kernel.advance(1000)
  assert.equal(await append(kernel, 'ann', 1500), 'OK')
})

test('each threshold is mailed once each way, in the language of the account', async (t) => {
  const kernel = await start(t, {
    default: { octets: '100 kB' },
    warnings: { at: [80, 95], languages: { staff: 'de' } },
  })
  const subjects = async (account: string) => {
    await kernel.deliver()
    const entries = await kernel.entries(account)
    const contents = await Promise.all(entries.map(({ email }) => kernel.content(email)))
    return contents.filter((one) => /^From: "Mail quota"/m.test(one)).map((one) => /^Subject: (.*)/m.exec(one)?.[1])
  }
  await append(kernel, 'ann', 79_000)
  assert.deepEqual(await subjects('ann'), [])
  for (let times = 0; times < 5; times++) await append(kernel, 'ann', 500)
  assert.deepEqual(await subjects('ann'), ['Your mailbox (ann) is 80 % full'])
  await append(kernel, 'ann', 15_000)
  await kernel.mail.expunge(await kernel.mailbox('ann'), [[2, 4]])
  await append(kernel, 'ann', 1500)
  assert.equal((await subjects('ann')).length, 2, 'usage around a threshold is no news')
  await kernel.mail.expunge(await kernel.mailbox('ann'), [[1, 1]])
  assert.deepEqual((await subjects('ann')).at(-1), 'Your mailbox (ann) has room again')
  assert.equal((await subjects('ann')).length, 3)
  await append(kernel, 'cyd', 90_000)
  assert.deepEqual(await subjects('cyd'), ['Ihr Postfach (cyd) ist zu 90 % voll'])
})

test('two servers send one warning', async (t) => {
  const clock = testClock()
  const shared = { clock, store: memoryStore({ now: clock.now }) }
  const [one, two] = [
    await start(t, { default: { messages: 10 } }, shared),
    await start(t, { default: { messages: 10 } }, shared),
  ]
  await Promise.all([one, two].flatMap((kernel) => Array.from({ length: 4 }, () => append(kernel, 'ann', 10))))
  await Promise.all([one.deliver(), two.deliver()])
  const warnings = (await one.entries('ann')).length - 8
  assert.equal(warnings, 1)
})

test('an account that changes its domain takes its usage along', async (t) => {
  const clock = testClock()
  const shared = { clock, store: memoryStore({ now: clock.now }) }
  const options: Options = { domains: { 'here.test': { octets: '1 MB' }, 'there.test': { octets: '1 MB' } } }
  const before = await start(t, options, shared)
  await append(before, 'ann', 1000)
  const moved = [{ name: 'ann', addresses: ['ann@sub.here.test'] }, ...PEOPLE.slice(1)]
  const after = await start(
    t,
    { domains: { ...options.domains, 'sub.here.test': { octets: '1 MB' } } },
    { ...shared, people: moved },
  )
  await append(after, 'ann', 500)
  assert.equal((await after.mail.poolUsage('domain:here.test')).octets, 0)
  assert.equal((await after.mail.poolUsage('domain:sub.here.test')).octets, 1500)
})

test('counts equal a recount after kill -9', { timeout: 120_000 }, async (t) => {
  const folder = await tempFolder(t)
  const script = join(import.meta.dirname, '../support/quota-process.ts')
  for (let round = 0; round < 3; round++) {
    const child = spawn(process.execPath, ['--conditions=source', script, folder], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let left = 40 + round * 37
    for await (const _ of createInterface({ input: child.stdout })) if (--left === 0) child.kill('SIGKILL')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'close')
    const ends: (() => Promise<void>)[] = []
    const { kernel, store } = await openQuota(folder, { after: (end) => void ends.push(end as () => Promise<void>) })
    const { outputs } = await run(kernel, 'quota recount')
    assert.deepEqual(
      outputs.filter((one) => 'value' in one),
      [],
    )
    const usages = await Promise.all(NAMES.map((name) => kernel.mail.usage(name)))
    const sum = usages.reduce((all, { octets }) => all + octets, 0)
    assert.ok(sum > 0)
    assert.equal((await kernel.mail.poolUsage('domain:here.test')).octets, sum)
    for (const end of ends.reverse()) await end()
    await store.close()
  }
})

test('recount shows wrong counts, and puts them right while mail comes in', async (t) => {
  const kernel = await start(t, { domains: { 'here.test': { octets: '1 MB' } } })
  await append(kernel, 'ann', 1000)
  await append(kernel, 'bob', 1000)
  for await (const [at, value] of kernel.store.scan({ from: new Uint8Array(), to: Buffer.alloc(1, 255) })) {
    const text = Buffer.from(value).toString()
    // The counts of an account, a mailbox and a pool.
    if (!/^\{.*"messages":1\b/.test(text) && text !== '{"octets":2000,"messages":2}') continue
    await kernel.store.commit([{ put: at, value: Buffer.from(text.replace(/("octets"|"size"):[12]000/, '$1:77')) }])
  }
  const wrong = (await run(kernel, 'quota recount')).outputs.filter((one) => 'value' in one)
  assert.equal(wrong.length, 5)
  const adding = Promise.all(Array.from({ length: 10 }, () => append(kernel, 'ann', 100)))
  await run(kernel, 'quota recount', [], { repair: true })
  await adding
  assert.deepEqual(
    (await run(kernel, 'quota recount')).outputs.filter((one) => 'value' in one),
    [],
  )
  assert.deepEqual(await kernel.mail.usage('ann'), { octets: 2000, messages: 11 })
  assert.deepEqual(await kernel.mail.poolUsage('domain:here.test'), { octets: 3000, messages: 12 })
})

test('a report names the largest, the nearly full, the idle, and what deduplication saved', async (t) => {
  const kernel = await start(t, { default: { octets: '20 kB' }, report: { top: 3 } })
  const content = `Subject: x\r\n\r\n${'x'.repeat(70)}\r\n`
  await kernel.submit({ from: 'me@far.test', to: ['ann@here.test', 'bob@here.test'], content })
  await kernel.deliver()
  await append(kernel, 'cyd', 17_000)
  await append(kernel, 'dan', 100, 'Drafts')
  await kernel.deliver()
  const report = async (options = {}) => (await run(kernel, 'quota report', [], options)).bytes.toString()
  const text = await report()
  assert.match(text, /Near or above the limit\n-+\n.*\ncyd +17\.\d kB +2 +20 kB +8\d %/)
  assert.match(text, /Saved by deduplication +\d+ B \([1-9]/)
  assert.match(text, /cyd +INBOX +17\.\d kB/)
  assert.match(text, /Idle accounts\n-+\n.*\n.*unknown/)
  assert.match(await report({ language: 'de', domain: 'here.test' }), /^Mailspeicher: here\.test/)
  assert.match(await report({ domain: 'elsewhere.test' }), /Accounts +0/)
})

test('a report shows the attachments that take most, and deliveries with their times', async (t) => {
  const kernel = await start(t, {}, { people: PEOPLE })
  const attached = (name: string, octets: number) =>
    `Subject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\ntext\r\n--b\r\nContent-Type: application/pdf; name="${name}"\r\nContent-Disposition: attachment\r\n\r\n${'x'
      .repeat(70)
      .concat('\r\n')
      .repeat(octets / 72)}\r\n--b--\r\n`
  for (const [name, octets] of [
    ['small.pdf', 720],
    ['large.pdf', 72_000],
  ] as const) {
    const to = ['ann@here.test', 'bob@here.test']
    await kernel.submit({ from: 'me@far.test', to, content: attached(name, octets) })
  }
  await kernel.submit({ from: 'me@far.test', to: ['ann@here.test'], content: 'Subject: y\r\n\r\ntext\r\n' })
  await kernel.deliver()
  await kernel.advance(60_000)
  const text = (await run(kernel, 'quota report')).bytes.toString()
  const [, attachments = ''] = /Attachments that take most\n-+\n.*\n([\s\S]*?)\n\n/.exec(text) ?? []
  // What two accounts hold is one row.
  assert.match(attachments, /^large\.pdf +application\/pdf +72\.?0? kB +(?:ann|bob) +INBOX\nsmall\.pdf .*$/)
  assert.match(text, /Deliveries\n-+\nDate .*\n\d{4}-\d\d-\d\d +5 +\d+ +0 +0 +\d+ m?s +\d+ m?s/)
  assert.doesNotMatch((await run(kernel, 'quota report', [], { domain: 'here.test' })).bytes.toString(), /Deliveries/)
})

test('the HTML report sorts by a click, prints, and breaks no rule of axe', {
  skip: missing(CHROMIUM),
}, async (t) => {
  const kernel = await start(t, { default: { octets: '20 kB' } }, { people: PEOPLE })
  for (const [name, octets] of [
    ['ann', 17_000],
    ['bob', 3000],
    ['cyd', 9000],
  ] as const)
    await append(kernel, name, octets)
  for (let day = 0; day < 3; day++) await kernel.advance(DAY)
  await kernel.deliver()
  const html = (await run(kernel, 'quota report', [], { html: true })).bytes.toString()
  const file = join(await tempFolder(t), 'quota.html')
  await writeFile(file, html)
  const browser = await startBrowser(t)
  const page = await browser.newPage()
  const asked: string[] = []
  page.on('request', (request) => asked.push(request.url()))
  await page.goto(`file://${file}`)
  assert.deepEqual(await look(page, 'quota-report'), [])
  await page.emulateMedia({ colorScheme: 'dark' })
  assert.deepEqual(await look(page, 'quota-report-dark'), [])
  const names = () =>
    page.evaluate("[...document.querySelectorAll('table')[1].tBodies[0].rows].map((row) => row.cells[0].textContent)")
  const order = (await names()) as string[]
  const button = page.locator('table').nth(1).getByRole('button', { name: 'Account' })
  await button.click()
  assert.deepEqual(await names(), order.toSorted().reverse())
  await button.click()
  assert.deepEqual(await names(), order.toSorted())
  await page.emulateMedia({ media: 'print' })
  assert.ok((await page.pdf()).length > 1000)
  assert.deepEqual(
    asked.filter((url) => !url.startsWith('file:')),
    [],
  )
})

test('a report of many accounts is written in bounded time and memory', async (t) => {
  const count = Number(process.env.ACCOUNTS ?? 500)
  const people = Array.from({ length: count }, (_, at) => person(`u${at}`))
  const kernel = await start(t, {}, { people })
  for (let at = 0; at < count; at += 50)
    await Promise.all(people.slice(at, at + 50).map(({ name }, index) => append(kernel, name, 100 + at + index)))
  globalThis.gc?.()
  const before = process.memoryUsage().heapUsed
  const started = process.cpuUsage()
  const { bytes } = await run(kernel, 'quota report', [], { html: true })
  const { user, system } = process.cpuUsage(started)
  const grown = process.memoryUsage().heapUsed - before
  t.diagnostic(
    `${count} accounts: ${((user + system) / 1e6).toFixed(1)} s of processor, ${Math.round(grown / 1e6)} MB more`,
  )
  assert.match(bytes.toString(), new RegExp(`<dd>${count}</dd>`))
  assert.ok(bytes.length < 200_000, 'the size of a report does not grow with the accounts')
})

test('the HTML report is one file without outside links, and escapes what users chose', async (t) => {
  const kernel = await start(t, {}, { people: PEOPLE })
  await kernel.mail.create('ann', '<img src=x onerror=alert(1)>&')
  await append(kernel, 'ann', 100, '<img src=x onerror=alert(1)>&')
  const html = (await run(kernel, 'quota report', [], { html: true })).bytes.toString()
  assert.match(html, /&lt;img src=x onerror=alert\(1\)&gt;&amp;/)
  assert.ok(!html.includes('<img'))
  assert.doesNotMatch(html, /<[^>]*\s(?:src|href)=|url\(|https?:\/\//)
  assert.match(html, /<svg /)
})

test('reports go out by mail, for all and for one domain', async (t) => {
  const kernel = await start(t, {
    report: { every: '1 day', to: ['ann@here.test'], domains: { 'here.test': ['bob@here.test'] } },
  })
  await append(kernel, 'cyd', 500)
  await kernel.advance(DAY + 60_000)
  await kernel.deliver()
  for (const [name, subject] of [
    ['ann', 'Mail storage: all domains'],
    ['bob', 'Mail storage: here.test'],
  ] as const) {
    const [entry] = await kernel.entries(name)
    const content = await kernel.content(entry?.email ?? '')
    assert.match(content, new RegExp(`^Subject: ${subject}\r$`, 'm'))
    assert.match(content, /Content-Disposition: attachment;\r\n filename=quota.html/)
  }
})

test('SETQUOTA is for administrators', async (t) => {
  const kernel = await createDirectoryKernel(t, {
    channels: { imap: imap({ listen: '127.0.0.1:0', authWithoutTls: true }) },
    plugins: [quota({ default: { messages: 5 } })],
  })
  await kernel.make({ add: { kind: 'domain', name: 'here.test' } })
  for (const name of ['ann', 'root']) {
    const roles = name === 'root' ? ['admin'] : []
    await kernel.make({ add: { kind: 'account', name, addresses: [`${name}@here.test`], password: 'secret', roles } })
  }
  const ask = async (name: string, command: string) => {
    const client = await talkTo(t, kernel.listener('imap').port ?? 0)
    await client.line()
    await client.command(`LOGIN ${name} secret`)
    const answer = (await client.command(command)).join('\n')
    client.close()
    return answer
  }
  assert.match(await ask('ann', 'CAPABILITY'), /^(?!.*QUOTASET)/)
  assert.match(await ask('root', 'CAPABILITY'), /QUOTASET/)
  assert.match(await ask('ann', 'SETQUOTA ann (STORAGE 100)'), /NO \[NOPERM\]/)
  assert.match(await ask('root', 'SETQUOTA ann (STORAGE 100)'), /\* QUOTA ann \(STORAGE 0 100\)\s+OK/)
  assert.match(await ask('ann', 'GETQUOTAROOT INBOX'), /\* QUOTA ann \(STORAGE 0 100\)/)
  assert.match(await ask('root', 'SETQUOTA ann (X 1)'), /NO \[CANNOT\]/)
  assert.match(await ask('root', 'SETQUOTA nobody ()'), /NO \[NONEXISTENT\]/)
  assert.match(await ask('root', 'SETQUOTA ann (MESSAGE 9 STORAGE 7)'), /\(STORAGE 0 7 MESSAGE 0 9\)/)
  // RFC 9208 section 5.3.
  const [, count] = /\(MAILBOX (\d+) 8\)/.exec(await ask('root', 'SETQUOTA ann (MAILBOX 8)')) ?? []
  assert.match(await ask('root', 'CAPABILITY'), / QUOTA=RES-MAILBOX /)
  for (let at = Number(count); at < 8; at++) assert.match(await ask('ann', `CREATE more${at}`), /^OK/)
  assert.match(await ask('ann', 'CREATE toomany'), /^NO \[LIMIT\]/)
  assert.match(await ask('ann', 'RENAME more7 a/b/c'), /^NO \[LIMIT\]/)
  assert.match(await ask('ann', 'GETQUOTA ann'), /\(MAILBOX 8 8\)/)
})
