/**
 * The structure of the code as TypeScript's parser sees it: files, functions, imports.
 *
 * A function's length is its first to its last line, closures included; `own` leaves out the functions inside it.
 * Type imports count as imports. The architecture test and `npm run measure` read the same numbers.
 */
import { globSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import ts from 'typescript'

const root = resolve(import.meta.dirname, '../..')

export interface FunctionShape {
  readonly name: string
  readonly line: number
  readonly lines: number
  /** Lines that belong to no function inside this one. */
  readonly own: number
  /** Named functions declared directly or indirectly inside: declarations, methods, and constants that hold one. */
  readonly inner: number
}

export interface FileShape {
  readonly file: string
  readonly lines: number
  readonly comments: number
  readonly functions: readonly FunctionShape[]
  /** Files of this repository that it imports, for values or for types. */
  readonly imports: readonly string[]
  /** State at the top level of the module: `let`, `var`, and constants that hold an empty collection to be filled. */
  readonly mutable: readonly string[]
}

function nameOf(node: ts.SignatureDeclaration): string | undefined {
  if (node.name) return node.name.getText()
  const { parent } = node
  if (ts.isVariableDeclaration(parent) || ts.isPropertyAssignment(parent) || ts.isPropertyDeclaration(parent))
    return parent.name.getText()
  return ts.isConstructorDeclaration(node) ? 'constructor' : undefined
}

/** A callback is part of the function that passes it on; a function with a name is a room of its own. */
const isDeclared = (node: ts.SignatureDeclaration) =>
  !ts.isPropertyAssignment(node.parent) && nameOf(node) !== undefined

function isFunction(node: ts.Node): node is ts.FunctionLikeDeclaration {
  return ts.isFunctionLike(node) && 'body' in node && node.body !== undefined
}

function shapeOf(file: string): FileShape {
  const text = readFileSync(join(root, file), 'utf8')
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true)
  const lineOf = (at: number) => source.getLineAndCharacterOfPosition(at).line
  const functions: FunctionShape[] = []
  /** Returns the lines that functions inside cover, and how many of them have names. */
  const visit = (node: ts.Node): { covered: number; inner: number } => {
    let covered = 0
    let inner = 0
    ts.forEachChild(node, (child) => {
      const below = visit(child)
      covered += below.covered
      inner += below.inner
    })
    if (!isFunction(node)) return { covered, inner }
    const first = lineOf(node.getStart())
    const lines = lineOf(node.getEnd()) - first + 1
    functions.push({ name: nameOf(node) ?? '(callback)', line: first + 1, lines, own: lines - covered, inner })
    return { covered: lines, inner: inner + (isDeclared(node) ? 1 : 0) }
  }
  visit(source)
  const imports = source.statements.flatMap((statement) => {
    if (!ts.isImportDeclaration(statement) && !ts.isExportDeclaration(statement)) return []
    const specifier = statement.moduleSpecifier
    if (!specifier || !ts.isStringLiteral(specifier) || !specifier.text.startsWith('.')) return []
    return [relative(root, resolve(root, dirname(file), specifier.text))]
  })
  const mutable = source.statements.flatMap((statement) =>
    ts.isVariableStatement(statement)
      ? statement.declarationList.declarations
          .filter(
            ({ initializer }) =>
              !(statement.declarationList.flags & ts.NodeFlags.Const) || isEmptyCollection(initializer),
          )
          .map(({ name }) => name.getText())
      : [],
  )
  return { file, lines: text.split('\n').length - 1, comments: commentLines(text), functions, imports, mutable }
}

function isEmptyCollection(value: ts.Expression | undefined): boolean {
  return (
    value !== undefined &&
    ts.isNewExpression(value) &&
    /^(Weak)?(Map|Set)$/.test(value.expression.getText()) &&
    (value.arguments ?? []).length === 0
  )
}

function commentLines(text: string): number {
  const lines = text.split('\n').map((line) => line.trim())
  return lines.filter((line) => /^(\/\/|\/\*|\*)/.test(line)).length
}

/** The shape of every file that the patterns name, in the order of their paths. */
export function shapesOf(patterns: readonly string[]): FileShape[] {
  return globSync([...patterns], { cwd: root })
    .sort()
    .map(shapeOf)
}

/** Groups of files that import each other, type imports included (Tarjan's strongly connected components). */
export function circlesOf(shapes: readonly FileShape[]): string[][] {
  const next = new Map(shapes.map(({ file, imports }) => [file, imports]))
  const index = new Map<string, number>()
  const low = new Map<string, number>()
  const stack: string[] = []
  const circles: string[][] = []
  const visit = (file: string): number => {
    const at = index.size
    index.set(file, at)
    let lowest = at
    stack.push(file)
    for (const to of next.get(file) ?? []) {
      if (!next.has(to)) continue
      if (!index.has(to)) lowest = Math.min(lowest, visit(to))
      else if (stack.includes(to)) lowest = Math.min(lowest, index.get(to) as number)
    }
    low.set(file, lowest)
    if (lowest === at) {
      const circle = stack.splice(stack.indexOf(file))
      if (circle.length > 1) circles.push(circle.sort())
    }
    return lowest
  }
  for (const { file } of shapes) if (!index.has(file)) visit(file)
  return circles
}
