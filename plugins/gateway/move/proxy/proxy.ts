/**
 * The proxy of a move: sessions and mail of accounts that are still on the old server go there.
 *
 * Invariants: an account is served in one place at a time; when it is switched its sessions there end, and new logins
 * wait until it is here; mail that was on its way to the old server is fetched afterwards.
 */
import { setTimeout as wait } from 'node:timers/promises'
import {
  type Delivery,
  type Disposition,
  defer,
  defineSignal,
  type Recipient,
  type Route,
  type SetupContext,
} from 'iems'
import type { AccountsApi } from '../../../directory/static/api.ts'
import type { OldProtocol, OldServerApi } from '../api.ts'
import { masterLogin } from '../commands/accounts.ts'
import type { Proxy as ProxyOptions, Server } from '../options.ts'
import type { OldAddress } from './dialogue.ts'
import { openOldSession } from './login.ts'
import type { Places } from './places.ts'

/** An account is being switched: every kernel ends its sessions on the old server. */
export const Switching = defineSignal<{ readonly account: string }>('move:switching')

/** Wait of a login for the end of a switch, and between two looks. */
const LOGIN_WAIT_MS = 60_000
const LOOK_MS = 250
const POSTPONE_MS = 30_000

const MOVING = defer(451, '4.2.1', 'The mailbox is being moved')

export interface ProxyDeps {
  readonly ctx: SetupContext
  readonly accounts: AccountsApi
  readonly places: Places
  readonly server: Server
  readonly proxy: ProxyOptions
}

type Sockets = Map<string, Set<{ destroy(): void }>>

export class MoveProxy implements OldServerApi {
  readonly #deps: ProxyDeps
  readonly #open: Sockets

  constructor(deps: ProxyDeps) {
    this.#deps = deps
    this.#open = deps.ctx.lasting('sessions', (): Sockets => new Map())
    deps.ctx.signals.subscribe(Switching, (told) => {
      // Without a value hints were lost: clients log in again.
      for (const account of told ? [told.account] : this.#open.keys()) this.#cut(account)
    })
  }

  #cut(account: string): void {
    for (const socket of this.#open.get(account) ?? []) socket.destroy()
    this.#open.delete(account)
  }

  /** Undefined when the protocol is served here from the first day. */
  #addressOf(protocol: OldProtocol): OldAddress | undefined {
    const { server, proxy } = this.#deps
    if (protocol === 'POP3') return { ...server, port: proxy.pop3.port, tls: proxy.pop3.tls ?? server.tls }
    if (protocol === 'ManageSieve') return proxy.sieve && { ...server, ...proxy.sieve }
    return server
  }

  async sessionOf(protocol: OldProtocol, id: string): ReturnType<OldServerApi['sessionOf']> {
    const { accounts, places, server, ctx } = this.#deps
    const address = this.#addressOf(protocol)
    if (!address) return undefined
    const end = ctx.clock.now() + LOGIN_WAIT_MS
    let place = await places.of(id)
    while (place === 'switching' && ctx.clock.now() < end) {
      await wait(LOOK_MS)
      place = await places.of(id)
    }
    if (place === 'here') return undefined
    if (place === 'switching') throw new Error('the account is being switched')
    const account = await accounts.byId(id)
    if (!account) throw new Error(`there is no account ${id}`)
    const session = await openOldSession(protocol, address, masterLogin(server, account))
    const { stream } = session
    this.#open.set(id, (this.#open.get(id) ?? new Set()).add(stream))
    stream.once('close', () => this.#open.get(id)?.delete(stream))
    // It may have been switched meanwhile.
    if ((await places.of(id)) !== 'there') this.#cut(id)
    return session
  }

  async #placeOf(address: string): Promise<'there' | 'switching' | 'here' | undefined> {
    const found = await this.#deps.accounts.byAddress(address)
    return found && this.#deps.places.of(found.account.id)
  }

  /** Mail of an account that is there goes there. */
  async route({ address }: Pick<Recipient, 'address'>): Promise<Route | undefined> {
    const place = await this.#placeOf(address)
    if (place === undefined || place === 'here') return undefined
    const { channel, nexthop } = this.#deps.proxy.delivery
    return { channel, nexthop }
  }

  /** The account may have been switched since its mail was routed. */
  async dispatch(delivery: Delivery): Promise<Disposition | undefined> {
    const { delivery: old, local } = this.#deps.proxy
    if (delivery.route.channel !== old.channel || delivery.route.nexthop !== old.nexthop) return undefined
    const places = await Promise.all(delivery.recipients.map(({ address }) => this.#placeOf(address)))
    if (places.includes('switching'))
      return { kind: 'postpone', until: new Date(this.#deps.ctx.clock.now() + POSTPONE_MS), reply: MOVING.reply }
    if (!places.every((place) => place === 'here')) return undefined
    return { kind: 'reroute', route: { channel: local, nexthop: 'mailboxes' } }
  }
}
