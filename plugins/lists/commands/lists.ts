/**
 * `iems list add|show|set|remove`, and the rest of what an administrator does with a list itself.
 */
import { type Command, type CommandOutput, counted, defineCommand } from 'iems'
import * as z from 'zod'
import { foldAddress } from '../records.ts'
import { merged, SETTINGS } from '../settings.ts'
import { type CommandDeps, listNamed } from './named.ts'

const settings = z.strictObject(SETTINGS).partial().shape
const address = z.string().describe('The address where posts go.')
const list = z.string().describe('The address of the list.')

export function createListCommands(deps: CommandDeps): Readonly<Record<string, Command>> {
  const { roster, posting, archive, entries } = deps

  async function* add(
    given: Record<string, unknown> & { readonly address: string },
    by: string,
  ): AsyncGenerator<CommandOutput> {
    const { address: name, ...rest } = given
    const folded = foldAddress(name)
    if (folded === undefined) throw new Error(`${name} is not an address`)
    const made = await roster.addList(folded, rest)
    if (!made) throw new Error(`There is a list ${folded} already`)
    try {
      const written = await entries.add(made, by)
      await roster.setList(folded, (before) => ({ settings: before.settings, entries: written }))
    } catch (cause) {
      await roster.removeList(made)
      throw cause
    }
    yield { text: `The list ${folded} exists now`, value: { list: folded } }
  }

  async function* set(given: Record<string, unknown> & { readonly list: string }): AsyncGenerator<CommandOutput> {
    const { list: name, ...rest } = given
    const one = await listNamed(roster, name)
    await roster.setList(one.address, (before) => ({ ...before, settings: merged(before.settings, rest) }))
    yield { text: `${one.address} is set`, value: { list: one.address } }
  }

  async function* remove(name: string, withArchive: boolean, by: string): AsyncGenerator<CommandOutput> {
    const one = await listNamed(roster, name)
    for await (const held of posting.allHeld(one)) await posting.forget(one, held)
    if (withArchive) await archive?.removeAll(one)
    await deps.forgetDigests(one)
    await entries.remove(one, by)
    await roster.removeList(one)
    yield { text: `The list ${one.address} is removed`, value: { list: one.address } }
  }

  return {
    'list add': defineCommand({
      summary: 'add a mailing list',
      fields: z.strictObject({ address, ...settings }),
      arguments: ['<address>'],
      run: ({ values, by }) => add(values, by?.user ?? 'admin'),
    }),
    'list show': defineCommand({
      summary: 'show the settings of a list, or all lists',
      fields: z.strictObject({ list: list.optional() }),
      arguments: ['[list]'],
      run: ({ values }) => show(deps, values.list),
    }),
    'list set': defineCommand({
      summary: 'change settings of a list',
      fields: z.strictObject({ list, ...settings }),
      arguments: ['<list>'],
      run: ({ values }) => set(values),
    }),
    'list remove': defineCommand({
      summary: 'remove a list with its members',
      irreversible: true,
      fields: z.strictObject({ list, archive: z.boolean().optional().describe('Removes the archive too.') }),
      arguments: ['<list>'],
      run: ({ values, by }) => remove(values.list, values.archive === true, by?.user ?? 'admin'),
    }),
  }
}

async function* all({ roster }: Pick<CommandDeps, 'roster'>): AsyncGenerator<CommandOutput> {
  for await (const one of roster.lists())
    yield {
      text: `${one.address}  ${one.settings.description}`.trimEnd(),
      value: { list: one.address, description: one.settings.description },
    }
}

async function* show({ roster }: Pick<CommandDeps, 'roster'>, name: string | undefined): AsyncGenerator<CommandOutput> {
  if (name === undefined) return yield* all({ roster })
  const one = await listNamed(roster, name)
  let members = 0
  for await (const _ of roster.members(one)) members++
  yield {
    text: `${one.address}  ${counted(members, 'member')}`,
    value: { list: one.address, members, ...one.settings },
  }
  for (const [setting, value] of Object.entries(one.settings))
    yield { text: `  ${setting}: ${Array.isArray(value) ? value.join(', ') : JSON.stringify(value)}` }
}
