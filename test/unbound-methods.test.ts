/** Methods keep their object: nothing takes one off it and loses `this`. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import { unboundMethods } from './support/unbound-methods.ts'

const root = resolve(import.meta.dirname, '..')

test('no method of a class is taken off its object without bind', () => {
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const entries = new Map(
    Object.entries<{ source?: string }>(exports).map(([name, { source = '' }]) => [
      name.replace('.', 'iems'),
      join(root, source),
    ]),
  )
  assert.deepEqual(unboundMethods(['core/**/*.ts', 'plugins/**/*.ts'], entries), [])
})
