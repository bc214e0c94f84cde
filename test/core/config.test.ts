import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { inspect } from 'node:util'
import * as z from 'zod'
import { definePlugin, duration, secretValue, size } from '../../core/index.ts'
import { checkConfig, loadConfig } from '../../core/runtime/config.ts'
import { secret } from '../../core/runtime/secret.ts'

const probe = definePlugin({
  name: 'probe',
  config: z.strictObject({
    tls: z.enum(['off', 'opportunistic', 'required']),
    wait: duration().prefault('10 min'),
    most: size().prefault('1 kB'),
    password: secretValue().optional(),
  }),
  setup: () => ({}),
})

async function problemsOf(input: unknown): Promise<string[]> {
  try {
    await checkConfig(input, '/x/iems.config.ts')
    return []
  } catch (error) {
    return (error as Error).message
      .split('\n')
      .slice(1)
      .map((line) => line.trim())
  }
}

test('all problems are reported together, each with its path and value', async () => {
  const problems = await problemsOf({
    hostname: 'mx.example',
    hostnam: 'x',
    limits: { recipients: 0 },
    channels: { internet: probe({ tls: 'opportunisitc', sise: 4 } as never), 'Bad Name': probe({ tls: 'off' }) },
    plugins: [
      probe({ tls: 'off', wait: '10' } as never),
      probe({ tls: 'off', password: secret.env('IEMS_NOT_THERE') }, { as: 'two', from: ['nowhere'] }),
    ],
  })
  const has = (pattern: RegExp) =>
    assert.ok(
      problems.some((line) => pattern.test(line)),
      `${pattern} in\n${problems.join('\n')}`,
    )
  has(/^\(top\): .*hostnam/)
  has(/^limits\.recipients: .*got 0/)
  has(/^channels\.internet\.tls: .*"opportunistic".*got "opportunisitc"/)
  has(/^channels\.internet: .*sise/)
  has(/Bad Name/)
  has(/^plugins\[0\]\.wait: must be a number and a unit/)
  has(/^plugins\[1\]\.password: .*IEMS_NOT_THERE/)
  has(/^two\.\(settings\)\.from: .*nowhere/)
})

test('durations and sizes are plain numbers after the schema, and defaults are filled in', async () => {
  const config = await checkConfig(
    { hostname: 'x', channels: { a: probe({ tls: 'off', wait: '90 s', most: '2 MiB' }) } },
    '/x/iems.config.ts',
  )
  assert.deepEqual(config.channels[0]?.options, { tls: 'off', wait: 90_000, most: 2 * 1024 ** 2 })
  assert.equal(config.channels[0]?.settings.retry.for, 5 * 86_400_000)
  assert.throws(() => {
    ;(config.limits as { recipients: number }).recipients = 5
  }, TypeError)
})

test('a secret is printed only by reveal', () => {
  const hidden = secret.value('hunter2')
  assert.equal(hidden.reveal(), 'hunter2')
  for (const text of [String(hidden), JSON.stringify({ hidden }), inspect({ hidden }), `${hidden}`])
    assert.doesNotMatch(text, /hunter2/)
})

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'iems-config-'))
  t.after(() => rm(path, { recursive: true }))
  return path
}

test('a configuration outside any node_modules resolves iems, and is read again with its imports at each load', async (t) => {
  const path = await folder(t)
  await writeFile(join(path, 'name.ts'), "export const hostname: string = 'one.example'\n")
  await writeFile(
    join(path, 'iems.config.ts'),
    "import { defineConfig } from 'iems'\nimport { hostname } from './name.ts'\nexport default defineConfig({ hostname, channels: {} })\n",
  )
  assert.equal((await loadConfig(undefined, path)).hostname, 'one.example')
  await writeFile(join(path, 'name.ts'), "export const hostname: string = 'two.example'\n")
  assert.equal((await loadConfig(join(path, 'iems.config.ts'))).hostname, 'two.example')
})

test('no file, and a file that does not run, are errors that say so', async (t) => {
  const path = await folder(t)
  await assert.rejects(loadConfig(undefined, path), { code: 'IEMS_CONFIG_NOT_FOUND' })
  await writeFile(join(path, 'iems.config.ts'), 'export default {')
  await assert.rejects(loadConfig(undefined, path), { code: 'IEMS_CONFIG_UNREADABLE' })
})
