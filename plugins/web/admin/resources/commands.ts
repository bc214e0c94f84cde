/**
 * Every command of every plugin, with the schema of its input; its output is a stream of lines.
 *
 * Invariants: the kernel decides which commands a caller may run; irreversible ones require a fresh login.
 */
import * as z from 'zod'
import { HttpProblem, requireFresh } from '../../http/api.ts'
import type { ActionOutput } from '../api.ts'
import { type AdminCall, type AdminRoutes, type Line, lines, problemOf } from '../routes.ts'

const words = z.string().min(1).max(200)
const values = z.record(z.string(), z.unknown())
const MAX_INPUT = 268_435_456
const MAX_BODY = 16_777_216

export function addCommands(routes: AdminRoutes): void {
  routes.route({
    method: 'GET',
    path: '/api/v1/commands',
    who: 'status:read',
    summary: 'List the commands that the login may run, with the schema of their input',
    run: ({ administration }) => ({ commands: administration.commands() }),
  })
  routes.route({
    method: 'POST',
    path: '/api/v1/commands/run',
    who: 'status:read',
    summary: 'Run a command; its output is a stream of lines. `input` is the text of its file',
    body: z.strictObject({ words, values: values.default({}), input: z.string().optional() }),
    limit: { body: MAX_BODY },
    run: (call) => {
      const { input } = call.body
      return run(call, call.body, input === undefined ? undefined : only(Buffer.from(input)))
    },
  })
  routes.http.stream({
    method: 'POST',
    path: '/api/v1/commands/input',
    who: 'status:read',
    summary: 'Run a command with the body as its file; `values` is JSON',
    query: z.object({ words, values: z.string().max(100_000).default('{}') }),
    limit: { body: MAX_INPUT },
    async run(call) {
      try {
        const parsed = values.safeParse(jsonOf(call.query.values))
        if (!parsed.success) throw new HttpProblem(400, 'The values are no JSON object')
        return run(routes.with(call), { words: call.query.words, values: parsed.data }, call.body)
      } catch (cause) {
        throw problemOf(cause) ?? cause
      }
    },
  })
}

async function* only(octets: Uint8Array): AsyncGenerator<Uint8Array> {
  yield octets
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

type Given = { readonly words: string; readonly values: Readonly<Record<string, unknown>> }

function run(call: AdminCall, given: Given, input: AsyncIterable<Uint8Array> | undefined) {
  const { administration, login, signal } = call
  const found = administration.commands().find((one) => one.words === given.words)
  if (!found) throw new HttpProblem(404, 'There is no such command, or your role does not include it')
  if (found.irreversible) requireFresh(login)
  return lines(outputOf(administration.run({ ...given, signal, ...(input ? { input } : {}) })))
}

/** A command's output as lines. */
export async function* outputOf(output: AsyncIterable<ActionOutput>): AsyncGenerator<Line> {
  for await (const one of output) yield 'bytes' in one ? { bytes: Buffer.from(one.bytes).toString('base64') } : one
}
