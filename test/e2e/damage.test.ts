/** Files of the data folder that have changed on the disk: what the checks say about them. */
import assert from 'node:assert/strict'
import { readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { iemsCommand, startProcess, tempFolder } from '../support/running-server.ts'

test('content that is cut off, longer, changed or gone is named, and the records are read whole', async (t) => {
  const folder = await tempFolder(t)
  const server = await startProcess(
    t,
    folder,
    `
import { accounts } from 'iems/plugins/accounts'
import { mailstore } from 'iems/plugins/mailstore'
export default {
  hostname: 'mx.test',
  channels: { local: mailstore() },
  plugins: [accounts({ domains: ['here.test'], accounts: [{ name: 'ann', addresses: ['ann@here.test'] }] })],
}
`,
  )
  for (let count = 0; count < 5; count++) {
    const text = `Subject: ${count}\n\n${`number ${count} `.repeat(20_000)}\n`
    const { out } = await server.iemsWithInput(text, 'send', '--json', '-f', 'me@far.test', 'ann@here.test')
    await server.line(new RegExp(`"event":"message.finished".*"${(JSON.parse(out) as { id: string }).id}"`))
    if (count > 0) continue
    const life = await server.iems('message', 'show', (JSON.parse(out) as { id: string }).id)
    assert.match(life.out, /expand accounts <ann@here\.test>: |route accounts <ann@here\.test>: route local/)
    assert.doesNotMatch(life.out, /no opinion/)
    assert.match(
      (await server.iems('message', 'show', '--all', (JSON.parse(out) as { id: string }).id)).out,
      /no opinion|route/,
    )
  }
  const right = await server.iems('mailbox', 'check', '--deep')
  assert.equal(right.code, 0, right.out + right.err)

  const blobs = join(folder, 'data/blobs')
  const names = (await readdir(blobs, { recursive: true })).filter((name) => /\/f/.test(name)).sort()
  const files = names.map((name) => join(blobs, name)) as [string, string, string, string, string]
  const [cut, longer, changed, gone] = files
  await truncate(cut, (await stat(cut)).size - 1000)
  await writeFile(longer, 'more', { flag: 'a' })
  const bytes = await readFile(changed)
  bytes[bytes.length >> 1] = 0
  await writeFile(changed, bytes)
  await rm(gone)
  const idOf = (file: string) => file.split('/').at(-1)
  const found = await server.iems('mailbox', 'check')
  assert.equal(found.code, 1)
  assert.match(found.out, new RegExp(`ann INBOX UID 1: its content is cut off \\(blob ${idOf(cut)}\\)`))
  assert.match(found.out, new RegExp(`ann INBOX UID 2: its content is too long \\(blob ${idOf(longer)}\\)`))
  assert.match(found.out, new RegExp(`ann INBOX UID 4: its content is missing \\(blob ${idOf(gone)}\\)`))
  assert.match(found.out, /3 problems found/)
  assert.match(found.out, /comes back only from a backup/)
  const deep = await server.iems('mailbox', 'check', '--deep')
  assert.match(deep.out, new RegExp(`ann INBOX UID 3: its content is changed \\(blob ${idOf(changed)}\\)`))
  assert.match(deep.out, /4 problems found/)

  assert.match((await server.iems('store', 'check')).out, /\d+ files with .* read, 0 damaged/)
  server.process.kill('SIGTERM')
  await server.ended()
  const records = join(folder, 'data/records')
  const log = join(records, (await readdir(records)).find((name) => /^\d+\.log$/.test(name)) as string)
  const written = await readFile(log)
  written.fill(255, 100, 300)
  await writeFile(log, written)
  const damaged = await iemsCommand(['store', 'check', '--config', server.config])
  assert.equal(damaged.code, 1)
  assert.match(damaged.out, /\.log: the record at octet \d+ has changed\n.*1 damaged\n.*from a backup/)
})
