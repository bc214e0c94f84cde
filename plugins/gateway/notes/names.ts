/**
 * Names of Notes: canonical (`CN=John Doe/OU=Sales/O=Acme`), abbreviated (`John Doe/Sales/Acme`), with the domain that
 * they are routed by (`@Acme`), and what mail programs are shown instead.
 */

import type { Mailbox } from 'iems/mime'
import { isAddress } from '../../directory/static/api.ts'

export interface NotesName {
  /** `John Doe`. */
  readonly common: string
  /** `John Doe/Sales/Acme`. */
  readonly abbreviated: string
  /** `CN=John Doe/OU=Sales/O=Acme`; the same as `abbreviated` when the parts are not known. */
  readonly canonical: string
  /** Of Notes, behind an `@`. */
  readonly domain?: string
}

const PART = /^(CN|OU|O|C|G|S|I|Q|P|A)=/i
const MAX_NAME = 1024

export function parseName(text: string): NotesName {
  const [whole = '', ...route] = text.slice(0, MAX_NAME).trim().split('@')
  const domain = route.map((part) => part.trim()).findLast((part) => part !== '')
  const levels = whole.split('/').map((level) => level.trim())
  const bare = levels.map((level) => level.replace(PART, ''))
  const isTyped = levels.some((level) => PART.test(level))
  const abbreviated = bare.join('/')
  return {
    common: bare[0] ?? '',
    abbreviated,
    canonical: isTyped ? levels.join('/') : canonicalOf(bare),
    ...(domain === undefined ? {} : { domain }),
  }
}

/** By position: the common name, units, the organisation; a last level of two letters may be a country, or not. */
function canonicalOf(levels: readonly string[]): string {
  if (levels.length < 2) return levels.join('/')
  return levels.map((level, n) => `${n === 0 ? 'CN' : n === levels.length - 1 ? 'O' : 'OU'}=${level}`).join('/')
}

/** As two spellings of one name compare. */
export const nameKey = (text: string) => parseName(text).abbreviated.toLowerCase()

/** Looks up Internet addresses of Notes names. */
export interface AddressBook {
  /** Undefined for a name that is not known. */
  addressOf(name: NotesName): Promise<string | undefined>
}

export const noAddressBook: AddressBook = { addressOf: async () => undefined }

/** An Internet address in an item: bare, or in angle brackets behind a name. */
function internetAddress(text: string): Mailbox | undefined {
  const given = text.slice(0, MAX_NAME).trim()
  const open = given.lastIndexOf('<')
  if (open >= 0 && given.endsWith('>')) {
    const address = given.slice(open + 1, -1)
    const name = given.slice(0, open).trim()
    const bare = name.startsWith('"') && name.endsWith('"') && name.length > 1 ? name.slice(1, -1) : name
    return isAddress(address) ? { name: bare, address } : undefined
  }
  // A Notes name with its domain, `Ann@Acme`, is no address.
  const isInternet = !given.includes('/') && !given.includes(' ') && given.slice(given.lastIndexOf('@')).includes('.')
  return isInternet && isAddress(given) ? { name: '', address: given } : undefined
}

/**
 * The mailbox for a name in an item. An unknown name keeps its parts, at the domain that the caller gives:
 * `John_Doe/Sales/Acme@notes.example`.
 */
export async function mailboxOf(
  text: string,
  book: AddressBook,
  domain: string,
): Promise<(Mailbox & { readonly isUnknown?: true }) | undefined> {
  if (text.trim() === '') return undefined
  const internet = internetAddress(text)
  if (internet) return internet
  const name = parseName(text)
  const known = await book.addressOf(name)
  if (known !== undefined) return { name: name.common, address: known }
  return { name: name.common, address: `${localPart(name.abbreviated)}@${domain}`, isUnknown: true }
}

/** The parts of a name as a local part: a dot-atom if possible, else a quoted string. */
function localPart(name: string): string {
  const plain = name.replace(/\s+/g, '_')
  return /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*$/.test(plain)
    ? plain
    : `"${[...plain].map((char) => (/[\x21-\x7e]/.test(char) ? char.replace(/["\\]/, '\\$&') : '_')).join('')}"`
}
