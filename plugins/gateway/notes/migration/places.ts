/**
 * Which mailboxes a document goes to: those of its folders, else what it is decides.
 */
import type { Place } from '../../filing/api.ts'
import type { NotesDocument, NotesFolder } from '../archive/model.ts'
import type { ConvertedMessage } from '../message/convert.ts'

export const placeKey = ({ name }: Place) => name

const INBOX: Place = { name: 'INBOX' }
const SENT: Place = { name: 'Sent', specialUse: '\\Sent' }
const DRAFTS: Place = { name: 'Drafts', specialUse: '\\Drafts' }
const ARCHIVE: Place = { name: 'Archive', specialUse: '\\Archive' }
const CALENDAR: Place = { name: 'Calendar' }
const CONTACTS: Place = { name: 'Contacts' }
const SYSTEM: Readonly<Record<string, Place>> = {
  '($inbox)': INBOX,
  '($drafts)': DRAFTS,
  '($sent)': SENT,
  '($trash)': { name: 'Trash', specialUse: '\\Trash' },
  '($softdeletions)': { name: 'Trash', specialUse: '\\Trash' },
  '($junkmail)': { name: 'Junk', specialUse: '\\Junk' },
}
/** Octets of a level of a mailbox name. */
const MAX_LEVEL = 200

/** The mailbox of a folder; undefined for one that belongs to the design of the database. */
export function placeOfFolder({ path }: Pick<NotesFolder, 'path'>): Place | undefined {
  const whole = path.join('\\').toLowerCase()
  const system = SYSTEM[whole]
  if (system) return system
  // Hidden ones, such as ($Follow-Up), are made by the template.
  if (whole.startsWith('(')) return undefined
  const levels = path.map((level) => level.replaceAll('/', '-').slice(0, MAX_LEVEL))
  return levels.length === 0 ? undefined : { name: /^inbox$/i.test(levels.join('/')) ? 'INBOX' : levels.join('/') }
}

export interface PlacedFolder {
  readonly place: Place
  readonly folder: NotesFolder
}

export function placesOf(
  document: NotesDocument,
  converted: Pick<ConvertedMessage, 'kind' | 'header'>,
  folders: readonly PlacedFolder[],
): readonly Place[] {
  const places = new Map<string, Place>()
  for (const { place, folder } of folders) if (folder.has(document)) places.set(placeKey(place), place)
  if (places.size > 0) return [...places.values()]
  if (converted.kind === 'contact') return [CONTACTS]
  if (converted.kind === 'calendar') return [CALENDAR]
  if (converted.header.isDraft) return [DRAFTS]
  return [converted.header.isSent ? SENT : ARCHIVE]
}
