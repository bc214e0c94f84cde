/**
 * Every label of the cc:Mail Import/Export format, in one table. Reading takes each spelling; writing uses the first one,
 * and only those that are documented or were seen.
 */
export type LabelName =
  | 'message'
  | 'from'
  | 'date'
  | 'to'
  | 'cc'
  | 'bcc'
  | 'subject'
  | 'contents'
  | 'priority'
  | 'receipt'
  | 'folder'
  | 'forwarded'

export type ItemKind = 'text' | 'file' | 'fax' | 'graphics' | 'message'

interface Label {
  /** The first one is written. */
  readonly spellings: readonly string[]
  /** Seen in a published example, named in documentation, or only supposed. */
  readonly source: 'seen' | 'documented' | 'supposed'
}

export const LABELS: Readonly<Record<LabelName, Label>> = {
  message: { spellings: ['Message'], source: 'seen' },
  from: { spellings: ['From'], source: 'seen' },
  date: { spellings: ['Date'], source: 'seen' },
  to: { spellings: ['To'], source: 'seen' },
  cc: { spellings: ['cc'], source: 'documented' },
  bcc: { spellings: ['bcc'], source: 'documented' },
  subject: { spellings: ['Subject'], source: 'seen' },
  contents: { spellings: ['Contents'], source: 'seen' },
  forwarded: { spellings: ['Forwarded by', 'Forwarded'], source: 'documented' },
  priority: { spellings: ['Priority', 'Urgency', 'Importance'], source: 'supposed' },
  receipt: { spellings: ['Receipt', 'Return receipt', 'Receipt requested'], source: 'supposed' },
  folder: { spellings: ['Folder', 'Folder name', 'In folder'], source: 'supposed' },
}

export const ITEMS: Readonly<Record<ItemKind, Label>> = {
  text: { spellings: ['Text item', 'RTF item'], source: 'seen' },
  file: { spellings: ['File item'], source: 'documented' },
  fax: { spellings: ['Fax item'], source: 'documented' },
  graphics: { spellings: ['Graphics item', 'Graphic item'], source: 'documented' },
  message: { spellings: ['Message item'], source: 'documented' },
}

function bySpelling<K extends string>(labels: Readonly<Record<K, Label>>): ReadonlyMap<string, K> {
  const found = new Map<string, K>()
  for (const [name, { spellings }] of Object.entries<Label>(labels))
    for (const spelling of spellings) found.set(spelling.toLowerCase(), name as K)
  return found
}

const HEADER_NAMES = bySpelling(LABELS)
const ITEM_NAMES = bySpelling(ITEMS)
/** Characters of a label. */
const MAX_LABEL = 30

export interface LabelLine {
  /** As it stands. */
  readonly label: string
  readonly value: string
  readonly header?: LabelName
  readonly item?: ItemKind
}

/** A line as a label with its value; undefined for a line that has none at its start. */
export function readLabel(line: string): LabelLine | undefined {
  const colon = line.slice(0, MAX_LABEL + 1).indexOf(':')
  const label = line.slice(0, Math.max(0, colon))
  if (!/^[A-Za-z][A-Za-z .-]*$/.test(label)) return undefined
  const value = line.slice(colon + 1).trim()
  const name = label.trim().toLowerCase()
  const header = HEADER_NAMES.get(name)
  const item = ITEM_NAMES.get(name)
  return { label, value, ...(header ? { header } : {}), ...(item ? { item } : {}) }
}

export const written = (name: LabelName) => LABELS[name].spellings[0] ?? name
export const writtenItem = (kind: ItemKind) => ITEMS[kind].spellings[0] ?? kind
