/**
 * Registered capabilities, methods and types, and the handling of requests.
 *
 * Invariants: a login has a bounded number of concurrent requests; an object type is registered once per name.
 */
import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Clock, Log } from 'iems'
import type { AccountsApi } from '../../directory/static/api.ts'
import type { MailStoreApi } from '../../mailbox/store/api.ts'
import { type Call, HttpProblem, type LoggedIn } from '../http/api.ts'
import {
  type Capability,
  CORE,
  type JmapApi,
  type JmapCall,
  type Method,
  type ObjectType,
  type OpenBlob,
} from './api.ts'
import type { Blob } from './blob/blob.ts'
import { openBlob } from './blob/blobs.ts'
import { requestError } from './errors.ts'
import { methodsOf } from './objects.ts'
import type { Options } from './options.ts'
import { readRequest, runRequest } from './request.ts'
import { sessionOf } from './session.ts'

export interface RegistryDeps {
  readonly clock: Clock
  readonly log: Log
  readonly limits: Options['limits']
  readonly mail: MailStoreApi
  readonly accounts: AccountsApi
}

const REQUEST_MS = 60_000

export class Registry implements JmapApi {
  readonly capabilities = new Map<string, Capability>()
  readonly blobKinds = new Map<string, OpenBlob>()
  readonly #methods = new Map<string, Method>()
  readonly #types = new Map<string, ObjectType>()
  readonly #watchers = new Map<string, Set<() => void>>()
  readonly #running = new Map<string, number>()
  readonly #deps: RegistryDeps

  constructor(deps: RegistryDeps) {
    this.#deps = deps
  }

  /** Of all methods, for tests that walk them. */
  get methodNames(): readonly string[] {
    return [...this.#methods.keys()]
  }

  capability(urn: string, capability: Capability): void {
    this.capabilities.set(urn, capability)
  }

  objects<C>(name: string, type: ObjectType<C>): void {
    if (this.#types.has(name)) throw new Error(`the JMAP type ${name} is there twice`)
    this.#types.set(name, type as ObjectType)
    for (const [method, made] of methodsOf(name, type as ObjectType, this.#deps.limits)) this.method(method, made)
  }

  method<S extends StandardSchemaV1>(name: string, method: Method<S>): void {
    if (this.#methods.has(name)) throw new Error(`the JMAP method ${name} is there twice`)
    this.#methods.set(name, method as unknown as Method)
  }

  blobs(letter: string, open: OpenBlob): void {
    if (!/^[A-Z]$/.test(letter) || 'EPU'.includes(letter) || this.blobKinds.has(letter))
      throw new Error(`blob ids cannot begin with ${letter}: the letter is taken`)
    this.blobKinds.set(letter, open)
  }

  openBlob(account: string, blobId: string, call: JmapCall): Promise<Blob | undefined> {
    return openBlob({ mail: this.#deps.mail, blobs: this.blobKinds }, { account, blobId }, call)
  }

  changed(account: string, _types: readonly string[]): void {
    for (const tell of this.#watchers.get(account) ?? []) tell()
  }

  watch(account: string, changed: () => void): () => void {
    const watchers = this.#watchers.get(account) ?? new Set()
    this.#watchers.set(account, watchers)
    watchers.add(changed)
    const stop = this.#deps.mail.watch(account, changed)
    return () => {
      stop()
      watchers.delete(changed)
      if (watchers.size === 0) this.#watchers.delete(account)
    }
  }

  async states(account: string, types: readonly string[], call: Pick<JmapCall, 'own'>) {
    const states: Record<string, string> = {}
    for (const name of types) {
      const type = this.#types.get(name)
      if (type) states[name] = await type.state(account, call as JmapCall)
    }
    return states
  }

  session(call: LoggedIn<Call>): Promise<object> {
    requireMailbox(call)
    const { limits, accounts } = this.#deps
    return sessionOf(
      { accounts, limits, capabilities: this.capabilities, sharedWith: (account) => this.#sharedWith(account) },
      call,
    )
  }

  /** The response to a request. Throws an `HttpProblem`. */
  async answer(text: string, call: LoggedIn<Call>): Promise<object> {
    requireMailbox(call)
    const { limits, log } = this.#deps
    const capabilities = new Set([CORE, ...this.capabilities.keys()])
    const request = readRequest(text, { maxCalls: limits.calls, capabilities })
    const createdIds = new Map(Object.entries(request.createdIds ?? {}))
    const responses = await this.#oneOfFew(call, () =>
      runRequest(request, this.#callOf(call, { using: request.using, createdIds }), {
        methods: this.#methods,
        capabilities,
        maxCalls: limits.calls,
        log,
      }),
    )
    const { state } = (await this.session(call)) as { state: string }
    return {
      methodResponses: responses,
      ...(request.createdIds ? { createdIds: Object.fromEntries(createdIds) } : {}),
      sessionState: state,
    }
  }

  jmapCall(call: LoggedIn<Call>): JmapCall {
    requireMailbox(call)
    return this.#callOf(call, { using: [], createdIds: new Map() })
  }

  #callOf(
    call: LoggedIn<Call>,
    { using, createdIds }: { readonly using: readonly string[]; readonly createdIds: Map<string, string> },
  ): JmapCall {
    const own = call.login.identity.account as string
    return {
      login: call.login,
      own,
      using: new Set(using),
      createdIds,
      signal: AbortSignal.any([call.signal, AbortSignal.timeout(REQUEST_MS)]),
      mayUse: async (account) => account === own || (await this.#sharedWith(own)).includes(account),
      openSession: () => call.openSession('mail'),
    }
  }

  async #sharedWith(account: string): Promise<readonly string[]> {
    return [...new Set((await this.#deps.mail.shared(account)).map((mailbox) => mailbox.account))]
  }

  async #oneOfFew<T>({ login }: LoggedIn<Call>, work: () => Promise<T>): Promise<T> {
    const account = login.identity.account as string
    const running = this.#running.get(account) ?? 0
    if (running >= this.#deps.limits.concurrentRequests)
      throw requestError('limit', 'Too many requests at a time', { limit: 'maxConcurrentRequests' })
    this.#running.set(account, running + 1)
    try {
      return await work()
    } finally {
      const left = (this.#running.get(account) ?? 1) - 1
      if (left > 0) this.#running.set(account, left)
      else this.#running.delete(account)
    }
  }
}

function requireMailbox({ login }: LoggedIn<Call>): void {
  if (login.identity.account === undefined) throw new HttpProblem(403, 'This login has no mailboxes')
}
