/**
 * Runs a compiled script on a message: actions come out.
 *
 * Invariants: the same message, environment and script give the same actions; a script that fails gives none and keeps
 * the message (RFC 5228 section 2.10.6); no script runs longer than its limits.
 */
import { Pace } from 'iems'
import type { Node, Program, TestNode } from './compile.ts'
import {
  type Action,
  type Environment,
  LIMITS,
  type Limits,
  type MessageSource,
  type Result,
  type Step,
} from './environment.ts'
import { MessageView } from './message.ts'
import { type Flow, type Location, Run, type Shared } from './run.ts'
import { SieveError } from './syntax.ts'

export interface EvaluateOptions {
  readonly limits?: Partial<Limits>
  /** Notes each step, for people. Default false. */
  readonly explain?: boolean
  /** A view that several scripts share. */
  readonly view?: MessageView
  /** A script for `include`; undefined if there is none. Throws a SieveError if it is wrong. */
  script?(name: string, location: Location): Promise<Program | undefined>
}

export async function evaluate(
  program: Program,
  message: MessageSource,
  environment: Environment,
  { limits: given, explain = false, view = new MessageView(message), script }: EvaluateOptions = {},
): Promise<Result> {
  const limits = { ...LIMITS, ...given }
  const include: Shared['include'] = async (name, location, outer) => {
    const program = await script?.(name, location)
    return program && { flow: await runNodes(program.nodes, new Run(view, environment, shared, outer.depth + 1)) }
  }
  const steps: Step[] | undefined = explain ? [] : undefined
  const shared: Shared = {
    ...{
      limits,
      actions: [],
      globals: new Map(),
      included: new Set(),
      steps,
      flags: environment.flags ?? [],
      keeps: true,
    },
    ...{ include, stepsLeft: limits.steps, pace: new Pace(), workLeft: limits.work },
  }
  const run = new Run(view, environment, shared)
  try {
    const flow = await runNodes(program.nodes, run)
    const isKept = shared.keeps || shared.actions.some(({ kind }) => kind === 'keep')
    const content = shared.keeps ? view.changed : keptBy(shared.actions)
    return {
      ...(content ? { content } : {}),
      actions: shared.actions,
      isKept,
      flags: shared.keeps ? shared.flags : [],
      isStopped: flow === 'stop',
      steps: steps ?? [],
    }
  } catch (error) {
    if (!(error instanceof SieveError)) throw error
    const { at, message } = error
    view.restore()
    return { actions: [], isKept: true, flags: [], isStopped: true, steps: steps ?? [], error: { ...at, message } }
  }
}

/** The content filed by the last explicit keep. */
function keptBy(actions: readonly Action[]): MessageSource | undefined {
  const keep = actions.findLast(({ kind }) => kind === 'keep')
  return keep?.kind === 'keep' ? keep.content : undefined
}

async function runNodes(nodes: readonly Node[], run: Run): Promise<Flow> {
  for (const node of nodes) {
    const wait = run.shared.pace.due()
    if (wait) await wait
    const flow = await runNode(node, run)
    if (flow !== undefined) return flow
  }
  return undefined
}

async function runNode(node: Node, run: Run): Promise<Flow> {
  if (node.kind === 'unknown') throw node.error
  if (node.kind === 'if') {
    for (const { test, block } of node.branches) if (!test || (await runTest(test, run))) return runNodes(block, run)
    return undefined
  }
  run.step(node.at)
  const flow = node.spec.run(node.args, run, () => runNodes(node.block, run))
  const next = flow instanceof Promise ? await flow : flow
  if (run.isExplained) run.explain(node.spec.isControl ? 'control' : 'action', node.at, describe(node, run))
  return next ?? undefined
}

async function runTest(node: TestNode, run: Run): Promise<boolean> {
  if (node.kind === 'unknown') throw node.error
  run.step(node.at)
  if (node.kind === 'test') {
    const found = node.spec.run(node.args, run)
    const result = typeof found === 'boolean' ? found : await found
    if (run.isExplained) run.explain('test', node.at, describe(node, run), result)
    return result
  }
  const wanted = node.kind !== 'allof'
  for (const test of node.tests) if ((await runTest(test, run)) === wanted) return node.kind === 'not' ? false : wanted
  return node.kind === 'not' ? true : !wanted
}

/** A command or test with its arguments, as they were when it ran. */
function describe({ name, args }: Pick<Extract<Node, { kind: 'command' }>, 'name' | 'args'>, run: Run): string {
  const tags = [...args.tags].map((tag) => [`:${tag}`, ...shown(tag)].join(' '))
  return [name, ...tags, ...[0, 1, 2].flatMap(shown)].join(' ')

  function shown(which: string | number): string[] {
    const number = args.number(which)
    if (number !== undefined) return [String(number)]
    if (!args.has(which)) return []
    const texts = args.strings(which, run).map((text) => JSON.stringify(text.slice(0, 200)))
    return texts.length === 0 ? [] : [texts.length === 1 ? (texts[0] as string) : `[${texts.join(', ')}]`]
  }
}
