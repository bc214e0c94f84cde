/**
 * The texts that servers send to pages of the administration and the account, as the source has them: refusals, faults
 * of validation, problems with their cures, lines of long work. `{{}}` stands for a value.
 */
import { globSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import ts from 'typescript'
import { ERRORS } from '../../core/api/errors.ts'
import { counted } from '../../core/index.ts'
import { titleOf } from '../../plugins/web/admin/ui/titles.ts'

export const ROOT = resolve(import.meta.dirname, '../..')
/** Files whose texts pages show. What only programs, terminals or logs see stays out. */
const SHOWN = [
  'core/runtime/{kernel-metrics,machine,problems}.ts',
  'plugins/web/{http,admin,account}/**/*.ts',
  'plugins/web/mail/{rules,slots,unsubscribe}.ts',
  'plugins/web/jmap/{routes,registry}.ts',
  'plugins/directory/store/*.ts',
  'plugins/directory/store/commands/{explain,fields,import-run,naming,transfer}.ts',
  'plugins/domain/{acme,records}/*.ts',
  'plugins/filter/{antispam,antivirus,dkim,milter}/{commands,index,page}.ts',
  'plugins/filter/sender-auth/reports/commands.ts',
  'plugins/lists/*.ts',
  'plugins/lists/commands/{lists,members,named}.ts',
  'plugins/lists/import/members.ts',
  'plugins/mailbox/mailsort/{scripts,service}.ts',
  'plugins/mailbox/mailsort/jmap/vacation.ts',
  'plugins/operation/{alerts,shadow,telemetry}/index.ts',
  'plugins/smtp/out/index.ts',
]
/** Commands whose forms are parts of pages: their fields, hints and choices are shown. */
const FORMS = /\/lists\/(settings|languages|commands\/(lists|members))\.ts|\/(dkim|antispam)\/commands\.ts/
/** Where an exception's message is an answer: commands, and actions of pages. */
const ANSWERS = /\/commands(\/|\.ts)|\/page\.ts|\/resources\//
/** Properties that hold a sentence. */
const SENTENCES = new Set(['why', 'fault', 'cure', 'progress', 'note'])
/** Functions and classes with a sentence among their arguments, and its place. */
const TAKES: Readonly<Record<string, number>> = {
  HttpProblem: 1,
  Refusal: 1,
  refine: 1,
  regex: 1,
  describe: 0,
  counter: 1,
  gauge: 1,
  histogram: 1,
}
const MAX_FORMS = 24

type Found = ts.VariableDeclaration | ts.ParameterDeclaration | ts.FunctionDeclaration

/** Every value that an expression of a file can have, as far as the file says; undefined for what it does not. */
class Reader {
  /** By the block, function or file that holds them. */
  readonly #names = new Map<ts.Node, Map<string, Found>>()
  /** What calls give a parameter. */
  readonly #given = new Map<Found, ts.Expression[]>()

  constructor(source: ts.SourceFile) {
    this.#declare(source)
    this.#callsIn(source)
  }

  #declare(node: ts.Node): void {
    const isFound = ts.isVariableDeclaration(node) || ts.isParameter(node) || ts.isFunctionDeclaration(node)
    if (isFound && node.name && ts.isIdentifier(node.name)) {
      let around = node.parent
      while (!(ts.isBlock(around) || ts.isSourceFile(around) || ts.isFunctionLike(around))) around = around.parent
      this.#names.set(around, (this.#names.get(around) ?? new Map()).set(node.name.text, node))
    }
    ts.forEachChild(node, (one) => this.#declare(one))
  }

  #callsIn(node: ts.Node): void {
    if (ts.isCallExpression(node) && ts.isIdentifier(node.expression))
      for (const [index, parameter] of (functionOf(this.#found(node.expression))?.parameters ?? []).entries()) {
        const value = node.arguments[index]
        if (value) this.#given.set(parameter, [...(this.#given.get(parameter) ?? []), value])
      }
    ts.forEachChild(node, (one) => this.#callsIn(one))
  }

  #found(name: ts.Identifier): Found | undefined {
    for (let around: ts.Node | undefined = name; around; around = around.parent) {
      const found = this.#names.get(around)?.get(name.text)
      if (found) return found
    }
    return undefined
  }

  forms(node: ts.Expression | undefined, depth = 0): readonly (string | undefined)[] {
    if (!node || depth > 8) return [undefined]
    const inner = (one: ts.Expression) => this.forms(one, depth + 1)
    if (ts.isStringLiteralLike(node)) return [node.text]
    if (ts.isTemplateExpression(node)) return this.#template(node, depth)
    if (ts.isConditionalExpression(node)) return [...inner(node.whenTrue), ...inner(node.whenFalse)]
    if (ts.isParenthesizedExpression(node) || ts.isAsExpression(node) || ts.isAwaitExpression(node))
      return inner(node.expression)
    if (ts.isBinaryExpression(node))
      return node.operatorToken.kind === ts.SyntaxKind.QuestionQuestionToken
        ? [...inner(node.left), ...inner(node.right)]
        : [undefined]
    if (ts.isCallExpression(node) && ts.isIdentifier(node.expression)) {
      const values = functionOf(this.#found(node.expression))
      return values ? resultsOf(values).flatMap(inner) : [undefined]
    }
    if (!ts.isIdentifier(node)) return [undefined]
    const found = this.#found(node)
    if (!found || ts.isFunctionDeclaration(found)) return [undefined]
    const values = [...(found.initializer ? [found.initializer] : []), ...(this.#given.get(found) ?? [])]
    return values.length === 0 ? [undefined] : values.flatMap(inner)
  }

  #template({ head, templateSpans }: ts.TemplateExpression, depth: number): readonly string[] {
    let forms = [head.text]
    for (const { expression, literal } of templateSpans) {
      const values = [...new Set(this.forms(expression, depth + 1).map((one) => one ?? '{{}}'))]
      const few = values.length * forms.length > MAX_FORMS ? ['{{}}'] : values
      forms = forms.flatMap((before) => few.map((value) => before + value + literal.text))
    }
    return forms
  }
}

type Written = ts.FunctionDeclaration | ts.ArrowFunction

function functionOf(found: Found | undefined): Written | undefined {
  if (!found || ts.isFunctionDeclaration(found)) return found
  return found.initializer && ts.isArrowFunction(found.initializer) ? found.initializer : undefined
}

function resultsOf({ body }: Written): readonly ts.Expression[] {
  if (!body || !ts.isBlock(body)) return body ? [body] : []
  const found: ts.Expression[] = []
  const visit = (node: ts.Node): void => {
    if (ts.isReturnStatement(node) && node.expression) found.push(node.expression)
    if (!ts.isFunctionLike(node)) ts.forEachChild(node, visit)
  }
  visit(body)
  return found
}

const isPage = (text: string) => /\badmin\.page\(|\bAdmin\)\??\.page\(/.test(text)

/** What a node shows, if it is a place where texts stand. */
function shownAt(node: ts.Node, source: ts.SourceFile): readonly (ts.Expression | undefined)[] {
  if (ts.isNewExpression(node) || ts.isCallExpression(node)) {
    const { expression: callee, arguments: given = [] } = node
    const name = ts.isPropertyAccessExpression(callee) ? callee.name.text : callee.getText()
    if (name === 'Error' && ANSWERS.test(source.fileName)) return [given[0]]
    if (name === 'describe' && !isPage(source.text) && !FORMS.test(source.fileName)) return []
    if (name === 'counted') return []
    return Object.hasOwn(TAKES, name) ? [given[TAKES[name] as number]] : []
  }
  const isSet = ts.isPropertyAssignment(node) || ts.isShorthandPropertyAssignment(node)
  if (!isSet || !ts.isObjectLiteralExpression(node.parent)) return []
  const name = node.name.getText()
  const others = node.parent.properties.map((one) => one.name?.getText())
  const isText =
    name === 'text' && (others.includes('cure') || others.includes('state') || ts.isYieldExpression(node.parent.parent))
  const isOfPage = isPage(source.text) && (name === 'title' || name === 'summary')
  if (!isText && !isOfPage && !SENTENCES.has(name)) return []
  return [ts.isPropertyAssignment(node) ? node.initializer : node.name]
}

/** The names and choices of a form's fields. */
function fieldsAt(node: ts.Node, { fileName }: ts.SourceFile): readonly string[] {
  if (!FORMS.test(fileName) || !ts.isPropertyAssignment(node)) return []
  const [, option] = /^'--([\w-]+)/.exec(node.name.getText()) ?? []
  if (option && ts.isStringLiteral(node.initializer)) return [titleOf(option), node.initializer.text]
  if (!ts.isCallExpression(node.initializer)) return []
  const text = node.initializer.getText()
  if (!/\.describe\(|^patterns\(/.test(text) || /defineCommand|strictObject/.test(text)) return []
  const choices = [...text.matchAll(/\.enum\(\[([^\]]*)\]/g)].flatMap(([, all = '']) =>
    all.split(',').map((one) => one.trim().replace(/^'|'$/g, '')),
  )
  return [titleOf(node.name.getText().replace(/^'|'$/g, '')), ...choices]
}

/** What `counted` makes of a noun. */
function countedAt(node: ts.Node): readonly string[] {
  if (!ts.isCallExpression(node) || node.expression.getText() !== 'counted') return []
  const noun = node.arguments[1]
  return noun && ts.isStringLiteral(noun) ? [counted(1, noun.text), counted(2, noun.text).replace('2', '{{}}')] : []
}

/** Messages of errors of the kernel that a file names. */
const namedErrors = (text: string): readonly string[] =>
  [...text.matchAll(/\b(IEMS_[A-Z0-9_]+):/g)].flatMap(([, code]) => {
    const [message] = ERRORS[code as keyof typeof ERRORS] ?? []
    return message === undefined ? [] : [message.replace(/\{\w+\}/g, '{{}}')]
  })

/** Each text with a place that has it. */
export function serverTexts(): ReadonlyMap<string, string> {
  const found = new Map<string, string>()
  for (const path of SHOWN.flatMap((pattern) => globSync(pattern, { cwd: ROOT }))) {
    if (path.includes('/ui/') || path.endsWith('options.ts')) continue
    const source = ts.createSourceFile(path, readFileSync(join(ROOT, path), 'utf8'), ts.ScriptTarget.Latest, true)
    const reader = new Reader(source)
    const visit = (node: ts.Node): void => {
      const at = `${path}:${source.getLineAndCharacterOfPosition(node.getStart()).line + 1}`
      for (const shown of shownAt(node, source))
        for (const text of reader.forms(shown)) if (text !== undefined) found.set(text.trim(), at)
      for (const text of [...countedAt(node), ...fieldsAt(node, source)]) found.set(text, at)
      ts.forEachChild(node, visit)
    }
    visit(source)
    for (const text of namedErrors(source.text)) found.set(text, path)
  }
  return found
}
