/**
 * Which texts a message gets, for each of its recipients.
 */
import { readFileSync } from 'node:fs'
import type { ReadableMessage, Recipient } from 'iems'
import { escapeHtml } from 'iems'
import { fromHtml } from 'iems/mime'
import type { AccountsApi } from '../../directory/static/api.ts'
import { htmlOf } from './html.ts'
import { type Image, imagesIn, readImages, withIds } from './images.ts'
import type { Insertion } from './insert.ts'
import type { Options, RuleOptions } from './options.ts'
import { fill, unknownVariables, type Values } from './variables.ts'

export interface Rule extends Omit<RuleOptions, 'text' | 'html' | 'images'> {
  readonly images: readonly Image[]
  readonly text: string
  readonly html: string
}

type Direction = 'in' | 'out' | 'internal'

/** The facts about a message that rules test. */
export type Facts = Pick<ReadableMessage, 'session' | 'from' | 'headers'>

function wordsOf(given: RuleOptions['text']): string | undefined {
  if (given === undefined || typeof given === 'string') return given
  const text = readFileSync(given.file, 'utf8').replace(/^\ufeff/, '')
  const [unknown] = unknownVariables(text)
  if (unknown !== undefined) throw new Error(`${given.file}: there is no variable {{${unknown}}}`)
  return text
}

/** Reads the files. */
export function readRules(options: Options): readonly Rule[] {
  return options.rules.map((rule) => {
    const [text, html] = [wordsOf(rule.text), wordsOf(rule.html)]
    const images = readImages(rule.images ?? [])
    const shown = withIds(html ?? htmlOf(text ?? ''), images)
    const unused = images.find((image) => !imagesIn(shown, [image]).length)
    if (unused) throw new Error(`the html of rule ${rule.name} does not show the image ${unused.name}`)
    return { ...rule, images, text: text ?? fromHtml(html ?? ''), html: shown }
  })
}

export const domainOf = (address: string): string => address.slice(address.lastIndexOf('@') + 1).toLowerCase()

const isIn = (domain: string, patterns: readonly string[]) =>
  patterns.some((one) => (one.startsWith('.') ? domain.endsWith(one) : domain === one))

/** Of a client of this server. */
const isOurs = ({ session }: Facts) => session.protocol === 'LOCAL' || session.identity !== undefined || session.trusted

function directionOf(facts: Facts, to: string, domains: readonly string[]): Direction {
  if (!isOurs(facts)) return 'in'
  return isIn(domainOf(to), domains) ? 'internal' : 'out'
}

/** Why a rule does not apply to a recipient; undefined when it does. */
export function reasonNot(
  rule: Rule,
  facts: Facts,
  {
    to,
    groups,
    domains,
    isNew = false,
  }: {
    readonly to: string
    readonly groups: readonly string[]
    readonly domains: readonly string[]
    /** The author is new to the recipient. */
    readonly isNew?: boolean
  },
): string | undefined {
  const direction = directionOf(facts, to, domains)
  const { channels, senders, recipients, directions } = rule
  if (channels && !channels.includes(facts.session.channel)) return `it arrived on ${facts.session.channel}`
  if (directions && !directions.includes(direction)) return `its direction is ${direction}`
  if (senders && !isIn(domainOf(facts.from), senders)) return 'the domain of its sender is another'
  if (recipients && !isIn(domainOf(to), recipients)) return 'the domain of its recipient is another'
  if (rule.groups && !rule.groups.some((one) => groups.includes(one))) return 'its sender is in none of the groups'
  if (rule.firstContact && !isNew) return 'its author is known to the recipient'
  if (!rule.intoSigned && facts.headers.get('dkim-signature').length > 0) return 'it has a DKIM signature'
  if (!rule.intoLists && facts.headers.get('list-id').length > 0) return 'it is a post of a mailing list'
  return undefined
}

export async function groupsOf(facts: Facts, accounts: AccountsApi | undefined): Promise<readonly string[]> {
  const account = facts.session.identity?.account
  return account === undefined || !accounts ? [] : accounts.groupsOf(account)
}

/** Addresses of recipients to whose accounts antispam has found the author new. */
export async function firstContacts(
  { findings, recipients }: Pick<ReadableMessage, 'findings' | 'recipients'>,
  accounts: AccountsApi | undefined,
): Promise<ReadonlySet<string>> {
  const ids = new Set(
    findings.filter(({ name }) => name === 'first-contact').flatMap(({ value }) => String(value).split(' ')),
  )
  const found = new Set<string>()
  if (ids.size === 0) return found
  for (const { address } of recipients) {
    const owner = await accounts?.byAddress(address)
    if (owner && ids.has(owner.account.id)) found.add(address)
  }
  return found
}

/** Groups recipients by their texts. */
export function groupRecipients(
  recipients: readonly Recipient[],
  rulesFor: (recipient: Recipient) => readonly Rule[],
): readonly { readonly recipients: readonly Recipient[]; readonly rules: readonly Rule[] }[] {
  const groups = new Map<string, { recipients: Recipient[]; rules: readonly Rule[] }>()
  for (const recipient of recipients) {
    const rules = rulesFor(recipient)
    const name = rules.map((rule) => rule.name).join('\n')
    const group = groups.get(name)
    if (group) group.recipients.push(recipient)
    else groups.set(name, { recipients: [recipient], rules })
  }
  return [...groups.values()]
}

export async function valuesOf(facts: Facts, accounts: AccountsApi | undefined, now: number): Promise<Values> {
  const id = facts.session.identity?.account
  const account = id === undefined || !accounts ? undefined : await accounts.byId(id)
  const at = facts.from.lastIndexOf('@')
  return {
    'sender.name': account?.displayName ?? account?.name ?? facts.from,
    'sender.address': facts.from,
    'sender.domain': domainOf(facts.from),
    'sender.local': at < 0 ? facts.from : facts.from.slice(0, at),
    subject: facts.headers.get('subject')[0] ?? '',
    date: new Date(now).toISOString().slice(0, 10),
  }
}

export const insertionOf = (
  { name, text, html, images, place, quotation, oncePerThread }: Rule,
  values: Values,
): Insertion => ({
  name,
  place,
  quotation,
  oncePerThread,
  text: fill(text, values),
  html: fill(html, values, escapeHtml),
  images: images.map(({ part }) => part),
})
