/**
 * Joining, leaving and options: a person's control over their own membership, by mail, page or command.
 *
 * Invariants: nothing changes for an address before its owner and, if the list requires it, a moderator has agreed;
 * non-members cannot find out who is a member.
 */

import type { Store } from 'iems'
import type { MailingList, Member, MemberOptions } from './api.ts'
import { expandText, messageIdHash } from './content.ts'
import type { SendLetter } from './letters.ts'
import type { Held } from './records.ts'
import { encode, heldKey, roleAddress } from './records.ts'
import { fits, type Roster } from './roster.ts'
import { textsOf } from './texts.ts'
import type { Tokens, Wish } from './tokens.ts'

export interface MembershipDeps {
  readonly roster: Roster
  readonly tokens: Tokens
  readonly store: Store
  readonly send: SendLetter
  readonly site: string | undefined
  readonly confirmMs: number
  readonly now: () => number
  announce(list: MailingList, held: Held): Promise<void>
}

/** The result of a request. */
export type Result = 'done' | 'confirming' | 'waiting' | 'closed' | 'unchanged'

const DAY_MS = 86_400_000

export class Membership {
  readonly #deps: MembershipDeps

  constructor(deps: MembershipDeps) {
    this.#deps = deps
  }

  /** For a person whose address is not confirmed. */
  async askToJoin(
    list: MailingList,
    address: string,
    options: MemberOptions = {},
    { alwaysConfirms = false } = {},
  ): Promise<Result> {
    const { subscribe, bans } = list.settings
    if (subscribe === 'closed' || fits(bans, address)) return 'closed'
    // Members get no second notice; the visible answer is identical.
    if (subscribe === 'open' && !alwaysConfirms) return this.join(list, address, options)
    if (subscribe === 'approve') return this.#wait(list, address, 'subscribe')
    return this.#confirm({ action: 'subscribe', list: list.address, address, options }, list)
  }

  /** Without a confirmation: a login or a link has proven the address. */
  async joinAs(list: MailingList, address: string, options: MemberOptions = {}): Promise<Result> {
    const { subscribe, bans } = list.settings
    if (subscribe === 'closed' || fits(bans, address)) return 'closed'
    const mustWait = subscribe === 'approve' || subscribe === 'confirm-approve'
    return mustWait ? this.#wait(list, address, 'subscribe') : this.join(list, address, options)
  }

  async askToLeave(list: MailingList, address: string): Promise<Result> {
    const { unsubscribe } = list.settings
    if (unsubscribe === 'closed') return 'closed'
    if (!(await this.#deps.roster.member(list, address))) return 'confirming'
    if (unsubscribe === 'open') return this.leave(list, address)
    if (unsubscribe === 'approve') return this.#wait(list, address, 'unsubscribe')
    return this.#confirm({ action: 'unsubscribe', list: list.address, address }, list)
  }

  async askToSet(list: MailingList, address: string, options: MemberOptions): Promise<Result> {
    if (!(await this.#deps.roster.member(list, address))) return 'confirming'
    return this.#confirm({ action: 'set', list: list.address, address, options }, list)
  }

  /** Sends a link to the page of a member's options, if they are one. */
  async sendOptions(list: MailingList, address: string): Promise<void> {
    const { roster, site, tokens, confirmMs, send } = this.#deps
    const member = await roster.member(list, address)
    if (site === undefined || !member) return
    const token = await tokens.make({ action: 'options', list: list.address, address }, confirmMs)
    const texts = textsOf(list, member)
    await send({
      list,
      to: address,
      subject: texts.confirmSubject(texts.actions.options, list.address),
      text: texts.optionsText(list.address, `${site}/lists/options/${token}`),
    })
  }

  async #confirm(
    wish: Wish & { readonly action: 'subscribe' | 'unsubscribe' | 'set' },
    list: MailingList,
  ): Promise<Result> {
    const { roster, tokens, confirmMs, send, site } = this.#deps
    const token = await tokens.make(wish, confirmMs)
    const texts = textsOf(list, await roster.member(list, wish.address))
    const action = texts.actions[wish.action]
    const url = site === undefined ? undefined : `${site}/lists/confirm/${token}`
    await send({
      list,
      to: wish.address,
      subject: texts.confirmSubject(action, list.address),
      text: texts.confirmText(action, list.address, wish.address, url, Math.round(confirmMs / DAY_MS)),
      from: roleAddress(list.address, 'confirm', token),
    })
    return 'confirming'
  }

  async #wait(list: MailingList, address: string, kind: 'subscribe' | 'unsubscribe'): Promise<Result> {
    const { store, now, announce } = this.#deps
    // A repeated request of the same address is one request.
    const id = messageIdHash(`${kind}/${address}`).slice(0, 12).toLowerCase()
    const held: Held = { v: 1, id, at: now(), why: `Asks to ${kind}`, kind, address, subject: '', from: address }
    const at = heldKey(list.id, id)
    if (await store.commit([{ put: at, value: encode(held) }], [{ key: at, is: 'absent' }])) await announce(list, held)
    return 'waiting'
  }

  /** Applies a confirmed request. */
  async confirmed(wish: Wish): Promise<Result> {
    const list = await this.#deps.roster.list(wish.list)
    if (!list) return 'closed'
    const { address } = wish
    switch (wish.action) {
      case 'subscribe':
        return this.joinAs(list, address, wish.options)
      case 'unsubscribe':
        return this.leave(list, address)
      case 'set':
        return (await this.set(list, address, wish.options)) ? 'done' : 'unchanged'
      case 'resume':
        return (await this.#deps.roster.set(list, address, withoutBounces)) ? 'done' : 'unchanged'
      default:
        return 'unchanged'
    }
  }

  async join(list: MailingList, address: string, options: MemberOptions, isWelcomed = true): Promise<Result> {
    const { roster, send, site } = this.#deps
    const member = await roster.add(list, address, options)
    if (!member) return 'unchanged'
    const { welcome } = list.settings
    if (isWelcomed && welcome !== '')
      await send({
        list,
        to: address,
        subject: textsOf(list, member).welcomeSubject(list.address),
        text: expandText(welcome, list, site),
        from: roleAddress(list.address, 'request'),
      })
    return 'done'
  }

  async leave(list: MailingList, address: string): Promise<Result> {
    const { roster, send, site } = this.#deps
    const member = await roster.remove(list, address)
    if (!member) return 'unchanged'
    const { goodbye } = list.settings
    if (goodbye !== '')
      await send({
        list,
        to: address,
        subject: textsOf(list, member).goodbyeSubject(list.address),
        text: expandText(goodbye, list, site),
        from: roleAddress(list.address, 'request'),
      })
    return 'done'
  }

  set(list: MailingList, address: string, options: MemberOptions): Promise<Member | undefined> {
    return this.#deps.roster.set(list, address, (member) => ({ ...member, ...options }))
  }
}

export const withoutBounces = ({ bounce: _, ...member }: Member): Member => member
