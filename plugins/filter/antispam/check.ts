/**
 * The `check` tap: combines the evidence for and against a message, reports it, and acts on the score.
 *
 * Invariants: unavailable evidence counts nothing; a message is never discarded; it is refused or held for several
 * recipients only if it would be for each of them.
 */
import {
  AllBackendsDown,
  defer,
  type HookContext,
  type ReadableMessage,
  type Refusal,
  refuse,
  type Verdict,
} from 'iems'
import { gather } from 'iems/mime'
import type { AccountsApi } from '../../directory/static/api.ts'
import type { Classifier } from './classifier/classifier.ts'
import { tokensOf, type Views } from './classifier/tokens.ts'
import { weigh } from './classifier/weigh.ts'
import { type Contacts, domainIn } from './contacts.ts'
import { type MessageText, readLetter } from './content/message-text.ts'
import type { createRules } from './content/rules.ts'
import { urisOf } from './content/uris.ts'
import type { DnsLists } from './dns/lists.ts'
import type { Envelope } from './envelope/envelope.ts'
import type { Exempt } from './exempt.ts'
import type { Greylist } from './greylist.ts'
import type { Options } from './options.ts'
import type { Reputation } from './reputation.ts'
import type { createStandardRules } from './rules/rules.ts'
import type { Scan, Scanner } from './scanners/scanner.ts'
import { type Action, actionFor, type Judged, maxOf, type Reason, reasonsText, stronger, sum } from './score.ts'

export interface CheckDeps {
  readonly config: Options
  readonly envelope: Envelope
  readonly lists: DnsLists
  readonly rules: ReturnType<typeof createRules>
  readonly standardRules: ReturnType<typeof createStandardRules>
  /** Undefined when it is turned off. */
  readonly classifier: Classifier | undefined
  readonly accounts: AccountsApi | undefined
  readonly scanners: readonly Scanner[]
  readonly greylist: Greylist
  readonly contacts: Contacts
  readonly reputation: Reputation
  readonly exempt: Exempt
}

/** The classifier's opinion from the shared corpus and from recipients' own. */
interface Opinion {
  readonly shared: number
  /** By account, where it differs from the shared one. */
  readonly own: ReadonlyMap<string, number>
}

const NO_OPINION: Opinion = { shared: 0, own: new Map() }
/** Maximum recipients whose own corpus is used. */
const RECIPIENTS = 20
/** Maximum characters of the findings. */
const TOLD = 1_000

interface Judgement extends Judged {
  /** Reasons with a sentence. */
  readonly explained: readonly Reason[]
  /** Junk for these accounts, though not for all recipients. */
  readonly junkFor: readonly string[]
}

export class SpamCheck {
  readonly #parts: CheckDeps
  readonly #thresholds

  constructor(parts: CheckDeps) {
    this.#parts = parts
    const { thresholds } = parts.config
    this.#thresholds = thresholds
  }

  async check(message: ReadableMessage, ctx: HookContext): Promise<Verdict | undefined> {
    const how = this.#parts.exempt.of(message.session)
    if (how === 'nothing') return undefined
    const isStranger = how === 'everything'
    const [ofEnvelope, content] = await Promise.all([
      isStranger ? this.#parts.envelope.reasons(message.session, message.from) : [],
      this.#ofContent(message, isStranger),
    ])
    const reasons = maxOf([...ofEnvelope, ...content.reasons, ...(isStranger ? this.#ofFindings(message) : [])])
    // Skips external filters for a message that is refused anyway.
    const isLost = actionFor(sum(reasons) + this.#parts.config.classifier.ham, this.#thresholds) === 'refuse'
    const scans = isLost ? [] : await this.#scan(message, ctx)
    if (scans.includes('defer')) return defer(451, '4.7.1', 'The message cannot be scanned now, try again later')
    const answers = scans.filter((one) => one !== 'defer')
    reasons.push(...answers.flatMap(({ reason }) => (reason && reason.score !== 0 ? [reason] : [])))
    const atLeast = answers.reduce<Action>((most, { action }) => stronger(most, action), 'none')

    const known = isStranger ? await this.#parts.reputation.reasonFor(message) : undefined
    if (isStranger) await this.#parts.reputation.remember(message, this.#judge({ ...content, reasons, atLeast }))
    if (known) reasons.push(known)
    const judged = this.#judge({ ...content, reasons, atLeast })
    tellAll(judged, ctx)
    const accountsHere = [...new Set(content.recipients.filter((account) => account !== undefined))]
    if (isStranger) await this.#meet(content.author, accountsHere, message, judged.action, ctx)
    const isSpared = message.recipients.some(({ original }) => this.#parts.exempt.isRecipient(original))
    if (isSpared) return undefined
    if (judged.action === 'refuse') return refusalFor(reasons)
    if (answers.some(({ later }) => later === 'defer')) return defer(451, '4.7.1', 'Try again later')
    const isSuspect =
      judged.score >= this.#parts.config.greylist.score || answers.some(({ later }) => later === 'greylist')
    const later = isStranger ? await this.#greylisted(message, isSuspect) : undefined
    if (later) return later
    return judged.action === 'quarantine' ? { kind: 'quarantine', reason: `spam: ${judged.score}` } : undefined
  }

  /** The accounts of the recipients; undefined for external recipients and failed lookups. */
  async #accountsOf({ recipients }: ReadableMessage): Promise<readonly (string | undefined)[]> {
    const { accounts } = this.#parts
    if (!accounts) return [undefined]
    return Promise.all(
      recipients.map(async ({ address }, index) => {
        if (index >= RECIPIENTS) return undefined
        // After a failed lookup the message continues without the account.
        const found = await accounts.byAddress(address).catch(() => undefined)
        return found?.account.id
      }),
    )
  }

  async #opinionOf(views: Views, recipients: readonly (string | undefined)[]): Promise<Opinion> {
    if (!this.#parts.classifier) return NO_OPINION
    const shared = weigh(await this.#parts.classifier.ask(views), this.#parts.config.classifier)
    const own = new Map<string, number>()
    for (const account of new Set(recipients)) {
      const said = account === undefined ? undefined : await this.#parts.classifier.ask(views, account)
      if (account !== undefined && said !== undefined) own.set(account, weigh(said, this.#parts.config.classifier))
    }
    return { shared, own }
  }

  async #ofContent(message: ReadableMessage, areListsAsked: boolean) {
    const octets = await gather(message.open(), this.#parts.config.content.size)
    const letter = await readLetter(octets, this.#parts.config.content)
    const domains = urisOf(letter.raw, this.#parts.config.content.uris)
    const listed = areListsAsked ? await Promise.all(domains.map((domain) => this.#parts.lists.ask('uri', domain))) : []
    const recipients = await this.#accountsOf(message)
    const opinion = await this.#opinionOf(tokensOf(letter, domains), recipients)
    return {
      reasons: [...listed.flat(), ...(await this.#parts.standardRules(letter)), ...this.#parts.rules(letter)],
      opinion,
      recipients,
      author: authorOf(letter),
    }
  }

  #ofFindings({ findings }: ReadableMessage): Reason[] {
    return findings.flatMap(({ name, value }) => {
      const score = this.#parts.config.findings[`${name}=${value}`]
      return score === undefined || score === 0 ? [] : [{ name: `${name}=${value}`, score }]
    })
  }

  async #scan(message: ReadableMessage, { note, log }: HookContext): Promise<readonly (Scan | 'defer')[]> {
    return Promise.all(
      this.#parts.scanners.map(async (scanner) => {
        const nothing: Scan = { action: 'none', symbols: '' }
        if (message.size > scanner.options.maxSize) return nothing
        try {
          const found = await scanner.scan(message)
          note(scanner.name, `${found.reason?.score ?? 0} ${found.symbols}`.trim().slice(0, TOLD))
          return found
        } catch (cause) {
          if (!(cause instanceof AllBackendsDown)) throw cause
          note(scanner.name, 'unavailable')
          log.debug('not scanned', { scanner: scanner.name, cause })
          return scanner.options.whenDown === 'defer' ? 'defer' : nothing
        }
      }),
    )
  }

  /** Junk does not make its author a contact. */
  async #meet(
    author: string,
    here: readonly string[],
    { recipients }: ReadableMessage,
    action: Action,
    { note }: HookContext,
  ): Promise<void> {
    if (author === '') return
    const domains = [...new Set(recipients.slice(0, RECIPIENTS).map(({ original }) => domainIn(original)))]
    const strangersTo = await this.#parts.contacts.newTo(author, here, domains)
    if (strangersTo.length > 0) note('first-contact', strangersTo.join(' '))
    if (action === 'none' || action === 'tag') await this.#parts.contacts.remember(author, here)
  }

  #judge({
    reasons,
    opinion,
    recipients,
    atLeast,
  }: {
    readonly reasons: readonly Reason[]
    readonly opinion: Opinion
    readonly recipients: readonly (string | undefined)[]
    readonly atLeast: Action
  }): Judgement {
    const base = sum(reasons)
    const viewOf = (account: string | undefined) =>
      (account === undefined ? undefined : opinion.own.get(account)) ?? opinion.shared
    const kindest = Math.min(...recipients.map(viewOf))
    const all = kindest === 0 ? reasons : [...reasons, { name: 'classifier', score: kindest }]
    const score = sum(all)
    const action = stronger(actionFor(score, this.#thresholds), atLeast)
    const isJunkAnyhow = action !== 'none' && action !== 'tag'
    const junkFor = isJunkAnyhow
      ? []
      : [...new Set(recipients)].filter((account) => base + viewOf(account) >= this.#thresholds.junk)
    const explained = all.filter(({ says }) => says !== undefined)
    return {
      score,
      action,
      reasons: reasonsText(all),
      explained,
      junkFor: junkFor.filter((account) => account !== undefined),
    }
  }

  async #greylisted(message: ReadableMessage, isSuspect: boolean): Promise<Verdict | undefined> {
    const { for: whom } = this.#parts.config.greylist
    if (whom === 'nobody') return undefined
    const isVouchedFor = message.findings.some(
      ({ name, value }) => (name === 'spf' || name === 'dmarc') && value === 'pass',
    )
    if (!isSuspect && (whom === 'suspects' || isVouchedFor)) return undefined
    const ms = await this.#parts.greylist.wait(message)
    if (ms === 0) return undefined
    return defer(451, '4.7.1', `Greylisted, try again in ${Math.ceil(ms / 1000)} seconds`)
  }
}

function tellAll({ score, action, reasons, explained, junkFor }: Judgement, { note, state }: HookContext): void {
  note('spam-score', score)
  if (reasons !== '') note('spam-reasons', reasons.slice(0, TOLD))
  for (const { name, says } of explained) note(`spam:${name}`, says ?? '')
  if (action !== 'none') note('spam-action', action)
  if (action !== 'none' && action !== 'tag') note('junk', true)
  else if (junkFor.length > 0) note('junk-for', junkFor.join(' '))
  Object.assign(state, { score, action, reasons } satisfies Judged)
}

/** Names only the DNS lists, so that a wrongly listed sender knows where to ask. */
export function refusalFor(reasons: readonly Reason[]): Refusal {
  const listed = reasons.filter(({ name, score }) => name.startsWith('list:') && score > 0)
  const zones = listed.map(({ name }) => name.slice(5)).slice(0, 5)
  return refuse(550, '5.7.1', `This looks like spam${zones.length === 0 ? '' : `, listed by ${zones.join(', ')}`}`)
}

/** The first address of From, in lower case; empty when there is none. */
function authorOf({ structure }: MessageText): string {
  const author = structure.envelope?.from.find(({ host }) => host !== undefined && host !== '')
  return author ? `${author.mailbox ?? ''}@${author.host}`.toLowerCase() : ''
}
