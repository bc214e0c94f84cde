/**
 * Every regular expression of the code, found by TypeScript's parser: literals, and those that are put together.
 */
import { globSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import ts from 'typescript'

const root = resolve(import.meta.dirname, '../..')

export interface Pattern {
  /** `file:line`. */
  readonly at: string
  readonly file: string
  readonly source: string
  readonly flags: string
}

export interface Found {
  readonly patterns: readonly Pattern[]
  /** Calls of RegExp whose pattern is not made of constants of the same file. */
  readonly built: readonly { readonly at: string; readonly file: string; readonly text: string }[]
}

type Constants = ReadonlyMap<string, ts.Expression>

function constantsOf(source: ts.SourceFile): Constants {
  const constants = new Map<string, ts.Expression>()
  for (const statement of source.statements) {
    if (!ts.isVariableStatement(statement) || !(statement.declarationList.flags & ts.NodeFlags.Const)) continue
    for (const { name, initializer } of statement.declarationList.declarations)
      if (initializer) constants.set(name.getText(source), initializer)
  }
  return constants
}

/** The text of an expression of constants; undefined for anything else. */
function textOf(node: ts.Expression, constants: Constants): string | undefined {
  if (ts.isStringLiteralLike(node)) return node.text
  if (ts.isIdentifier(node)) {
    const value = constants.get(node.text)
    return value && textOf(value, constants)
  }
  if (ts.isPropertyAccessExpression(node) && node.name.text === 'source' && ts.isIdentifier(node.expression)) {
    const value = constants.get(node.expression.text)
    return value && ts.isRegularExpressionLiteral(value) ? literalOf(value).source : undefined
  }
  const isRaw = ts.isTaggedTemplateExpression(node) && node.tag.getText() === 'String.raw'
  const template = isRaw ? node.template : node
  const text = (part: ts.TemplateLiteralLikeNode) => (isRaw ? (part.rawText ?? part.text) : part.text)
  if (ts.isNoSubstitutionTemplateLiteral(template)) return text(template)
  if (!ts.isTemplateExpression(template)) return undefined
  const spans = template.templateSpans.map((span) => {
    const value = textOf(span.expression, constants)
    return value === undefined ? undefined : value + text(span.literal)
  })
  return spans.includes(undefined) ? undefined : text(template.head) + spans.join('')
}

function literalOf(node: ts.RegularExpressionLiteral) {
  const end = node.text.lastIndexOf('/')
  return { source: node.text.slice(1, end), flags: node.text.slice(end + 1) }
}

export function findPatterns(): Found {
  const patterns: Pattern[] = []
  const built: Found['built'][number][] = []
  for (const file of globSync(['core/**/*.ts', 'plugins/**/*.ts'], { cwd: root })) {
    const source = ts.createSourceFile(file, readFileSync(join(root, file), 'utf8'), ts.ScriptTarget.Latest, true)
    const constants = constantsOf(source)
    const visit = (node: ts.Node): void => {
      const at = `${file}:${source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1}`
      if (ts.isRegularExpressionLiteral(node)) patterns.push({ at, file, ...literalOf(node) })
      const isCall = ts.isNewExpression(node) || ts.isCallExpression(node)
      if (isCall && node.expression.getText(source) === 'RegExp') {
        const [pattern, flags] = node.arguments ?? []
        const text = pattern && textOf(pattern, constants)
        if (text === undefined) built.push({ at, file, text: node.getText(source) })
        else patterns.push({ at, file, source: text, flags: (flags && textOf(flags, constants)) ?? '' })
      }
      ts.forEachChild(node, visit)
    }
    visit(source)
  }
  return { patterns, built }
}
