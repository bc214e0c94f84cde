/**
 * Texts of the browser's applications: every shown text passes through the catalogues, and German misses none.
 */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { test } from 'node:test'
import ts from 'typescript'
import * as z from 'zod'
import { inGerman } from '../../plugins/web/app/ui/in-german.ts'
import { server } from '../../plugins/web/app/ui/locales/de-server.ts'
import { ROOT, serverTexts } from '../support/server-texts.ts'

const WEB = resolve(import.meta.dirname, '../../plugins/web')
/** Attributes that people see or hear. */
const SEEN = new Set(['label', 'title', 'text', 'placeholder', 'aria-label', 'note', 'action', 'alt', 'hint'])
/** Names, and what is typed as it stands. */
const NAMES = ['Sieve', 'Ctrl Enter', 'https://', 'iems-plugin-example']
const isWord = (text: string) => /\p{L}{2}/u.test(text) && !NAMES.includes(text.trim())

interface Used {
  readonly keys: Map<string, string>
  /** Keys that are put together: what they begin with. */
  readonly beginnings: Map<string, string>
  readonly bare: string[]
}

/** The files of an application: all that its first one imports, now or later. */
function filesOf(app: string): ts.SourceFile[] {
  const found = new Map<string, ts.SourceFile>()
  const add = (path: string) => {
    if (found.has(path) || !path.startsWith(WEB) || path.includes('/locales/')) return
    const source = ts.createSourceFile(
      path,
      readFileSync(path, 'utf8'),
      ts.ScriptTarget.Latest,
      true,
      path.endsWith('x') ? ts.ScriptKind.TSX : ts.ScriptKind.TS,
    )
    found.set(path, source)
    for (const { fileName } of ts.preProcessFile(source.text, true, true).importedFiles)
      if (/^\..*\.tsx?$/.test(fileName)) add(join(dirname(path), fileName))
  }
  add(join(WEB, app, 'ui/main.tsx'))
  return [...found.values()]
}

function usedIn(app: string): Used {
  const used: Used = { keys: new Map(), beginnings: new Map(), bare: [] }
  for (const source of filesOf(app)) {
    const at = (node: ts.Node) =>
      `${relative(WEB, source.fileName)}:${source.getLineAndCharacterOfPosition(node.getStart()).line + 1}`
    const visit = (node: ts.Node): void => {
      if (ts.isJsxText(node) && isWord(node.text)) used.bare.push(`${at(node)} ${node.text.trim()}`)
      if (ts.isStringLiteral(node) && ts.isJsxAttribute(node.parent) && isWord(node.text))
        if (SEEN.has(node.parent.name.getText())) used.bare.push(`${at(node)} ${node.text}`)
      if (ts.isCallExpression(node)) {
        const name = node.expression.getText()
        for (const one of name === 't' ? node.arguments.slice(0, 1) : name === 'plural' ? node.arguments.slice(1) : [])
          if (ts.isStringLiteralLike(one)) used.keys.set(one.text, at(one))
          else if (ts.isTemplateExpression(one)) used.beginnings.set(one.head.text, at(one))
      }
      ts.forEachChild(node, visit)
    }
    visit(source)
    for (const [key, at] of keysByType(source)) used.keys.set(key, at)
  }
  return used
}

/** Keys that are values: `t(component.kind)`, where the file says which kinds there are. */
function keysByType(source: ts.SourceFile): ReadonlyMap<string, string> {
  const types = new Map<string, readonly string[]>()
  const keys = new Map<string, string>()
  const visit = (node: ts.Node): void => {
    if (ts.isPropertySignature(node) && node.type && ts.isUnionTypeNode(node.type))
      types.set(
        node.name.getText(),
        node.type.types.flatMap((one) =>
          ts.isLiteralTypeNode(one) && ts.isStringLiteral(one.literal) ? [one.literal.text] : [],
        ),
      )
    if (ts.isCallExpression(node) && node.expression.getText() === 't' && node.arguments[0])
      for (const key of types.get(node.arguments[0].getText().replace(/^.*\./, '')) ?? [])
        keys.set(key, relative(WEB, source.fileName))
    ts.forEachChild(node, visit)
  }
  visit(source)
  return keys
}

async function catalogue(app: string, language: string): Promise<Readonly<Record<string, string>>> {
  const folder = join(WEB, app, 'ui/locales')
  return (await import(String(new URL(`file://${folder}/${language}.ts`)))).texts
}

const placesIn = (text: string) => [...text.matchAll(/\{\{\w+\}\}/g)].map(String).sort()

for (const app of ['admin', 'account', 'mail']) {
  test(`${app}: every text is in the catalogues, in English and in German`, async () => {
    const { keys, beginnings, bare } = usedIn(app)
    const [english, german] = await Promise.all([catalogue(app, 'en'), catalogue(app, 'de')])
    assert.deepEqual(bare, [], 'texts outside of the catalogues')
    assert.ok(keys.size > 50)
    // A sentence is its own key: its English is itself.
    const isNamed = (key: string) => /^[a-z][\w-]*(\.[\w-]+)+$/.test(key) || key in english
    const missing = [...keys].filter(([key]) => !(key in german) && !(`${key}_other` in german))
    assert.deepEqual(missing, [], 'German misses')
    const unnamed = [...keys].filter(([key]) => isNamed(key) && !(key in english) && !(`${key}_other` in english))
    assert.deepEqual(unnamed, [], 'English misses')
    for (const [beginning, at] of beginnings)
      for (const texts of [english, german])
        assert.ok(
          Object.keys(texts).some((key) => key.startsWith(beginning)),
          `${at}: ${beginning}`,
        )
    assert.deepEqual(
      Object.keys(english).filter((key) => !(key in german)),
      [],
      'German lacks what English has',
    )
    for (const [key, text] of Object.entries(german))
      assert.deepEqual(placesIn(text), placesIn(english[key] ?? key), `other values in ${key}`)
  })
}

/** All files that servers run. */
const sources = (): string =>
  globSync('{core,plugins}/**/*.ts', { cwd: ROOT })
    .filter((path) => !path.includes('/ui/'))
    .map((path) => readFileSync(join(ROOT, path), 'utf8'))
    .join('\n')

/** Words that are not German: neither a value nor the name of something. */
const isEnglish = (text: string) =>
  /\p{L}{3}/u.test(text.replaceAll('{{}}', '')) && !/^\S*[./{]\S*( IN TXT .*)?$/.test(text.trim())

test('every text that the server sends to a page is there in German', () => {
  const texts = serverTexts()
  assert.ok(texts.size > 350)
  const missing: string[] = []
  for (const [text, at] of texts)
    inGerman(text, (part) => {
      if (isEnglish(part)) missing.push(`${at}: ${part}, in: ${text}`)
    })
  assert.deepEqual(missing, [])
})

test('messages of the schemas are there in German', () => {
  const schema = z.strictObject({
    ...{
      text: z.string(),
      number: z.int().min(1).max(9),
      short: z.string().min(3).max(5),
      list: z.array(z.int()).min(1),
    },
    ...{
      one: z.enum(['a', 'b']),
      mail: z.email(),
      url: z.url(),
      day: z.iso.date(),
      flag: z.boolean(),
      all: z.literal('x'),
    },
    ...{
      either: z.union([z.int(), z.boolean()]),
      name: z.string().regex(/^a/),
      map: z.record(z.string().max(2), z.int()),
    },
  })
  for (const given of [
    {},
    {
      text: 1,
      number: 0,
      short: 'a',
      list: [],
      one: 'c',
      mail: 'x',
      url: 'x',
      day: 'x',
      flag: 1,
      all: 'y',
      either: '',
      name: 'b',
      map: { long: 1 },
    },
    { text: null, number: 10, short: 'abcdef', list: {}, more: 1 },
    { number: 1.5, more: 1, other: 2 },
  ])
    for (const { message } of schema.safeParse(given).error?.issues ?? [])
      inGerman(message, (part) => assert.ok(!/[a-z] [a-z]/.test(part) || /^"|^\//.test(part), `${message}: ${part}`))
})

test('every German text of the server is one that it sends', () => {
  const sent = `${sources()}\n${[...serverTexts().keys()].join('\n')}`
  const isSent = (text: string) => text.split('{{}}').every((part) => sent.includes(part.trim()))
  // The schemas' messages are not ours, and kinds of entries are put together with their names.
  const own = Object.keys(server).filter((text) => !/^(Invalid|Too (big|small)|Unrecognized|the \w+ \{\{)/.test(text))
  assert.deepEqual(
    own.filter((text) => !isSent(text)),
    [],
  )
  for (const [text, german] of Object.entries(server))
    assert.equal(german.split('{{}}').length, text.split('{{}}').length, text)
})

test('texts of the server with values are translated whole, and unknown ones stay', () => {
  assert.equal(
    inGerman('The body of the request cannot be used: body.name: Too big: expected string to have <=5 characters'),
    'Die Angaben (body) sind nicht brauchbar: body.name: zu lang: höchstens 5 Zeichen',
  )
  assert.equal(inGerman('An account has at most 20 passkeys'), 'Ein Konto hat höchstens 20 Passkeys')
  assert.equal(inGerman('line 7: no address'), 'Zeile 7: keine Adresse')
  assert.equal(inGerman('Post'), 'Schreiben')
  assert.equal(inGerman('There is no list Post'), 'Die Liste Post gibt es nicht')
  assert.equal(inGerman('There is no such list'), 'Diese Liste gibt es nicht')
  assert.equal(inGerman('12 GB free at /var/lib/iems'), '12 GB frei in /var/lib/iems')
  assert.equal(inGerman('out has failed: EMFILE'), 'out ist ausgefallen: EMFILE')
  assert.equal(inGerman('out has failed'), 'out ist ausgefallen')
  for (const other of [
    'constructor',
    '',
    ': ',
    'A fault of a plugin',
    ' has failed',
    'The store is closed',
    'It has no end',
  ])
    assert.equal(inGerman(other), other)
})
