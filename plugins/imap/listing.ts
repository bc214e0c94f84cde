/**
 * Which mailboxes LIST and LSUB tell of, and with what attributes (RFC 9051 section 6.3.9, RFC 5258).
 *
 * Pure: what there is goes in, what is told comes out.
 */
import type { Mailbox } from '../mailstore/api.ts'

export interface Listed {
  readonly name: string
  readonly mailbox: Mailbox
}

export interface Visible {
  readonly all: readonly Listed[]
  /** Names that are subscribed, and that no mailbox has any more. */
  readonly lost: readonly string[]
}

export interface Selection {
  readonly select: ReadonlySet<string>
  readonly returns: ReadonlySet<string>
}

export interface Found {
  readonly name: string
  /** Absent for a level that is only there because something below it is. */
  readonly mailbox?: Mailbox
  readonly attributes: readonly string[]
  /** CHILDINFO, with the space before it. */
  readonly extended: string
}

/** `*` stands for anything, `%` for anything within a level. */
function toPattern(pattern: string): RegExp {
  // INBOX is the same in any case, also as the beginning of a pattern.
  const text = pattern.replace(/^inbox(?=$|\/)/i, 'INBOX')
  const source = text.replace(/[*%]+|[^*%]+/g, (piece) => {
    if (piece.includes('*')) return '.*'
    return piece.includes('%') ? '[^/]*' : piece.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
  })
  return new RegExp(`^${source}$`, 's')
}

const CHILD_INFO = ' (CHILDINFO ("SUBSCRIBED"))'
/** Wildcards of one pattern: more would only make matching slow. */
const WILDCARDS = 20

export function matching({ all, lost }: Visible, patterns: readonly string[], { select, returns }: Selection): Found[] {
  const tests = patterns.filter((pattern) => (pattern.match(/[*%]+/g) ?? []).length <= WILDCARDS).map(toPattern)
  const matches = (name: string) => tests.some((test) => test.test(name))
  const isChosen = ({ mailbox }: Listed) =>
    (!select.has('SUBSCRIBED') || mailbox.subscribed) &&
    (!select.has('SPECIAL-USE') || mailbox.specialUse !== undefined)
  const chosen = all.filter(isChosen)
  const parents = new Set(all.flatMap(({ name }) => levelsAbove(name)))
  const gone = select.has('SUBSCRIBED') && !select.has('SPECIAL-USE') ? lost : []
  const chosenAbove = new Set([...chosen.map(({ name }) => name), ...gone].flatMap(levelsAbove))
  const recursive = select.has('RECURSIVEMATCH')
  const found = new Map<string, Found>()
  for (const { name, mailbox } of all) {
    const isOwn = isChosen({ name, mailbox })
    const isAbove = recursive && chosenAbove.has(name)
    if (!matches(name) || !(isOwn || isAbove)) continue
    const attributes = [
      ...attributesOf(mailbox, { select, returns }),
      parents.has(name) ? '\\HasChildren' : '\\HasNoChildren',
    ]
    found.set(name, { name, mailbox, attributes, extended: isAbove ? CHILD_INFO : '' })
  }
  for (const name of gone) {
    const isAbove = recursive && chosenAbove.has(name)
    const extended = isAbove ? CHILD_INFO : ''
    if (matches(name)) found.set(name, { name, attributes: ['\\Subscribed', '\\NonExistent'], extended })
  }
  const known = new Set(all.map(({ name }) => name))
  for (const name of recursive && gone.length > 0 ? chosenAbove : []) {
    if (!known.has(name) && !found.has(name) && matches(name))
      found.set(name, { name, attributes: ['\\NonExistent'], extended: CHILD_INFO })
  }
  for (const name of parents) {
    // Levels of other users' names, and those above a match that a % does not reach.
    if (!known.has(name) && matches(name) && select.size === 0)
      found.set(name, { name, attributes: ['\\NonExistent', '\\Noselect', '\\HasChildren'], extended: '' })
  }
  return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
}

function attributesOf({ noSelect, specialUse, subscribed }: Mailbox, { select, returns }: Selection): string[] {
  const attributes: string[] = []
  if (noSelect) attributes.push('\\Noselect')
  if (subscribed && (select.has('SUBSCRIBED') || returns.has('SUBSCRIBED'))) attributes.push('\\Subscribed')
  if (specialUse) attributes.push(specialUse)
  return attributes
}

function levelsAbove(name: string): string[] {
  const levels = name.split('/')
  return levels.slice(1).map((_, index) => levels.slice(0, index + 1).join('/'))
}
