/**
 * Where changed entries stand, what stands below them, and members that are known by their place alone.
 *
 * What must stay true: whatever stands somewhere stands below an entry; what stands below one that moves goes with it,
 * in the same commit; a member that is named before it is there is that entry as soon as there is one.
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

/** Entries that go with one that is moved. */
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
  /** Writes the indexes of the second in the place of the first's. */
  index(before: EntryRecord, after: EntryRecord): Promise<void>
}

export class Standing {
  readonly #draft: Draft
  readonly #parts: StandingDeps

  constructor(draft: Draft, parts: StandingDeps) {
    this.#draft = draft
    this.#parts = parts
  }

  /** The entry with its references in the form in which they are found. */
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

  /** What follows from where an entry stands now. */
  async settle(before: EntryRecord | undefined, after: EntryRecord): Promise<void> {
    if (!isPlaced(after)) return
    const path = foldPath(pathOf(after))
    const old = before && isPlaced(before) ? foldPath(pathOf(before)) : undefined
    if (old === path) return
    await this.#adopt(path, after.id)
    if (old !== undefined) await this.#moveBelow(old, await this.#written(after))
  }

  /** Refuses to take an entry away from below others. */
  async mayGo(entry: EntryRecord): Promise<void> {
    if (!isPlaced(entry)) return
    for await (const _ of this.#draft.scan(below('u', foldPath(pathOf(entry)))))
      throw new Refusal('INUSE', entry.kind === 'unit' ? 'something stands in this unit' : 'something stands below it')
  }

  /** A member by its id where its path is that of an entry; a group that names itself stays a name. */
  async member(member: Member, group?: string): Promise<Member> {
    if (!('path' in member)) return member
    const id = await this.#draft.get(placeKey(foldPath(member.path)))
    if (id && decode<string>(id) !== group) return { id: decode<string>(id) }
    this.#draft.put(waitedForKey(foldPath(member.path)), encode(1))
    return member
  }

  /** Whether a group is in another one, directly or in one of its groups. */
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

  /** Groups that know an entry by its place know it by its id from now on. */
  async #adopt(path: string, id: string): Promise<void> {
    // A look at all members of that name costs more than this, and there are hardly ever any.
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
