/**
 * Mailing lists: what is kept of a list and its members, the service for other plugins, and the hook about posts.
 *
 * Addresses are compared in lower case, domains as A-labels. A list is its id, which never changes.
 */
import { defineService, type ReadableMessage } from 'iems'
import type { Language } from './languages.ts'
import type { ListSettings } from './settings.ts'

export { LANGUAGES, type Language } from './languages.ts'
export type { ListSettings } from './settings.ts'

export interface MailingList {
  readonly v: 1
  readonly id: string
  /** Posting address. */
  readonly address: string
  /** Ms since 1970. */
  readonly created: number
  readonly settings: ListSettings
  /** Ids of the entries that show the list in the directory. */
  readonly entries?: readonly string[]
}

export const DELIVERIES = ['post', 'mime', 'plain', 'none'] as const
/** Every post, a digest as MIME or as plain text, or no mail. */
export type DeliveryOption = (typeof DELIVERIES)[number]

/** Bounces of one member. Times in ms since 1970. */
export interface BounceState {
  readonly score: number
  readonly last: number
  /** A probe is on its way; suspended: no mail is sent. */
  readonly state: 'counting' | 'probing' | 'suspended'
  readonly since: number
  readonly warnings: number
}

export interface Member {
  readonly v: 1
  readonly address: string
  readonly name?: string
  /** Names the member in return paths and links; not guessable. */
  readonly token: string
  readonly since: number
  readonly delivery: DeliveryOption
  /** Posts wait for a moderator. */
  readonly moderated: boolean
  /** Gets copies of their own posts. */
  readonly own: boolean
  /** Gets a copy although the post names them in To or Cc. */
  readonly duplicates: boolean
  /** Gets a note when a post of theirs has been sent to the list. */
  readonly acknowledge: boolean
  /** No mail until then. */
  readonly awayUntil?: number
  /** Of what the list writes to the member; the list's by default. */
  readonly language?: Language | null
  /** Names of topics; the member gets only posts about them. Absent or empty: every post. */
  readonly topics?: readonly string[]
  /** Gets posts without a topic too. Default: true. */
  readonly otherTopics?: boolean
  readonly bounce?: BounceState
}

export type MemberOptions = Partial<
  Pick<
    Member,
    | 'name'
    | 'delivery'
    | 'moderated'
    | 'own'
    | 'duplicates'
    | 'acknowledge'
    | 'awayUntil'
    | 'language'
    | 'topics'
    | 'otherTopics'
  >
>

export type PostVerdict =
  | { readonly kind: 'accept' }
  | { readonly kind: 'hold' | 'refuse' | 'discard'; readonly why: string }

/** A post before it is sent to the members. */
export interface Post {
  readonly list: MailingList
  readonly message: Pick<ReadableMessage, 'id' | 'from' | 'size' | 'headers' | 'findings' | 'open' | 'parse'>
  /** Address of the author in lower case; empty when the From field names no single address. */
  readonly author: string
  /** The verdict of the list's rules. */
  readonly verdict: PostVerdict
}

/** An accepted post as it is sent to the members. */
export interface OutgoingPost {
  readonly list: MailingList
  /** As in `Post`. */
  readonly author: string
  /** Of the post in the list, from 1. */
  readonly number: number
  /** Last part of its permalink. */
  readonly hash: string
  /** Header and body, with all that the list changes. May be called repeatedly. */
  open(): AsyncIterable<Uint8Array>
}

/** A change of many members of one list. */
export interface Many {
  /** The list's address. */
  readonly list: string
  readonly action: 'add' | 'set' | 'remove'
  /** Sends the welcome text to new members. */
  readonly welcome: boolean
}

/** Lines that cannot be used, the progress after each batch, and the result. */
export type ManyResult =
  | { readonly kind: 'fault'; readonly line: number; readonly address?: string; readonly fault: string }
  | { readonly kind: 'progress' | 'end'; readonly done: number; readonly faults: number }

export const DECISIONS = ['approve', 'reject', 'discard', 'allow'] as const
/** `reject` informs the author, `discard` does not; `allow` approves this and all later posts of the author. */
export type Decision = (typeof DECISIONS)[number]

/** A post or a request that awaits a moderator. */
export interface HeldItem {
  readonly id: string
  /** Ms since 1970. */
  readonly at: number
  readonly why: string
  readonly kind: 'post' | 'subscribe' | 'unsubscribe'
  /** Of the author, or of the person who asks. */
  readonly address: string
  /** Decoded; empty for requests. */
  readonly subject: string
  /** Octets of a post. */
  readonly size?: number
}

/** The Lists service: for administration pages and mirrors. */
export interface ListsApi {
  /** By its address. */
  list(address: string): Promise<MailingList | undefined>
  lists(): AsyncIterable<MailingList>
  members(list: MailingList): AsyncIterable<Member>
  member(list: MailingList, address: string): Promise<Member | undefined>
  /**
   * Adds, sets or removes the members of a file: addresses by line, CSV with a header, or what Mailman, Sympa and
   * LISTSERV export. Lines that cannot be used are yielded, the others count. Throws when there is no such list.
   */
  changeMembers(many: Many, input: AsyncIterable<Uint8Array>, signal: AbortSignal): AsyncIterable<ManyResult>
  /** Oldest first. */
  held(list: MailingList): AsyncIterable<HeldItem>
  /** Header and body of a held post; undefined when there is none. */
  heldContent(list: MailingList, id: string): Promise<AsyncIterable<Uint8Array> | undefined>
  /** `text` is the reason that the author gets with `reject`. False when it is held no more. */
  decide(list: MailingList, id: string, decision: Decision, text?: string): Promise<boolean>
  /** Path of the archive on this server's HTTP listener; undefined without an archive or HTTP. */
  archivePath(list: MailingList): string | undefined
}

export const Lists = defineService<ListsApi>('lists')

declare global {
  interface IemsHooks {
    /** A bail hook: the first answer replaces the verdict of the list's rules. */
    'lists:post': (post: Post) => PostVerdict | void
    /**
     * A waterfall that begins with an accepted post: each handler may answer the post with another `open`. Signatures
     * of the author do not survive changes; the archive keeps the post as it came. A fault makes the post wait.
     */
    'lists:outgoing': (post: OutgoingPost) => OutgoingPost | void
    /** For mirrors. After a crash a post may come twice, and none is left out. */
    'lists:posted': (post: OutgoingPost) => void
  }
}
