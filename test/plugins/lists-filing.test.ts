/** Archives at size: imports in batches, cut off at any commit and repeated; what the pages of a large one cost. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { definePlugin, type Store } from 'iems'
import { directory } from 'iems/plugins/directory'
import { http } from 'iems/plugins/http'
import { lists } from 'iems/plugins/lists'
import { mailstore } from 'iems/plugins/mailstore'
import { createTestKernel } from 'iems/testing'
import * as z from 'zod'
import { Archive } from '../../plugins/lists/archive.ts'
import { messageIdHash } from '../../plugins/lists/content.ts'
import { readMbox } from '../../plugins/lists/import/mbox.ts'
import { Lists } from '../../plugins/lists/index.ts'
import { MailQuery, type MailQueryApi, MailStore, type MailStoreApi } from '../../plugins/mailbox/store/api.ts'
import { runCommand } from '../support/lists.ts'

const LIST = 'dev@lists.test'

interface Lent {
  readonly store: Store
  readonly mail: MailStoreApi
  readonly query: MailQueryApi
}

const SEARCHED_WITHIN_MS = 60_000

async function start(t: TestContext) {
  let lent: Lent | undefined
  const borrow = definePlugin({
    name: 'borrow-archive',
    config: z.undefined(),
    needs: [Lists, MailStore, MailQuery],
    setup(_, ctx) {
      lent = { store: ctx.store, mail: ctx.use(MailStore), query: ctx.use(MailQuery) }
      return {}
    },
  })
  const kernel = await createTestKernel(t, {
    channels: {
      web: http({ listen: '127.0.0.1:0', limits: { requestsPerMinute: 10_000 } }),
      lists: lists(),
      local: mailstore({ maxSize: '1 MB' }),
    },
    plugins: [directory(), borrow()],
  })
  const base = `http://127.0.0.1:${kernel.listener('web').port}/lists/${encodeURIComponent(LIST)}`
  const iems = async (words: string, values: Record<string, unknown>, input = '') =>
    runCommand(kernel, words, values, input)
  await iems('list add', { address: LIST, archive: 'public', welcome: '' })
  return {
    ...(lent as Lent),
    iems,
    advance: kernel.advance,
    get: async (path: string) => (await fetch(base + path)).text(),
  }
}

const post = (at: number, { month = 'Feb', head = '', body = `Post ${at}` } = {}) =>
  `From a@far.test Mon ${month}  3 10:00:00 2025\nFrom: a@far.test\nSubject: Topic ${at % 7}\nMessage-ID: <a${at}@far.test>\n${head}\n${body}\n\n`

test('an import cut off at any commit is completed by its repetition: no post is missing or there twice', async (t) => {
  const { store, mail, query } = await start(t)
  const posts = Array.from({ length: 40 }, (_, at) => ({
    hash: messageIdHash(`<a${at}@far.test>`),
    messageId: `<a${at}@far.test>`,
    subject: `Topic ${at}`,
    isReferring: false,
    received: Date.UTC(2025, at % 3, 3),
    async *open() {
      yield Buffer.from(
        `From: a@far.test\r\nSubject: Topic ${at}\r\nMessage-ID: <a${at}@far.test>\r\n\r\nPost ${at}\r\n`,
      )
    },
  }))
  const given = { id: 'imported', address: LIST } as Parameters<Archive['keepAll']>[0]
  for (let good = 0; good < 2; good++) {
    let left = good
    const cutOff: Store = {
      ...store,
      get: (at) => store.get(at),
      commit: (...args) => (left-- > 0 ? store.commit(...args) : Promise.reject(new Error('cut off'))),
    }
    await assert.rejects(
      new Archive({ store: cutOff, mail, query }).keepAll(given, posts.slice(0, 10 + good * 10)),
      /cut off/,
    )
  }
  const archive = new Archive({ store, mail, query })
  for (let times = 0; times < 2; times++) assert.equal((await archive.keepAll(given, [...posts, ...posts])).size, 0)
  const months = await archive.months(given)
  assert.deepEqual(
    months.map(({ posts }) => posts),
    [13, 13, 14],
  )
  for (const { hash } of posts) {
    const found = await archive.byHash(given, hash)
    assert.ok(found && found !== 'removed')
    assert.equal(messageIdHash((await (await archive.email(found.email))?.field('message-id')) ?? ''), hash)
  }
})

test('a post of an mbox has a bound in lines as well as in octets', async () => {
  const start = Buffer.from('From a@far.test Mon Feb  3 10:00:00 2025\n')
  const posts = readMbox(
    (async function* () {
      yield start
      for (let block = 0; block <= 10; block++) yield Buffer.alloc(100_000, '\n')
    })(),
  )
  await assert.rejects(Array.fromAsync(posts), /The post at line 1 has more than 1000000 lines/)
})

test('an import of many: progress, a line for each fault, and the others count; all are found by their words', async (t) => {
  const { iems, get, advance } = await start(t)
  const big = post(9000, { body: 'x'.repeat(1_100_000) })
  const nameless = 'From a@far.test Mon Feb  3 10:00:00 2025\nSubject: no id\n\nx\n\n'
  const mbox = [
    ...Array.from({ length: 600 }, (_, at) => post(at)),
    big,
    nameless,
    post(5),
    post(9001, { month: 'Mar' }),
  ]
  const said = await iems('list import-archive', { list: LIST }, mbox.join(''))
  assert.deepEqual(
    said.flatMap((one) => ('value' in one ? [one.value] : [])),
    [
      { line: 4201, fault: 'The message is too big' },
      { line: 4208, fault: 'no Message-ID' },
      { done: 602, faults: 2 },
    ],
  )
  assert.ok(said.filter((one) => 'progress' in one).length > 1)
  assert.match(await get('/month/2025-02'), /600 posts/)
  assert.match(await get('/month/2025-03'), /1 post\b/)
  const search = async (words: string) => {
    const text = await get(`/search?q=${encodeURIComponent(words)}`)
    return /role="status">([^<]*)/.exec(text)?.[1]
  }
  // Without the index every post is read; with it only some, however many have the word.
  assert.equal(await search('topic'), '601 posts, the latest 100 are shown')
  const end = Date.now() + SEARCHED_WITHIN_MS
  const isIndexed = async () => {
    await advance(5000)
    return (await search('topic')) === 'More than 200 posts, the latest 100 are shown'
  }
  while (!(await isIndexed())) assert.ok(Date.now() < end, 'the posts are not indexed')
  assert.equal(await search('post 577'), '1 post')
  assert.equal(await search('post nothing'), '0 posts')
  // Found before the index has it, and not any more when it is removed.
  await iems('list import-archive', { list: LIST }, post(9002, { body: 'A late porcupine' }))
  assert.equal(await search('porcupine'), '1 post')
  await iems('list erase', { list: LIST, hash: messageIdHash('<a9002@far.test>') })
  assert.equal(await search('porcupine'), '0 posts')
})
