/**
 * Translates IMAP search keys to conditions of the mail store.
 *
 * Invariants: sets refer to the UIDs that this client knows, resolved once for each search.
 */
import type { Condition, Uids } from '../../mailbox/store/api.ts'
import type { SearchKey } from './grammar/search.ts'
import { within } from './grammar/sets.ts'
import type { View } from './view.ts'

interface Meaning {
  readonly view: View
  /** Ms since 1970. */
  readonly now: number
}

const ADDRESSES_AND_SUBJECT = ['from', 'to', 'cc', 'bcc', 'subject'] as const
const isIndexed = (name: string): name is (typeof ADDRESSES_AND_SUBJECT)[number] =>
  ADDRESSES_AND_SUBJECT.some((known) => known === name)
const ANYWHERE = [...ADDRESSES_AND_SUBJECT, 'headers', 'body'] as const

export function conditionOf(key: SearchKey, meaning: Meaning): Condition {
  switch (key.kind) {
    case 'and':
    case 'or':
      return { kind: key.kind, of: key.keys.map((one) => conditionOf(one, meaning)) }
    case 'not':
      return { kind: 'not', of: conditionOf(key.key, meaning) }
    case 'fuzzy':
      return conditionOf(key.key, meaning)
    case 'uid':
    case 'sequence':
      return { kind: 'uids', uids: meaning.view.uidsWithin(key.set, key.kind === 'uid') }
    case 'size':
      return { kind: 'size', is: key.than, than: key.octets }
    case 'date':
      return { kind: 'day', of: key.of, is: key.is, day: key.at }
    case 'within': {
      const at = meaning.now - key.seconds * 1000
      // RFC 5032: a message of exactly that age is both older and younger.
      return {
        kind: 'time',
        of: 'received',
        ...(key.is === 'older' ? { is: 'before', at: at + 1 } : { is: 'since', at }),
      }
    }
    case 'header':
      // Empty text asks whether the field exists.
      return isIndexed(key.name) && key.text !== ''
        ? { kind: 'text', fields: [key.name], text: key.text, how: 'substring' }
        : { kind: 'field', name: key.name, text: key.text }
    case 'text':
      return { kind: 'text', fields: key.in === 'body' ? ['body'] : ANYWHERE, text: key.text, how: 'substring' }
    case 'modseq':
      return { kind: 'modseq', atLeast: key.least }
    case 'all':
    case 'saveDateSupported':
      return { kind: 'all' }
    default:
      return key
  }
}

/** Whether the key consists only of sets. */
export function isOfSets(key: SearchKey): boolean {
  return key.kind === 'and' ? key.keys.every(isOfSets) : ['all', 'uid', 'sequence'].includes(key.kind)
}

/** The UIDs to which the key's sets restrict the search. */
export function scopeOf(key: SearchKey, view: View): Uids | undefined {
  if (key.kind === 'uid') return view.uidsWithin(key.set, true)
  if (key.kind === 'sequence') return view.uidsWithin(key.set, false)
  if (key.kind !== 'and') return undefined
  return key.keys.reduce<Uids | undefined>((scope, one) => {
    const next = scopeOf(one, view)
    return scope && next ? within(scope, next, view.mailbox.uidNext) : (scope ?? next)
  }, undefined)
}
