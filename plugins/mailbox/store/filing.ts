/**
 * Combines the actions of all filters: where a message is filed, and what else happens to it.
 *
 * Pure except for the lookup of mailboxes. Invariants: a message that is not refused is filed, redirected, or
 * explicitly discarded.
 */
import type { Refusal } from 'iems'
import type { FiledContent, Filing, FilingAction, MailboxChoice } from './api.ts'
import { readName } from './names.ts'

export interface FiledPlace {
  readonly mailbox: MailboxChoice
  readonly flags: readonly string[]
  /** Absent for the implicit keep. */
  readonly reason?: string
  /** Absent: the message as it came. */
  readonly content?: FiledContent
}

export interface FilingPlan {
  readonly refusal?: Refusal
  readonly places: readonly FiledPlace[]
  readonly redirects: readonly Kind<'redirect'>[]
  /** Fields above the header, each with its line end. */
  readonly top: string
  /** Notes for the message's trace, and whether an action failed. */
  readonly notes: readonly string[]
  readonly hasFailed: boolean
}

export const INBOX: MailboxChoice = { name: 'INBOX' }

/** Maximum actions on one message; further ones fail. */
const MAX_ACTIONS = 100
/** Characters of an added field. */
const MAX_FIELD = 998

/** INBOX, an existing mailbox named by the subaddress, or Junk if a filter chose it. */
export async function defaultMailbox(
  { delivery, detail }: Pick<Filing, 'delivery' | 'detail'>,
  exists: (name: string) => Promise<boolean>,
): Promise<MailboxChoice> {
  if (delivery.message.findings.some(({ name, value }) => name === 'junk' && value === true))
    return { name: 'Junk', create: true }
  // The sender chooses among mailboxes that are there, and makes none.
  const name = detail === undefined || detail === '' ? undefined : readName(detail)
  return name !== undefined && (await exists(name)) ? { name } : INBOX
}

type Kind<K extends FilingAction['kind']> = Extract<FilingAction, { readonly kind: K }>
const isKind =
  <K extends FilingAction['kind']>(kind: K) =>
  (action: FilingAction): action is Kind<K> =>
    action.kind === kind

export function composeFiling(all: readonly FilingAction[], initial: MailboxChoice): FilingPlan {
  const actions = all.slice(0, MAX_ACTIONS)
  const notes = actions.map(({ kind, reason }) => `${kind}: ${reason}`)
  const nothing = { places: [], redirects: [], top: '', notes, hasFailed: false }
  const reject = actions.find(isKind('reject'))
  if (reject) return { ...nothing, refusal: reject.refusal }
  const chosen = actions.findLast(isKind('default')) ?? { mailbox: initial, flags: [] }
  const places: FiledPlace[] = actions
    .filter(isKind('fileinto'))
    .map(({ mailbox, flags = [], reason, content }) => ({ mailbox, flags, reason, ...(content ? { content } : {}) }))
  const keeps = actions.filter(isKind('keep'))
  const isCancelled = actions.some(
    (action) =>
      action.kind === 'discard' || ((action.kind === 'fileinto' || action.kind === 'redirect') && action.copy !== true),
  )
  const content = keeps.findLast((keep) => keep.content)?.content
  const { reason } = chosen as { readonly reason?: string }
  if (keeps.length > 0 || !isCancelled)
    places.push({
      mailbox: chosen.mailbox,
      flags: [...(chosen.flags ?? []), ...keeps.flatMap(({ flags = [] }) => flags)],
      ...(reason === undefined ? {} : { reason }),
      ...(content ? { content } : {}),
    })
  const flags = actions.filter(isKind('flag')).flatMap((action) => action.flags)
  const fields = actions.filter(isKind('addHeader')).map(fieldOf)
  const hasFailed = fields.includes(undefined) || all.length > MAX_ACTIONS
  return {
    places: places.map((place) => ({ ...place, flags: [...place.flags, ...flags] })),
    redirects: actions.filter(isKind('redirect')),
    top: fields.join(''),
    notes: hasFailed ? [...notes, 'an action was not possible'] : notes,
    hasFailed,
  }
}

/** Undefined for an invalid header field (RFC 5322 section 2.2). */
function fieldOf({ name, value }: Kind<'addHeader'>): string | undefined {
  const line = `${name}: ${value}`
  return /^[!-9;-~]+$/.test(name) && !/[\0\r\n]/.test(value) && line.length <= MAX_FIELD ? `${line}\r\n` : undefined
}
