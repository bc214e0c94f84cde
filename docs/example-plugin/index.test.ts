import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTestKernel } from 'iems/testing'
import { example } from './index.ts'

test('a message without a subject is refused with the admin’s words', async (t) => {
  const kernel = await createTestKernel(t, { plugins: [example({ text: 'No subject, no entry' })] })
  const { reply, queued } = await kernel.submit({
    from: 'a@example.org',
    to: ['b@example.net'],
    content: 'From: a\r\n\r\nHello\r\n',
  })
  assert.equal(reply.code, 550)
  // The id of the refused message follows the text.
  assert.match(reply.text, /^No subject, no entry \([0-9A-Z]{26}\)$/)
  assert.equal(queued.length, 0)
})

test('a message with a subject is delivered, and its trace shows what was found', async (t) => {
  const kernel = await createTestKernel(t, { plugins: [example({})] })
  const { reply, id } = await kernel.submit({
    from: 'a@example.org',
    to: ['b@example.net'],
    content: 'Subject: four\r\n\r\nHello\r\n',
  })
  assert.equal(reply.code, 250)
  await kernel.deliver()
  assert.equal(kernel.delivered.length, 1)
  const life = await kernel.queue.trace(id ?? '')
  assert.deepEqual(life?.findings, [{ plugin: 'example', name: 'subject-length', value: 4 }])
})
