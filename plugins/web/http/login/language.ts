/**
 * The language of an account: what its holder chose for the pages and for what the server writes to them.
 *
 * Invariants: it is the attribute preferredLanguage (RFC 2798) of the directory, so that LDAP and the administration
 * see and change the same value; accounts from elsewhere have none that can be changed here.
 */
import * as z from 'zod'
import type { AccountsApi } from '../../../directory/static/api.ts'
import { type DirectoryApi, isRefused } from '../../../directory/store/api.ts'
import { type HttpApi, HttpProblem } from '../api.ts'

const ATTRIBUTE = 'preferredlanguage'

export function addLanguageRoutes(
  http: HttpApi,
  accounts: AccountsApi | undefined,
  directory: DirectoryApi | undefined,
): void {
  const entryOf = async (account: string | undefined) => {
    const entry = account === undefined ? undefined : await directory?.byId(account)
    return entry?.kind === 'account' ? entry : undefined
  }
  http.route({
    method: 'GET',
    path: '/api/login/language',
    who: 'user',
    summary: 'Shows the language that the account prefers, and whether its holder can change it here',
    answer: z.strictObject({ language: z.string().nullable(), isKept: z.boolean() }),
    async run({ login: { identity } }) {
      const account = identity.account === undefined ? undefined : await accounts?.byId(identity.account)
      return {
        language: account?.language ?? null,
        isKept: (await entryOf(identity.account)) !== undefined,
      }
    },
  })
  http.route({
    method: 'PUT',
    path: '/api/login/language',
    who: 'user',
    summary: 'Sets the language of the account; null for that of the browser',
    body: z.strictObject({ language: z.enum(['en', 'de']).nullable() }),
    async run({ login: { identity }, body: { language } }) {
      const entry = await entryOf(identity.account)
      if (!directory || !entry) throw new HttpProblem(409, 'The language of this account is not kept here')
      const { [ATTRIBUTE]: _, ...others } = entry.attributes
      const attributes = language === null ? others : { ...others, [ATTRIBUTE]: [language] }
      const [changed] = await directory.change(
        [{ set: entry.id, to: { attributes }, version: entry.version }],
        identity.user,
      )
      if (isRefused(changed)) throw new HttpProblem(409, changed.why)
    },
  })
}
