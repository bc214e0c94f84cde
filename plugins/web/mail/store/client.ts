/**
 * The transport: JMAP requests, uploads and downloads with the browser's own login.
 *
 * Invariants: a failure has a kind, so that the page can wait for the network, ask for the password, or show the
 * server's reason.
 */
import type { Session } from './objects.ts'

/** A server's response, whose shape the caller knows. */
// biome-ignore lint/suspicious/noExplicitAny: as said above
export type Json = Record<string, any>
export type Call = readonly [method: string, given: Json]

const USING = [
  'urn:ietf:params:jmap:core',
  'urn:ietf:params:jmap:mail',
  'urn:ietf:params:jmap:submission',
  'urn:ietf:params:jmap:quota',
  'urn:ietf:params:jmap:principals',
  'urn:ietf:params:jmap:contacts',
  'urn:iems:jmap:conversations',
]
const MAIL = 'urn:ietf:params:jmap:mail'
const REQUEST_TIMEOUT_MS = 30_000
const UPLOAD_TIMEOUT_MS = 600_000

export type FailureKind = 'offline' | 'login' | 'refused'

export class Failure extends Error {
  readonly kind: FailureKind
  /** JMAP error type, such as `notFound`. */
  readonly type: string
  constructor(kind: FailureKind, message: string, type = '') {
    super(message)
    this.kind = kind
    this.type = type
  }
}

export interface ClientOptions {
  /** Origin of the server, without a slash at its end. Empty in the browser. */
  readonly base: string
  readonly fetch: typeof fetch
}

export class JmapClient {
  readonly #base: string
  readonly #fetch: typeof fetch
  #session: Session | undefined
  /** Of another person, whose mailboxes the login sees. */
  #shared: string | undefined

  constructor({ base, fetch }: ClientOptions) {
    this.#base = base
    this.#fetch = fetch
  }

  get account(): string {
    return this.#shared ?? this.#session?.primaryAccounts[MAIL] ?? ''
  }

  get session(): Session | undefined {
    return this.#session
  }

  /** Goes on with the session of another time, before the server answers. */
  resume(session: Session): void {
    this.#session = session
  }

  /** A client of the same login for another account. */
  forAccount(account: string): JmapClient {
    const other = new JmapClient({ base: this.#base, fetch: this.#fetch })
    other.#session = this.#session
    other.#shared = account
    return other
  }

  get user(): string {
    return this.#session?.username ?? ''
  }

  async open(): Promise<Session> {
    this.#session = (await (await this.#ask('/jmap/session')).json()) as Session
    return this.#session
  }

  /** The responses' arguments in order. Throws a `Failure` at the first error. */
  async call(...calls: readonly Call[]): Promise<Json[]> {
    const methodCalls = calls.map(([method, given], index) => [
      method,
      { accountId: this.account, ...given },
      `c${index}`,
    ])
    const response = await this.#ask('/jmap/api', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ using: USING, methodCalls }),
    })
    const { methodResponses } = (await response.json()) as { methodResponses: [string, Json, string][] }
    return methodResponses.map(([method, given]) => {
      if (method === 'error') throw new Failure('refused', given.description ?? given.type, given.type)
      return given
    })
  }

  async upload(content: Blob, signal?: AbortSignal): Promise<string> {
    const response = await this.#ask(`/jmap/upload/${this.account}`, {
      method: 'POST',
      headers: { 'content-type': content.type || 'application/octet-stream' },
      body: content,
      signal: AbortSignal.any([AbortSignal.timeout(UPLOAD_TIMEOUT_MS), ...(signal ? [signal] : [])]),
    })
    return ((await response.json()) as { blobId: string }).blobId
  }

  download(blobId: string, name: string, type: string): string {
    const file = encodeURIComponent(name.replaceAll(/[/\\]/g, '_') || 'file')
    return `${this.#base}/jmap/download/${this.account}/${blobId}/${file}?type=${encodeURIComponent(type)}`
  }

  async #ask(path: string, init: RequestInit = {}): Promise<Response> {
    let response: Response
    try {
      response = await this.#fetch(this.#base + path, { signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS), ...init })
    } catch (cause) {
      throw new Failure('offline', cause instanceof Error ? cause.message : 'The server was not reached')
    }
    if (response.ok) return response
    const problem = (await response.json().catch(() => ({}))) as { detail?: string }
    const kind = response.status === 401 ? 'login' : response.status >= 500 ? 'offline' : 'refused'
    throw new Failure(kind, problem.detail ?? `${response.status} ${response.statusText}`)
  }
}

/** Throws the first refusal of a set as a `Failure`. */
export function throwRefusal(set: Json | undefined): void {
  const all = [set?.notCreated, set?.notUpdated, set?.notDestroyed] as (Record<string, Json> | null | undefined)[]
  const [refused] = all.flatMap((refusals) => Object.values(refusals ?? {}))
  if (refused) throw new Failure('refused', refused.description ?? refused.type, refused.type)
}
