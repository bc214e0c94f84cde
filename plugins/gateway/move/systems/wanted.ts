/**
 * Users, domains and aliases of another mail system, as its files name them, and the directory entries they become.
 *
 * Invariants: a login stays as it was; a password hash of an unknown scheme is left out and named, never guessed;
 * destinations without a counterpart here (pipes, files, lookups in databases) are named.
 */
import { isAddress, isPasswordHash } from '../../../directory/static/api.ts'
import type { WantedEntry } from '../../sync/api.ts'

export interface OldUser {
  /** `ann@example.org`, or `ann`. */
  readonly login: string
  /** `{SCHEME}text`, or a hash of crypt(3). */
  readonly password?: string
  readonly displayName?: string
  /** Octets. */
  readonly quota?: number
  readonly isDisabled?: boolean
}

export interface OldSystem {
  readonly domains: readonly string[]
  readonly users: readonly OldUser[]
  readonly aliases: readonly { readonly from: string; readonly to: readonly string[] }[]
  readonly problems: readonly string[]
}

/** Programs, files and lists of aliases(5). */
const IS_PROGRAM = /^"?(?:\||\/|:include:)/

/** Domain of logins and aliases without one. */
const withDomain = (name: string, domain: string | undefined) =>
  name.includes('@') || domain === undefined ? name : `${name}@${domain}`

/** `{PLAIN}secret` is a password in clear; a hash without a scheme is crypt(3), as Dovecot reads it. */
function readPassword(text: string): { readonly password?: string; readonly isUnknown?: boolean } {
  const [, plain] = /^\{(?:PLAIN|CLEARTEXT|CLEAR)\}(.*)$/is.exec(text) ?? []
  if (plain !== undefined) return plain === '' ? {} : { password: plain }
  return isPasswordHash(text) ? { password: text } : { isUnknown: true }
}

export function* entriesOf(
  { domains, users, aliases }: OldSystem,
  problem: (text: string) => void,
): Generator<WantedEntry> {
  const [first] = domains
  for (const name of domains) yield { kind: 'domain', name }
  const moved = new Map(aliases.map(({ from, to }) => [withDomain(from, first).toLowerCase(), { from, to }]))
  for (const { login, password = '', displayName, quota, isDisabled } of users) {
    const address = withDomain(login, first)
    const read = password === '' || isDisabled ? {} : readPassword(password)
    if (read.isUnknown) problem(`${login}: the hash of the password has an unknown scheme`)
    const own = moved.get(address.toLowerCase())
    moved.delete(address.toLowerCase())
    const to = own?.to.map((one) => withDomain(one, first)) ?? []
    const others = to.filter((one) => one.toLowerCase() !== address.toLowerCase() && !IS_PROGRAM.test(one))
    yield {
      kind: 'account',
      name: login,
      addresses: isAddress(address) ? [address] : [],
      ...(displayName ? { displayName } : {}),
      ...(read.password === undefined ? {} : { password: read.password }),
      ...(quota === undefined ? {} : { quota }),
      ...(others.length > 0 ? { forward: { to: others, keep: others.length < to.length } } : {}),
    }
  }
  for (const { from, to } of moved.values()) {
    const match = from.startsWith('@') ? `*${from}` : withDomain(from, first)
    const targets = to.map((one) => (one.startsWith('@') ? `*${one}` : withDomain(one, first)))
    const odd = targets.filter((one) => IS_PROGRAM.test(one) || !isAddress(one.replaceAll('*', 'x')))
    if (odd.length > 0 || !isAddress(match.replaceAll('*', 'x')))
      problem(`alias ${match}: ${odd.join(', ') || 'the name'} has no counterpart here`)
    const good = targets.filter((one) => !odd.includes(one))
    if (good.length > 0 && isAddress(match.replaceAll('*', 'x'))) yield { kind: 'alias', match, targets: good }
  }
}
