/** The full-text index of the message store: what is found, by whom, and what becomes of it when things break. */
import assert from 'node:assert/strict'
import { mkdtemp, open, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type TestContext, test } from 'node:test'
import { setTimeout as turn } from 'node:timers/promises'
import type { Log } from '../../core/index.ts'
import { memoryStore, type TestClock, testClock } from '../../core/testing/index.ts'
import { createFind } from '../../plugins/mailbox/store/search/find.ts'
import { type Indexable, Indexer } from '../../plugins/mailbox/store/search/indexer.ts'
import { type Condition, matches } from '../../plugins/mailbox/store/search/query.ts'
import { dueKey, indexOp, laneOf } from '../../plugins/mailbox/store/search/registry.ts'
import { type IndexOptions, openIndex, type SearchIndex } from '../../plugins/mailbox/store/search/search-index.ts'
import { FIELDS, type SearchText } from '../../plugins/mailbox/store/search/text.ts'
import { fc } from '../support/property.ts'

const EMPTY: SearchText = { from: '', to: '', cc: '', bcc: '', subject: '', headers: '', body: '', attachments: '' }
const LANE = laneOf('test')
const quietLog: Log = { debug() {}, info() {}, warn() {}, error() {} }

const body = (text: string): SearchText => ({ ...EMPTY, body: text })
const inBody = (text: string, how: Condition['how'] = 'substring'): Condition => ({ fields: ['body'], text, how })

function openTestIndex(t: Pick<TestContext, 'after'>, options: Partial<IndexOptions> = {}): SearchIndex {
  const index = openIndex({
    path: ':memory:',
    maxText: 1_000_000,
    maxWords: 1000,
    searchMs: 20_000,
    log: quietLog,
    ...options,
  })
  t.after(() => index.close())
  return index
}

async function temporaryFolder(t: Pick<TestContext, 'after'>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'iems-search-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** Emails named as their texts, all in one account. */
async function indexAll(index: SearchIndex, texts: readonly string[], account = 'ann'): Promise<void> {
  await index.add(texts.map((text) => ({ email: text, accounts: [account], text: body(text) })))
}

/** What is found, with a question mark where the index is not sure. */
async function found(index: SearchIndex, conditions: readonly Condition[], account = 'ann') {
  const page = await index.search({ account, conditions, limit: 1000 })
  return page?.hits.map(({ email, isSure }) => (isSure ? email : `${email}?`))
}

// --- what is found ---------------------------------------------------------------------------------

test('a substring is found in the middle of words, whatever the case and the accents', async (t) => {
  const index = openTestIndex(t)
  await indexAll(index, ['Rechnungsnummer 12', 'ÜBERRASCHUNG', 'Straße', 'nothing'])
  assert.deepEqual(await found(index, [inBody('NUNGS')]), ['Rechnungsnummer 12'])
  assert.deepEqual(await found(index, [inBody('berrasch')]), ['ÜBERRASCHUNG'])
  assert.deepEqual(await found(index, [inBody('überr')]), ['ÜBERRASCHUNG'])
  assert.deepEqual(await found(index, [inBody('STRASSE')]), ['Straße'])
  assert.deepEqual(await found(index, [inBody('nungsx')]), [])
})

test('what stands between words only the message itself can tell, so those hits are not sure', async (t) => {
  const index = openTestIndex(t)
  await indexAll(index, ['say hello, world', 'say hello world', 'world hello'])
  assert.deepEqual(await found(index, [inBody('lo wor')]), ['say hello, world?', 'say hello world?', 'world hello?'])
  assert.deepEqual(await found(index, [inBody('ello wor')]), ['say hello, world?', 'say hello world?'])
})

test('the index does not answer what it cannot know', async (t) => {
  const index = openTestIndex(t, { maxWords: 2 })
  await indexAll(index, ['aardvark', 'aardwolf', 'aard three', 'x'])
  for (const text of ['ar', '?!', '', 'aard']) assert.equal(await found(index, [inBody(text)]), undefined, text)
  assert.deepEqual(await found(index, [inBody('aardw')]), ['aardwolf'])
  assert.deepEqual(await found(index, [inBody('ar'), inBody('aardw')]), ['aardwolf?'])
})

for (const [language, text, hits, misses] of [
  ['Chinese', '请在会议之前发送发票', ['发票', '票', '会议之前', '请'], ['发会', '送票']],
  ['Japanese', '会議の資料をスキャンしてください', ['資料', 'スキャン', 'くだ', 'い'], ['資議']],
  ['Thai', 'กรุณาส่งใบแจ้งหนี้', ['ใบแจ้ง', 'ส่ง', 'หนี้'], ['ใบหนี้']],
  ['Korean', '회의는 내일입니다', ['회의', '내일', '일입니'], ['회일입']],
  ['Russian', 'Счёт за ноябрь', ['счет', 'СЧЁТ', 'нояб'], ['декаб']],
  ['Greek', 'Ο λογαριασμός σας', ['ΛΟΓΑΡΙΑΣΜΟΣ', 'αριασμός'], ['σμοςσ']],
  ['Arabic', 'يرجى دفع الفاتورة', ['الفاتورة', 'فاتورة'], ['فاتوراة']],
  ['Hindi', 'कृपया बिल का भुगतान करें', ['भुगतान', 'कृपया'], ['भुगताना']],
  ['emoji', 'Well done 🎉🚀', ['🎉', '🚀', '🎉🚀'], ['🚀🎉']],
] as const) {
  test(`${language}: parts of words are found without spaces between them, as substrings and as words`, async (t) => {
    const index = openTestIndex(t)
    await indexAll(index, [text, 'something else'])
    for (const hit of hits) assert.deepEqual(await found(index, [inBody(hit)]), [text], hit)
    for (const miss of misses) assert.deepEqual(await found(index, [inBody(miss)]), [], miss)
    const [first] = hits
    assert.deepEqual(await found(index, [inBody(first, 'words')]), [text])
  })
}

test('words are found by their beginnings in any order, a phrase only in its own', async (t) => {
  const index = openTestIndex(t)
  await indexAll(index, ['the quarterly report is here', 'report: quarterly figures', 'unreported'])
  assert.deepEqual(await found(index, [inBody('quart repo', 'words')]), [
    'the quarterly report is here',
    'report: quarterly figures',
  ])
  assert.deepEqual(await found(index, [inBody('quarterly rep', 'phrase')]), ['the quarterly report is here'])
})

test('each field is searched for itself, and all conditions must be met', async (t) => {
  const index = openTestIndex(t)
  const text = { ...EMPTY, from: 'Ann <ann@far.test>', subject: 'Lunch', body: 'at noon', attachments: 'menu.pdf' }
  await index.add([{ email: 'one', accounts: ['ann'], text }])
  const ask = (field: (typeof FIELDS)[number], word: string): Condition => ({
    fields: [field],
    text: word,
    how: 'words',
  })
  assert.deepEqual(await found(index, [ask('subject', 'lunch'), ask('attachments', 'menu')]), ['one'])
  assert.deepEqual(await found(index, [ask('subject', 'lunch'), ask('body', 'menu')]), [])
  assert.deepEqual(await found(index, [ask('body', 'lunch')]), [])
  assert.deepEqual(await found(index, [{ fields: FIELDS, text: 'far lunch noon', how: 'words' }]), ['one'])
  assert.deepEqual(await found(index, [{ fields: [], text: 'lunch', how: 'words' }]), [])
})

test('a very long word is found by any part of it', async (t) => {
  const index = openTestIndex(t)
  const long = Array.from({ length: 60 }, (_, index) => index.toString(36).padStart(5, 'z')).join('')
  await indexAll(index, [long])
  for (let start = 0; start + 20 <= long.length; start += 7)
    assert.deepEqual(await found(index, [inBody(long.slice(start, start + 20))]), [long], `${start}`)
  assert.deepEqual(await found(index, [inBody(long.slice(10, 90))]), [`${long}?`])
})

test('with any text and any question, what fits is among the hits, and sure hits fit', async (t) => {
  const index = openTestIndex(t)
  // Few characters, so that they meet often: letters, accents, a sigma, scripts without spaces, marks, breaks, emoji.
  const characters = [...'abAé1ςΣß ,\n-한漢字かがスกี่🎉ｱ', 'e\u0301', 'か\u3099', '\u00ad', 'ﬁ']
  const text = fc.string({ unit: fc.constantFrom(...characters), maxLength: 40 })
  let round = 0
  await fc.assert(
    fc.asyncProperty(fc.array(text, { minLength: 1, maxLength: 8 }), fc.nat(), fc.nat(8), async (texts, at, length) => {
      const account = `a${round++}`
      const documents = texts.map((one, index) => ({ email: `${index}`, accounts: [account], text: body(one) }))
      await index.add(documents)
      const source = texts[at % texts.length] as string
      const wanted = source.slice(at % (source.length + 1)).slice(0, length)
      for (const how of ['substring', 'words', 'phrase'] as const) {
        const condition = inBody(wanted.toWellFormed(), how)
        const page = await index.search({ account, conditions: [condition], limit: 100 })
        if (!page) continue
        for (const { email, text } of documents) {
          const hit = page.hits.find((one) => one.email === email)
          const fits = matches(text, condition)
          if (fits) assert.ok(hit, `${how} ${JSON.stringify(wanted)} in ${JSON.stringify(text.body)} was missed`)
          if (hit?.isSure) assert.ok(fits, `${how} ${JSON.stringify(wanted)} is not in ${JSON.stringify(text.body)}`)
        }
      }
    }),
    { numRuns: 300 },
  )
})

test('of a text that is too long the index says that it is not sure', async (t) => {
  const index = openTestIndex(t, { maxText: 20 })
  const text = 'beginning of a long text with a hidden end'
  await indexAll(index, [text, 'short'])
  assert.deepEqual(await found(index, [inBody('hidden')]), [`${text}?`])
  assert.deepEqual(await found(index, [inBody('beginning')]), [text])
  assert.deepEqual(await found(index, [inBody('hidden', 'words')]), [])
})

test('pages follow each other without a gap or a repetition', async (t) => {
  const index = openTestIndex(t, { maxText: 30 })
  // Every third is too long, and its end is not indexed.
  const texts = Array.from({ length: 50 }, (_, n) => `${n % 2 ? 'even' : 'odd'} ${n}${n % 3 ? '' : ' '.repeat(30)}`)
  await indexAll(index, texts)
  const all: string[] = []
  let after: number | undefined
  for (let pages = 0; pages < 50; pages++) {
    const page = await index.search({
      account: 'ann',
      conditions: [inBody('even')],
      limit: 3,
      ...(after === undefined ? {} : { after }),
    })
    all.push(...(page?.hits.map(({ email }) => email) ?? []))
    after = page?.next
    if (after === undefined) break
  }
  assert.equal(after, undefined)
  assert.deepEqual(
    all,
    texts.filter((one, n) => one.startsWith('even') || n % 3 === 0),
  )
})

// --- whose it is ----------------------------------------------------------------------------------

test('an account finds what it holds and nothing else, and what it lets go of is forgotten', async (t) => {
  const index = openTestIndex(t)
  const shared = { email: 'shared', accounts: ['ann', 'bob'], text: body('budget') }
  await index.add([shared, { email: 'own', accounts: ['bob'], text: body('budget') }])
  assert.deepEqual(await found(index, [inBody('budget')], 'ann'), ['shared'])
  assert.deepEqual(await found(index, [inBody('budget')], 'bob'), ['shared', 'own'])
  assert.deepEqual(await found(index, [inBody('budget')], 'eve'), [])
  assert.deepEqual(await index.align([{ email: 'shared', accounts: ['bob', 'eve'] }]), ['shared'])
  assert.deepEqual(await found(index, [inBody('budget')], 'ann'), [])
  assert.deepEqual(await found(index, [inBody('budget')], 'bob'), ['shared', 'own'])
  assert.equal((await index.state()).documents, 2)
  const again = { ...shared, accounts: ['bob', 'eve', 'eve'] }
  await index.add([again, again])
  await index.add([again])
  assert.deepEqual(await found(index, [inBody('budget')], 'eve'), ['shared'])
  assert.equal((await index.state()).documents, 3)
  assert.deepEqual(await index.align([{ email: 'shared', accounts: [] }]), [])
  assert.deepEqual(await index.missing('bob', ['shared', 'own', 'other']), ['shared', 'other'])
})

// --- the file --------------------------------------------------------------------------------------

test('what was added is there after a restart, and after it was cleared it is not', async (t) => {
  const path = join(await temporaryFolder(t), 'search.sqlite')
  const first = openTestIndex(t, { path })
  await indexAll(first, ['remember me'])
  assert.equal((await first.state()).isWhole, false)
  await first.setWhole()
  await first.close()
  assert.equal((await stat(path)).mode & 0o077, 0)
  const second = openTestIndex(t, { path })
  assert.deepEqual(await found(second, [inBody('member')]), ['remember me'])
  assert.equal((await second.state()).isWhole, true)
  await second.clear()
  assert.deepEqual(await found(second, [inBody('member')]), [])
  const { isWhole, documents } = await second.state()
  assert.deepEqual({ isWhole, documents }, { isWhole: false, documents: 0 })
  await indexAll(second, ['remember me'])
  assert.deepEqual(await found(second, [inBody('member')]), ['remember me'])
})

test('words cleared away by another process are written again', async (t) => {
  const path = join(await temporaryFolder(t), 'search.sqlite')
  const [mine, other] = [openTestIndex(t, { path }), openTestIndex(t, { path })]
  await indexAll(mine, ['elephant'])
  await other.clear()
  await indexAll(mine, ['elephant'])
  assert.deepEqual(await found(mine, [inBody('lephan')]), ['elephant'])
  assert.deepEqual(await found(other, [inBody('lephan')]), ['elephant'])
})

test('a file that is no index, or a newer one, is put aside and a rebuild asked for', async (t) => {
  for (const kind of ['rubbish', 'newer', 'older'] as const) {
    const folder = await temporaryFolder(t)
    const path = join(folder, 'search.sqlite')
    if (kind === 'rubbish') await writeFile(path, 'this is no database '.repeat(1000))
    else {
      const database = new DatabaseSync(path)
      database.exec(`CREATE TABLE theirs (x); PRAGMA user_version = ${kind === 'newer' ? 999 : 0}`)
      database.close()
    }
    const errors: string[] = []
    const index = openTestIndex(t, { path, log: { ...quietLog, error: (text) => errors.push(text) } })
    assert.equal((await index.state()).isWhole, false)
    await indexAll(index, ['works'])
    assert.deepEqual(await found(index, [inBody('works')]), ['works'], kind)
    assert.deepEqual(errors, ['the search index was put aside and is built again'])
    assert.ok((await readdir(folder)).includes('search.sqlite.aside'))
  }
})

test('a file that turns out to be broken while it is used is put aside', async (t) => {
  const path = join(await temporaryFolder(t), 'search.sqlite')
  const first = openTestIndex(t, { path })
  await indexAll(
    first,
    Array.from({ length: 300 }, (_, index) => `word${index} ${'filler '.repeat(50)}`),
  )
  await first.setWhole()
  await first.close()
  const file = await open(path, 'r+')
  const { size } = await file.stat()
  await file.write(Buffer.alloc(size >> 1, 0xa5), 0, size >> 1, size >> 1)
  await file.close()
  const second = openTestIndex(t, { path })
  await assert.rejects(found(second, [inBody('word7')]) as Promise<unknown>)
  assert.equal((await second.state()).isWhole, false)
  await indexAll(second, ['works'])
  assert.deepEqual(await found(second, [inBody('works')]), ['works'])
})

test('a file that cannot be opened fails the question and not the process, until it can', async (t) => {
  const folder = await temporaryFolder(t)
  const path = join(folder, 'later', 'search.sqlite')
  const index = openTestIndex(t, { path })
  await assert.rejects(index.state() as Promise<unknown>)
  await assert.rejects(index.state() as Promise<unknown>, /cannot be used at the moment/)
})

// --- the indexer -----------------------------------------------------------------------------------

interface Mail {
  readonly texts: Map<string, SearchText>
  readonly holders: Map<string, string[]>
  /** Emails whose text cannot be read. */
  readonly broken: Set<string>
  /** How often each text was read. */
  readonly reads: string[]
}

async function startIndexer(t: Pick<TestContext, 'after'>, options: { index?: SearchIndex; clock?: TestClock } = {}) {
  const clock = options.clock ?? testClock()
  const store = memoryStore({ now: clock.now })
  const index = options.index ?? openTestIndex(t)
  const mail: Mail = { texts: new Map(), holders: new Map(), broken: new Set(), reads: [] }
  const warnings: unknown[] = []
  const log: Log = {
    ...quietLog,
    warn: (_, fields) => warnings.push(fields),
    error: (_, fields) => warnings.push(fields),
  }
  const read = async (email: string) => {
    mail.reads.push(email)
    if (mail.broken.has(email)) throw new Error('unreadable')
    return mail.texts.get(email)
  }
  const indexer = new Indexer({
    id: 'test',
    store,
    index,
    clock,
    log,
    async load(email): Promise<Indexable | undefined> {
      const text = mail.texts.get(email)
      return (
        text && { accounts: mail.holders.get(email) ?? [], text: async () => ({ text: (await read(email)) ?? EMPTY }) }
      )
    },
    async *all() {
      yield* mail.texts.keys()
    },
  })
  t.after(() => indexer.stop())
  /** As a delivery does it. */
  async function deliver(email: string, text: string, accounts = ['ann']): Promise<void> {
    mail.texts.set(email, body(text))
    mail.holders.set(email, accounts)
    await store.commit([indexOp(email, LANE)])
  }
  async function isIdle(): Promise<boolean> {
    for await (const { at } of store.due(LANE, 10_000)) if (at <= clock.now() + 300_000) return false
    return (await index.state()).isWhole
  }
  /** Moves time on until nothing waits but what was put off for long. */
  async function settle(): Promise<void> {
    const end = Date.now() + 20_000
    do {
      if (Date.now() > end) throw new Error('emails still wait to be indexed')
      await clock.advance(500)
      // The worker lives by real time: the lease must not end before it has answered.
      await turn(5)
    } while (!(await isIdle()))
  }
  const { find } = createFind({ index, indexer, log, read })
  const findAll = async (emails: readonly string[], condition: Condition, account = 'ann') =>
    (await Array.fromAsync(find({ account, emails, conditions: [condition] }))).sort()
  return { clock, store, index, indexer, mail, warnings, deliver, settle, findAll }
}

test('what is delivered is indexed in the background, and what has gone is forgotten', async (t) => {
  const { indexer, index, deliver, settle, mail, store } = await startIndexer(t)
  indexer.start()
  await deliver('one', 'first letter', ['ann', 'bob'])
  await deliver('two', 'second letter')
  await settle()
  assert.deepEqual(await found(index, [inBody('letter')]), ['one', 'two'])
  assert.deepEqual(await found(index, [inBody('letter')], 'bob'), ['one'])
  assert.deepEqual(await Array.fromAsync(store.due(LANE, 10)), [])
  mail.texts.delete('two')
  mail.holders.set('one', ['bob'])
  await store.commit([indexOp('one', LANE), indexOp('two', LANE)])
  await settle()
  assert.deepEqual(await found(index, [inBody('letter')]), [])
  assert.deepEqual(await found(index, [inBody('letter')], 'bob'), ['one'])
  // Nothing new was in it.
  assert.deepEqual(mail.reads.sort(), ['one', 'two'])
})

test('an index that is new is filled from the store, and a rebuild fills it again', async (t) => {
  const { indexer, index, mail, settle } = await startIndexer(t)
  for (let number = 0; number < 2500; number++) {
    mail.texts.set(`e${number}`, body(`letter ${number}`))
    mail.holders.set(`e${number}`, ['ann'])
  }
  indexer.start()
  await settle()
  assert.equal((await indexer.status()).documents, 2500)
  mail.texts.delete('e7')
  await indexer.rebuild()
  await settle()
  const { documents, waiting, isWhole } = await indexer.status()
  assert.deepEqual({ documents, waiting, isWhole }, { documents: 2499, waiting: 0, isWhole: true })
  assert.deepEqual(await found(index, [inBody('letter 2499', 'phrase')]), ['e2499'])
})

test('an email that cannot be read holds up no other, and is tried again', async (t) => {
  const { indexer, index, deliver, settle, mail, clock, warnings } = await startIndexer(t)
  mail.broken.add('bad')
  indexer.start()
  await deliver('bad', 'letter')
  await deliver('good', 'letter')
  await settle()
  assert.deepEqual(await found(index, [inBody('letter')]), ['good'])
  assert.equal(warnings.length, 1)
  mail.broken.clear()
  await clock.advance(15 * 60_000)
  await settle()
  assert.deepEqual(await found(index, [inBody('letter')]), ['good', 'bad'])
})

test('an email that is asked for anew while it is indexed is looked at again', async (t) => {
  const plain = openTestIndex(t)
  let during: (() => Promise<void>) | undefined
  const index: SearchIndex = {
    ...plain,
    async add(documents) {
      await plain.add(documents)
      await during?.()
      during = undefined
    },
  }
  const { indexer, deliver, settle, mail, store } = await startIndexer(t, { index })
  during = async () => {
    mail.holders.set('one', ['bob'])
    await store.commit([indexOp('one', LANE)])
  }
  indexer.start()
  await deliver('one', 'letter')
  await deliver('two', 'letter')
  await settle()
  assert.deepEqual(await found(index, [inBody('letter')]), ['two'])
  assert.deepEqual(await found(index, [inBody('letter')], 'bob'), ['one'])
  assert.equal(await store.dueAt(LANE, dueKey('one')), undefined)
})

test('an index that fails is tried again, and nothing is lost by it', async (t) => {
  const plain = openTestIndex(t)
  let failures = 3
  const index: SearchIndex = {
    ...plain,
    async align(holdings) {
      if (failures-- > 0) throw new Error('disk full')
      return plain.align(holdings)
    },
  }
  const { indexer, deliver, settle, warnings } = await startIndexer(t, { index })
  indexer.start()
  await deliver('one', 'letter')
  await settle()
  assert.deepEqual(await found(index, [inBody('letter')]), ['one'])
  assert.equal(warnings.length, 3)
})

test('a document that the index cannot take is found among the others and put off', async (t) => {
  const plain = openTestIndex(t)
  const index: SearchIndex = {
    ...plain,
    async add(documents) {
      if (documents.some(({ email }) => email === 'poison')) throw new Error('no')
      await plain.add(documents)
    },
  }
  const { indexer, deliver, settle } = await startIndexer(t, { index })
  for (const email of ['one', 'poison', 'two']) await deliver(email, 'letter')
  indexer.start()
  await settle()
  assert.deepEqual(await found(index, [inBody('letter')]), ['one', 'two'])
})

test('while the index writes some emails, the next ones are read, and it gets one write at a time', async (t) => {
  const plain = openTestIndex(t)
  const ahead: boolean[] = []
  let writing = 0
  const index: SearchIndex = {
    ...plain,
    async add(documents) {
      assert.equal(++writing, 1)
      const isLast = documents.some(({ email }) => email === '0449')
      for (const end = Date.now() + 10_000; !isLast && Date.now() < end; await turn(5))
        if (mail.reads.length > documents.length * (ahead.length + 1)) break
      ahead.push(mail.reads.length > documents.length * (ahead.length + 1))
      await plain.add(documents)
      writing--
    },
  }
  const { indexer, deliver, settle, mail } = await startIndexer(t, { index })
  const emails = Array.from({ length: 450 }, (_, number) => `${number}`.padStart(4, '0'))
  for (const email of emails) await deliver(email, 'letter')
  indexer.start()
  await settle()
  assert.deepEqual(await found(index, [inBody('letter')]), emails)
  assert.deepEqual(ahead.slice(0, 2), [true, true])
})

// --- finding ---------------------------------------------------------------------------------------

test('the answer is the same before, while and after emails are indexed, and without an index', async (t) => {
  const plain = openTestIndex(t)
  let isDown = false
  const index: SearchIndex = {
    ...plain,
    async search(query) {
      if (isDown) throw new Error('down')
      return plain.search(query)
    },
  }
  const { indexer, deliver, settle, findAll, mail } = await startIndexer(t, { index })
  const texts = [
    'hello, world',
    'Hello World',
    'say othello',
    'no',
    'ab',
    'cab driver',
    '東京都',
    'x hello\r\n world y',
  ]
  for (const text of texts.slice(0, 4)) await deliver(text, text)
  const expected = new Map<string, string[]>([
    ['hello world', ['Hello World', 'x hello\r\n world y']],
    ['hello', ['Hello World', 'hello, world', 'say othello', 'x hello\r\n world y']],
    ['ab', ['ab', 'cab driver']],
    ['京都', ['東京都']],
    ['', [...texts].sort()],
    [', ', ['hello, world']],
  ])
  async function check(emails: readonly string[]): Promise<void> {
    for (const [wanted, fitting] of expected) {
      const those = fitting.filter((one) => emails.includes(one))
      assert.deepEqual(await findAll(emails, inBody(wanted)), those, wanted)
    }
  }
  await check(texts.slice(0, 4))
  indexer.start()
  await settle()
  for (const text of texts.slice(4)) await deliver(text, text)
  await check(texts)
  await settle()
  await check(texts)
  const before = mail.reads.length
  assert.deepEqual(await findAll(texts, inBody('othello')), ['say othello'])
  assert.equal(mail.reads.length, before)
  await check(texts.slice(2, 5))
  isDown = true
  await check(texts)
})

test('an index that is cleared in the middle of a search does not hide anything', async (t) => {
  const plain = openTestIndex(t)
  let isClearing = true
  const index: SearchIndex = {
    ...plain,
    async search(query) {
      if (isClearing) await plain.clear()
      isClearing = false
      return plain.search(query)
    },
  }
  const { indexer, deliver, settle, findAll } = await startIndexer(t, { index })
  indexer.start()
  await deliver('one', 'letter')
  await settle()
  assert.deepEqual(await findAll(['one'], inBody('letter')), ['one'])
})

test('a search without an index can be stopped', async (t) => {
  const { mail, index } = await startIndexer(t)
  const stop = new AbortController()
  const { find } = createFind({
    index,
    indexer: {
      unindexed: async () => ({ made: '', emails: ['one', 'two'] }),
      unindexedNames: async () => undefined,
    },
    log: quietLog,
    async read() {
      stop.abort()
      return EMPTY
    },
  })
  const searching = Array.fromAsync(
    find({ account: 'ann', emails: ['one', 'two'], conditions: [inBody('letter')], signal: stop.signal }),
  )
  await assert.rejects(searching, { name: 'AbortError' })
  assert.deepEqual(mail.reads, [])
})
