/**
 * The API as the pages call it: JSON, streams of lines, and the question for the password before what cannot be undone.
 */
export class ApiError extends Error {
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
  | { readonly end: 'done' | 'failed'; readonly why?: string }

/** Asks for the password; false when the person did not give it. */
type Confirm = () => Promise<boolean>
/** Set by the shell, which shows the dialog and the sign-in. */
export const session: { confirm: Confirm; ended(): void } = { confirm: async () => false, ended() {} }

async function ask(method: string, path: string, body: unknown, signal?: AbortSignal): Promise<Response> {
  const isOctets = body instanceof Blob
  const response = await fetch(path, {
    method,
    ...(signal ? { signal } : {}),
    ...(body === undefined
      ? {}
      : {
          headers: isOctets ? {} : { 'content-type': 'application/json' },
          body: isOctets ? body : JSON.stringify(body),
        }),
  })
  if (response.ok) return response
  const problem = (await response.json().catch(() => ({}))) as { detail?: string; needs?: string }
  if (response.status === 401) session.ended()
  if (problem.needs === 'confirmation' && (await session.confirm())) return ask(method, path, body, signal)
  throw new ApiError(response.status, problem.detail ?? `The server answered ${response.status}`, problem.needs)
}

export async function api<T = unknown>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  const response = await ask(method, path, body, signal)
  return (response.status === 204 ? undefined : await response.json()) as T
}

export async function text(path: string): Promise<string> {
  return (await ask('GET', path, undefined)).text()
}

/** The lines of long work as they come. Aborting ends the work on the server. */
export async function* stream(path: string, body: unknown, signal: AbortSignal): AsyncGenerator<Line> {
  const response = await ask('POST', path, body, signal)
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ''
  for (;;) {
    const { value, done } = (await reader?.read()) ?? { value: undefined, done: true }
    if (done) return
    const parts = (rest + value).split('\n')
    rest = parts.pop() ?? ''
    for (const part of parts) if (part !== '') yield JSON.parse(part) as Line
  }
}

export const query = (values: Readonly<Record<string, string | number | boolean | undefined>>): string => {
  const pairs = Object.entries(values).filter(([, value]) => value !== undefined && value !== '')
  return pairs.length === 0 ? '' : `?${new URLSearchParams(pairs.map(([name, value]) => [name, String(value)]))}`
}
