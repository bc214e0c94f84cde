/**
 * The environment of a script for one message of one account: mailboxes, other scripts, findings of filters.
 */
import { headerEnd, type ReadableMessage } from 'iems'
import { gather } from 'iems/mime'
import type { Account } from '../../directory/static/api.ts'
import type { MailStoreApi } from '../store/api.ts'
import type { AddressLists } from './address-lists.ts'
import type { Memory } from './memory.ts'
import type { Options } from './options.ts'
import type { Programs } from './programs.ts'
import type { Scripts } from './scripts.ts'
import type { Environment, MessageSource } from './sieve/index.ts'

/** Octets of a header that scripts see. */
const MAX_HEADER = 262_144

/** A message as the engine reads it. */
export async function readMessage(message: Pick<ReadableMessage, 'size' | 'open'>): Promise<MessageSource> {
  const start = await gather(message.open({ start: 0, end: Math.min(message.size, MAX_HEADER) }), MAX_HEADER)
  return { size: message.size, header: start.subarray(0, headerEnd(start)), open: (range) => message.open(range) }
}

export interface SurroundingsDeps {
  readonly mail: Pick<MailStoreApi, 'find' | 'mailbox' | 'mailboxes' | 'metadata'>
  readonly lists: AddressLists
  readonly scripts: Scripts
  readonly programs: Programs
  readonly memory: Memory
  readonly options: Options
  readonly hostname: string
  now(): number
}

export interface About {
  readonly account: Account
  readonly envelope: Environment['envelope']
  /** The owner of recorded ids. */
  readonly by: string
  readonly message?: Pick<ReadableMessage, 'session' | 'findings'>
  /** RFC 6785: an event in IMAP. */
  readonly event?: {
    readonly cause: 'APPEND' | 'COPY' | 'FLAG'
    readonly mailbox: string
    readonly user: string
    readonly email: string
    readonly changed: readonly string[]
    readonly flags: readonly string[]
  }
  /** Nothing is noted. */
  readonly isRehearsal?: boolean
}

export function createEnvironment(deps: SurroundingsDeps, about: About): Environment {
  const { mail, memory, options, hostname } = deps
  const { account, envelope, message, event } = about
  const find = (name: string) => mail.find(account.id, name)
  const domain = envelope.to.slice(envelope.to.lastIndexOf('@') + 1)
  const { remote } = message?.session ?? {}
  return {
    envelope,
    owner: account.id,
    now: deps.now(),
    separator: options.separator,
    addresses: account.addresses,
    items: {
      ...{ name: 'IEMS', host: hostname, domain },
      ...(event ? { location: 'MS', phase: 'post' } : { location: 'MDA', phase: 'during' }),
      ...{ 'imap.user': event?.user ?? '', 'imap.email': event?.email ?? '', 'imap.cause': event?.cause ?? '' },
      ...{ 'imap.mailbox': event?.mailbox ?? '', 'imap.changedflags': event?.changed.join(' ') ?? '' },
      ...(remote ? { 'remote-ip': remote.address, 'remote-host': remote.name ?? '' } : {}),
    },
    ...scoresOf(message, options),
    ...(event ? { flags: event.flags, isEvent: true } : {}),
    hasMailbox: async (name) => (await find(name)) !== undefined,
    hasMailboxId: async (id) => (await mail.mailbox({ account: account.id, id })) !== undefined,
    async hasSpecialUse(use, name) {
      const all = name === undefined ? await mail.mailboxes(account.id) : [await find(name)]
      return all.some((mailbox) => mailbox?.specialUse?.toLowerCase() === use.toLowerCase())
    },
    isInList: (list, value) => deps.lists.has(account.id, list, value),
    membersOf: (list, most) => deps.lists.members(account.id, list, most),
    async annotations({ mailbox: name }) {
      const place = { account: account.id, who: account.id }
      if (name === undefined) return mail.metadata(place)
      const found = await find(name)
      return found && mail.metadata({ ...place, mailbox: found.id })
    },
    async isDuplicate({ handle, id, seconds, isLast }) {
      if (about.isRehearsal) return false
      const what = JSON.stringify(['duplicate', handle, id])
      return memory.isKnown({ account: account.id, what, by: about.by, keep: seconds * 1000, extend: isLast })
    },
  }
}

/** Finds the scripts that others include: the account's own, and those of its domain and of the server. */
export function createIncluded(
  { scripts, programs }: Pick<SurroundingsDeps, 'scripts' | 'programs'>,
  { account, envelope }: Pick<About, 'account' | 'envelope'>,
) {
  const domain = envelope.to.slice(envelope.to.lastIndexOf('@') + 1).toLowerCase()
  return async (name: string, location: 'personal' | 'global') => {
    for (const owner of location === 'global' ? [`domain:${domain}`, 'server'] : [`account:${account.id}`]) {
      const text = await scripts.get(owner, name)
      if (text !== undefined) return programs.compile(text)
    }
    return undefined
  }
}

/** Findings of antispam and antivirus, on the scale of RFC 5235. */
function scoresOf(message: About['message'], { spamScore }: Options): Pick<Environment, 'spam' | 'virus'> {
  const findings = new Map(message?.findings.map(({ name, value }) => [name, value]))
  const score = findings.get('spam-score')
  const percent = typeof score === 'number' ? Math.round(Math.min(Math.max(score / spamScore, 0), 1) * 100) : undefined
  const virus = { clean: 1, infected: 5 }[String(findings.get('antivirus'))] ?? 0
  return { virus, ...(percent === undefined ? {} : { spam: { percent, score: 1 + Math.round((percent * 9) / 100) } }) }
}
