/**
 * Places of changed entries and of their descendants, and members that are known only by place.
 *
 * Invariants: every entry has an existing parent; descendants of a moved entry move in the same commit; a member named
 * before it exists becomes that entry as soon as it does.
 */
import { below, unkey } from 'iems'
import type { Member, Refused } from './api.ts'
import { isPlaced, joined, movedTo, nameInPath, type PlacedRecord, pathOf, rdnOf, withNameValues } from './places.ts'
import {
  decode,
  type EntryRecord,
  encode,
  entryKey,
  foldPath,
  memberKey,
  memberName,
  memberOfKey,
  placeKey,
  waitedForKey,
} from './records.ts'
import type { Draft } from './transaction.ts'

/** Maximum descendants of a moved entry. */
const MAX_MOVED = 50_000

export class Refusal extends Error {
  readonly refused: Refused
  constructor(refused: Refused['refused'], why: string) {
    super(why)
    this.refused = { refused, why }
  }
}

export function memberKeys(group: string, member: Member) {
  const name = memberName(member)
  return [memberKey(group, name), memberOfKey(name, group)] as const
}

interface StandingDeps {
  /** Throws when there is none. */
  entry(id: string): Promise<EntryRecord>
  /** Replaces the indexes of the first entry by those of the second. */
  index(before: EntryRecord, after: EntryRecord): Promise<void>
}

export class Standing {
  readonly #draft: Draft
  readonly #parts: StandingDeps

  constructor(draft: Draft, parts: StandingDeps) {
    this.#draft = draft
    this.#parts = parts
  }

  /** Resolves the entry's references to their stored form. */
  async placed(before: EntryRecord | undefined, given: EntryRecord): Promise<EntryRecord> {
    if (!isPlaced(given)) return given
    const named = withNameValues(given)
    const after = named.kind === 'unit' ? named : { ...named, unit: foldPath(named.unit) }
    const path = foldPath(pathOf(after))
    const above = path.slice(0, Math.max(0, path.lastIndexOf('/')))
    if (after.kind === 'object' && after.rdn === '' && after.unit !== '')
      throw new Refusal('INVALID', 'only the top has no name')
    if (before && isPlaced(before)) {
      const old = foldPath(pathOf(before))
      if (old === '' && path !== '') throw new Refusal('INVALID', 'the top cannot be moved')
      if (old !== '' && old !== path && `${path}/`.startsWith(`${old}/`))
        throw new Refusal('INVALID', 'an entry cannot stand below itself')
    }
    if (above !== '' && !(await this.#draft.get(placeKey(above))))
      throw new Refusal(
        'NONEXISTENT',
        `there is no ${above.split('/').some((name) => name.includes('=')) ? 'entry' : 'unit'} ${above}`,
      )
    return after
  }

  /** Updates what depends on an entry's place. */
  async settle(before: EntryRecord | undefined, after: EntryRecord): Promise<void> {
    if (!isPlaced(after)) return
    const path = foldPath(pathOf(after))
    const old = before && isPlaced(before) ? foldPath(pathOf(before)) : undefined
    if (old === path) return
    await this.#adopt(path, after.id)
    if (old !== undefined) await this.#moveBelow(old, await this.#written(after))
  }

  /** Refuses to remove an entry with children. */
  async mayGo(entry: EntryRecord): Promise<void> {
    if (!isPlaced(entry)) return
    for await (const _ of this.#draft.scan(below('u', foldPath(pathOf(entry)))))
      throw new Refusal('INUSE', entry.kind === 'unit' ? 'something stands in this unit' : 'something stands below it')
  }

  /** Replaces a member's path by the id of the entry there; a group that names itself stays a name. */
  async member(member: Member, group?: string): Promise<Member> {
    if (!('path' in member)) return member
    const id = await this.#draft.get(placeKey(foldPath(member.path)))
    if (id && decode<string>(id) !== group) return { id: decode<string>(id) }
    this.#draft.put(waitedForKey(foldPath(member.path)), encode(1))
    return member
  }

  /** Whether a group is in another one, directly or nested. */
  async isWithin(inner: string, outer: string): Promise<boolean> {
    const seen = new Set([inner])
    for (const one of seen) {
      for await (const [at] of this.#draft.scan(below('o', `i${one}`))) {
        const above = unkey(at)[2] as string
        if (above === outer) return true
        seen.add(above)
      }
    }
    return false
  }

  /** Groups that refer to an entry by place refer to it by id from now on. */
  async #adopt(path: string, id: string): Promise<void> {
    // Cheaper than scanning all members of that name, which are rare.
    if (!(await this.#draft.get(waitedForKey(path)))) return
    const name = memberName({ path })
    for await (const [at] of this.#draft.scan(below('o', name))) {
      const group = unkey(at)[2] as string
      if (group === id || (await this.isWithin(group, id))) continue
      this.#draft.del(at)
      this.#draft.del(memberKey(group, name))
      const [key, back] = memberKeys(group, { id })
      this.#draft.put(key, encode({ id }))
      this.#draft.put(back, encode(1))
    }
  }

  /** The path of an entry as its units are written. */
  async #written(entry: PlacedRecord): Promise<string> {
    if (entry.kind === 'unit') return entry.path
    const above = await this.#draft.get(placeKey(entry.unit))
    const parent = above && entry.unit !== '' ? await this.#parts.entry(decode<string>(above)) : undefined
    const name = nameInPath(rdnOf(entry))
    return joined(parent?.kind === 'unit' ? parent.path : entry.unit, name)
  }

  async #moveBelow(from: string, to: string): Promise<void> {
    const queue: (readonly [from: string, to: string])[] = [[from, to]]
    let count = 0
    for (const [old, now] of queue) {
      for await (const [at] of this.#draft.scan(below('u', old))) {
        if (++count > MAX_MOVED) throw new Refusal('INVALID', `more than ${MAX_MOVED} entries stand below it`)
        const child = await this.#parts.entry(unkey(at)[2] as string)
        if (!isPlaced(child)) continue
        const moved = movedTo(child, child.kind === 'unit' ? now : foldPath(now))
        const after = { ...moved, version: child.version + 1 }
        await this.#parts.index(child, after)
        this.#draft.put(entryKey(after.id), encode(after))
        await this.#adopt(foldPath(pathOf(after)), after.id)
        queue.push([foldPath(pathOf(child)), joined(now, nameInPath(rdnOf(child)))])
      }
    }
  }
}
