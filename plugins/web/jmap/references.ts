/**
 * References to results of earlier calls (RFC 8620 section 3.7), by JSON pointers with `*` for every element.
 *
 * Invariant: the result of a reference is bounded, and only own properties are read.
 */
import { MethodError } from './errors.ts'

export interface Response {
  readonly name: string
  readonly given: object
  readonly id: string
}

const MAX_DEPTH = 20
const MAX_RESULTS = 100_000

interface Reference {
  readonly resultOf: string
  readonly name: string
  readonly path: string
}

const isReference = (value: unknown): value is Reference =>
  typeof value === 'object' &&
  value !== null &&
  ['resultOf', 'name', 'path'].every((name) => typeof Reflect.get(value, name) === 'string')

const invalid = (why: string) => new MethodError('invalidResultReference', why)

/** Replaces each `#name` argument by the value it refers to. */
export function resolveReferences(given: Readonly<Record<string, unknown>>, responses: readonly Response[]) {
  const resolved: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(given)) {
    if (!name.startsWith('#')) {
      resolved[name] = value
      continue
    }
    const plain = name.slice(1)
    if (plain in given) throw new MethodError('invalidArguments', `both ${plain} and ${name} are given`)
    if (!isReference(value)) throw invalid(`${name} is no reference`)
    const found = responses.find(({ id }) => id === value.resultOf)
    if (found?.name !== value.name) throw invalid(`no response ${value.name} of the call ${value.resultOf}`)
    resolved[plain] = evaluate(found.given, value.path)
  }
  return resolved
}

/** RFC 6901 with `*`. Throws invalidResultReference. */
export function evaluate(from: unknown, path: string): unknown {
  if (path !== '' && !path.startsWith('/')) throw invalid('the path must begin with a slash')
  const steps = path === '' ? [] : path.slice(1).split('/')
  if (steps.length > MAX_DEPTH) throw invalid(`the path has more than ${MAX_DEPTH} steps`)
  return follow(
    from,
    steps.map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~')),
  )
}

function follow(value: unknown, steps: readonly string[]): unknown {
  const [step, ...rest] = steps
  if (step === undefined) return value
  if (Array.isArray(value)) {
    if (step === '*') return everyOne(value, rest)
    if (!/^(?:0|[1-9]\d{0,8})$/.test(step) || Number(step) >= value.length) throw invalid(`there is no element ${step}`)
    return follow(value[Number(step)], rest)
  }
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step))
    throw invalid(`there is no property ${step}`)
  return follow((value as Record<string, unknown>)[step], rest)
}

/** Arrays that elements come to are joined. */
function everyOne(values: readonly unknown[], rest: readonly string[]): unknown[] {
  const all: unknown[] = []
  for (const value of values) {
    const found = follow(value, rest)
    if (Array.isArray(found)) for (const one of found) all.push(one)
    else all.push(found)
    if (all.length > MAX_RESULTS) throw invalid(`more than ${MAX_RESULTS} values`)
  }
  return all
}
