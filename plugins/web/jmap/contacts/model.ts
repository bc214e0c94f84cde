/**
 * Stored form of address books and cards. Types only.
 */
import type { KeptObjects } from '../kept.ts'

export interface Book {
  readonly name: string
  readonly description: string | null
  readonly sortOrder: number
  readonly isSubscribed: boolean
}

/** A JSContact card (RFC 9553), as its client wrote it. */
export type Card = {
  readonly addressBookIds: Readonly<Record<string, boolean>>
  readonly uid: string
} & Readonly<Record<string, unknown>>

export interface BookDeps {
  readonly books: KeptObjects<Book>
  readonly cards: KeptObjects<Card>
}
