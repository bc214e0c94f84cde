/**
 * Connects the message store with its full-text index.
 *
 * Invariants: an email is examined again whenever its holders change, because the due entry is part of that commit; the
 * index can be deleted at any time.
 */
import { randomUUID } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type SetupContext, type Store, unkey } from 'iems'
import { readAddresses } from 'iems/mime'
import type { EmailText, MailboxRef, MailStoreApi, TextQuery } from './api.ts'
import type { Emails } from './emails.ts'
import { allEmails, emailId, heldBy, holdersOf, placesOf, readEmailId } from './records.ts'
import { createFind } from './search/find.ts'
import { type Indexable, Indexer } from './search/indexer.ts'
import { matches } from './search/query.ts'
import { openIndex } from './search/search-index.ts'
import type { SearchText } from './search/text.ts'
import { uidsOf } from './uids.ts'

export interface FindingSettings {
  /** Characters of one message that are indexed. */
  readonly text: number
  /** Ms for which a search waits for the index before it looks by itself. */
  readonly waitTimeout: number
}

/** Maximum words that contain a substring before the search bypasses the index. */
const MAX_WORDS = 2000

/** Octets of text of one message that a search without the index looks into. */
const WHOLE = 64 * 1024 * 1024

const ADDRESSES = ['from', 'to', 'cc', 'bcc'] as const
const NAMED = [...ADDRESSES, 'subject'] as const

/** RFC 9051 section 6.4.4: the envelope counts, which shows addresses without the comments and spaces within them. */
function withAddresses(value: string): string {
  if (!/[\s("\\]/.test(value)) return value
  const shown = readAddresses(value).flatMap(({ name, mailbox = '', host }) => [
    name ?? '',
    host ? `${mailbox}@${host}` : '',
  ])
  return [value, ...new Set(shown.filter((one) => !value.includes(one)))].join('\n')
}

/** An email's text by field, for the index. */
function searchTextOf({ fields, body, attachments }: EmailText): SearchText {
  const of = (name: string) => {
    const values = fields.flatMap((field) => (field.name === name ? [field.value] : []))
    return (ADDRESSES.some((known) => known === name) ? values.map(withAddresses) : values).join('\n')
  }
  const isNamed = (name: string) => NAMED.some((known) => known === name)
  const [from, to, cc, bcc, subject] = NAMED.map(of) as [string, string, string, string, string]
  const headers = fields.flatMap(({ name, value }) => (isNamed(name) ? [] : [`${name}: ${value}`])).join('\n')
  return { from, to, cc, bcc, subject, headers, body, attachments: attachments.join('\n') }
}

/** The id of the index in a folder, created once, so that reloads and restarts keep the lane. */
function indexId(folder: string): string {
  const path = join(folder, 'search-id')
  try {
    writeFileSync(path, randomUUID(), { flag: 'wx', mode: 0o600, flush: true })
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause
  }
  const id = readFileSync(path, 'utf8')
  if (!/^[0-9a-f-]{36}$/.test(id)) throw new Error(`${path} holds no id: remove the file, and the index is made again`)
  return id
}

interface LatestDeps {
  readonly store: Store
  read(email: string): Promise<SearchText | undefined>
  readonly latest: ReturnType<typeof createFind>['latest']
}

/** The hits of the index, and the emails of the account that it has not seen yet. */
const searchLatest = ({ store, read, latest }: LatestDeps): MailStoreApi['searchLatest'] =>
  async function searchLatest({ account, most, fields, text }) {
    const condition = { fields, text, how: 'words' } as const
    const found = await latest(account, condition, most)
    if (!found) return undefined
    const emails = new Set(found.emails)
    for (const email of found.waiting) {
      const { base, tag } = readEmailId(email)
      const holders = emails.has(email) ? [] : store.scan({ ...heldBy(base, tag, account), limit: 1 })
      for await (const _ of holders) {
        const text = await read(email)
        if (text && matches(text, condition)) emails.add(email)
      }
    }
    return { emails: [...emails], isAll: found.isAll }
  }

export type Finding = ReturnType<typeof createFinding>

export function createFinding(ctx: SetupContext, emails: Emails, settings: FindingSettings) {
  const { store, clock, log } = ctx
  const folder = ctx.folder()
  // Without a folder the index ends with this kernel.
  const id = folder === undefined ? randomUUID() : indexId(folder)
  const index = openIndex({
    path: folder === undefined ? ':memory:' : join(folder, 'search.sqlite'),
    maxText: settings.text,
    maxWords: MAX_WORDS,
    searchMs: settings.waitTimeout,
    log,
  })

  /** Everything, for a search that looks into the message itself. */
  async function read(id: string): Promise<SearchText | undefined> {
    const email = await emails.email(id)
    return email && searchTextOf(await email.text(WHOLE))
  }

  async function load(id: string): Promise<Indexable | undefined> {
    const { base, tag } = readEmailId(id)
    const accounts = new Set<string>()
    for await (const [at] of store.scan(holdersOf(base, tag))) accounts.add(unkey(at)[3] as string)
    if (accounts.size === 0) return undefined
    return {
      accounts: [...accounts],
      async text() {
        const email = await emails.email(id)
        if (!email) throw new Error('the email has gone')
        const text = await email.text(settings.text)
        // Made now, it is there when a client asks for a list.
        await email.digest()
        return { text: searchTextOf(text), isPartial: text.isPartial }
      },
    }
  }

  async function* all(): AsyncGenerator<string> {
    for await (const [at] of store.scan(allEmails)) {
      const [, base, tag] = unkey(at) as [string, string, string]
      if (tag !== '') yield emailId(base, tag)
    }
  }

  const indexer = new Indexer({ store, index, id, clock, log, load, all })
  const { find, candidates, latest } = createFind({ index, indexer, log, read })
  return {
    start: () => indexer.start(),
    stop: () => indexer.stop(),
    rebuild: () => indexer.rebuild(),
    status: () => indexer.status(),
    async close() {
      await indexer.stop()
      await index.close()
    },
    find: ({ account, emails, signal, ...condition }: TextQuery) =>
      find({ account, emails, conditions: [condition], ...(signal ? { signal } : {}) }),
    latest: searchLatest({ store, read, latest }),
    async candidates({ account, id }: MailboxRef, condition: Pick<TextQuery, 'fields' | 'text' | 'how'>) {
      const found = await candidates(account, condition)
      if (!found) return undefined
      const uids: number[] = []
      for (const email of found) {
        const { base, tag } = readEmailId(email)
        for await (const [at] of store.scan(placesOf(base, tag, account, id))) uids.push(unkey(at)[5] as number)
      }
      return uidsOf(uids.map((uid) => [uid, uid]))
    },
  }
}
