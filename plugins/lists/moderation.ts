/**
 * Decisions about held posts, subscriptions and unsubscriptions: by command, by mail and on pages.
 *
 * Invariants: a decision takes effect once; an approved post is processed like any other.
 */
import { formatSize, type SetupContext } from 'iems'
import { decodeWords } from 'iems/mime'
import type { Decision, MailingList } from './api.ts'
import type { SendLetter } from './letters.ts'
import type { Membership } from './membership.ts'
import type { Posting } from './posting.ts'
import { encode, type Held, heldKey, roleAddress } from './records.ts'
import type { Roster } from './roster.ts'
import { textsOf } from './texts.ts'
import type { Tokens } from './tokens.ts'

export interface ModerationDeps extends Pick<SetupContext, 'store' | 'contents' | 'submit' | 'log'> {
  readonly roster: Roster
  readonly posting: Posting
  readonly membership: Membership
  readonly tokens: Tokens
  readonly send: SendLetter
}

export const moderatorsOf = ({ settings: { moderators, owners } }: MailingList): readonly string[] =>
  moderators.length > 0 ? moderators : owners

/** Asks the moderators about something that is held; each gets a token of their own. */
export function createAnnounce({
  contents,
  tokens,
  send,
  holdMs,
}: Pick<ModerationDeps, 'contents' | 'tokens' | 'send'> & { readonly holdMs: number }) {
  return async function announce(list: MailingList, held: Held): Promise<void> {
    const texts = textsOf(list)
    const subject = decodeWords(held.subject).slice(0, 200)
    const what =
      held.kind === 'post'
        ? `a post of ${held.address} (${formatSize(held.content?.size ?? 0)}): ${subject}`
        : `a request of ${held.address} to ${held.kind}`
    for (const moderator of moderatorsOf(list)) {
      const token = await tokens.make(
        { action: 'decide', list: list.address, address: moderator, held: held.id },
        holdMs,
      )
      await send({
        list,
        to: moderator,
        subject: texts.moderateSubject(list.address, held.kind === 'post' ? `"${subject}"` : held.kind),
        text: texts.moderateText(list.address, what, held.why, held.id),
        replyTo: roleAddress(list.address, 'confirm', token),
        ...(held.content ? { attached: contents.open(held.content) } : {}),
        once: `announce/${list.id}/${held.id}/${moderator}`,
      })
    }
  }
}

export class Moderation {
  readonly #deps: ModerationDeps

  constructor(deps: ModerationDeps) {
    this.#deps = deps
  }

  /** False when it is held no more. */
  async decide(list: MailingList, id: string, decision: Decision, text = ''): Promise<boolean> {
    const held = await this.#deps.posting.held(list, id)
    if (!held || held.approved) return false
    if (held.kind !== 'post') return this.#decideRequest(list, held, decision, text)
    if (decision === 'allow') await this.#allow(list, held.address)
    if (decision === 'approve' || decision === 'allow') await this.#approve(list, held)
    else await this.#end(list, held, decision === 'reject' ? text : undefined)
    return true
  }

  async #approve(list: MailingList, held: Held): Promise<void> {
    const { store, submit } = this.#deps
    if (!held.content) return
    await store.commit([{ put: heldKey(list.id, held.id), value: encode({ ...held, approved: true } satisfies Held) }])
    const { reply } = await submit({
      from: held.from,
      to: [roleAddress(list.address, 'approved', held.id)],
      content: held.content,
      once: `approved/${list.id}/${held.id}`,
    })
    if (reply.code < 300) return
    await store.commit([{ put: heldKey(list.id, held.id), value: encode(held) }])
    throw new Error(`The post could not be sent on: ${reply.code} ${reply.text}`)
  }

  async #allow(list: MailingList, address: string): Promise<void> {
    const { roster } = this.#deps
    if (await roster.set(list, address, (member) => ({ ...member, moderated: false }))) return
    await roster.setList(list.address, ({ settings }) => ({
      settings: { ...settings, allowed: [...new Set([...settings.allowed, address])] },
    }))
  }

  /** Forgets a post; with a text, which may be empty, its author is informed. */
  async #end(list: MailingList, held: Held, text: string | undefined): Promise<void> {
    if (text !== undefined && held.from !== '') {
      const texts = textsOf(list)
      await this.#deps.send({
        list,
        to: held.from,
        subject: texts.rejectedSubject(list.address),
        text: texts.rejectedText(list.address, held.subject, text),
        once: `rejected/${list.id}/${held.id}`,
      })
    }
    await this.#deps.posting.forget(list, held)
  }

  async #decideRequest(list: MailingList, held: Held, decision: Decision, text: string): Promise<boolean> {
    const { membership, posting, send } = this.#deps
    if (decision === 'approve' || decision === 'allow') {
      if (held.kind === 'subscribe') await membership.join(list, held.address, {})
      else await membership.leave(list, held.address)
    } else if (decision === 'reject')
      await send({
        list,
        to: held.address,
        subject: textsOf(list).rejectedSubject(list.address),
        text: textsOf(list).rejectedText(list.address, held.kind, text),
      })
    await posting.forget(list, held)
    return true
  }
}
