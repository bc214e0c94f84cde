/**
 * Bounces of members: scores that are forgotten, a probe, suspension with warnings, removal.
 *
 * Invariants: one bounce of a member counts in a day; a member is suspended only after a probe came back; the owners
 * are informed of what changes.
 */
import { accept, type Delivery, type Reply, type SetupContext } from 'iems'
import type { BounceState, MailingList, Member } from './api.ts'
import { type Bounced, readBounce } from './bounce-reading.ts'
import type { Target } from './deliver.ts'
import type { SendLetter } from './letters.ts'
import { type Membership, withoutBounces } from './membership.ts'
import { foldAddress, roleAddress } from './records.ts'
import type { Roster } from './roster.ts'
import { textsOf } from './texts.ts'
import type { Tokens } from './tokens.ts'

export interface BounceDeps extends Pick<SetupContext, 'clock' | 'log'> {
  readonly roster: Roster
  readonly tokens: Tokens
  readonly membership: Membership
  readonly send: SendLetter
  readonly site: string | undefined
  readonly forgetMs: number
  readonly warnings: number
  readonly warnMs: number
}

const TAKEN = accept(250, '2.0.0', 'OK')
const DAY_MS = 86_400_000
/** A probe that has not come back so long after it was sent has arrived. */
const PROBE_MS = 5 * DAY_MS
const SCORES = { permanent: 1, temporary: 0.5 } as const

const fresh = (now: number): BounceState => ({ score: 0, last: 0, state: 'counting', since: now, warnings: 0 })

export class Bounces {
  readonly #deps: BounceDeps

  constructor(deps: BounceDeps) {
    this.#deps = deps
  }

  /** Mail to the -bounces address. */
  async take({ mailing: list, detail }: Target, { message }: Delivery): Promise<Reply> {
    const named = detail === '' ? undefined : await this.#deps.roster.byToken(detail)
    const probe = detail === '' || named ? undefined : await this.#deps.tokens.look(detail)
    const found = await readBounce(message)
    if (probe?.action === 'probe') {
      if (found.some(({ kind }) => kind === 'permanent' || kind === 'temporary')) {
        await this.#deps.tokens.use(detail)
        await this.#suspend(list, probe.address)
      }
      return TAKEN
    }
    // The return path names the member, whatever the report says.
    if (named) {
      const [first] = found
      if (first && named.list.id === list.id) await this.#note(list, named.member.address, first)
      return TAKEN
    }
    for (const bounced of found) {
      const address = foldAddress(bounced.address ?? '')
      if (address !== undefined) await this.#note(list, address, bounced)
    }
    return TAKEN
  }

  /** An address that this server could not send to. */
  refused(list: MailingList, address: string, why: string): Promise<void> {
    return this.#note(list, address, { kind: 'permanent', why })
  }

  async #note(list: MailingList, address: string, { kind, why }: Bounced): Promise<void> {
    const { roster, clock, membership, forgetMs, log } = this.#deps
    if (kind === 'complaint') {
      if ((await membership.leave(list, address)) === 'done')
        await this.#informOwners(list, address, 'was removed after a complaint', why)
      return
    }
    const now = clock.now()
    const { bounceScore } = list.settings
    if (bounceScore === 0) return
    let isProbed = false
    const member = await roster.set(list, address, (before) => {
      isProbed = false
      const state = before.bounce ?? fresh(now)
      if (state.state !== 'counting' || now - state.last < DAY_MS) return undefined
      const score = (now - state.last > forgetMs ? 0 : state.score) + SCORES[kind]
      isProbed = score >= bounceScore
      return {
        ...before,
        bounce: { ...state, score, last: now, ...(isProbed ? { state: 'probing', since: now } : {}) },
      }
    })
    if (!member) return
    log.info('a post to a member of a list bounced', {
      list: list.address,
      member: address,
      why,
      score: member.bounce?.score,
    })
    if (isProbed) await this.#probe(list, member)
  }

  async #probe(list: MailingList, member: Member): Promise<void> {
    const { tokens, send } = this.#deps
    const { address } = member
    const token = await tokens.make({ action: 'probe', list: list.address, address }, PROBE_MS)
    const texts = textsOf(list, member)
    await send({
      list,
      to: address,
      subject: texts.probeSubject(list.address),
      text: texts.probeText(list.address),
      returnPath: roleAddress(list.address, 'bounces', token),
    })
  }

  async #suspend(list: MailingList, address: string): Promise<void> {
    const { roster, clock } = this.#deps
    const now = clock.now()
    const member = await roster.set(list, address, (before) =>
      before.bounce?.state === 'suspended'
        ? undefined
        : { ...before, bounce: { ...(before.bounce ?? fresh(now)), state: 'suspended', since: now, warnings: 0 } },
    )
    if (!member) return
    await this.#informOwners(list, address, 'gets no more mail: it came back', '')
    await this.#warn(list, member)
  }

  /** Warns a suspended member, or removes them when they have been warned often enough. */
  async #warn(list: MailingList, member: Member): Promise<void> {
    const { roster, tokens, send, site, warnings, warnMs } = this.#deps
    const { address, bounce } = member
    if (bounce === undefined) return
    if (bounce.warnings >= warnings) {
      if (await roster.remove(list, address))
        await this.#informOwners(list, address, 'was removed: its mail came back', '')
      return
    }
    const token = await tokens.make({ action: 'resume', list: list.address, address }, warnMs * (warnings + 1))
    const texts = textsOf(list, member)
    await send({
      list,
      to: address,
      subject: texts.warningSubject(list.address),
      text: texts.warningText(list.address, site === undefined ? undefined : `${site}/lists/confirm/${token}`),
      from: roleAddress(list.address, 'confirm', token),
    })
    await roster.set(list, address, (before) =>
      before.bounce
        ? {
            ...before,
            bounce: { ...before.bounce, warnings: before.bounce.warnings + 1, since: this.#deps.clock.now() },
          }
        : undefined,
    )
  }

  async #informOwners(list: MailingList, address: string, what: string, why: string): Promise<void> {
    for (const owner of list.settings.owners)
      await this.#deps.send({
        list,
        to: owner,
        subject: `${list.address}: ${address} ${what}`,
        text: `The member ${address} of ${list.address} ${what}.${why === '' ? '' : `\n\n${why}`}`,
        from: roleAddress(list.address, 'request'),
      })
  }

  /** Probes that have arrived, and suspended members whose next warning is due. */
  async sweep(signal: AbortSignal): Promise<void> {
    const { roster, clock, warnMs } = this.#deps
    for await (const list of roster.lists())
      for await (const member of roster.members(list)) {
        if (signal.aborted) return
        const { bounce } = member
        if (bounce?.state === 'probing' && clock.now() - bounce.since > PROBE_MS)
          await roster.set(list, member.address, (before) =>
            before.bounce?.state === 'probing' ? withoutBounces(before) : undefined,
          )
        if (bounce?.state === 'suspended' && clock.now() - bounce.since >= warnMs) await this.#warn(list, member)
      }
  }
}
