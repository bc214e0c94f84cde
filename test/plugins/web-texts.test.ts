/**
 * Texts of the browser's applications: every shown text passes through the catalogues, and German misses none.
 */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { test } from 'node:test'
import ts from 'typescript'
import { inGerman } from '../../plugins/web/app/ui/in-german.ts'
import { server } from '../../plugins/web/app/ui/locales/de-server.ts'

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
  }
  return used
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

/** All text in quotes of the files that servers run, with `{{}}` for values. */
function serverTexts(): string {
  const folders = ['core/runtime', 'plugins/web', 'plugins/lists', 'plugins/directory', 'plugins/filter']
  const root = resolve(WEB, '../..')
  const paths = folders.flatMap((folder) => globSync(`${folder}/**/*.ts`, { cwd: root }))
  const texts = paths.filter((path) => !path.includes('/ui/')).map((path) => readFileSync(join(root, path), 'utf8'))
  return texts.join('\n').replace(/\$\{[^{}`]*\}/g, '{{}}')
}

test('every German text of the server is one that the server sends', () => {
  const sent = serverTexts()
  const composed = (text: string) =>
    /^\{\{\}\}: its health|^\{\{\}\} has failed/.test(text) ? text.replaceAll('{{}}', '').split(': ').at(-1) : text
  const stale = Object.keys(server).filter((text) => !sent.includes(composed(text)?.trim() ?? text))
  assert.deepEqual(stale, [])
  for (const [text, german] of Object.entries(server))
    assert.equal(german.split('{{}}').length, text.split('{{}}').length, text)
})

test('texts of the server with values are translated whole, and unknown ones stay', () => {
  assert.equal(inGerman('There is no such list'), 'Diese Liste gibt es nicht')
  assert.equal(inGerman('12 GB free at /var/lib/iems'), '12 GB frei in /var/lib/iems')
  assert.equal(inGerman('out has failed: EMFILE'), 'out ist ausgefallen: EMFILE')
  assert.equal(inGerman('out has failed'), 'out ist ausgefallen')
  for (const other of ['constructor', '', 'A fault of a plugin', ' has failed']) assert.equal(inGerman(other), other)
})
