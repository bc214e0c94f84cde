// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of Sieve

/** The Sieve engine: the RFCs' examples, what Debian's dovecot-sieve does with the same scripts, and hostile scripts. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { missing } from '../../core/testing/program.ts'
import {
  type CommandSyntax,
  compileScript,
  createSieve,
  parseScript,
  printScript,
  type ScriptSyntax,
  SieveError,
  type TestSyntax,
} from '../../plugins/mailbox/mailsort/sieve/index.ts'
import { fc } from '../support/property.ts'
import { SCRIPTS, TESTS, type TestGroup } from '../support/sieve/cases.ts'
import { createDovecot, run, summary } from '../support/sieve/engine.ts'
import { MESSAGES, type MessageName } from '../support/sieve/messages.ts'

/** A script that files into `y1`, `n3`, … for each test that is true. */
function scriptOf({ require, before = '', yes, no }: TestGroup, ours: readonly string[]): string {
  const lines = [
    ...yes.map((one, index) => `if ${one} { fileinto "y${index}"; }`),
    ...no.map((one, index) => `if ${one} { fileinto "n${index}"; }`),
    ...ours.map((one, index) => `if ${one} { fileinto "o${index}"; }`),
  ]
  return `require ${JSON.stringify([...require, 'fileinto'])};\n${before}\n${lines.join('\n')}\n`
}

const SIEVE = createSieve()

/** Without flags. */
const placesIn = (does: string) => does.split('; ').map((one) => one.split(' ').slice(0, 2).join(' '))

const expected = (letter: string, tests: readonly string[]) => tests.map((_, index) => `into ${letter}${index}`)

for (const group of TESTS)
  test(group.name, async () => {
    const ours = Object.values(group.ours ?? {}).flat()
    const result = await run(scriptOf(group, ours), MESSAGES[group.message], {}, { actions: 100 })
    const found = placesIn(summary(result))
    const wanted = [...expected('y', group.yes), ...expected('o', ours)]
    const name = (one: string) => ({ y: group.yes, n: group.no, o: ours })[one[5] as 'y']?.[Number(one.slice(6))]
    assert.deepEqual(wanted.filter((one) => !found.includes(one)).map(name), [])
    assert.deepEqual(found.filter((one) => one.startsWith('into n')).map(name), [])
  })

/** `error: …` for a script that is refused. */
async function outcome(script: string, message: string): Promise<string> {
  try {
    return summary(await run(script, message))
  } catch (error) {
    if (error instanceof SieveError) return `error: ${error.text}`
    throw error
  }
}

test('scripts do what the RFCs say', async () => {
  for (const { name, script, message = 'coyote', does } of SCRIPTS) {
    const found = await outcome(script, MESSAGES[message])
    if (typeof does === 'string') assert.equal(found, does, name)
    else assert.match(found, does, name)
  }
})

interface ScriptCase {
  readonly from: string
  readonly script: string
  /** By message. */
  readonly does: Readonly<Partial<Record<MessageName, string>>>
  /** Why Dovecot does otherwise. */
  readonly ours?: string
}

const CASES: readonly ScriptCase[] = JSON.parse(
  await readFile(join(import.meta.dirname, '../support/sieve/scripts.json'), 'utf8'),
)
const crlf = (text: string) => text.replace(/\r?\n/g, '\r\n')

/** Each script with each of its messages. */
const PAIRS = CASES.flatMap((one) =>
  Object.entries(one.does).map(([message, does]) => ({ ...one, message: MESSAGES[message as MessageName], does })),
)

test("the RFCs' examples and their edges", async () => {
  const found = await Promise.all(
    PAIRS.map(async ({ from, script, message, does }) => {
      const made = (await outcome(crlf(script), message)).replace(/^(?:error|failed): .*/s, 'error')
      return made === does ? [] : [`${from}: ${script}: ${made}, not ${does}`]
    }),
  )
  assert.deepEqual(found.flat(), [])
  const tests = TESTS.reduce(
    (sum, { yes, no, ours = {} }) => sum + yes.length + no.length + Object.values(ours).flat().length,
    0,
  )
  assert.ok(CASES.length + SCRIPTS.length + tests >= 400, 'the suite has at least 400 scripts')
})

test('dovecot-sieve does the same with the examples', { skip: missing('/usr/bin/sieve-test') }, async (t) => {
  const dovecot = await createDovecot(t)
  const others: string[] = []
  const waiting = [...PAIRS]
  const work = async () => {
    for (let next = waiting.pop(); next; next = waiting.pop()) {
      const { from, script, message, does, ours } = next
      const found = await dovecot.run(crlf(script), message)
      if (ours === undefined && found !== does) others.push(`${from}: ${script}: ${found}, not ${does}`)
    }
  }
  await Promise.all([work(), work(), work()])
  assert.deepEqual(others, [])
})

test('dovecot-sieve does the same', { skip: missing('/usr/bin/sieve-test') }, async (t) => {
  const dovecot = await createDovecot(t)
  for (const group of TESTS) {
    const found = placesIn(await dovecot.run(scriptOf(group, []), MESSAGES[group.message]))
    const wanted = expected('y', group.yes)
    assert.deepEqual(found.filter((one) => /^into [yn]/.test(one)).sort(), wanted.sort(), `${group.name}: ${found}`)
  }
  const others: string[] = []
  for (const { name, script, message = 'coyote', does, ours } of SCRIPTS) {
    const found = await dovecot.run(script, MESSAGES[message])
    if ((found === (typeof does === 'string' ? does : 'error')) === (ours !== undefined))
      others.push(`${name}: ${found}`)
  }
  assert.deepEqual(others, [])
})

// --- any script ---

const name = fc.stringMatching(/^[a-z_][a-z0-9_]{0,8}$/).filter((one) => one !== 'text')
const text = fc
  .string({ unit: 'binary', maxLength: 30 })
  .filter((one) => !one.includes('\0') && !/[\ud800-\udfff]/.test(one))
const at = { line: 1, column: 1 }
const argument = fc
  .oneof(
    fc.nat().map((number) => ({ kind: 'number' as const, number })),
    text.map((text) => ({ kind: 'string' as const, text })),
    fc.array(text, { minLength: 1, maxLength: 3 }).map((texts) => ({ kind: 'strings' as const, texts })),
    name.map((name) => ({ kind: 'tag' as const, name })),
  )
  .map((value) => ({ at, value }))
const some = <T>(one: fc.Arbitrary<T>) =>
  fc.oneof({ maxDepth: 4, depthIdentifier: 'tree' }, fc.constant<readonly T[]>([]), fc.array(one, { maxLength: 2 }))
const { command } = fc.letrec<{ test: TestSyntax; command: CommandSyntax }>((tie) => {
  const head = {
    at: fc.constant(at),
    name,
    arguments: fc.array(argument, { maxLength: 3 }),
    tests: some(tie('test')),
  }
  return {
    test: fc.record(head),
    command: fc.record(
      {
        ...head,
        block: some(tie('command')),
        note: fc.constant('a note'),
        comments: fc.array(fc.stringMatching(/^[a-z]([a-z ]{0,6}[a-z])?$/), { maxLength: 2 }),
      },
      { requiredKeys: ['at', 'name', 'arguments', 'tests', 'comments'] },
    ),
  }
})

/** Without positions, and notes of commands without a block. */
const withoutPlaces = (script: ScriptSyntax) =>
  JSON.parse(
    JSON.stringify(script, (key, value) =>
      key === 'at' ? undefined : value?.comments && !value.block ? { ...value, note: undefined } : value,
    ),
  )

test('what the printer writes the parser reads back', () => {
  fc.assert(
    fc.property(fc.array(command, { maxLength: 4 }), (commands) => {
      const script = { commands, comments: ['end'] }
      assert.deepEqual(withoutPlaces(parseScript(printScript(script))), withoutPlaces(script))
    }),
    { numRuns: 300 },
  )
})

test('any text is a script or a SieveError', async () => {
  const words = fc.constantFrom(
    ...[
      'require',
      'if',
      'elsif',
      'else',
      'header',
      ':is',
      ':matches',
      'not',
      'anyof',
      '(',
      ')',
      '{',
      '}',
      '[',
      ']',
      ';',
      ',',
    ],
    ...[
      '"a"',
      '"fileinto"',
      '"variables"',
      'text:\r\nx\r\n.\r\n',
      '12K',
      'keep',
      'fileinto',
      '/* x */',
      '# y\n',
      '"${a}"',
      'set',
    ],
  )
  const script = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(words, { maxLength: 30 }).map((all) => all.join(' ')),
  )
  await fc.assert(
    fc.asyncProperty(script, async (text) => {
      assert.equal(typeof (await outcome(text, MESSAGES.coyote)), 'string')
    }),
    { numRuns: 1000 },
  )
})

test('any octets are a script or a SieveError, and eight times as many take about eight times as long', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 400 }), async (octets) => {
      const text = Buffer.from(octets).toString('latin1')
      assert.equal(typeof (await outcome(text, MESSAGES.coyote)), 'string')
    }),
    { numRuns: 1000 },
  )
  const shapes: readonly ((count: number) => string)[] = [
    (count) => '"'.repeat(count),
    (count) => '/*'.repeat(count),
    (count) => '#'.repeat(count),
    (count) => 'text:\r\n'.repeat(count),
    (count) => `text:\r\n${'..\r\n'.repeat(count)}`,
    (count) => 'keep;'.repeat(count),
    (count) => `if anyof (${'true,'.repeat(count)}true) {}`,
    (count) => `if header ["a"${',"a"'.repeat(count)}] "x" {}`,
    (count) => `redirect "${'\\\\'.repeat(count)}`,
    (count) => 'if true {}'.repeat(count),
    (count) => 'if true {'.repeat(count),
    (count) => `require "variables"; set "a" "${'${'.repeat(count)}";`,
    (count) => `require "encoded-character"; redirect "${'${hex:'.repeat(count)}";`,
    (count) => `require "regex"; if header :regex "a" "${'('.repeat(Math.min(count, 500))}" {}`,
    (count) => ' '.repeat(count),
    (count) => '\u0000'.repeat(count),
    (count) => 'a'.repeat(count),
    (count) => '9'.repeat(count),
  ]
  const time = (text: string) => {
    const times = Array.from({ length: 5 }, () => {
      const start = performance.now()
      try {
        compileScript(text, SIEVE)
      } catch (error) {
        assert.ok(error instanceof SieveError)
      }
      return performance.now() - start
    })
    return Math.min(...times)
  }
  for (const shape of shapes) {
    time(shape(10_000))
    const ratios: number[] = []
    // Linear is 8; quadratic is 64. Other work on the machine may spoil a measurement.
    const isLinear = () =>
      ratios.push(time(shape(80_000)) / Math.max(2, time(shape(10_000)))) && (ratios.at(-1) ?? 0) < 30
    assert.ok(isLinear() || isLinear() || isLinear(), `${shape(2)}: ${ratios}`)
  }
})

test('a script ends at its limits, and the message is kept', async () => {
  const many = `require ["fileinto", "variables", "body", "foreverypart", "regex"];\n`
  const cases: readonly [string, RegExp][] = [
    [Array.from({ length: 40 }, (_, index) => `fileinto "${index}";`).join('\n'), /more than 32 actions/],
    [Array.from({ length: 6 }, (_, index) => `redirect "a${index}@example.org";`).join('\n'), /more than 5 redirects/],
    ['keep;'.repeat(11_000), /more than 32 actions/],
    ['set "a" "b";'.repeat(11_000), /too many steps/],
    [
      `set "a" "${'x'.repeat(16_000)}";\n${'if string :matches "${a}" "*?x?x?x?y*" { stop; }\n'.repeat(1000)}`,
      /compares too much/,
    ],
    [Array.from({ length: 300 }, (_, index) => `set "a${index}" "b";`).join('\n'), /hold too much/],
  ]
  for (const [script, wanted] of cases) {
    const result = await run(many + script, MESSAGES.coyote)
    assert.match(result.error?.message ?? '', wanted)
    assert.deepEqual([result.actions, result.isKept], [[], true])
  }
  const deep = `${'if true {'.repeat(40)}${'}'.repeat(40)}`
  assert.match(await outcome(deep, MESSAGES.coyote), /nested too deeply/)
  assert.match(await outcome(`if ${'not '.repeat(100_000)} true {}`, MESSAGES.coyote), /nested too deeply/)
})

test('an explanation says what each test saw', async () => {
  const { steps } = await run('if header :contains "subject" "present" {\n  stop;\n}', MESSAGES.coyote)
  assert.deepEqual(steps, [
    {
      ...{ line: 1, column: 4, kind: 'test', text: 'header :contains "subject" "present"' },
      ...{ values: ['I have a present for you'], result: true },
    },
    { line: 2, column: 3, kind: 'control', text: 'stop' },
  ])
})
