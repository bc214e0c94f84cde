/**
 * Notes names by our directory: an account, group or object that has the name as one of its values of `notesname`, else
 * the only one whose display name is the common name and that has no Notes name.
 */
import { Cache } from 'iems'
import type { AccountsApi } from '../../directory/static/api.ts'
import type { DirectoryApi, Placed } from '../../directory/store/api.ts'
import { type AddressBook, type NotesName, nameKey } from './names.ts'

/** Attribute of an entry with its Notes names, abbreviated. */
export const NAME_ATTRIBUTE = 'notesname'
/** Entries of one common name that are looked at. */
const MAX_ALIKE = 50
/** Names that are remembered. */
const CACHED = 10_000
const TTL_MS = 60_000

export function createBook(directory: DirectoryApi | undefined, accounts: AccountsApi | undefined): AddressBook {
  const known = new Cache<Promise<string | undefined>>({ max: CACHED, ttl: TTL_MS })
  return {
    addressOf(name) {
      const key = nameKey(name.abbreviated)
      const found = known.get(key) ?? (directory ? byDirectory(directory, name) : byAccounts(accounts, name))
      known.set(key, found)
      return found
    },
  }
}

const addressIn = (entry: Placed) => ('addresses' in entry ? entry.addresses[0] : entry.attributes.mail?.[0])

async function byDirectory(directory: DirectoryApi, name: NotesName): Promise<string | undefined> {
  // A name without levels may be a short name, which accounts from Notes are called by.
  const short = name.abbreviated.includes('/') ? undefined : await directory.byName('account', name.common)
  if (short?.addresses[0] !== undefined) return short.addresses[0]
  const named = await withNotesName(directory, name)
  if (named !== undefined) return named
  const alike: string[] = []
  let count = 0
  const seen = new Set<string>()
  for (const attribute of ['displayname', 'cn', 'uid'])
    for await (const entry of directory.find({ attribute, value: name.common, how: 'equal' })) {
      if (seen.has(entry.id) || ++count > MAX_ALIKE) continue
      seen.add(entry.id)
      const address = addressIn(entry)
      // An entry with other Notes names is another person.
      if (address !== undefined && !entry.attributes[NAME_ATTRIBUTE]?.length) alike.push(address)
    }
  return alike.length === 1 ? alike[0] : undefined
}

/** The entry that has the name, whatever its display name. */
async function withNotesName(directory: DirectoryApi, { abbreviated }: NotesName): Promise<string | undefined> {
  let count = 0
  for await (const entry of directory.find({ attribute: NAME_ATTRIBUTE, value: abbreviated, how: 'equal' })) {
    if (++count > MAX_ALIKE) return undefined
    const address = addressIn(entry)
    if (address !== undefined && entry.attributes[NAME_ATTRIBUTE]?.some((one) => nameKey(one) === nameKey(abbreviated)))
      return address
  }
  return undefined
}

async function byAccounts(accounts: AccountsApi | undefined, name: NotesName): Promise<string | undefined> {
  return (await accounts?.byLogin(name.common.toLowerCase()))?.addresses[0]
}
