/** The standard methods of RFC 8620 section 5 over one type of plain objects, and the errors of section 3.6. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { IemsError, type Log } from 'iems'
import * as z from 'zod'
import type { JmapCall, Method, ObjectType } from '../../plugins/web/jmap/api.ts'
import { MethodError, ObjectError } from '../../plugins/web/jmap/errors.ts'
import { methodsOf, readFilter } from '../../plugins/web/jmap/objects.ts'
import { evaluate } from '../../plugins/web/jmap/references.ts'
import { readRequest, runRequest } from '../../plugins/web/jmap/request.ts'

const URN = 'urn:test'
type Note = { readonly id: string; readonly text: string }

/** Notes in memory, and calls of their methods as a client writes them. */
function notes(texts: readonly string[] = ['one', 'two', 'three', 'four'], more: Partial<ObjectType> = {}) {
  const kept = new Map<string, Note>(texts.map((text, at) => [`n${at + 1}`, { id: `n${at + 1}`, text }]))
  let state = 0
  let logged = 0
  const type: ObjectType = {
    capability: URN,
    properties: ['id', 'text'],
    state: async () => String(state),
    get: async ({ ids }) => [...kept.values()].filter(({ id }) => ids?.includes(id) ?? true),
    changes: async (_, since) => {
      if (since !== '0') throw new MethodError('cannotCalculateChanges')
      return { created: [], updated: ['n2'], destroyed: ['n9'], newState: '1', hasMoreChanges: false, oldState: since }
    },
    filter: z.strictObject({ text: z.string() }),
    sorts: ['text'],
    query: async ({ filter, sort }) => {
      const found = [...kept.values()].filter(
        ({ text }) => !filter || !('text' in (filter as object)) || text.includes((filter as { text: string }).text),
      )
      if (sort.length > 0) found.sort((a, b) => (sort[0]?.isAscending ? 1 : -1) * a.text.localeCompare(b.text))
      return found.map(({ id }) => id)
    },
    create: async (_, { text }) => {
      if (typeof text !== 'string') throw new ObjectError('invalidProperties', 'no text', { properties: ['text'] })
      if (text === 'down') throw new IemsError('IEMS_CONTROL_REFUSED', { why: 'down' })
      if (text === 'fault') throw new Error('a fault')
      const id = `n${kept.size + 1}`
      kept.set(id, { id, text })
      state++
      return { id }
    },
    update: async (_, id, patch) => {
      const found = kept.get(id)
      if (!found) throw new ObjectError('notFound')
      kept.set(id, { ...found, ...patch } as Note)
      state++
      return null
    },
    destroy: async (_, id) => {
      if (!kept.delete(id)) throw new ObjectError('notFound')
      state++
    },
    ...more,
  }
  const methods = new Map<string, Method>(methodsOf('Note', type, { objectsInGet: 5, objectsInSet: 3 }))
  const call = {
    using: new Set([URN]),
    createdIds: new Map<string, string>(),
    signal: new AbortController().signal,
    mayUse: async (account: string) => account === 'a1',
  } as unknown as JmapCall
  const deps = {
    methods,
    capabilities: new Set([URN, 'urn:other']),
    maxCalls: 4,
    log: { error: () => logged++ } as unknown as Log,
  }
  const run = (calls: readonly (readonly [string, object])[], using = [URN]) => {
    const methodCalls = calls.map(([name, given], at) => [name, { accountId: 'a1', ...given }, `c${at}`])
    return runRequest(readRequest(JSON.stringify({ using, methodCalls }), deps), call, deps)
  }
  const one = async (name: string, given: object = {}) =>
    (await run([[name, given]]))[0]?.[1] as Record<string, unknown>
  return { run, one, kept, faults: () => logged, deps, methods }
}

interface Row {
  readonly name: string
  readonly given?: object
  /** Members that the response has, or its error type. */
  readonly has: object | string
}

const ROWS: readonly Row[] = [
  // Section 5.1.
  {
    name: 'Note/get',
    given: { ids: ['n2', 'n9', 'n2'] },
    has: { list: [{ id: 'n2', text: 'two' }], notFound: ['n9'] },
  },
  { name: 'Note/get', given: { ids: ['n1'], properties: ['text'] }, has: { list: [{ id: 'n1', text: 'one' }] } },
  { name: 'Note/get', given: { ids: ['n1'], properties: [] }, has: { list: [{ id: 'n1' }], state: '0' } },
  { name: 'Note/get', given: { ids: [] }, has: { list: [], notFound: [] } },
  { name: 'Note/get', given: { ids: null, properties: null }, has: { notFound: [] } },
  { name: 'Note/get', given: { ids: ['1', '2', '3', '4', '5', '6'] }, has: 'requestTooLarge' },
  { name: 'Note/get', given: { properties: ['colour'] }, has: 'invalidArguments' },
  { name: 'Note/get', given: { ids: 'n1' }, has: 'invalidArguments' },
  { name: 'Note/get', given: { colour: 'red' }, has: 'invalidArguments' },
  { name: 'Note/get', given: { accountId: 'a2' }, has: 'accountNotFound' },
  { name: 'Note/get', given: { accountId: '' }, has: 'invalidArguments' },
  // Section 5.2.
  { name: 'Note/changes', given: { sinceState: '0' }, has: { oldState: '0', newState: '1', updated: ['n2'] } },
  { name: 'Note/changes', given: { sinceState: '7' }, has: 'cannotCalculateChanges' },
  { name: 'Note/changes', given: { sinceState: '0', maxChanges: 0 }, has: 'invalidArguments' },
  { name: 'Note/changes', has: 'invalidArguments' },
  // Section 5.5.
  {
    name: 'Note/query',
    has: { ids: ['n1', 'n2', 'n3', 'n4'], position: 0, queryState: '0', canCalculateChanges: true },
  },
  { name: 'Note/query', given: { filter: { text: 'o' } }, has: { ids: ['n1', 'n2', 'n4'] } },
  { name: 'Note/query', given: { sort: [{ property: 'text' }] }, has: { ids: ['n4', 'n1', 'n3', 'n2'] } },
  {
    name: 'Note/query',
    given: { sort: [{ property: 'text', isAscending: false }], limit: 1 },
    has: { ids: ['n2'] },
  },
  { name: 'Note/query', given: { position: 1, limit: 2, calculateTotal: true }, has: { ids: ['n2', 'n3'], total: 4 } },
  { name: 'Note/query', given: { position: -1 }, has: { ids: ['n4'], position: 3 } },
  { name: 'Note/query', given: { position: -9 }, has: { ids: ['n1', 'n2', 'n3', 'n4'], position: 0 } },
  { name: 'Note/query', given: { position: 9 }, has: { ids: [], position: 4 } },
  { name: 'Note/query', given: { anchor: 'n3' }, has: { ids: ['n3', 'n4'], position: 2 } },
  { name: 'Note/query', given: { anchor: 'n3', anchorOffset: -1, limit: 1 }, has: { ids: ['n2'], position: 1 } },
  { name: 'Note/query', given: { anchor: 'n1', anchorOffset: -5, limit: 1 }, has: { ids: ['n1'], position: 0 } },
  { name: 'Note/query', given: { limit: 0, calculateTotal: true }, has: { ids: [], total: 4 } },
  { name: 'Note/query', given: { anchor: 'n9' }, has: 'anchorNotFound' },
  { name: 'Note/query', given: { limit: -1 }, has: 'invalidArguments' },
  { name: 'Note/query', given: { sort: [{ property: 'id' }] }, has: 'unsupportedSort' },
  { name: 'Note/query', given: { filter: { colour: 'red' } }, has: 'unsupportedFilter' },
  { name: 'Note/query', given: { filter: { operator: 'XOR', conditions: [] } }, has: 'invalidArguments' },
  { name: 'Note/query', given: { filter: ['text'] }, has: 'invalidArguments' },
  // Section 5.6.
  {
    name: 'Note/queryChanges',
    given: { sinceQueryState: '0', calculateTotal: true },
    has: { removed: ['n2', 'n9'], added: [{ id: 'n2', index: 1 }], newQueryState: '1', total: 4 },
  },
  {
    name: 'Note/queryChanges',
    given: { sinceQueryState: '0', upToId: 'n1' },
    has: { removed: ['n2', 'n9'], added: [] },
  },
  { name: 'Note/queryChanges', given: { sinceQueryState: '0', maxChanges: 2 }, has: 'tooManyChanges' },
  { name: 'Note/queryChanges', given: { sinceQueryState: '5' }, has: 'cannotCalculateChanges' },
  // Section 5.3.
  {
    name: 'Note/set',
    given: { create: { k: { text: 'five' } } },
    has: { created: { k: { id: 'n5' } }, oldState: '0', newState: '1', notCreated: null },
  },
  {
    name: 'Note/set',
    given: { create: { k: {}, __proto__x: { text: 'x' } } },
    has: { notCreated: { k: { type: 'invalidProperties', description: 'no text', properties: ['text'] } } },
  },
  {
    name: 'Note/set',
    given: { update: { n1: { text: 'uno' }, n9: { text: 'x' } } },
    has: { updated: { n1: null }, notUpdated: { n9: { type: 'notFound' } } },
  },
  { name: 'Note/set', given: { destroy: ['n1', 'n1'] }, has: { destroyed: ['n1'], notDestroyed: null } },
  {
    name: 'Note/set',
    given: { update: { n1: { text: 'x' } }, destroy: ['n1'] },
    has: { destroyed: ['n1'], notUpdated: { n1: { type: 'willDestroy' } }, updated: null },
  },
  {
    name: 'Note/set',
    given: { update: { '#gone': {} }, destroy: ['#other'] },
    has: {
      notUpdated: { '#gone': { type: 'notFound', description: 'nothing was created as #gone' } },
      notDestroyed: { '#other': { type: 'notFound', description: 'nothing was created as #other' } },
    },
  },
  {
    name: 'Note/set',
    given: { create: { k: { text: 'down' } } },
    has: { notCreated: { k: { type: 'serverFail', description: 'Try again later' } } },
  },
  { name: 'Note/set', given: { ifInState: '9', destroy: ['n1'] }, has: 'stateMismatch' },
  { name: 'Note/set', given: { destroy: ['n1', 'n2', 'n3', 'n4'] }, has: 'requestTooLarge' },
  { name: 'Note/set', given: { create: [] }, has: 'invalidArguments' },
  { name: 'Note/set', given: { destroy: ['n1'], colour: 'red' }, has: 'invalidArguments' },
  { name: 'Note/set', given: { create: { k: { text: 'fault' } } }, has: 'serverFail' },
  { name: 'Note/copy', has: 'unknownMethod' },
]

for (const { name, given = {}, has } of ROWS)
  test(`${name} ${JSON.stringify(given)}`, async () => {
    const found = await notes().one(name, given)
    if (typeof has === 'string') return assert.equal(found.type, has)
    // What a client sees is JSON.
    const shown = JSON.parse(JSON.stringify(found))
    for (const [member, value] of Object.entries(has)) assert.deepEqual(shown[member], value, member)
  })

test('a failed call leaves the others as they are, and a fault is logged without words for the client', async () => {
  const { run, kept, faults } = notes()
  const responses = await run([
    ['Note/set', { destroy: ['n1'], ifInState: 'x' }],
    ['Note/set', { create: { k: { text: 'fault' } } }],
    ['Note/set', { destroy: ['n2'] }],
  ])
  assert.deepEqual(
    responses.map(([name, given, id]) => [name, (given as { type?: string }).type, id]),
    [
      ['error', 'stateMismatch', 'c0'],
      ['error', 'serverFail', 'c1'],
      ['Note/set', undefined, 'c2'],
    ],
  )
  assert.equal(JSON.stringify(responses).includes('a fault'), false)
  assert.deepEqual([...kept.keys(), faults()], ['n1', 'n3', 'n4', 1])
})

test('an object that was created is known by its creation id to later calls (section 3.3)', async () => {
  const { run, kept } = notes()
  await run([
    ['Note/set', { create: { k: { text: 'five' } } }],
    ['Note/set', { update: { '#k': { text: 'cinq' } } }],
  ])
  assert.equal(kept.get('n5')?.text, 'cinq')
})

test('a type offers only the methods that it has, and forbids what it cannot do', async () => {
  const names = [
    ...notes(undefined, { changes: undefined, query: undefined, destroy: undefined } as never).methods.keys(),
  ]
  assert.deepEqual(names, ['Note/get', 'Note/set'])
  const { one } = notes(undefined, { create: undefined, destroy: undefined } as never)
  const { notCreated, notDestroyed } = await one('Note/set', { create: { k: {} }, destroy: ['n1'] })
  assert.deepEqual(JSON.parse(JSON.stringify({ notCreated, notDestroyed })), {
    notCreated: { k: { type: 'forbidden' } },
    notDestroyed: { n1: { type: 'forbidden' } },
  })
})

test('a method is unknown to a client that does not use its capability', async () => {
  const responses = await notes().run([['Note/get', {}]], ['urn:other'])
  assert.equal((responses[0]?.[1] as { type?: string } | undefined)?.type, 'unknownMethod')
})

const ok = { using: [URN], methodCalls: [] }
const REQUESTS: readonly (readonly [text: string, type: string])[] = [
  ['', 'notJSON'],
  ['{"using":[],', 'notJSON'],
  ['[]', 'notRequest'],
  ['null', 'notRequest'],
  [JSON.stringify({ methodCalls: [] }), 'notRequest'],
  [JSON.stringify({ using: [] }), 'notRequest'],
  [JSON.stringify({ using: URN, methodCalls: [] }), 'notRequest'],
  [JSON.stringify({ using: [1], methodCalls: [] }), 'notRequest'],
  [JSON.stringify({ ...ok, methodCalls: [['Note/get', {}]] }), 'notRequest'],
  [JSON.stringify({ ...ok, methodCalls: [['Note/get', [], 'c']] }), 'notRequest'],
  [JSON.stringify({ ...ok, methodCalls: [['Note/get', {}, 1]] }), 'notRequest'],
  [JSON.stringify({ ...ok, createdIds: { k: 1 } }), 'notRequest'],
  [JSON.stringify({ ...ok, using: ['urn:unknown'] }), 'unknownCapability'],
  [JSON.stringify({ ...ok, methodCalls: Array(5).fill(['Note/get', {}, 'c']) }), 'limit'],
  [`{"using":["${URN}"],"methodCalls":[["Note/get",{"x":${'['.repeat(80)}${']'.repeat(80)}},"c"]]}`, 'notRequest'],
]

test('a request that is none is refused as a whole (section 3.6.1)', () => {
  const { deps } = notes()
  for (const [text, type] of REQUESTS)
    assert.throws(
      () => readRequest(text, deps),
      (error: { readonly more?: { readonly type?: string } } & Error) =>
        JSON.stringify(error).includes(`urn:ietf:params:jmap:error:${type}`),
      text.slice(0, 80),
    )
  assert.deepEqual(readRequest(JSON.stringify(ok), deps), ok)
})

test('results of earlier calls are arguments of later ones (section 3.7)', async () => {
  const { run } = notes()
  const reference = (path: string, more: object = {}) => ({ resultOf: 'c0', name: 'Note/query', path, ...more })
  const cases: readonly (readonly [object, unknown])[] = [
    [{ '#ids': reference('/ids') }, ['n1', 'n2', 'n3', 'n4']],
    [{ '#ids': reference('/ids/*') }, ['n1', 'n2', 'n3', 'n4']],
    [{ '#ids': reference('/nothing') }, 'invalidResultReference'],
    [{ '#ids': reference('/ids/9') }, 'invalidResultReference'],
    [{ '#ids': reference('/ids', { name: 'Note/get' }) }, 'invalidResultReference'],
    [{ '#ids': reference('/ids', { resultOf: 'c7' }) }, 'invalidResultReference'],
    [{ '#ids': 'c0' }, 'invalidResultReference'],
    [{ '#ids': reference('/ids'), ids: [] }, 'invalidArguments'],
    [{ '#ids': reference('/queryState') }, 'invalidArguments'],
  ]
  for (const [given, expected] of cases) {
    const responses = await run([
      ['Note/query', {}],
      ['Note/get', given],
    ])
    const { type, list } = (responses[1]?.[1] ?? {}) as { type?: string; list?: readonly Note[] }
    assert.deepEqual(type ?? list?.map(({ id }) => id), expected, JSON.stringify(given))
  }
})

test('paths follow RFC 6901, and a star joins the arrays of all elements', () => {
  const from = { list: [{ to: ['a', 'b'] }, { to: ['c'] }, { to: 'd' }], 'a/b': 1, 'm~n': 2, '': 3 }
  const cases: readonly (readonly [path: string, value: unknown])[] = [
    ['', from],
    ['/list/0/to/1', 'b'],
    ['/list/*/to', ['a', 'b', 'c', 'd']],
    ['/a~1b', 1],
    ['/m~0n', 2],
    ['/', 3],
  ]
  for (const [path, value] of cases) assert.deepEqual(evaluate(from, path), value, path)
  const wrong = [
    'list',
    '/list/01',
    '/list/-1',
    '/list/3',
    '/list/x',
    '/toString',
    '/list/length',
    '/x',
    '/list/0/to/0/0',
  ]
  for (const path of [...wrong, '/list'.repeat(21)])
    assert.throws(() => evaluate(from, path), { type: 'invalidResultReference' }, path)
})

test('a filter is bounded in depth and in conditions', async () => {
  const schema = z.strictObject({ text: z.string() })
  const nested = (depth: number): object =>
    depth === 0 ? { text: 'x' } : { operator: 'NOT', conditions: [nested(depth - 1)] }
  assert.deepEqual(await readFilter(nested(3), schema), nested(3))
  await assert.rejects(readFilter(nested(17), schema), { type: 'unsupportedFilter' })
  const wide = (count: number) => ({ operator: 'OR', conditions: Array(count).fill({ text: 'x' }) })
  assert.deepEqual(await readFilter(wide(499), schema), wide(499))
  await assert.rejects(readFilter(wide(501), schema), { type: 'unsupportedFilter' })
  assert.deepEqual([await readFilter(null, schema), await readFilter(undefined, undefined)], [undefined, undefined])
  await assert.rejects(readFilter({}, undefined), { type: 'unsupportedFilter' })
})
