/**
 * Web Push (RFC 8030, 8291), signed by this server (VAPID, RFC 8292 and 9749). The only file that imports the library.
 *
 * Invariants: the record of sent states lets exactly one of several kernels push a state; a missing endpoint ends its
 * subscription; endpoints are public addresses.
 */
import { generateKeyPairSync } from 'node:crypto'
import { buildPushPayload } from '@block65/webcrypto-web-push'
import {
  type Clock,
  CONFLICT,
  type Dns,
  decodeRecord,
  encodeRecord,
  key,
  type Log,
  type Signals,
  type Store,
  transact,
} from 'iems'
import { requestPublic } from '../../http/api.ts'
import { listen, type PushDeps } from './pushes.ts'
import { type PushSubscription, type PushSubscriptions, SubscriptionsChanged } from './subscriptions.ts'

export interface WebPushDeps extends PushDeps {
  readonly clock: Clock
  readonly log: Log
  readonly dns: Dns
  readonly store: Store
  readonly signals: Signals
  readonly subscriptions: PushSubscriptions
  readonly types: readonly string[]
  /** Contact for push services: the postmaster's address. */
  readonly contact: string
  /** Non-public networks in which endpoints are allowed. */
  readonly allow: readonly string[]
}

interface Vapid {
  readonly publicKey: string
  readonly privateKey: string
}

const TIMEOUT_MS = 15_000
const MAX_ANSWER = 65_536
const TTL_SECONDS = 86_400
const AGAIN_MS = 60_000

/** The server's key, made when it is first needed. */
export function vapidKeys(store: Store): Promise<Vapid> {
  const at = key('vapid')
  return transact({ what: 'the key of pushes' }, async () => {
    const known = await store.get(at)
    if (known) return decodeRecord<Vapid>(known)
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const { x = '', y = '', d = '' } = privateKey.export({ format: 'jwk' })
    const point = Buffer.concat([Buffer.from([4]), Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')])
    const made: Vapid = { publicKey: point.toString('base64url'), privateKey: d }
    return (await store.commit([{ put: at, value: encodeRecord(made) }], [{ key: at, is: 'absent' }])) ? made : CONFLICT
  })
}

export class WebPush {
  readonly #deps: WebPushDeps
  /** Functions that stop listening, for each account with subscriptions. */
  readonly #accounts = new Map<string, () => void>()
  readonly #underWay = new Set<Promise<void>>()
  #isClosed = false

  constructor(deps: WebPushDeps) {
    this.#deps = deps
    deps.signals.subscribe(SubscriptionsChanged, (changed) => this.#keep(this.look(changed?.account)))
  }

  start(): Promise<void> {
    this.#isClosed = false
    return this.look()
  }

  /** Begins and ends listening for accounts as their subscriptions come and go. */
  async look(only?: string): Promise<void> {
    const found = new Set<string>()
    for await (const { account, one } of this.#deps.subscriptions.list(only)) if (one.isVerified) found.add(account)
    for (const account of found) if (!this.#accounts.has(account)) this.#listen(account)
    for (const [account, stop] of this.#accounts) {
      if (found.has(account) || (only !== undefined && account !== only)) continue
      stop()
      this.#accounts.delete(account)
    }
  }

  verify(account: string, id: string, one: PushSubscription): void {
    const message = { '@type': 'PushVerification', pushSubscriptionId: id, verificationCode: one.code }
    this.#keep(this.#send({ account, id, one }, message).then(() => {}))
  }

  async stop(): Promise<void> {
    this.#isClosed = true
    for (const stop of this.#accounts.values()) stop()
    this.#accounts.clear()
    await Promise.all(this.#underWay)
  }

  #keep(work: Promise<void>): void {
    const done = work.catch((cause: unknown) => this.#deps.log.warn('a push failed', { cause }))
    this.#underWay.add(done)
    void done.finally(() => this.#underWay.delete(done))
  }

  #listen(account: string): void {
    if (this.#isClosed) return
    const send = ({ changed }: { readonly changed: Readonly<Record<string, Readonly<Record<string, string>>>> }) =>
      this.#keep(this.#tell(account, changed[account] ?? {}))
    this.#accounts.set(account, listen(this.#deps, { accounts: [account], types: this.#deps.types, send }))
  }

  async #tell(account: string, states: Readonly<Record<string, string>>): Promise<void> {
    for await (const { id, one } of this.#deps.subscriptions.list(account)) {
      const wanted = Object.entries(states).filter(
        ([type, state]) => (one.types === null || one.types.includes(type)) && one.sent[type] !== state,
      )
      if (!one.isVerified || wanted.length === 0) continue
      const after = { ...one, sent: { ...one.sent, ...Object.fromEntries(wanted) } }
      // Another kernel has pushed it.
      if (!(await this.#deps.subscriptions.replace(account, id, one, after))) continue
      const message = { '@type': 'StateChange', changed: { [account]: Object.fromEntries(wanted) } }
      if ((await this.#send({ account, id, one: after }, message)) === 'later') this.#again(account, id, after)
    }
  }

  /** The push service was busy: the same states are sent again with the next change, or after a minute. */
  #again(account: string, id: string, one: PushSubscription): void {
    this.#deps.clock.after(AGAIN_MS, () => {
      if (this.#isClosed) return
      this.#keep(
        this.#deps.subscriptions
          .replace(account, id, one, { ...one, sent: {} })
          .then(async () => this.#tell(account, await this.#deps.states(account, this.#deps.types))),
      )
    })
  }

  async #send(
    { account, id, one }: { readonly account: string; readonly id: string; readonly one: PushSubscription },
    message: object,
  ): Promise<'done' | 'later' | 'gone'> {
    const { subscriptions, allow, contact, dns, log } = this.#deps
    try {
      const { headers, body } = await this.#payload(one, message)
      const { status } = await requestPublic(
        {
          url: one.url,
          method: 'POST',
          headers,
          body,
          timeout: TIMEOUT_MS,
          maxAnswer: MAX_ANSWER,
          allow,
        },
        dns,
      )
      if (status === 404 || status === 410) {
        await subscriptions.remove(account, id)
        return 'gone'
      }
      return status >= 200 && status < 300 ? 'done' : 'later'
    } catch (cause) {
      log.info('a push endpoint could not be reached', { account, contact, cause })
      return 'later'
    }
  }

  async #payload(
    one: PushSubscription,
    message: object,
  ): Promise<{ readonly headers: Record<string, string>; readonly body: Uint8Array }> {
    const { store, contact } = this.#deps
    if (!one.keys) {
      const body = Buffer.from(JSON.stringify(message))
      return {
        body,
        headers: {
          'content-type': 'application/json',
          ttl: String(TTL_SECONDS),
          'content-length': String(body.length),
        },
      }
    }
    const { publicKey, privateKey } = await vapidKeys(store)
    const { headers, body } = await buildPushPayload(
      { data: message as never, options: { ttl: TTL_SECONDS, urgency: 'normal' } },
      // The library knows https alone; plain HTTP is for allowed networks.
      { endpoint: one.url.replace(/^http:/, 'https:'), expirationTime: null, keys: one.keys },
      { subject: contact, publicKey, privateKey },
    )
    return { headers: { ...headers }, body }
  }
}
