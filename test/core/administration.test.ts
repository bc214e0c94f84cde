/** The administration service: what callers with which roles may see and do, and how commands get what they take. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type AdministrationService, type CommandRun, defineCommand, definePlugin, secret, secretValue } from 'iems'
import { createTestKernel } from 'iems/testing'
import * as z from 'zod'

const root = { user: 'root', roles: ['admin'] }
const helper = { user: 'helper', roles: ['support'] }

function shop(into: { administration?: AdministrationService } = {}) {
  return definePlugin({
    name: 'shop',
    config: z.strictObject({
      upstream: z.string().default('none').describe('Where orders go.'),
      key: secretValue().optional(),
      password: z.string().optional(),
    }),
    setup(_, ctx) {
      into.administration = ctx.administration
      return {
        commands: {
          'shop order': defineCommand({
            summary: 'orders something',
            arguments: ['<what>', '[extras...]'],
            fields: z.strictObject({
              what: z.string().min(2),
              extras: z.array(z.string()).default([]),
              count: z.int().positive().default(1).describe('How many'),
              size: z.enum(['small', 'large']).default('small').describe('The size'),
              dryRun: z.boolean().default(false).describe('Only say what would be ordered'),
              tags: z.array(z.string()).default([]).describe('Marks'),
            }),
            row: z.object({ what: z.string(), count: z.number() }),
            roles: ['support'],
            async *run({ values: { what, count, extras, size, dryRun, tags } }) {
              yield { text: [what, count, ...extras, size, dryRun, ...tags].join(' '), value: { what, count } }
            },
          }),
          'shop close': {
            summary: 'closes it',
            arguments: ['<why>', '[more...]'],
            options: { '--until <date>': 'when it opens', '--now': 'at once' },
            async *run({ arguments: given, options }) {
              yield { text: JSON.stringify([given, options]) }
            },
          },
        },
      }
    },
  })
}

async function linesOf(administration: AdministrationService, run: Omit<CommandRun, 'signal'>, caller = root) {
  const lines: unknown[] = []
  for await (const line of administration.as(caller).run({ ...run, signal: new AbortController().signal }))
    lines.push('text' in line ? line.text : line)
  return lines
}

test('roles decide what a caller may see and do', async (t) => {
  const { kernel, events } = await createTestKernel(t, { plugins: [shop()({})] })
  const { administration } = kernel
  assert.equal((await administration.as(helper).status()).hostname, 'mx.test')
  assert.equal(
    administration
      .as(helper)
      .plugins()
      .find(({ name }) => name === 'shop')?.plugin,
    'shop',
  )
  assert.throws(() => administration.as(helper).configuration(), { code: 'IEMS_FORBIDDEN' })
  await assert.rejects(administration.as(helper).reload(), { code: 'IEMS_FORBIDDEN' })
  await assert.rejects(linesOf(administration, { words: 'shop close', values: { why: 'x' } }, helper), {
    code: 'IEMS_FORBIDDEN',
  })
  assert.ok(
    !administration
      .as(helper)
      .commands()
      .some(({ words }) => words === 'shop close'),
  )
  assert.throws(() => administration.as({ user: 'eve' }).hooks(), { code: 'IEMS_FORBIDDEN' })
  await assert.rejects(administration.as({ user: 'eve', roles: [] }).status(), { code: 'IEMS_FORBIDDEN' })
  assert.throws(() => administration.as(helper).queue.remove({ channel: 'out' }), { code: 'IEMS_FORBIDDEN' })
  assert.equal(await administration.as(root).queue.remove({ channel: 'out' }), 0)
  assert.deepEqual(
    events.filter(({ name }) => name === 'administration.changed').map(({ by, what }) => `${by} ${what}`),
    ['root queue.remove'],
  )
})

test('a form and a command line give a command the same values, and what is wrong is refused before it runs', async (t) => {
  const { kernel } = await createTestKernel(t, { plugins: [shop()({})] })
  const { administration } = kernel
  const words = 'shop order'
  const asForm = await linesOf(administration, {
    words,
    values: { what: 'tea', extras: ['milk', 'sugar'], count: 2, size: 'large', dryRun: true, tags: ['a', 'b'] },
  })
  const asWords = await linesOf(administration, {
    words,
    arguments: ['tea', 'milk', 'sugar'],
    options: { count: '2', size: 'large', 'dry-run': true, tags: 'a,b' },
  })
  assert.deepEqual(asForm, ['tea 2 milk sugar large true a b'])
  assert.deepEqual(asWords, asForm)
  for (const wrong of [
    { values: { what: 'tea', count: 'many' } },
    { values: { what: 'tea', unknown: 1 } },
    { arguments: ['tea'], options: { count: '0' } },
    { arguments: ['tea'], options: { colour: 'red' } },
    { arguments: [] },
  ])
    await assert.rejects(linesOf(administration, { words, ...wrong }), { code: 'IEMS_CONTROL_REFUSED' })
  const info = administration
    .as(root)
    .commands()
    .find((one) => one.words === words)
  assert.equal(info?.options['--count <count>'], 'How many; default: 1')
  assert.equal(info?.options['--size <size>'], 'The size; one of small, large; default: small')
  assert.equal(info?.options['--dry-run'], 'Only say what would be ordered')
  assert.deepEqual(Object.keys(info?.row?.properties ?? {}), ['what', 'count'])
})

test('commands without a schema get their words, and still have a form', async (t) => {
  const { kernel } = await createTestKernel(t, { plugins: [shop()({})] })
  const { administration } = kernel
  const words = 'shop close'
  const expected = [JSON.stringify([['stock', 'a', 'b'], { until: '2027-01-01', now: true }])]
  const options = { until: '2027-01-01', now: true } as const
  assert.deepEqual(await linesOf(administration, { words, arguments: ['stock', 'a', 'b'], options }), expected)
  assert.deepEqual(
    await linesOf(administration, { words, values: { why: 'stock', more: ['a', 'b'], ...options } }),
    expected,
  )
  for (const values of [{}, { why: 1 }, { why: 'x', now: 'yes' }, { why: 'x', other: 'y' }])
    await assert.rejects(linesOf(administration, { words, values }), { code: 'IEMS_CONTROL_REFUSED' })
  const info = administration
    .as(root)
    .commands()
    .find((one) => one.words === words)
  assert.deepEqual(info?.input.required, ['why'])
})

test('every command of the server has a form that can be sent as JSON', async (t) => {
  const { kernel } = await createTestKernel(t, { plugins: [shop()({})] })
  for (const info of kernel.administration.as(root).commands())
    assert.equal((JSON.parse(JSON.stringify(info)) as typeof info).input.type, 'object', info.words)
})

test('the configuration is shown with its sentences and without its secrets', async (t) => {
  const { kernel } = await createTestKernel(t, {
    plugins: [shop()({ key: secret.value('s3cret'), password: 'hunter2', upstream: 'https://joe:pa55@example.org/x' })],
  })
  const view = kernel.administration.as(root).configuration()
  const text = JSON.stringify(view)
  for (const hidden of ['s3cret', 'hunter2', 'pa55']) assert.ok(!text.includes(hidden), hidden)
  const plugin = view.plugins.find(({ name }) => name === 'shop')
  assert.deepEqual(plugin?.options, {
    key: '[secret]',
    password: '[secret]',
    upstream: 'https://joe:[secret]@example.org/x',
  })
  assert.match(JSON.stringify(plugin?.schema), /Where orders go/)
  assert.match(JSON.stringify(view.schema), /The name this server gives itself/)
})

test('plugins get the service of the kernel they serve', async (t) => {
  const into: { administration?: AdministrationService } = {}
  const { kernel } = await createTestKernel(t, { plugins: [shop(into)({})] })
  assert.equal(into.administration, kernel.administration)
  await assert.rejects(async () => into.administration?.as(root).reload(), { code: 'IEMS_CONTROL_REFUSED' })
})

test('what is wanted of a server needs a server: nothing is promised without one, and not to everyone with one', async (t) => {
  const { kernel } = await createTestKernel(t, {})
  await assert.rejects(kernel.administration.as(root).drainNode(undefined, true), { code: 'IEMS_CONTROL_REFUSED' })
  await assert.rejects(kernel.administration.as(root).wantComponent('iems/sweep', 'all', true))
  await assert.rejects(kernel.administration.as(helper).drainNode(undefined, true), { code: 'IEMS_FORBIDDEN' })
})
