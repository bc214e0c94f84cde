/**
 * Which rule applies to a file of a message.
 *
 * Invariant: a rule looks at the decoded file, under each of its names.
 */
import { gather } from 'iems/mime'
import { type ArchiveLook, lookInto, mayBeArchive } from './archive-look.ts'
import type { FoundFile } from './found.ts'
import { HEAD, type Kind, kindOf } from './kinds.ts'
import type { RuleOptions } from './options.ts'

export interface RuleLimits {
  readonly maxArchive: number
}

const domainOf = (address: string) => address.slice(address.lastIndexOf('@') + 1).toLowerCase()

export const isIn = (address: string, domains: readonly string[]): boolean =>
  domains.some((one) =>
    one.startsWith('.') ? domainOf(address).endsWith(one) : domainOf(address) === one.toLowerCase(),
  )

/** Whether a name matches `*` and `?`, in linear time for each star. */
function matchesName(name: string, pattern: string): boolean {
  let [at, star, mark] = [0, -1, 0]
  let p = 0
  while (at < name.length) {
    if (p < pattern.length && (pattern[p] === '?' || (pattern[p] === name[at] && pattern[p] !== '*'))) {
      p++
      at++
    } else if (pattern[p] === '*') {
      star = p++
      mark = at
    } else if (star >= 0) {
      p = star + 1
      at = ++mark
    } else return false
  }
  while (pattern[p] === '*') p++
  return p === pattern.length
}

/** Characters of a name that are compared. */
const MAX_NAME = 1000
/** A name as programs of Windows see it: dots and spaces at its end are none. */
function comparable(name: string): string {
  let text = name
    .slice(-MAX_NAME)
    .toLowerCase()
    .toWellFormed()
    .replace(/[\p{Cc}\p{Cf}]/gu, '')
  while (text.endsWith('.') || text.endsWith(' ')) text = text.slice(0, -1)
  return text
}

interface Named {
  readonly name: string
  readonly kind: Kind | undefined
}

function namesIt({ extensions, names, content }: RuleOptions, { name, kind }: Named): boolean {
  const text = comparable(name)
  const isKind = (one: string) =>
    kind !== undefined &&
    (kind.extension === one || kind.mime === one || (one.endsWith('/*') && kind.mime.startsWith(one.slice(0, -1))))
  return (
    (extensions ?? []).some((one) => text.endsWith(`.${one}`)) ||
    (names ?? []).some((one) => matchesName(text.split(/[/\\]/).at(-1) ?? '', one)) ||
    (content ?? []).some(isKind)
  )
}

const hasType = (types: readonly string[], type: string) =>
  types.some((one) => one === type || (one.endsWith('/*') && type.startsWith(one.slice(0, -1))))

const hasKinds = ({ extensions, names, types, content, encrypted, unreadable }: RuleOptions) =>
  extensions !== undefined ||
  names !== undefined ||
  types !== undefined ||
  content !== undefined ||
  encrypted ||
  unreadable

/** A file with what rules ask of it, looked up once and only when one asks. */
export class Asked {
  readonly file: FoundFile
  readonly #limits: RuleLimits
  #head: Promise<Buffer> | undefined
  #kind: Promise<Kind | undefined> | undefined
  #size: Promise<number> | undefined
  #look: Promise<ArchiveLook> | undefined

  constructor(file: FoundFile, limits: RuleLimits) {
    this.file = file
    this.#limits = limits
  }

  kind(): Promise<Kind | undefined> {
    this.#kind ??= this.#first().then(kindOf)
    return this.#kind
  }

  /** Octets, decoded. */
  size(): Promise<number> {
    this.#size ??= this.file.size === undefined ? count(this.file.open()) : Promise.resolve(this.file.size)
    return this.#size
  }

  archive(): Promise<ArchiveLook> {
    this.#look ??= this.#lookIn()
    return this.#look
  }

  #first(): Promise<Buffer> {
    this.#head ??= gather(this.file.open(), HEAD)
    return this.#head
  }

  async #lookIn(): Promise<ArchiveLook> {
    const nothing = { entries: [], isEncrypted: false, isUnreadable: false }
    if (!mayBeArchive(await this.kind(), await this.#first())) return nothing
    const octets = await gather(this.file.open(), this.#limits.maxArchive + 1)
    if (octets.length > this.#limits.maxArchive) return { ...nothing, isUnreadable: true }
    return lookInto(octets, 4 * this.#limits.maxArchive)
  }
}

async function count(octets: AsyncIterable<Uint8Array>): Promise<number> {
  let size = 0
  for await (const { byteLength } of octets) size += byteLength
  return size
}

async function applies(rule: RuleOptions, asked: Asked): Promise<boolean> {
  const { facts } = asked.file
  if (hasKinds(rule)) {
    const kind = rule.content ? await asked.kind() : undefined
    const isNamed = namesIt(rule, { name: facts.name, kind }) || hasType(rule.types ?? [], facts.type ?? '')
    if (!isNamed && !(await isWithin(rule, asked))) return false
  }
  return rule.minSize === undefined || (await asked.size()) >= rule.minSize
}

async function isWithin(rule: RuleOptions, asked: Asked): Promise<boolean> {
  const asksNames = rule.inArchives && (rule.extensions ?? rule.names ?? rule.content) !== undefined
  if (!asksNames && !rule.encrypted && !rule.unreadable) return false
  const { entries, isEncrypted, isUnreadable } = await asked.archive()
  if ((rule.encrypted && isEncrypted) || (rule.unreadable && isUnreadable)) return true
  return asksNames && entries.some((entry) => namesIt(rule, entry))
}

/** The first rule that applies to a file. */
export async function ruleFor(
  rules: readonly RuleOptions[],
  asked: Asked,
  from: string,
): Promise<RuleOptions | undefined> {
  for (const rule of rules) {
    if (rule.senders && !isIn(from, rule.senders)) continue
    if (await applies(rule, asked)) return rule
  }
  return undefined
}
