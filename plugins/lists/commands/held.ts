/**
 * `iems list held|decide`: what waits for a moderator; and `iems list erase`: a post taken out of the archive.
 */
import { type Command, type CommandOutput, defineCommand, escapeText } from 'iems'
import { decodeWords } from 'iems/mime'
import * as z from 'zod'
import { DECISIONS } from '../api.ts'
import { type CommandDeps, listNamed } from './named.ts'

const list = z.string().describe('The address of the list.')

export function createHeldCommands({
  roster,
  posting,
  moderation,
  archive,
  clock,
}: CommandDeps): Readonly<Record<string, Command>> {
  async function* held(name: string): AsyncGenerator<CommandOutput> {
    for await (const { content, ...one } of posting.allHeld(await listNamed(roster, name))) {
      const subject = escapeText(decodeWords(one.subject))
      yield {
        text: `${one.id}  ${new Date(one.at).toISOString().slice(0, 16)}  ${one.kind}  ${escapeText(one.address)}  ${one.why}  ${subject}`,
        value: { ...one, ...(content ? { size: content.size } : {}) },
      }
    }
  }

  return {
    'list held': defineCommand({
      summary: 'list posts and requests that await a decision',
      fields: z.strictObject({ list }),
      arguments: ['<list>'],
      run: ({ values }) => held(values.list),
    }),
    'list decide': defineCommand({
      summary: 'decide about a held post or request: approve, reject, discard, or allow its author in future',
      fields: z.strictObject({
        list,
        decision: z.enum(DECISIONS),
        id: z.string().describe('As `list held` shows it.'),
        text: z.string().max(10_000).optional().describe('Reason that the author gets, with reject.'),
      }),
      arguments: ['<list>', '<decision>', '<id>'],
      async *run({ values: { list: name, decision, id, text } }) {
        if (!(await moderation.decide(await listNamed(roster, name), id, decision, text)))
          throw new Error(`${name} does not hold ${id}`)
        yield { text: `${id}: ${decision}`, value: { list: name, id, decision } }
      },
    }),
    'list erase': defineCommand({
      summary: 'remove a post from the archive; its link says so',
      irreversible: true,
      fields: z.strictObject({
        list,
        hash: z
          .string()
          .regex(/^[A-Za-z2-7]{32}$/)
          .describe('Last part of the link.'),
      }),
      arguments: ['<list>', '<hash>'],
      async *run({ values: { list: name, hash }, by }) {
        if (!(await archive?.remove(await listNamed(roster, name), hash, by?.user ?? 'admin', clock.now())))
          throw new Error(`The archive of ${name} has no such post`)
        yield { text: `${hash} is removed`, value: { list: name, hash } }
      },
    }),
  }
}
