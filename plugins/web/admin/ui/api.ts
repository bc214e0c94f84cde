/**
 * The API as the pages call it: JSON, streams of lines, and the question for the password before what cannot be undone.
 */
import { fromServer, withTexts } from '../../app/ui/from-server.ts'
import { t } from '../../app/ui/language.ts'

class ApiError extends Error {
  readonly status: number
  readonly needs: string | undefined
  constructor(status: number, detail: string, needs?: string) {
    super(detail)
    this.status = status
    this.needs = needs
  }
}

export type Line =
  | { readonly text: string; readonly value?: unknown }
  | { readonly progress: string; readonly done?: number; readonly total?: number }
  | { readonly fault: string; readonly at?: string }
  | { readonly bytes: string }
  | { readonly end: 'done' | 'failed' | 'cancelled'; readonly why?: string }

/** Answers with sentences of the server, and the properties that hold them. Others are names and values. */
const SENTENCES: readonly (readonly [path: RegExp, names: readonly string[]])[] = [
  [/\/status$/, ['text', 'cure']],
  [/\/(components|nodes)$/, ['why']],
  [/\/certificates$/, ['failure']],
  [/\/metrics$/, ['help']],
  [/\/pages$/, ['title', 'summary', 'description']],
  [/\/lists\/[^/]+\/held$/, ['why']],
  [/\/queue(\/hops)?$/, ['held']],
  [/\/configuration\/check$/, ['note']],
]

/** Asks for the password; false when the person did not give it. */
type Confirm = () => Promise<boolean>
/** Set by the shell, which shows the dialog and the sign-in. */
export const session: { confirm: Confirm; ended(): void } = { confirm: async () => false, ended() {} }

interface AskOptions {
  readonly signal?: AbortSignal
  readonly headers?: Readonly<Record<string, string>>
}

async function ask(method: string, path: string, body: unknown, options: AskOptions = {}): Promise<Response> {
  const { signal, headers } = options
  const isOctets = body instanceof Blob
  const response = await fetch(path, {
    method,
    ...(signal ? { signal } : {}),
    headers: { ...headers, ...(body === undefined || isOctets ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: isOctets ? body : JSON.stringify(body) }),
  })
  if (response.ok) return response
  const problem = (await response.json().catch(() => ({}))) as { detail?: string; needs?: string }
  if (response.status === 401) session.ended()
  if (problem.needs === 'confirmation' && (await session.confirm())) return ask(method, path, body, options)
  throw new ApiError(
    response.status,
    problem.detail !== undefined
      ? fromServer(problem.detail)
      : t('The server answered {{status}}', { status: response.status }),
    problem.needs,
  )
}

export async function api<T = unknown>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  const response = await ask(method, path, body, signal ? { signal } : {})
  if (response.status === 204) return undefined as T
  const [, names] = SENTENCES.find(([pattern]) => pattern.test(path.split('?', 1)[0] ?? path)) ?? []
  const answer = (await response.json()) as T
  return names ? withTexts(answer, names) : answer
}

export async function text(path: string): Promise<string> {
  return (await ask('GET', path, undefined)).text()
}

/** The lines of long work as they come. Aborting ends the work on the server. */
export async function* stream(path: string, body: unknown, signal: AbortSignal): AsyncGenerator<Line> {
  yield* linesOf(await ask('POST', path, body, { signal }))
}

/** A line of work. Of its values only faults and findings are sentences. */
const lineOf = (text: string): Line => withTexts(JSON.parse(text) as Line, ['text', 'fault', 'progress', 'why', 'cure'])

async function* linesOf(response: Response): AsyncGenerator<Line> {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ''
  for (;;) {
    const { value, done } = (await reader?.read()) ?? { value: undefined, done: true }
    if (done) return
    const parts = (rest + value).split('\n')
    rest = parts.pop() ?? ''
    for (const part of parts) if (part !== '') yield lineOf(part)
  }
}

/** Long work that the server goes on with when this page is gone; its id. */
export async function beginTask(path: string, body: unknown, title: string): Promise<string> {
  const headers = { prefer: 'respond-async', 'task-title': encodeURIComponent(title) }
  const response = await ask('POST', path, body, { headers })
  return ((await response.json()) as { task: string }).task
}

export const taskPath = (id: string): string => `/api/v1/tasks/${encodeURIComponent(id)}`
const AGAIN_MS = 1000

/** The lines of a task until its end, over connections that break. Aborting leaves the task alone. */
export async function* followTask(id: string, signal: AbortSignal): AsyncGenerator<Line> {
  let after = 0
  for (;;) {
    try {
      const response = await ask('GET', `${taskPath(id)}/lines?after=${after}`, undefined, { signal })
      for await (const line of linesOf(response)) {
        yield line
        if ('end' in line) return
        if (!('progress' in line)) after++
      }
    } catch (cause) {
      if (signal.aborted || (cause instanceof ApiError && cause.status < 500)) throw cause
    }
    yield { progress: t('The connection is lost; the work goes on') }
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS))
  }
}

export const query = (values: Readonly<Record<string, string | number | boolean | undefined>>): string => {
  const pairs = Object.entries(values).filter(([, value]) => value !== undefined && value !== '')
  return pairs.length === 0 ? '' : `?${new URLSearchParams(pairs.map(([name, value]) => [name, String(value)]))}`
}
