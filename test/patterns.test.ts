/**
 * No regular expression of the code takes more than linear time, whatever it is asked about.
 *
 * Two checks, since neither sees everything: by the shape of the pattern (`a+$` without an anchor, neighbouring
 * quantifiers over the same characters, nested quantifiers), and by trying it on its own characters repeated.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createContext, runInContext } from 'node:vm'
import { analyse } from 'scslre'
import { findPatterns, type Pattern } from './support/patterns.ts'

/** Patterns that come from somewhere else, by file, with the reason. */
const BUILT: Readonly<Record<string, string>> = {
  'core/runtime/units.ts': 'of the names of units, which callers in the same file write down',
  'plugins/filter/antispam/content/rules.ts': 'rules of the administrator, run with a time limit',
}

const { patterns, built } = findPatterns()

test('no pattern is built from input', () => {
  const wrong = built.filter(({ file }) => BUILT[file] === undefined)
  assert.deepEqual(
    wrong.map(({ at, text }) => `${at} ${text}`),
    [],
  )
  assert.deepEqual(
    Object.keys(BUILT).filter((file) => !built.some((one) => one.file === file)),
    [],
    'a file on the list builds none any more',
  )
})

test('no pattern has a shape that takes more than linear time', () => {
  const reports = patterns.flatMap(({ at, source, flags }) =>
    analyse({ source, flags }).reports.map(({ type }) => `${at} ${type}: /${source}/${flags}`),
  )
  assert.deepEqual(reports, [])
})

// --- by trying -----------------------------------------------------------------------------------------

/** Characters of the inputs whose costs are compared; a try of the longest comes first, and most patterns pass by it. */
const [SHORT, TWICE, LONG] = [10_000, 20_000, 40_000]
/** Ms below which a cost says nothing, and after which a try ends. */
const TOO_SMALL_MS = 10
const STOP_MS = 2000
/** The cost of twice the input: 2 by linear time, 4 by the square. */
const MAX_RATIO = 3

/** Characters that stand in a pattern as they are, and a few that classes hold. */
function charactersOf({ source }: Pattern): string[] {
  const own = source
    .replace(/\\[dDwWsSbBnrtvf0-9]|\\[xucpPk](?:\{[^}]*\}|<[^>]*>|[0-9a-fA-F]{0,4})/g, '')
    .replace(/[\^$*+?|{}]/g, ' ')
  return [...new Set([...own, 'a', '1', ' ', '\\', '"'])].filter((character) => !'/:?'.includes(character)).slice(0, 9)
}

const context = createContext({})
const attack = `(() => {
  const started = spent()
  text.replace(new RegExp(source, flags.includes('g') ? flags : flags + 'g'), '')
  return spent() - started
})()`

/** Ms of processor time: other processes make no difference. */
const spent = () => {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}

/** Ms that replacing all takes. */
function costOf({ source, flags }: Pattern, text: string): number {
  Object.assign(context, { text, source, flags, spent })
  try {
    return Number(runInContext(attack, context, { timeout: STOP_MS }))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error
    return STOP_MS
  }
}

/** What a pattern asks for first, if it is plain text: only behind it does the rest begin. */
const startOf = ({ source }: Pattern) => /^\^?([\w =<&"[({-]*)/.exec(source.replace(/\\(?=\W)/g, ''))?.[1] ?? ''

test('no pattern takes long for its own characters repeated', () => {
  const slow: string[] = []
  const seen = new Set<string>()
  for (const pattern of patterns) {
    const name = `/${pattern.source}/${pattern.flags}`
    if (seen.has(name) || !/[*+]|,\}/.test(pattern.source)) continue
    seen.add(name)
    const characters = charactersOf(pattern)
    const units = characters.flatMap((one) => characters.map((other) => (one === other ? one : one + other)))
    for (const unit of units) {
      const start = startOf(pattern)
      const least = (size: number, tries: number) =>
        Math.min(
          ...Array.from({ length: tries }, () => costOf(pattern, `${start}${unit.repeat(size / unit.length)}\0`)),
        )
      if (least(LONG, 1) < TOO_SMALL_MS || least(TWICE, 5) < least(SHORT, 5) * MAX_RATIO) continue
      slow.push(`${pattern.at} ${name} on ${JSON.stringify(unit)} repeated`)
      break
    }
  }
  assert.deepEqual(slow, [])
})
