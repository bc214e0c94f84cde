/**
 * Access to a list and its archive.
 *
 * Invariants: an unadvertised list and a missing one look the same to visitors who do not know its address; a private
 * archive is only for members who have logged in.
 */
import type { AccountsApi } from '../../directory/static/api.ts'
import { type Call, HttpProblem, type Login } from '../../web/http/api.ts'
import { LANGUAGES, type MailingList } from '../api.ts'
import { foldAddress } from '../records.ts'
import type { Roster } from '../roster.ts'

export interface AccessDeps {
  readonly roster: Roster
  readonly accounts: AccountsApi | undefined
}

export async function listIn({ roster }: AccessDeps, address: string): Promise<MailingList> {
  const list = await roster.list(address)
  if (!list) throw new HttpProblem(404, 'There is no such list')
  return list
}

/** Folded addresses of the account that has logged in. */
export async function addressesOf({ accounts }: AccessDeps, login: Login | undefined): Promise<readonly string[]> {
  const id = login?.identity.account
  const account = id === undefined ? undefined : await accounts?.byId(id)
  return (account?.addresses ?? []).flatMap((address) => foldAddress(address) ?? [])
}

export async function isModerator(deps: AccessDeps, list: MailingList, login: Login | undefined): Promise<boolean> {
  if (login?.may('lists:moderate')) return true
  return isNamed(deps, [...list.settings.owners, ...list.settings.moderators], login)
}

export async function isOwner(deps: AccessDeps, list: MailingList, login: Login | undefined): Promise<boolean> {
  return login?.may('lists:own') || isNamed(deps, list.settings.owners, login)
}

async function isNamed(deps: AccessDeps, addresses: readonly string[], login: Login | undefined): Promise<boolean> {
  const known = addresses.flatMap((address) => foldAddress(address) ?? [])
  return known.length > 0 && (await addressesOf(deps, login)).some((address) => known.includes(address))
}

/** The address by which the account that has logged in is a member; undefined when it is none. */
export async function memberAddress(
  deps: AccessDeps,
  list: MailingList,
  login: Login | undefined,
): Promise<string | undefined> {
  for (const one of await addressesOf(deps, login)) if (await deps.roster.member(list, one)) return one
  return undefined
}

/** The list, if the account moderates it. */
export async function mustModerate(deps: AccessDeps, address: string, login: Login): Promise<MailingList> {
  const list = await listIn(deps, address)
  if (!(await isModerator(deps, list, login))) throw new HttpProblem(403, 'This page is for moderators of the list')
  return list
}

/** The list, if the account may change its settings. */
export async function mustOwn(deps: AccessDeps, address: string, login: Login): Promise<MailingList> {
  const list = await listIn(deps, address)
  if (!(await isOwner(deps, list, login))) throw new HttpProblem(403, 'This page is for owners of the list')
  return list
}

/** The list, its pages in the language that the account has chosen. */
export async function inOwnLanguage(
  { accounts }: AccessDeps,
  list: MailingList,
  login: Login | undefined,
): Promise<MailingList> {
  const id = login?.identity.account
  const chosen = id === undefined ? undefined : (await accounts?.byId(id))?.language
  const language = LANGUAGES.find((one) => one === chosen)
  return language === undefined ? list : { ...list, settings: { ...list.settings, language } }
}

/** The list in the client's language, if the client may read its archive. */
export async function readable(
  deps: AccessDeps,
  address: string,
  { login }: Pick<Call, 'login'>,
): Promise<MailingList> {
  const list = await inOwnLanguage(deps, await listIn(deps, address), login)
  const { archive } = list.settings
  if (archive === 'public') return list
  if (archive === 'none') throw new HttpProblem(404, 'The list has no archive')
  if (!login) throw new HttpProblem(401, 'The archive is for members: log in first')
  if ((await memberAddress(deps, list, login)) !== undefined) return list
  if (await isModerator(deps, list, login)) return list
  throw new HttpProblem(403, 'The archive is for members of the list')
}
