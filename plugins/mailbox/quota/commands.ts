/**
 * `iems quota …`: what accounts, domains and the server hold and may hold.
 */
import {
  CONFLICT,
  type Command,
  type CommandOutput,
  decodeRecord,
  defineCommand,
  escapeLine,
  formatSize,
  type Store,
  size,
  transact,
} from 'iems'
import * as z from 'zod'
import type { AccountsApi } from '../../directory/static/api.ts'
import type { MailStoreApi, Usage, UsageLimits } from '../store/api.ts'
import { poolOf, type QuotaLimits, TOTAL } from './limits.ts'
import { encode, type LimitRecord, limitKey } from './records.ts'
import { recountCommand } from './recount.ts'
import type { Collect } from './report/collect.ts'
import { writeReport } from './report/write.ts'
import { shareOf } from './review.ts'
import { createTargets, type Target, WHO } from './targets.ts'
import type { Language } from './texts.ts'

export interface CommandsDeps {
  readonly store: Store
  readonly mail: MailStoreApi
  readonly accounts: AccountsApi
  readonly limits: QuotaLimits
  readonly collect: Collect
  readonly language: Language
}

const row = z.object({
  name: z.string(),
  octets: z.number(),
  messages: z.number(),
  maxOctets: z.number().nullable(),
  maxMessages: z.number().nullable(),
  share: z.number().describe('Percent of the nearer limit'),
})
const limitText = z
  .string()
  .describe("A size such as '500 MB', 'none' for no limit, or 'default' for what the configuration says")

function lineOf(name: string, usage: Usage, limits: UsageLimits): CommandOutput<z.input<typeof row>> {
  const of = (limit: string | null) => (limit === null ? '' : ` of ${limit}`)
  const share = shareOf(usage, limits)
  const octets = `${formatSize(usage.octets)}${of(limits.octets === null ? null : formatSize(limits.octets))}`
  const messages = `${usage.messages}${of(limits.messages === null ? null : `${limits.messages}`)} messages`
  const hasLimit = limits.octets !== null || limits.messages !== null
  return {
    text: `${escapeLine(name)}  ${octets}, ${messages}${hasLimit ? `  ${Math.floor(share)} %` : ''}`,
    value: { name, ...usage, maxOctets: limits.octets, maxMessages: limits.messages, share },
  }
}

/** 'none' is null, 'default' is undefined. */
function readLimit<T>(text: string, read: (text: string) => T): T | null | undefined {
  if (text === 'default') return undefined
  return text === 'none' ? null : read(text)
}
const readCount = (text: string) => z.coerce.number().int().nonnegative().parse(text)

/** Sets an administrator's limits; undefined ones fall back to the configuration. */
export async function setLimit(store: Store, { kind, id }: Pick<Target, 'kind' | 'id'>, given: LimitRecord) {
  const at = limitKey(kind, id)
  await transact({ what: 'the limit' }, async () => {
    const before = await store.get(at)
    const old: LimitRecord = before ? decodeRecord(before) : {}
    const value = encode({ ...old, ...given })
    return (await store.commit([{ put: at, value }], [{ key: at, is: before ?? 'absent' }])) ? undefined : CONFLICT
  })
}

export function createCommands(deps: CommandsDeps): Readonly<Record<string, Command>> {
  const { store, mail, accounts, limits, collect, language } = deps
  const targetOf = createTargets(accounts)

  async function stateOf({ kind, id, name }: Target) {
    if (kind === 'account') return lineOf(name, await mail.usage(id), await mail.limitsOf(id))
    const usage = await mail.poolUsage(kind === 'total' ? TOTAL : poolOf(id))
    return lineOf(name, usage, await limits.poolLimits(kind, id))
  }

  return {
    'quota show': defineCommand({
      summary: 'show what an account, a domain or the server holds, and its limits',
      arguments: ['[name]'],
      fields: z.strictObject({ name: z.string().optional().describe(WHO) }),
      row,
      async *run({ values: { name } }) {
        if (name !== undefined) return yield await stateOf(await targetOf(name))
        for await (const { id, name } of accounts.list()) yield await stateOf({ kind: 'account', id, name })
      },
    }),
    'quota set': defineCommand({
      summary: 'set the limits of an account, a domain or the server',
      arguments: ['<name>'],
      fields: z.strictObject({
        name: z.string().describe('An account, a domain as @example.org, or total'),
        octets: limitText.optional(),
        messages: z.string().optional().describe("A number, 'none' for no limit, or 'default'"),
        mailboxes: z.string().optional().describe('The same for mailboxes; only of an account'),
      }),
      row,
      async *run({ values: { name, octets, messages, mailboxes } }) {
        if ([octets, messages, mailboxes].every((one) => one === undefined))
          throw new Error('Give --octets, --messages or --mailboxes')
        const target = await targetOf(name)
        if (mailboxes !== undefined && target.kind !== 'account') throw new Error('Mailboxes are counted for accounts')
        await setLimit(store, target, {
          ...(octets === undefined ? {} : { octets: readLimit(octets, (text) => size().parse(text)) }),
          ...(messages === undefined ? {} : { messages: readLimit(messages, readCount) }),
          ...(mailboxes === undefined ? {} : { mailboxes: readLimit(mailboxes, readCount) }),
        })
        if (target.kind !== 'account') for await (const { account } of mail.usages()) await mail.joinPools(account)
        yield await stateOf(target)
      },
    }),
    'quota recount': recountCommand(deps, targetOf),
    'quota report': defineCommand({
      summary: 'write a report of usage as text or HTML',
      fields: z.strictObject({
        domain: z.string().toLowerCase().optional().describe('Only this domain'),
        html: z.boolean().default(false).describe('As one HTML file'),
        language: z.enum(['en', 'de']).default(language).describe('Language of the report'),
      }),
      writes: true,
      async *run({ values }) {
        const written = writeReport(await collect(values.domain), values.language)
        yield { bytes: Buffer.from(values.html ? written.html() : written.text()) }
      },
    }),
  }
}
