/**
 * `iems list members|join|leave|member`, and many members at once from a file.
 */
import { type Command, type CommandOutput, defineCommand } from 'iems'
import * as z from 'zod'
import { DELIVERIES, LANGUAGES, type Language, type Member, type MemberOptions } from '../api.ts'
import { changeMany } from '../many.ts'
import { foldAddress } from '../records.ts'
import { type CommandDeps, listNamed, shownResults } from './named.ts'

const list = z.string().describe('The address of the list.')
const yesNo = z.enum(['yes', 'no'])
const options = {
  delivery: z.enum(DELIVERIES).optional().describe('Every post, a digest as MIME or as plain text, or no mail.'),
  name: z.string().max(200).optional().describe('The name of the member.'),
  moderated: yesNo.optional().describe('Holds the posts of the member.'),
  own: yesNo.optional().describe('Sends members copies of their own posts.'),
  duplicates: yesNo.optional().describe('Sends posts that name the member in To or Cc.'),
  acknowledge: yesNo.optional().describe('Sends a note when a post of the member was sent.'),
  language: z.enum(LANGUAGES).optional().describe('Language of what the list writes to the member.'),
  topics: z.string().max(2000).optional().describe('Names of topics with commas; only posts about them. Empty: all.'),
  otherTopics: yesNo.optional().describe('Sends posts without a topic too.'),
  away: z.iso.date().optional().describe('No mail until this day.'),
}
type Given = { readonly [K in keyof typeof options]?: string | undefined }

function optionsOf({ away, delivery, name, language, topics, ...flags }: Given): MemberOptions {
  return {
    ...(delivery === undefined ? {} : { delivery: delivery as Member['delivery'] }),
    ...(name === undefined ? {} : { name }),
    ...(language === undefined ? {} : { language: language as Language }),
    ...(topics === undefined ? {} : { topics: topics.split(',').flatMap((one) => one.trim() || []) }),
    ...(away === undefined ? {} : { awayUntil: Date.parse(away) }),
    ...Object.fromEntries(
      Object.entries(flags).flatMap(([key, value]) => (value === undefined ? [] : [[key, value === 'yes']])),
    ),
  }
}

const lineOf = ({ address, delivery, bounce, moderated }: Member) =>
  `${address}  ${delivery}${moderated ? '  moderated' : ''}${bounce && bounce.state !== 'counting' ? `  ${bounce.state}` : ''}`

export function createMemberCommands(deps: CommandDeps): Readonly<Record<string, Command>> {
  const { roster, membership } = deps

  const folded = (address: string) => {
    const found = foldAddress(address)
    if (found === undefined) throw new Error(`${address} is not an address`)
    return found
  }

  async function* members(name: string): AsyncGenerator<CommandOutput> {
    for await (const { token: _, ...member } of roster.members(await listNamed(roster, name)))
      yield { text: lineOf({ ...member, token: '' }), value: member }
  }

  return {
    'list members': defineCommand({
      summary: 'list the members of a list',
      fields: z.strictObject({ list }),
      arguments: ['<list>'],
      run: ({ values }) => members(values.list),
    }),
    'list join': defineCommand({
      summary: 'add a member to a list',
      fields: z.strictObject({
        list,
        address: z.string(),
        ...options,
        welcome: z.boolean().optional().describe('Sends the welcome text.'),
      }),
      arguments: ['<list>', '<address>'],
      async *run({ values }) {
        const { list: name, address, welcome, ...rest } = values
        const result = await membership.join(
          await listNamed(roster, name),
          folded(address),
          optionsOf(rest),
          welcome === true,
        )
        if (result !== 'done') throw new Error(`${address} is a member already`)
        yield { text: `${address} is a member of ${name} now`, value: { list: name, address } }
      },
    }),
    'list member': defineCommand({
      summary: 'change the options of a member',
      fields: z.strictObject({ list, address: z.string(), ...options }),
      arguments: ['<list>', '<address>'],
      async *run({ values }) {
        const { list: name, address, ...rest } = values
        if (!(await membership.set(await listNamed(roster, name), folded(address), optionsOf(rest))))
          throw new Error(`${address} is not a member of ${name}`)
        yield { text: `${address} is set`, value: { list: name, address } }
      },
    }),
    'list leave': defineCommand({
      summary: 'remove a member from a list',
      fields: z.strictObject({ list, address: z.string() }),
      arguments: ['<list>', '<address>'],
      async *run({ values: { list: name, address } }) {
        if ((await membership.leave(await listNamed(roster, name), folded(address))) !== 'done')
          throw new Error(`${address} is not a member of ${name}`)
        yield { text: `${address} is no member of ${name} any more`, value: { list: name, address } }
      },
    }),
    'list import': defineCommand({
      summary: 'add, set or remove many members from a file: addresses, CSV with a header line, or JSON of Mailman',
      fields: z.strictObject({
        list,
        action: z.enum(['add', 'set', 'remove']).default('add').describe('Change that is made for each member.'),
        welcome: z.boolean().optional().describe('Sends the welcome text to new members.'),
      }),
      arguments: ['<list>'],
      reads: true,
      run: ({ values, input, signal }) =>
        shownResults(changeMany(deps, { ...values, welcome: values.welcome === true }, input, signal)),
    }),
  }
}
