/** Mail files of a running Domino by its REST interface: a server as its API describes. */
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { notes } from 'iems/plugins/notes'
import { createMailKernel, type MailKernel } from '../support/mailstore.ts'
import { tempFolder } from '../support/running-server.ts'

const letter = (n: number) =>
  Buffer.from(`From: ed@example.org\r\nTo: ann@acme.test\r\nSubject: Letter ${n}\r\n\r\nText ${n}\r\n`)

async function passwordFile(t: TestContext): Promise<string> {
  const path = join(await tempFolder(t), 'password')
  await writeFile(path, 'secret\n')
  return path
}

async function run(kernel: MailKernel, words: string, given: string[], options: Record<string, string | true>) {
  const outputs = await kernel.command(words, { arguments: given, options })
  return outputs.flatMap((one) => ('value' in one ? [one.value as Record<string, unknown>] : []))
}

const subjects = async (kernel: MailKernel, mailbox?: string) =>
  Promise.all(
    (await kernel.entries('ann', mailbox)).map(
      async ({ email }) => /^Subject: (.*)\r$/m.exec(await kernel.content(email))?.[1],
    ),
  )

const unid = (n: number) => n.toString(16).toUpperCase().padStart(32, 'A')
const person = { displayName: 'Ed', distinguishedName: '', email: 'ed@example.org' }

/** The mail service of Domino Access Services, as OpenNTF's mail.yaml describes it. */
async function startDas(t: TestContext) {
  const at = '/mail/ann.nsf/api/mail'
  const listed = (n: number) => ({
    href: `${at}/messages/${unid(n)}`,
    subject: `Letter ${n}`,
    date: '2001-06-12T12:05:10Z',
    from: person,
    read: n !== 1,
  })
  const lists: Record<string, readonly number[]> = {
    [`${at}/inbox`]: [1, 2, 9],
    [`${at}/sent`]: [3],
    [`${at}/drafts`]: [],
    [`${at}/trash`]: [],
    [`${at}/folders/${unid(70)}/messages`]: Array.from({ length: 250 }, (_, n) => 1000 + n),
    [`${at}/folders/${unid(71)}/messages`]: [],
  }
  const folders = [
    { href: `${at}/folders/${unid(69)}`, name: '($Inbox)', unid: unid(69) },
    { href: `${at}/folders/${unid(70)}`, name: 'Projects\\2001', unid: unid(70) },
    { href: `${at}/folders/${unid(71)}`, name: 'Projects\\2001\\Empty', unid: unid(71) },
  ]
  const asked: string[] = []
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '', 'http://domino')
    asked.push(`${request.method} ${request.url}`)
    const json = (value: unknown) => response.setHeader('content-type', 'application/json').end(JSON.stringify(value))
    if (request.headers.authorization !== `Basic ${Buffer.from('Ann Smith:secret').toString('base64')}`)
      return void response.writeHead(401).end()
    if (url.pathname === `${at}/folders`) return void json(folders)
    const list = lists[url.pathname]
    const [size, page] = [Number(url.searchParams.get('ps')), Number(url.searchParams.get('page'))]
    if (list) return void json(list.slice(page * size, (page + 1) * size).map(listed))
    const n = [1, 2, 3, ...(lists[`${at}/folders/${unid(70)}/messages`] ?? [])].find(
      (one) => url.pathname === `${at}/messages/${unid(one)}`,
    )
    if (n !== undefined && url.searchParams.get('format') === 'mime')
      return void response.setHeader('content-type', 'message/rfc822').end(letter(n))
    response.writeHead(404).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  return { port: (server.address() as AddressInfo).port, asked }
}

test('a mailbox is imported by the REST interface of Domino, and a message that it refuses stops no other', async (t) => {
  const domino = await startDas(t)
  const kernel = await createMailKernel(t, { plugins: [notes()] })
  const url = `http://Ann%20Smith@127.0.0.1:${domino.port}/mail/ann.nsf`
  const options = { 'password-file': await passwordFile(t), plain: true as const }
  const [report] = await run(kernel, 'notes import', [url, 'ann'], options)
  assert.deepEqual([report?.filed, report?.lostCount], [253, 1], JSON.stringify(report))
  assert.match(JSON.stringify(report?.lost), /404/)
  assert.deepEqual(await subjects(kernel), ['Letter 1', 'Letter 2'])
  const [first, second] = await kernel.entries('ann')
  assert.deepEqual([first?.flags.includes('\\Seen'), second?.flags.includes('\\Seen')], [false, true])
  assert.equal(first?.received, Date.UTC(2001, 5, 12, 12, 5, 10))
  assert.equal((await kernel.entries('ann', 'Projects/2001')).length, 250)
  assert.ok(await kernel.mail.find('ann', 'Projects/2001/Empty'))
  const [again] = await run(kernel, 'notes import', [url, 'ann'], options)
  assert.deepEqual([again?.filed, again?.already], [0, 253])
  assert.ok(domino.asked.every((line) => line.startsWith('GET ') && !/markread=true/.test(line)))
})
