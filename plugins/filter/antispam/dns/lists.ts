/**
 * DNS lists (RFC 5782): queries, and the meaning of each answer.
 *
 * Invariants: no answer, an error of the list, or an answer outside its range counts nothing.
 */
import { createHash } from 'node:crypto'
import { isIPv4 } from 'node:net'
import type { Dns } from 'iems'
import type { Reason } from '../score.ts'
import type { DnsListOptions } from './list-options.ts'
import { isInternal, reversed } from './names.ts'

export type Subject = DnsListOptions['of'][number]

export interface DnsLists {
  /** The entries of an address or domain in the lists for that subject. Never rejects. */
  ask(subject: Subject, what: string): Promise<readonly Reason[]>
  has(subject: Subject): boolean
}

export function createLists(dns: Dns, lists: readonly DnsListOptions[]): DnsLists {
  const compiled = lists.map((list) => ({ ...list, scoreOf: compile(list) }))
  const by = (subject: Subject) => compiled.filter(({ of }) => of.includes(subject))
  const bySubject = new Map<Subject, ReturnType<typeof by>>()
  for (const subject of ['client', 'client-name', 'hello', 'sender', 'uri'] as const)
    bySubject.set(subject, by(subject))

  return {
    has: (subject) => (bySubject.get(subject)?.length ?? 0) > 0,
    async ask(subject, what) {
      const asked = bySubject.get(subject) ?? []
      if (asked.length === 0 || isInternal(what)) return []
      const found = await Promise.all(
        asked.map(async ({ zone, hash, scoreOf }): Promise<Reason | undefined> => {
          const answer = await dns.ask(`${questionFor(what, hash)}.${zone}`, 'A')
          if (answer.kind !== 'found') return undefined
          const score = scoreOf(answer.records)
          if (score === undefined) return undefined
          return { name: `list:${zone}`, score, ...(subject === 'client' ? {} : { about: what }) }
        }),
      )
      return found.filter((reason) => reason !== undefined)
    },
  }
}

function questionFor(what: string, hash: DnsListOptions['hash']): string {
  const address = reversed(what)
  if (address !== undefined) return address
  return hash === 'none' ? what : createHash(hash).update(what.toLowerCase()).digest('hex')
}

/** Answers with which lists report that they do not serve the client. */
const ERROR = /^127\.(?:255\.255\.\d+|0\.0\.(?:1|255))$/

/** The score of several answers of a list: the largest one. */
function compile({ returns, score }: DnsListOptions): (records: readonly unknown[]) => number | undefined {
  const patterns = returns && Object.entries(returns).map(([text, weight]) => ({ matches: pattern(text), weight }))
  const scoreOf = (address: string): number | undefined => {
    if (!isIPv4(address) || !address.startsWith('127.') || ERROR.test(address)) return undefined
    return patterns ? patterns.find(({ matches }) => matches(address))?.weight : score
  }
  return (records) => {
    let most: number | undefined
    for (const record of records) {
      const one = scoreOf(`${record}`)
      if (one !== undefined && (most === undefined || Math.abs(one) > Math.abs(most))) most = one
    }
    return most
  }
}

function pattern(text: string): (address: string) => boolean {
  const octets = text.split('.').map((part): readonly [number, number] => {
    if (part === '*') return [0, 255]
    const [low, high = low] = part.split('-').map(Number)
    return [low as number, high as number]
  })
  return (address) =>
    address.split('.').every((octet, index) => {
      const [low, high] = octets[index] as readonly [number, number]
      return Number(octet) >= low && Number(octet) <= high
    })
}
