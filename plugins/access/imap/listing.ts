/**
 * The mailboxes in LIST and LSUB responses, with their attributes (RFC 9051 section 6.3.9, RFC 5258).
 *
 * Pure: existing mailboxes in, responses out.
 */
import { levelsAbove, type Mailbox } from '../../mailbox/store/api.ts'
import { toTest } from './wildcards.ts'

export interface Listed {
  readonly name: string
  readonly mailbox: Mailbox
}

export interface Visible {
  readonly all: readonly Listed[]
  /** Subscribed names without a mailbox. */
  readonly lost: readonly string[]
}

export interface Selection {
  readonly select: ReadonlySet<string>
  readonly returns: ReadonlySet<string>
}

export interface Found {
  readonly name: string
  /** Absent for a level that exists only because of its children. */
  readonly mailbox?: Mailbox
  readonly attributes: readonly string[]
  /** CHILDINFO, with a leading space. */
  readonly extended: string
}

const CHILD_INFO = ' (CHILDINFO ("SUBSCRIBED"))'

/** Yields to other sessions; undefined while there is time. */
type Pause = () => Promise<void> | undefined

/** The names that match a pattern. */
async function fitting(names: Iterable<string>, patterns: readonly string[], pause: Pause): Promise<Set<string>> {
  const tests = [...new Set(patterns)].map(toTest)
  const fit = new Set<string>()
  for (const name of names) {
    for (const test of tests) {
      await pause()
      if (!test(name)) continue
      fit.add(name)
      break
    }
  }
  return fit
}

export async function matching(
  { all, lost }: Visible,
  patterns: readonly string[],
  { select, returns }: Selection,
  pause: Pause,
): Promise<Found[]> {
  const isChosen = ({ mailbox }: Listed) =>
    (!select.has('SUBSCRIBED') || mailbox.subscribed) &&
    (!select.has('SPECIAL-USE') || mailbox.specialUse !== undefined)
  const chosen = all.filter(isChosen)
  const parents = new Set(all.flatMap(({ name }) => levelsAbove(name)))
  const gone = select.has('SUBSCRIBED') && !select.has('SPECIAL-USE') ? lost : []
  const chosenAbove = new Set([...chosen.map(({ name }) => name), ...gone].flatMap(levelsAbove))
  const recursive = select.has('RECURSIVEMATCH')
  const known = new Set(all.map(({ name }) => name))
  const fit = await fitting(new Set([...known, ...parents, ...gone, ...chosenAbove]), patterns, pause)
  const matches = (name: string) => fit.has(name)
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
  for (const name of recursive && gone.length > 0 ? chosenAbove : []) {
    if (!known.has(name) && !found.has(name) && matches(name))
      found.set(name, { name, attributes: ['\\NonExistent'], extended: CHILD_INFO })
  }
  for (const name of parents) {
    // Levels of other users' names, and parents of a match that a % does not reach.
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
