/**
 * The UIDs of a mailbox as ranges, with the sequence number at the start of each.
 *
 * Invariants: every operation costs the logarithm of the number of ranges, so a mailbox of 200,000 messages opens as
 * fast as a small one, and an idling session stores a few numbers.
 */
import type { Uids } from '../../mailbox/store/api.ts'

type Range = [first: number, last: number]

export class UidList {
  #ranges: Range[] = []
  /** Sequence number of the first message of each range. */
  #numbers: number[] = []

  constructor(uids: Uids) {
    this.#set(uids.map(([first, last]): Range => [first, last]))
  }

  #set(ranges: Range[]): void {
    let number = 1
    this.#ranges = ranges
    this.#numbers = ranges.map(([first, last]) => {
      const start = number
      number += last - first + 1
      return start
    })
  }

  get count(): number {
    const [first = 0, last = -1] = this.#ranges.at(-1) ?? []
    return (this.#numbers.at(-1) ?? 1) + last - first
  }

  get highest(): number {
    return this.#ranges.at(-1)?.[1] ?? 0
  }

  get all(): Uids {
    return this.#ranges
  }

  /** The last range that begins at or before a value; -1 if there is none. */
  #before(value: number, startOf: (index: number) => number): number {
    let [low, high] = [0, this.#ranges.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if (startOf(middle) <= value) low = middle + 1
      else high = middle
    }
    return low - 1
  }

  uidOf(number: number): number | undefined {
    const index = this.#before(number, (at) => this.#numbers[at] as number)
    const range = this.#ranges[index]
    const uid = range && range[0] + number - (this.#numbers[index] as number)
    return range && uid !== undefined && uid <= range[1] ? uid : undefined
  }

  numberOf(uid: number): number | undefined {
    const index = this.#before(uid, (at) => (this.#ranges[at] as Range)[0])
    const range = this.#ranges[index]
    return range && uid <= range[1] ? (this.#numbers[index] as number) + uid - range[0] : undefined
  }

  /** The ranges between two UIDs. */
  between(first: number, last: number): Range[] {
    const found: Range[] = []
    for (
      let index = Math.max(
        0,
        this.#before(first, (at) => (this.#ranges[at] as Range)[0]),
      );
      index < this.#ranges.length;
      index++
    ) {
      const [from, to] = this.#ranges[index] as Range
      if (from > last) break
      if (to >= first) found.push([Math.max(from, first), Math.min(to, last)])
    }
    return found
  }

  /** Adds a UID greater than all others. */
  add(uid: number): void {
    const last = this.#ranges.at(-1)
    if (last && last[1] === uid - 1) last[1] = uid
    else {
      this.#numbers.push(this.count + 1)
      this.#ranges.push([uid, uid])
    }
  }

  /** Removes existing UIDs, in order. */
  remove(uids: readonly number[]): void {
    const left: Range[] = []
    let at = 0
    for (const [first, last] of this.#ranges) {
      let start = first
      for (; at < uids.length && (uids[at] as number) <= last; at++) {
        const uid = uids[at] as number
        if (uid > start) left.push([start, uid - 1])
        start = uid + 1
      }
      if (start <= last) left.push([start, last])
    }
    this.#set(left)
  }
}
