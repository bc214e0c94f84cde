import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { definePlugin } from 'iems'
import { createTestKernel } from 'iems/testing'
import * as z from 'zod'
import { Counter, packedProbe } from './index.ts'

test('mail is written, the webhook hears of it, the service and the command count it', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'probe-'))
  t.after(() => rm(folder, { recursive: true }))
  const heard: string[] = []
  const server = createServer(async (request, response) => {
    for await (const chunk of request) heard.push(String(chunk))
    response.end()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const webhook = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  let counter: { readonly count: number } | undefined
  const reader = definePlugin({
    name: 'reader',
    config: z.undefined(),
    needs: [Counter],
    setup(_, ctx) {
      counter = ctx.use(Counter)
      return {}
    },
  })
  const kernel = await createTestKernel(t, {
    channels: { files: packedProbe({ domain: 'files.test', folder, webhook }) },
    plugins: [reader()],
  })
  const content = 'Subject: x\r\n\r\nHello\r\n'
  const { reply } = await kernel.submit({ from: 'a@a.test', to: ['b@files.test'], content })
  assert.equal(reply.code, 250)
  await kernel.deliver()
  const [file = ''] = await readdir(folder)
  assert.match(await readFile(join(folder, file), 'utf8'), /\r\n\r\nHello\r\n$/)
  assert.deepEqual(JSON.parse(heard.join('')).statuses, ['delivered'])
  assert.equal(counter?.count, 1)
})
