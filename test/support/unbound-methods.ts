/**
 * Methods that are taken off their object: destructured, or passed as a value, without `bind`. A method of a class loses
 * `this` then, and only a call shows it.
 *
 * Read by TypeScript's checker, with the files of this repository alone: what packages export is `any` here, which
 * keeps it quick.
 */
import { globSync } from 'node:fs'
import { relative, resolve } from 'node:path'
import ts from 'typescript'

const root = resolve(import.meta.dirname, '../..')

export interface UnboundMethod {
  readonly file: string
  readonly line: number
  readonly text: string
}

const OPTIONS: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2024,
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  allowImportingTsExtensions: true,
  noEmit: true,
  strict: true,
  skipLibCheck: true,
  types: [],
}

/** Resolves the files of this repository, by their paths or as 'iems…', and no package. */
function resolveOwn(specifier: string, from: string, entries: ReadonlyMap<string, string>) {
  const file = specifier.startsWith('.') ? resolve(from, '..', specifier) : entries.get(specifier)
  if (!file?.endsWith('.ts')) return { resolvedModule: undefined }
  return { resolvedModule: { resolvedFileName: file, extension: ts.Extension.Ts, isExternalLibraryImport: false } }
}

function programOf(files: readonly string[], entries: ReadonlyMap<string, string>): ts.Program {
  const host = ts.createCompilerHost(OPTIONS)
  host.resolveModuleNameLiterals = (literals, from) => literals.map(({ text }) => resolveOwn(text, from, entries))
  return ts.createProgram({ rootNames: [...files], options: OPTIONS, host })
}

/**
 * Whether a symbol is a method that needs its object: one of a class, or one of an interface that a class of these files
 * fulfils. Methods of objects that a function makes need none.
 */
class Methods {
  readonly #checker: ts.TypeChecker
  /** The classes by the names of their methods. */
  readonly #classes = new Map<string, ts.ClassLikeDeclaration[]>()
  readonly #known = new Map<ts.Declaration, boolean>()

  constructor(checker: ts.TypeChecker, sources: readonly ts.SourceFile[]) {
    this.#checker = checker
    for (const source of sources) this.#collect(source)
  }

  #collect(node: ts.Node): void {
    if (ts.isClassLike(node))
      for (const { name } of node.members.filter(isOwnMethod))
        this.#classes.set(name.getText(), [...(this.#classes.get(name.getText()) ?? []), node])
    ts.forEachChild(node, (child) => this.#collect(child))
  }

  has(symbol: ts.Symbol | undefined): boolean {
    return symbol?.declarations?.some((one) => this.#needsObject(one)) ?? false
  }

  #needsObject(one: ts.Declaration): boolean {
    if (ts.isMethodDeclaration(one)) return ts.isClassLike(one.parent) && isOwnMethod(one)
    if (!ts.isMethodSignature(one) || !ts.isInterfaceDeclaration(one.parent)) return false
    const known = this.#known.get(one) ?? this.#isFulfilled(one.parent, one.name.getText())
    this.#known.set(one, known)
    return known
  }

  #isFulfilled(by: ts.InterfaceDeclaration, method: string): boolean {
    const wanted = this.#checker.getTypeAtLocation(by)
    return (this.#classes.get(method) ?? []).some((one) =>
      this.#checker.isTypeAssignableTo(this.#checker.getTypeAtLocation(one), wanted),
    )
  }
}

const isOwnMethod = (one: ts.ClassElement): one is ts.MethodDeclaration =>
  ts.isMethodDeclaration(one) && !ts.getModifiers(one)?.some(isStatic)

const isStatic = ({ kind }: ts.Modifier) => kind === ts.SyntaxKind.StaticKeyword

/** Where a method may stand without being called: it is bound, compared, or asked whether it is there. */
function isHarmless(node: ts.PropertyAccessExpression): boolean {
  const { parent } = node
  if (ts.isCallExpression(parent)) return parent.expression === node
  if (ts.isPropertyAccessExpression(parent)) return parent.expression === node
  if (ts.isNonNullExpression(parent) || ts.isParenthesizedExpression(parent)) return true
  if (ts.isTypeQueryNode(parent) || ts.isTypeOfExpression(parent) || ts.isPrefixUnaryExpression(parent)) return true
  if (ts.isIfStatement(parent) || ts.isExpressionWithTypeArguments(parent)) return true
  if (ts.isConditionalExpression(parent)) return parent.condition === node
  if (!ts.isBinaryExpression(parent)) return false
  const { operatorToken, left } = parent
  const isAssigned = operatorToken.kind === ts.SyntaxKind.EqualsToken
  return isAssigned ? left === node : operatorToken.kind !== ts.SyntaxKind.QuestionQuestionToken
}

/** Methods of the types of these files that are taken off their object. `entries`: files by the names they are imported by. */
export function unboundMethods(
  patterns: readonly string[],
  entries: ReadonlyMap<string, string>,
): readonly UnboundMethod[] {
  const files = globSync([...patterns], { cwd: root })
    .filter((file) => !/\/ui\//.test(file))
    .map((file) => resolve(root, file))
  const program = programOf(files, entries)
  const checker = program.getTypeChecker()
  const sources = files.flatMap((file) => program.getSourceFile(file) ?? [])
  const methods = new Methods(checker, sources)
  const found: UnboundMethod[] = []
  const report = (node: ts.Node) => {
    const source = node.getSourceFile()
    const { line } = source.getLineAndCharacterOfPosition(node.getStart())
    found.push({ file: relative(root, source.fileName), line: line + 1, text: node.getText() })
  }
  const visit = (node: ts.Node): void => {
    if (ts.isPropertyAccessExpression(node) && !isHarmless(node)) {
      if (methods.has(checker.getSymbolAtLocation(node.name))) report(node)
    } else if (ts.isObjectBindingPattern(node)) {
      const type = checker.getTypeAtLocation(node)
      for (const element of node.elements) {
        const name = element.propertyName ?? element.name
        if (ts.isIdentifier(name) && methods.has(type.getProperty(name.text))) report(element)
      }
    }
    ts.forEachChild(node, visit)
  }
  for (const source of sources) visit(source)
  return found
}
