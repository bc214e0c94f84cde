/**
 * `iems disclaimer preview`: what would happen to a message, and why.
 */
import { type Command, type CommandOutput, defineCommand, escapeText, type Session } from 'iems'
import { gather, readAddresses, readFields } from 'iems/mime'
import * as z from 'zod'
import type { AccountsApi } from '../../directory/static/api.ts'
import { insertTexts } from './insert.ts'
import type { Options } from './options.ts'
import { type Facts, groupsOf, insertionOf, type Rule, reasonNot, valuesOf } from './rules.ts'

export interface CommandsDeps {
  readonly rules: () => readonly Rule[]
  readonly domains: Options['domains']
  readonly accounts: AccountsApi | undefined
  now(): number
}

/** Maximum octets of an examined message. */
const MAX_SIZE = 104_857_600
const MAX_HEADER = 262_144

const fields = z.strictObject({
  from: z.string().optional().describe('The envelope sender. Default: the From field'),
  to: z.string().optional().describe('The recipient. Default: the first of the To field'),
  channel: z.string().default('submission').describe('The channel on which it arrives'),
  account: z.string().optional().describe('The account of the authenticated sender, by name or address'),
  stranger: z.boolean().default(false).describe('The client is neither authenticated nor trusted'),
  firstContact: z.boolean().default(false).describe('The author is new to the recipient'),
  message: z.boolean().default(false).describe('Print the message as it would be sent'),
})

function firstAddress(value: string | undefined): string {
  const [first] = value === undefined ? [] : readAddresses(value)
  return first?.mailbox === undefined || first.host === undefined ? '' : `${first.mailbox}@${first.host}`
}

function messageOf(octets: Buffer) {
  return {
    size: octets.length,
    async *open(range?: { readonly start: number; readonly end: number }) {
      yield octets.subarray(range?.start ?? 0, range?.end ?? octets.length)
    },
  }
}

export function createCommands({ rules, domains, accounts, now }: CommandsDeps): Readonly<Record<string, Command>> {
  async function sessionOf({ account, channel, stranger }: z.output<typeof fields>): Promise<Session> {
    const found = account === undefined ? undefined : await accounts?.byLogin(account)
    if (account !== undefined && !found) throw new Error(`There is no account ${account}`)
    return {
      id: 'preview',
      channel,
      protocol: 'ESMTPSA',
      remote: { address: '127.0.0.1' },
      trusted: !stranger,
      brings: 'mail',
      submission: !stranger,
      ...(found ? { identity: { kind: 'identity', user: found.name, account: found.id, mayRelay: true } } : {}),
    }
  }

  async function* preview(
    input: AsyncIterable<Uint8Array>,
    values: z.output<typeof fields>,
  ): AsyncGenerator<CommandOutput> {
    const octets = await gather(input, MAX_SIZE)
    const { list } = readFields(octets.subarray(0, MAX_HEADER))
    const get = (name: string) => list.filter((one) => one.name.toLowerCase() === name).map(({ value }) => value)
    const facts: Facts = {
      session: await sessionOf(values),
      from: values.from ?? firstAddress(get('from')[0]),
      headers: { get } as Facts['headers'],
    }
    const to = values.to ?? firstAddress(get('to')[0])
    const groups = await groupsOf(facts, accounts)
    const applied: Rule[] = []
    for (const rule of rules()) {
      const why = reasonNot(rule, facts, { to, groups, domains, isNew: values.firstContact })
      if (why === undefined) applied.push(rule)
      else yield { text: escapeText(`${rule.name}: does not apply: ${why}`), value: { rule: rule.name, why } }
    }
    if (applied.length === 0) return
    const words = await valuesOf(facts, accounts, now())
    const { content, notes } = await insertTexts(
      messageOf(octets),
      applied.map((rule) => insertionOf(rule, words)),
    )
    for (const note of notes) yield { text: escapeText(note), value: { note } }
    if (values.message && content)
      yield { text: escapeText((await gather(content(), 2 * MAX_SIZE)).toString().replaceAll('\r\n', '\n')) }
  }

  return {
    'disclaimer preview': defineCommand({
      summary: 'show which texts a message would receive, where, and why',
      fields,
      reads: true,
      async *run({ input, values }) {
        yield* preview(input, values)
      },
    }),
  }
}
