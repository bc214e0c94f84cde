/** Words of a command line and values of a form, and the input of a command that they become. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as z from 'zod'
import type { Command } from '../../core/api/command.ts'
import { callOf, infoOf, schemaOf } from '../../core/runtime/command-fields.ts'

const BY = { user: 'admin' } as never
const run = async function* () {}
const PLAIN: Command = {
  summary: 'Move messages',
  arguments: ['<from>', '[to]', '[more...]'],
  options: { '--dry-run': 'changes nothing', '-l, --limit <count>': 'at most' },
  run,
}
const TYPED: Command = {
  summary: 'Move messages',
  arguments: ['<from>', '[copies]'],
  fields: z.strictObject({
    from: z.string().min(2),
    copies: z.coerce.number().int().max(9).optional(),
    maxSize: z.number().optional().describe('Octets of a message'),
    kinds: z.array(z.enum(['mail', 'news'])).optional(),
    order: z.enum(['up', 'down']).default('up').describe('Order'),
    dryRun: z.boolean().optional(),
  }) as never,
  run,
}

type Words = { readonly arguments?: readonly string[]; readonly options?: Readonly<Record<string, string | true>> }

const CALLS: readonly (readonly [what: string, command: Command, words: Words, values: object])[] = [
  ['an argument', PLAIN, { arguments: ['a'] }, { from: 'a', more: [] }],
  ['all arguments', PLAIN, { arguments: ['a', 'b', 'c', 'd'] }, { from: 'a', to: 'b', more: ['c', 'd'] }],
  [
    'options',
    PLAIN,
    { arguments: ['a'], options: { 'dry-run': true, limit: '3' } },
    { from: 'a', more: [], 'dry-run': true, limit: '3' },
  ],
  ['a default', TYPED, { arguments: ['ab'] }, { from: 'ab', order: 'up' }],
  [
    'a number',
    TYPED,
    { arguments: ['ab', '3'], options: { 'max-size': '-1.5' } },
    { from: 'ab', copies: 3, maxSize: -1.5, order: 'up' },
  ],
  [
    'a list',
    TYPED,
    { arguments: ['ab'], options: { kinds: 'mail, news' } },
    { from: 'ab', kinds: ['mail', 'news'], order: 'up' },
  ],
  [
    'a switch',
    TYPED,
    { arguments: ['ab'], options: { 'dry-run': true, order: 'down' } },
    { from: 'ab', dryRun: true, order: 'down' },
  ],
]

test('words become values', async () => {
  for (const [what, command, words, values] of CALLS)
    assert.deepEqual((await callOf(command, words as never, BY)).values, values, what)
})

test('a form of the same values makes the same call', async () => {
  for (const [what, command, words] of CALLS) {
    const call = await callOf(command, words as never, BY)
    const form = await callOf(command, { values: call.values } as never, BY)
    assert.deepEqual(form.values, call.values, what)
    const again = await callOf(command, { arguments: form.arguments, options: form.options } as never, BY)
    assert.deepEqual(again.values, call.values, `${what}, and its words again`)
  }
})

const WRONG: readonly (readonly [command: Command, given: object, why: RegExp])[] = [
  [PLAIN, { arguments: [] }, /from is missing/],
  [PLAIN, { values: {} }, /from is missing/],
  [PLAIN, { values: { from: 1 } }, /from must be a string/],
  [PLAIN, { values: { from: 'a', more: 'b' } }, /more must be a list of strings/],
  [PLAIN, { values: { from: 'a', more: ['b', 1] } }, /more must be a list of strings/],
  [PLAIN, { values: { from: 'a', 'dry-run': 'yes' } }, /dry-run must be a boolean/],
  [PLAIN, { values: { from: 'a', colour: 'red' } }, /There is no field colour/],
  [PLAIN, { arguments: ['a'], options: { colour: 'red' } }, /There is no option --colour/],
  [TYPED, { arguments: ['ab', '3', 'x'] }, /Too many arguments/],
  [TYPED, { arguments: ['a'] }, /from: /],
  [TYPED, { arguments: [] }, /from: /],
  [TYPED, { arguments: ['ab', 'ten'] }, /copies: /],
  [TYPED, { arguments: ['ab'], options: { 'max-size': 'big' } }, /maxSize: /],
  [TYPED, { arguments: ['ab'], options: { kinds: 'mail,post' } }, /kinds: /],
  [TYPED, { arguments: ['ab'], options: { maxSize: '1' } }, /There is no option --maxSize/],
  [TYPED, { values: { from: 'ab', colour: 'red' } }, /colour/],
  [TYPED, { arguments: ['a', '10'] }, /from: .*; copies: /],
]

test('a call with faults is refused, with each of them', async () => {
  for (const [command, given, why] of WRONG)
    await assert.rejects(
      callOf(command, given as never, BY),
      { code: 'IEMS_CONTROL_REFUSED', message: why },
      JSON.stringify(given),
    )
})

test('a command describes its options for the command line and its input for a form', () => {
  const info = infoOf('message move', { ...TYPED, irreversible: true, reads: 'a file' } as never)
  assert.deepEqual(info.options, {
    '--max-size <max-size>': 'Octets of a message',
    '--kinds <kinds>': '',
    '--order <order>': 'Order; one of up, down; default: up',
    '--dry-run': '',
  })
  assert.deepEqual([info.irreversible, info.reads], [true, 'a file'])
  assert.deepEqual((info.input as { required: string[] }).required.includes('from'), true)
  assert.deepEqual(infoOf('x', PLAIN).input, {
    type: 'object',
    properties: {
      from: { type: 'string' },
      to: { type: 'string' },
      more: { type: 'array', items: { type: 'string' } },
      'dry-run': { type: 'boolean', description: 'changes nothing' },
      limit: { type: 'string', description: 'at most' },
    },
    required: ['from'],
    additionalProperties: false,
  })
})

test('what no schema can be made of has none', () => {
  assert.equal(schemaOf({ '~standard': {} }), undefined)
  assert.deepEqual(schemaOf(z.string())?.type, 'string')
})
