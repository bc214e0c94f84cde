/** The examples with curl in the README of the plugin: each is run as it stands there. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { missing } from 'iems/testing'
import { tempFolder } from '../support/running-server.ts'
import { fill, startAdmin } from '../support/web-admin.ts'

const README = join(import.meta.dirname, '../../plugins/web/admin/README.md')

test('each example of the README does what it says', { skip: missing('/usr/bin/curl') }, async (t) => {
  const here = await startAdmin(t)
  await fill(here)
  await here.make({ add: { kind: 'domain', name: 'example.org' } })
  await here.ask('admin', 'POST', '/api/v1/commands/run', {
    words: 'list add',
    values: { address: 'news@lists.example.org' },
  })
  const folder = await tempFolder(t)
  await writeFile(join(folder, 'accounts.csv'), 'name,address\ncem,cem@example.org\ndora,dora@example.org\n')
  const text = await readFile(README, 'utf8')
  const examples = [...text.matchAll(/```sh\n(curl [^`]*)```/g)].map(([, command = '']) => command.trim())
  assert.equal(examples.length, 11)
  const env: Record<string, string> = { PASSWORD: 'admin-secret', SERVER: here.base, PATH: process.env.PATH ?? '' }
  const said: string[] = []
  for (const command of examples) {
    const { stdout } = await promisify(execFile)('sh', ['-c', command], { env, cwd: folder })
    said.push(stdout)
    if (said.length === 1) env.KEY = JSON.parse(stdout).secret
  }
  const linesOf = (number: number) =>
    (said[number] ?? '')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
  assert.match(env.KEY ?? '', /^iems_/)
  assert.equal(JSON.parse(said[1] ?? '').hostname, 'mx.test')
  assert.equal(JSON.parse(said[2] ?? '').total, 0)
  assert.equal(JSON.parse(said[3] ?? '').name, 'bea')
  assert.deepEqual(linesOf(4).at(-2).value, { changed: 1, faults: 0 })
  assert.equal((await here.directory.byName('account', 'bea'))?.status, 'suspended')
  assert.ok(JSON.parse(said[5] ?? '').total >= 4)
  assert.deepEqual(linesOf(6).at(-1), { end: 'done' })
  assert.ok(linesOf(7).some(({ text: line = '' }) => line.startsWith('bea')))
  assert.deepEqual(linesOf(8).at(-1), { end: 'done' })
  assert.deepEqual(linesOf(9).at(-2).value, { decided: 0, faults: 0 })
  assert.deepEqual(JSON.parse(said[10] ?? ''), { certificates: [] })
  assert.deepEqual((await here.directory.byName('account', 'dora'))?.addresses, ['dora@example.org'])
})
