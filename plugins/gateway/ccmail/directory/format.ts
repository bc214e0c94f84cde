/**
 * Directory files of EXPORT and IMPORT: entries with labels, of which the first four letters count. Reading takes any
 * order and names what it does not know; writing is exact.
 */

export interface CcEntry {
  readonly name: string
  /** P post office, L local user, R remote user, A alias; small letters are indirect or mobile. */
  readonly location: string
  /** Of a remote user the post office, of a post office its route, of an alias what it stands for. */
  readonly address: string
  readonly comments: string
}

export interface CcDirectory {
  readonly entries: readonly CcEntry[]
  readonly lists: readonly { readonly name: string; readonly members: readonly string[] }[]
  readonly bulletinBoards: readonly string[]
  /** Labels that are not understood, the first of each. */
  readonly unknown: readonly string[]
}

const MAX_LINES = 2_000_000
/** Fields by the first four letters of their labels. */
const FIELDS: Readonly<Record<string, keyof CcEntry | 'list' | 'member' | 'board'>> = {
  name: 'name',
  locn: 'location',
  loca: 'location',
  addr: 'address',
  cmts: 'comments',
  comm: 'comments',
  list: 'list',
  mail: 'list',
  memb: 'member',
  entr: 'member',
  bull: 'board',
  bboa: 'board',
}

export function readDirectory(text: string): CcDirectory {
  const entries: CcEntry[] = []
  const lists: { name: string; members: string[] }[] = []
  const boards: string[] = []
  const unknown = new Map<string, string>()
  let entry: Partial<Record<keyof CcEntry, string>> = {}
  const finish = () => {
    if (entry.name !== undefined)
      entries.push({
        name: entry.name,
        location: entry.location ?? '',
        address: entry.address ?? '',
        comments: entry.comments ?? '',
      })
    entry = {}
  }
  for (const line of text.split(/\r?\n/).slice(0, MAX_LINES)) {
    const colon = line.slice(0, 31).indexOf(':')
    if (line.trim() === '') finish()
    if (colon < 1) continue
    const label = line.slice(0, colon).trim()
    const value = line.slice(colon + 1).trim()
    const field =
      FIELDS[
        label
          .toLowerCase()
          .replace(/[^a-z]/g, '')
          .slice(0, 4)
      ]
    if (field === undefined) {
      if (!unknown.has(label)) unknown.set(label, line.slice(0, 100))
    } else if (field === 'list') lists.push({ name: value, members: [] })
    else if (field === 'member') lists.at(-1)?.members.push(value)
    else if (field === 'board') boards.push(value)
    else {
      if (field === 'name') finish()
      entry[field] = value
    }
  }
  finish()
  return { entries, lists, bulletinBoards: boards, unknown: [...unknown.values()] }
}

const ORDER = 'PpLlRrAa'

/** The whole list, post offices first, as IMPORT takes it. */
export function writeDirectory(entries: readonly CcEntry[]): string {
  const place = ({ location }: CcEntry) => (ORDER.includes(location) ? ORDER.indexOf(location) : ORDER.length)
  return entries
    .toSorted((one, other) => place(one) - place(other) || one.name.localeCompare(other.name))
    .map(({ name, location, address, comments }) =>
      [`Name: ${name}`, `Locn: ${location}`, `Addr: ${address}`, `Cmts: ${comments}`, '']
        .map((line) => `${line}\r\n`)
        .join(''),
    )
    .join('')
}
