/** Bounces as systems really send them: the public samples of flufl.bounce, Mailman's reader, and what it finds. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { ReadableMessage } from 'iems'
import { readFields } from 'iems/mime'
import { readBounce } from '../../plugins/lists/bounce-reading.ts'

interface Sample {
  readonly name: string
  /** Base64. */
  readonly content: string
  readonly temporary: readonly string[]
  readonly permanent: readonly string[]
}

const SCRIPT = fileURLToPath(new URL('../support/bounce-samples.py', import.meta.url))
const SAMPLES = '/usr/lib/python3/dist-packages/flufl/bounce/tests/data'

/** What is read otherwise here, and why. */
const EXPLAINED: Readonly<Record<string, string>> = {
  aol_01: 'names no address: the member is known by the return path',
  dsn_15: 'the report is within an attached copy',
  groupwise_02: 'names no address in its text',
  microsoft_01: 'the address that flufl.bounce finds is none; the text has the right one',
  microsoft_04: 'as microsoft_01',
  simple_38: 'a disposition notification (RFC 8098)',
  simple_39: 'says that it is an automatic reply (RFC 3834)',
  simple_41: 'as simple_39',
  yale_01: 'builds addresses from a name and the domain of the reporter',
}

function read({ content }: Sample) {
  const octets = Buffer.from(content, 'base64')
  const { list } = readFields(octets)
  const message = {
    size: octets.length,
    from: '',
    headers: { get: (name: string) => list.flatMap((field) => (field.name === name ? [field.value.trim()] : [])) },
    async *open(range?: { start: number; end: number }) {
      yield range ? octets.subarray(range.start, range.end) : octets
    },
  }
  return readBounce(message satisfies Pick<ReadableMessage, 'size' | 'from' | 'headers' | 'open'>)
}

test('public samples of bounces: every address that failed for good is found, in any form', {
  skip: existsSync(SAMPLES) ? false : 'python3-flufl.bounce is not installed',
}, async () => {
  const samples = JSON.parse(
    execFileSync('/usr/bin/python3', [SCRIPT], { maxBuffer: 100_000_000 }).toString(),
  ) as Sample[]
  assert.ok(samples.length > 100)
  const missed: string[] = []
  let others = 0
  for (const sample of samples) {
    const name = sample.name.replace('.txt', '')
    const found = (await read(sample)).map(({ address = '' }) => address.toLowerCase())
    const expected = sample.permanent.map((address) => address.toLowerCase())
    const without = expected.filter((address) => !found.includes(address))
    if (without.length > 0 && !EXPLAINED[name]) missed.push(`${name}: ${without}`)
    others += found.filter((one) => one !== '' && ![...expected, ...sample.temporary].includes(one)).length
    if (expected.length === 0 && sample.temporary.length === 0)
      assert.equal(found.filter((one) => one !== '' && !/xxx|yyy/.test(one)).length, 0, name)
  }
  assert.deepEqual(missed, [])
  // Addresses of others in the text count only if they are members; they are few.
  assert.ok(others < 30, `${others} addresses of others`)
})
