/**
 * The JMAP objects that the web mail uses (RFC 8621), as far as it uses them.
 */
export interface Address {
  readonly name: string | null
  readonly email: string
}

export interface Mailbox {
  readonly id: string
  readonly name: string
  readonly parentId: string | null
  readonly role: string | null
  readonly sortOrder: number
  readonly totalThreads: number
  readonly unreadThreads: number
  readonly totalEmails: number
  readonly unreadEmails: number
  readonly myRights: Readonly<Record<string, boolean>>
}

export interface Email {
  readonly id: string
  readonly threadId: string
  readonly mailboxIds: Readonly<Record<string, true>>
  readonly keywords: Readonly<Record<string, true>>
  readonly from: readonly Address[] | null
  readonly to: readonly Address[] | null
  readonly cc: readonly Address[] | null
  readonly bcc: readonly Address[] | null
  readonly replyTo: readonly Address[] | null
  readonly subject: string | null
  readonly receivedAt: string
  readonly sentAt: string | null
  readonly preview: string
  readonly hasAttachment: boolean
  readonly messageId: readonly string[] | null
  readonly references: readonly string[] | null
}
export const EMAIL_PROPERTIES = [
  'id',
  'threadId',
  'mailboxIds',
  'keywords',
  'from',
  'to',
  'cc',
  'bcc',
  'replyTo',
  'subject',
  'receivedAt',
  'sentAt',
  'preview',
  'hasAttachment',
  'messageId',
  'references',
] as const

export interface Part {
  readonly partId: string | null
  readonly blobId: string | null
  readonly size: number
  readonly name: string | null
  readonly type: string
  readonly cid: string | null
  readonly disposition: string | null
}

/** RFC 2369 and RFC 8058. */
export interface Unsubscribe {
  readonly isOneClick: boolean
  /** An address with parameters, behind `mailto:`. */
  readonly mailto: string | undefined
}

export interface Body {
  readonly html: string | undefined
  readonly text: string
  readonly attachments: readonly Part[]
  /** How to unsubscribe from its mailing list. */
  readonly unsubscribe: Unsubscribe | undefined
  /** Whether the server left out the end of a very long text. */
  readonly isTruncated: boolean
}

export interface Identity {
  readonly id: string
  readonly name: string
  readonly email: string
  readonly textSignature: string
  readonly htmlSignature: string
}

export interface Session {
  readonly username: string
  readonly apiUrl: string
  readonly downloadUrl: string
  readonly uploadUrl: string
  readonly eventSourceUrl: string
  readonly primaryAccounts: Readonly<Record<string, string>>
  /** By URN. */
  readonly capabilities: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  readonly accounts: Readonly<Record<string, { readonly name: string; readonly isPersonal: boolean }>>
}

/** One row of a list: a conversation, seen from the mailbox or search that the list shows. */
export interface Row {
  readonly threadId: string
  readonly emails: readonly Email[]
}

export const isUnread = ({ keywords }: Email): boolean => !keywords.$seen && !keywords.$draft
export const isFlagged = ({ keywords }: Email): boolean => keywords.$flagged === true

/** Without the characters that turn the direction of the text around them: names must not read backwards. */
export const withoutDirection = (text: string): string =>
  text.replace(/[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '')

/** The name to show for an address. */
export const nameOf = ({ name, email }: Address): string => withoutDirection(name?.trim() || email)
