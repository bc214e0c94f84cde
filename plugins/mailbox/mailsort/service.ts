/**
 * The Mailsort service: the scripts of one account, checked before they are stored.
 */
import type { AddressLists } from './address-lists.ts'
import { type Checked, isScriptRefused, type MailsortApi, type ScriptRefused } from './api.ts'
import { type Programs, warningsOf } from './programs.ts'
import { readRules } from './rules/from-sieve.ts'
import { writeRules } from './rules/to-sieve.ts'
import { MAX_NAME } from './scripts.ts'
import { SieveError } from './sieve/index.ts'
import { type PreviewDeps, preview } from './trial.ts'

export interface ServiceDeps extends PreviewDeps {
  readonly lists: AddressLists
}

const own = (account: string) => `account:${account}`
/** The script of rules. */
const RULES = 'web mail'

export function createService(deps: ServiceDeps): MailsortApi {
  const { scripts, programs, mail, lists, options } = deps

  async function check(account: string, text: string): Promise<Checked | ScriptRefused> {
    const { scriptSize } = options.limits
    if (Buffer.byteLength(text) > scriptSize)
      return { refused: 'QUOTA/MAXSIZE', why: `A script has at most ${scriptSize} octets` }
    const why = problemOf(programs, text)
    if (why !== undefined) return { refused: 'INVALID', why }
    return {
      warnings: await warningsOf(text, {
        hasMailbox: async (name) => (await mail.find(account, name)) !== undefined,
        hasScript: async (name, isGlobal) => isGlobal || (await scripts.get(own(account), name)) !== undefined,
      }),
    }
  }

  async function active(account: string) {
    const name = await scripts.active(own(account))
    const script = name === undefined ? undefined : await scripts.get(own(account), name)
    if (script === undefined) return {}
    const rules = readRules(script)
    return rules ? { script, rules } : { script }
  }

  async function put(account: string, name: string, text: string): Promise<Checked | ScriptRefused> {
    const checked = await check(account, text)
    if (isScriptRefused(checked)) return checked
    return (await scripts.put(own(account), name, text)) ?? checked
  }

  return {
    get extensions() {
      return [...programs.language.capabilities]
        .filter((name) => name !== 'comparator-i;octet' && name !== 'comparator-i;ascii-casemap')
        .sort()
    },
    lists: lists.schemes,
    notify: ['mailto'],
    hasEvents: options.imapEvents,
    maxRedirects: options.limits.redirects,
    maxScriptSize: options.limits.scriptSize,
    maxScripts: options.limits.scripts,
    maxName: MAX_NAME,
    check,
    put,
    active,
    list: (account) => scripts.list(own(account)),
    get: (account, name) => scripts.get(own(account), name),
    hasSpace: (account, name, octets) => scripts.hasSpace(own(account), name, octets),
    activate: (account, name) => scripts.activate(own(account), name),
    remove: (account, name) => scripts.remove(own(account), name),
    rename: (account, name, to) => scripts.rename(own(account), name, to),
    async setRules(account, rules, { replacesScript = false } = {}) {
      const now = await active(account)
      if (now.script !== undefined && !now.rules && !replacesScript)
        return { refused: 'OWNSCRIPT', why: 'The active script was written in Sieve, and rules would replace it' }
      const script = writeRules(rules)
      const made = await put(account, RULES, script)
      const refused = isScriptRefused(made) ? made : await scripts.activate(own(account), RULES)
      return refused ?? { script }
    },
    async preview(id, text, sample) {
      const account = await deps.accounts.byId(id)
      return account ? preview(deps, account, { text, sample }) : { none: 'the account does not exist' }
    },
    toRules: readRules,
    fromRules: writeRules,
    extend: (extension) => programs.extend(extension),
  }
}

/** Why a script does not compile; undefined if it does. */
export function problemOf(programs: Programs, text: string): string | undefined {
  try {
    programs.compile(text)
    return undefined
  } catch (error) {
    if (error instanceof SieveError) return error.text
    throw error
  }
}
