/**
 * What entries are called: names in the tree, and the names by which the directory knows accounts, groups and units.
 *
 * What must stay true: an entry has each value of its relative distinguished name among its attributes; two groups
 * never have the same name.
 */
import {
  type DirectoryApi,
  type Entry,
  joined,
  NAMING,
  nameInPath,
  type Placed,
  pathOf,
  rdnOf,
} from '../../store/api.ts'
import { accountName, baseOf, groupName } from './kinds.ts'
import { foldText, formatRdn, parseDn, type Rdn } from './protocol/dn.ts'
import { LdapError } from './protocol/responses.ts'
import { type Node, rdnText, type TreePlace } from './tree.ts'
import type { Attributes } from './values.ts'

/** Groups of one name, in different units, that are told apart by a number. */
const MAX_NAMESAKES = 1000

export class EntryNames {
  readonly #directory: DirectoryApi

  constructor(directory: DirectoryApi) {
    this.#directory = directory
  }

  /** What an entry is called, and where it stands: by `name`, for accounts and groups, and `rdn` where that is not all. */
  async naming(
    kind: Placed['kind'],
    { rdn, unit }: Pick<TreePlace, 'rdn' | 'unit'>,
    above: Node | undefined,
    after: Attributes,
    entry?: Entry,
  ): Promise<{ readonly name?: string; readonly [field: string]: unknown }> {
    const text = rdnText(rdn)
    if (kind === 'object') return { rdn: text, unit }
    if (kind === 'unit') {
      const path = above && 'attributes' in above ? pathOf(above) : unit
      return { path: joined(path, nameInPath(text)), name: rdn[0]?.value ?? '' }
    }
    const name =
      kind === 'account'
        ? accountName(rdn, after, entry?.kind === 'account' ? entry : undefined)
        : await this.#freeName(groupName(rdn, after, entry?.kind === 'group' ? entry : undefined), entry)
    const usual = formatRdn([{ type: NAMING[kind], value: name }])
    return { name, unit, rdn: text === usual ? null : text }
  }

  /** Groups may have namesakes in other units of the tree: here their names differ by a number. */
  async #freeName(name: string, entry: Entry | undefined): Promise<string> {
    for (let number = 1; number <= MAX_NAMESAKES; number++) {
      const one = number === 1 ? name : `${name} ${number}`
      const found = await this.#directory.byName('group', one)
      if (!found || found.id === entry?.id || foldText(found.name) !== foldText(one)) return one
    }
    throw new LdapError('adminLimitExceeded', 'too many groups of one name')
  }
}

/** An entry's own name; none for the suffix. */
export function nameOf(entry: Entry): Rdn {
  switch (entry.kind) {
    case 'domain':
      return [{ type: NAMING.domain, value: entry.name }]
    case 'alias':
    case 'route':
      return [{ type: NAMING[entry.kind], value: entry.match }]
    default:
      return parseDn(rdnOf(entry))?.[0] ?? []
  }
}

/** What `cn` has of a group because that is its name. */
export const groupNameOf = (entry: Entry) =>
  entry.kind === 'group' && entry.rdn === undefined ? entry.name : undefined

/** Puts what an entry is called by among its attributes, first. */
export function withName(all: Attributes, rdn: Rdn): void {
  for (const { type, value } of rdn) {
    const base = baseOf(type)
    const others = (all.get(base) ?? []).filter((one) => foldText(one) !== foldText(value))
    all.set(base, [value, ...others])
  }
}
