/**
 * `iems move postfix`, `docker-mailserver`, `mailu` and `mailcow`: domains, accounts with their passwords, and aliases.
 */
import { isAbsolute } from 'node:path'
import { type Command, type CommandOutput, defineCommand, escapeLine } from 'iems'
import * as z from 'zod'
import type { DirectoryApi } from '../../../directory/store/api.ts'
import { synchronise, type WantedEntry } from '../../sync/api.ts'
import { readMailcow, readMailu } from './databases.ts'
import { readDockerMailserver, readPostfix } from './postfix.ts'
import { entriesOf, type OldSystem } from './wanted.ts'

const dryRun = z.boolean().optional().describe('say what differs, and change nothing')
const path = (what: string) =>
  z.string().refine(isAbsolute, 'must be an absolute path on the machine of the server').describe(what)

const postfixFields = z.strictObject({
  main: path('main.cf'),
  passwd: z.array(path('passwd file')).default([]).describe('passwd files of Dovecot, with password hashes'),
  root: z.string().optional().describe('folder that table paths are relative to, for a copy of the old disk'),
  dryRun,
})
const fileFields = z.strictObject({ path: path('the file or folder'), dryRun })

export function createSystemCommands(directory: DirectoryApi): Readonly<Record<string, Command>> {
  const simple = (summary: string, read: (path: string) => Promise<OldSystem> | OldSystem) =>
    defineCommand({
      summary,
      arguments: ['<path>'],
      fields: fileFields,
      async *run({ values }) {
        yield* bring(directory, await read(values.path), values.dryRun === true)
      },
    })
  return {
    'move postfix': defineCommand({
      summary: 'bring domains, accounts with their passwords and aliases of Postfix and Dovecot into the directory',
      arguments: ['<main>'],
      fields: postfixFields,
      async *run({ values: { root, dryRun, ...files } }) {
        const system = await readPostfix({ ...files, ...(root === undefined ? {} : { root }) })
        yield* bring(directory, system, dryRun === true)
      },
    }),
    'move docker-mailserver': simple(
      'the same from the configuration folder of docker-mailserver',
      readDockerMailserver,
    ),
    'move mailu': simple("the same from Mailu's database main.db", readMailu),
    'move mailcow': simple("the same from a dump of Mailcow's database", readMailcow),
  }
}

async function* bring(directory: DirectoryApi, system: OldSystem, isCheck: boolean): AsyncGenerator<CommandOutput> {
  const problems = [...system.problems]
  const entries: WantedEntry[] = [...entriesOf(system, (text) => problems.push(text))]
  yield* synchronise(directory, entries, { by: 'move', isCheck })
  for (const problem of problems) yield { text: `! ${escapeLine(problem)}`, value: { problem } }
}
