/**
 * Snapshot of an account for a start without the server: the latest emails, and the message texts that were read.
 */
import type { Label } from './labels.ts'
import type { Body, Email, Identity, Mailbox, Session } from './objects.ts'

export interface Snapshot {
  readonly session: Session | undefined
  readonly mailboxes: readonly Mailbox[]
  readonly identities: readonly Identity[]
  /** Absent in snapshots of earlier versions. */
  readonly labels?: readonly Label[]
  readonly emails: readonly Email[]
  readonly threads: readonly (readonly [id: string, emailIds: readonly string[]])[]
  readonly bodies: readonly (readonly [id: string, body: Body])[]
}

const MAX_EMAILS = 500
/** Characters. */
const MAX_TEXT = 10_000_000

/** The parts of the store that a snapshot holds. */
interface Source {
  readonly client: { readonly session: Session | undefined }
  readonly mailboxes: ReadonlyMap<string, Mailbox>
  readonly identities: readonly Identity[]
  readonly labels: readonly Label[]
  readonly emails: ReadonlyMap<string, Email>
  readonly threads: ReadonlyMap<string, readonly string[]>
  readonly bodies: ReadonlyMap<string, Body>
}

export function snapshotOf(store: Source): Snapshot {
  const emails = [...store.emails.values()]
    .sort((a, b) => b.receivedAt.localeCompare(a.receivedAt))
    .slice(0, MAX_EMAILS)
  const threads = new Set(emails.map(({ threadId }) => threadId))
  const bodies: [string, Body][] = []
  let length = 0
  for (const { id } of emails) {
    const body = store.bodies.get(id)
    length += body ? body.text.length + (body.html?.length ?? 0) : 0
    if (body && length < MAX_TEXT) bodies.push([id, body])
  }
  return {
    session: store.client.session,
    mailboxes: [...store.mailboxes.values()],
    identities: store.identities,
    labels: store.labels,
    emails,
    threads: [...store.threads].filter(([id]) => threads.has(id)),
    bodies,
  }
}
