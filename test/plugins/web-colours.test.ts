/**
 * The design's colours of text have a contrast of 4.5:1 (WCAG 2.2, 1.4.3) on every colour that may be behind them. In the
 * browser, axe sees only the pairs that a screen shows at that moment, and skips texts of one character.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

const TEXTS = ['text', 'text-2', 'text-3', 'accent-text', 'good', 'warn', 'bad']
const BEHIND = ['frame', 'surface', 'raised', 'sunk', 'hover', 'press', 'here']
const SOFT = ['accent-soft', 'good-soft', 'warn-soft', 'bad-soft']
const PAIRS = [
  ...TEXTS.flatMap((text) => [...BEHIND, ...SOFT].map((behind) => [text, behind] as const)),
  ['text', 'mark'],
  ['on-accent', 'accent'],
  ['on-accent', 'accent-hover'],
  ['on-bad', 'bad-solid'],
] as const

const css = readFileSync(new URL('../../plugins/web/app/ui/tokens.css', import.meta.url), 'utf8')
const COLOURS = new Map(
  [...css.matchAll(/--c-([\w-]+): light-dark\((#\w{6}), (#\w{6})\)/g)].map(([, name = '', ...themes]) => [
    name,
    themes,
  ]),
)

/** Relative luminance. */
function luminance(colour: string): number {
  const [red = 0, green = 0, blue = 0] = [...Buffer.from(colour.slice(1), 'hex')].map((octet) => {
    const part = octet / 255
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue
}

function contrast(one: string, other: string): number {
  const [dark = 0, light = 0] = [luminance(one), luminance(other)].sort((a, b) => a - b)
  return (light + 0.05) / (dark + 0.05)
}

test('every colour of text is readable on every colour behind it, in both themes', () => {
  const weak = PAIRS.flatMap(([text, behind]) =>
    [0, 1].map((theme) => {
      const [front, back] = [text, behind].map((name) => COLOURS.get(name)?.[theme])
      assert.ok(front && back, `${text} on ${behind}`)
      const found = contrast(front, back)
      return found < 4.5 ? `${text} on ${behind}: ${front} on ${back} ${found.toFixed(2)}` : ''
    }),
  ).filter(Boolean)
  assert.deepEqual(weak, [])
})
