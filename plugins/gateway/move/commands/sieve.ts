/**
 * `iems move sieve`: the Sieve scripts of an account from its home folder on the old server, as Pigeonhole keeps them.
 *
 * Invariants: a script that does not compile here is named and not stored; the active script there is active here.
 */
import { readdir, readFile, readlink } from 'node:fs/promises'
import { basename, isAbsolute, join } from 'node:path'
import { type Command, type CommandOutput, counted, defineCommand, escapeLine } from 'iems'
import * as z from 'zod'
import type { AccountsApi } from '../../../directory/static/api.ts'
import { isScriptRefused, type MailsortApi } from '../../../mailbox/mailsort/api.ts'
import type { Scripts } from '../proxy/sieve.ts'
import { accountOf } from './accounts.ts'

/** Name here of an active script that is a file of its own. */
const ACTIVE = 'dovecot'

const fields = z.strictObject({
  account: z.string().describe('the account here'),
  home: z
    .string()
    .refine(isAbsolute, 'must be an absolute path on the machine of the server')
    .describe('its home folder, with .dovecot.sieve and sieve/'),
  dryRun: z.boolean().optional().describe('only check the scripts'),
})

export const createSieveCommand = (accounts: AccountsApi, mailsort: MailsortApi): Command =>
  defineCommand({
    summary: "bring an account's Sieve scripts from its home folder on the old server",
    arguments: ['<account>', '<home>'],
    fields,
    async *run({ values: { account: name, home, dryRun } }) {
      const account = await accountOf(accounts, name)
      yield* takeScripts(mailsort, account.id, await scriptsIn(home), dryRun === true)
    },
  })

/** Stores scripts of the old server, and activates the one that was active there. */
export async function* takeScripts(
  mailsort: MailsortApi,
  account: string,
  { scripts, active }: Scripts,
  isDry: boolean,
): AsyncGenerator<CommandOutput> {
  let taken = 0
  for (const [script, text] of scripts) {
    const done = isDry ? await mailsort.check(account, text) : await mailsort.put(account, script, text)
    if (isScriptRefused(done)) {
      yield { text: `! ${escapeLine(script)}: ${escapeLine(done.why)}`, value: { script, problem: done.why } }
      continue
    }
    taken++
    for (const warning of done.warnings) yield { text: `  ${escapeLine(script)}: ${escapeLine(warning)}` }
    if (script === active && !isDry) await mailsort.activate(account, script)
  }
  yield {
    text: `${counted(taken, 'script')} of ${scripts.size}, active: ${escapeLine(active ?? 'none')}`,
    value: { scripts: taken, active: active ?? null },
  }
}

async function scriptsIn(home: string): Promise<Scripts> {
  const scripts = new Map<string, string>()
  const folder = join(home, 'sieve')
  for (const file of await readdir(folder).catch(() => []))
    if (file.endsWith('.sieve')) scripts.set(basename(file, '.sieve'), await readFile(join(folder, file), 'utf8'))
  const link = await readlink(join(home, '.dovecot.sieve')).catch(() => undefined)
  const linked = link === undefined ? undefined : basename(link, '.sieve')
  if (linked !== undefined && scripts.has(linked)) return { scripts, active: linked }
  const text = await readFile(join(home, '.dovecot.sieve'), 'utf8').catch(() => undefined)
  if (text !== undefined) scripts.set(ACTIVE, text)
  return { scripts, active: text === undefined ? undefined : ACTIVE }
}
