/**
 * Names of entries: DNs in the tree, and the directory's names of accounts, groups and units.
 *
 * Invariants: an entry has each value of its RDN among its attributes; two groups never have the same name.
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

/** Maximum groups with the same name in different units; a number distinguishes them. */
const MAX_NAMESAKES = 1000

export class EntryNames {
  readonly #directory: DirectoryApi

  constructor(directory: DirectoryApi) {
    this.#directory = directory
  }

  /** An entry's position and name: `name` for accounts and groups, and `rdn` if that is more than the name. */
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

  /** Groups in other units may have the same name; the directory adds a number. */
  async #freeName(name: string, entry: Entry | undefined): Promise<string> {
    for (let number = 1; number <= MAX_NAMESAKES; number++) {
      const one = number === 1 ? name : `${name} ${number}`
      const found = await this.#directory.byName('group', one)
      if (!found || found.id === entry?.id || foldText(found.name) !== foldText(one)) return one
    }
    throw new LdapError('adminLimitExceeded', 'too many groups of one name')
  }
}

/** An entry's RDN; empty for the suffix. */
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

/** The value of `cn` that is the group's name. */
export const groupNameOf = (entry: Entry) =>
  entry.kind === 'group' && entry.rdn === undefined ? entry.name : undefined

/** Puts the values of the RDN first among the attributes. */
export function withName(all: Attributes, rdn: Rdn): void {
  for (const { type, value } of rdn) {
    const base = baseOf(type)
    const others = (all.get(base) ?? []).filter((one) => foldText(one) !== foldText(value))
    all.set(base, [value, ...others])
  }
}
