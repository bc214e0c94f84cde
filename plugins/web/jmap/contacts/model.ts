/**
 * Stored form of address books and cards. Types only.
 */
import type { KeptObjects } from '../kept.ts'

export interface Book {
  readonly name: string
  readonly description: string | null
  readonly sortOrder: number
  readonly isSubscribed: boolean
  /** Whether new cards go here; absent from all: the book that every account has. */
  readonly isDefault?: boolean | undefined
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
