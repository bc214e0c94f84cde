/**
 * The style of all text that people read: options, errors, summaries of commands, replies, comments. Plain technical
 * English: the text begins with the thing it names, the actor is named, limits and times have one form of name.
 *
 * Options and errors are read from the generated pages, which `npm run check` compares with the code.
 */
import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { test } from 'node:test'

const root = resolve(import.meta.dirname, '..')
const read = (file: string) => readFileSync(join(root, file), 'utf8')
const sources = globSync(['core/**/*.ts', 'plugins/**/*.ts'], { cwd: root })

interface Text {
  readonly where: string
  readonly text: string
}

const BANNED: readonly (readonly [pattern: RegExp, reason: string])[] = [
  [/\b(?:no|some|any|every)body\b(?!')|\bwhoever\b/i, 'name the actor: client, server, administrator, plugin, sender'],
  [/\banew\b|\bat hand\b|\bof ours\b|\ball the same\b/i, 'not idiomatic'],
  [/\btells?\b|\btold\b/i, 'emit, return, report, reply, announce'],
  [/\b(?:he|him|his|himself)\b/i, 'they'],
  [/(?:^|[.;:] )(?:Who|Whom|Whose|What|Whether|Where|How|When)\b(?![^.]*\?)/, 'begin with the thing itself'],
  [/\bwho (?:has|have|is|are|may|can)\b[^.]*\bis\b/i, 'a noun as the subject'],
]

function faultsOf(texts: readonly Text[], banned = BANNED): string[] {
  return texts.flatMap(({ where, text }) =>
    banned.filter(([pattern]) => pattern.test(text)).map(([, reason]) => `${where}: ${text} (${reason})`),
  )
}

/** Rows of a table of a generated page, its cells without Markdown's escapes. */
function rowsOf(page: string, columns: number): string[][] {
  return read(page)
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) => line.slice(2, -2).split(/ (?<!\\)\| /))
    .filter((cells) => cells.length === columns)
}

const options = rowsOf('docs/config.md', 4).map(([name = '', , , text = '']) => ({
  where: name.replaceAll('`', ''),
  text,
}))

test('options are described in plain technical English', () => {
  assert.ok(options.length > 300, 'the page has lost its form')
  assert.deepEqual(faultsOf(options), [])
  assert.deepEqual(
    options.filter(({ text }) => text !== '' && !/^[A-Z0-9'`{<]/.test(text)),
    [],
    'a description begins like a sentence',
  )
})

test('limits are called max…, and never most…', () => {
  assert.deepEqual(
    options.filter(({ where }) => /(^|\.)most([A-Z]|$)/.test(where)),
    [],
  )
})

test('errors say what is wrong and what to change', () => {
  const errors = rowsOf('docs/errors.md', 3)
  assert.ok(errors.length > 30, 'the page has lost its form')
  assert.deepEqual(faultsOf(errors.flatMap(([where = '', ...texts]) => texts.map((text) => ({ where, text })))), [])
  assert.deepEqual(
    errors.filter(([, , cure = '']) => !/^[A-Z`].*\.$|^(?:iems|npm) /.test(cure)),
    [],
    'a remedy is a sentence',
  )
})

/** String literals behind a pattern, in all sources. */
function literals(before: RegExp): Text[] {
  const literal = /'((?:[^'\\\n]|\\.)*)'|"((?:[^"\\\n]|\\.)*)"|`((?:[^`\\]|\\.)*)`/y
  return sources.flatMap((file) => {
    const source = read(file)
    return [...source.matchAll(before)].flatMap((match) => {
      literal.lastIndex = match.index + match[0].length
      const [, single, double, template] = literal.exec(source) ?? []
      const text = single ?? double ?? template
      return text === undefined ? [] : [{ where: file, text }]
    })
  })
}

test('summaries of commands are plain', () => {
  const summaries = literals(/\bsummary:\s*/g)
  assert.ok(summaries.length > 30, 'summaries are written another way now')
  assert.deepEqual(faultsOf(summaries), [])
})

test('replies are worded as in the examples of the RFCs', () => {
  const replies = [
    ...literals(/\b(?:refuse|defer|accept)\(\s*\d{3},\s*'\d\.\d{1,3}\.\d{1,3}',\s*/g),
    ...literals(/(?=['"`](?:\+OK|-ERR) )/g),
    ...literals(/\b(?:ok|no|bad|bye)\(\s*/g),
  ]
  assert.ok(replies.length > 100, 'replies are written another way now')
  assert.deepEqual(faultsOf(replies), [])
})

test('links between pages lead to files', () => {
  const pages = [...globSync(['*.md', 'docs/**/*.md', 'plugins/**/*.md'], { cwd: root })]
  assert.ok(pages.length > 30)
  const broken = pages.flatMap((page) =>
    [...read(page).matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, link = '']) => {
      const [file = ''] = link.split('#')
      const isFile = !/^\w+:/.test(link) && file !== ''
      return isFile && !existsSync(resolve(root, dirname(page), file)) ? [`${page}: ${link}`] : []
    }),
  )
  assert.deepEqual(broken, [])
})

/** For pages and comments. */
const PROSE_BANNED: readonly (readonly [pattern: RegExp, reason: string])[] = [
  [/\b(?:no|some)body\b(?!')|\bwhoever\b/i, 'name the actor: client, server, administrator, plugin, sender'],
  [/\banew\b|\bat hand\b|\bof ours\b|\ball the same\b|\bthe same way in\b/i, 'not idiomatic'],
  [/\b(?:is|are|was|were|gets?) told\b|\btells (?:of|the client|clients|plugins)\b/i, 'report, notify, emit'],
  [/\b(?:he|him|his|himself)\b/i, 'they'],
  [/(?:; (?:and )?|\bInvariants?: )(?:what|whatever|who)\b/, 'a noun as the subject'],
  [/\bbut for\b|\bfor good\b|\bin company\b|(?<![`-])\bours\b/, 'except, permanently, together, of this server'],
]
/** For the comments of all sources: file headers, docstrings, and comments inside. */
const COMMENT_BANNED: readonly (readonly [pattern: RegExp, reason: string])[] = [
  ...PROSE_BANNED,
  [/(?:^|[.;:] )(?:Who|Whom|Whose|What)\b(?![^.]*\?)/, 'begin with the thing itself'],
  [/\bwho (?:has|have|is|are|may|can)\b[^.]*\bis\b/i, 'a noun as the subject'],
  [/\bstrangers?\b/i, 'unauthenticated clients, remote servers, unknown senders'],
  [/\bWhat must stay true\b/, 'Invariants'],
]

/** The comments of a source, each as one line. A run of `//` lines is one comment. */
function commentsOf(source: string): string[] {
  const comments: string[] = []
  let open: string[] = []
  let isLines = false
  const close = () => {
    if (open.length > 0) comments.push(open.join(' ').replace(/\s+/g, ' ').trim())
    open = []
  }
  for (const line of source.split('\n')) {
    const [, mark, text = ''] = /^\s*(\/\*\*?|\*\/|\*(?= |$)|\/\/)(.*)$/.exec(line) ?? []
    if (mark === undefined || mark.startsWith('/*') || (mark === '//') !== isLines) close()
    if (mark !== undefined) open.push(text.replace('*/', ''))
    isLines = mark === '//'
    if (line.includes('*/')) close()
  }
  close()
  return comments
}

test('comments are written in plain technical English', () => {
  const files = globSync(['core/**/*.{ts,tsx}', 'plugins/**/*.{ts,tsx}'], { cwd: root })
  const texts = files.flatMap((file) => commentsOf(read(file)).map((text) => ({ where: file, text })))
  assert.ok(texts.length > 5000, 'comments are written another way now')
  assert.deepEqual(faultsOf(texts, COMMENT_BANNED), [])
})

const pages = globSync(['*.md', 'docs/**/*.md', 'plugins/**/*.md'], { cwd: root })

test('pages are written in plain technical English', () => {
  /** Decisions are records of their time; the pages of options and errors have tests of their own. */
  const prose = pages.filter((page) => !/^docs\/(?:decisions\/|config|errors)|^CHANGELOG/.test(page))
  const texts = prose.flatMap((page) => {
    const text = read(page).replace(/```[\s\S]*?```|`[^`\n]*`/g, '')
    return text.split('\n').map((line) => ({ where: page, text: line }))
  })
  assert.ok(texts.length > 2000, 'pages are written another way now')
  assert.deepEqual(faultsOf(texts, PROSE_BANNED), [])
})

test('pages hold no marks of a merge', () => {
  assert.deepEqual(
    pages.filter((page) => /^(?:<{7}|>{7}) /m.test(read(page))),
    [],
  )
})
