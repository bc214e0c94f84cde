/**
 * The fate of a message, as far as two configurations are compared. Pure.
 */
import { type ReadableMessage, type Rehearsed, type Reply, splitContent, type Verdict } from 'iems'

export interface Fate {
  /** `accepted`, `accepted, X-Spam-Flag: YES`, `held`, `discarded`, `refused 554 5.7.1`. */
  readonly what: string
  /** Sorted; empty unless the message was accepted. */
  readonly recipients: readonly string[]
}

/** Octets of a header that is compared. */
const MAX_HEADER = 1_048_576

export const isSameFate = (a: Fate, b: Fate) =>
  a.what === b.what &&
  a.recipients.length === b.recipients.length &&
  a.recipients.every((one, n) => one === b.recipients[n])

export const refusedFate = ({ code, enhanced }: Reply): Fate => ({
  what: `refused ${code} ${enhanced}`,
  recipients: [],
})
export const DISCARDED: Fate = { what: 'discarded', recipients: [] }

interface Accepted {
  readonly isHeld: boolean
  /** Values of the compared fields, as `name: value`. */
  readonly fields: readonly string[]
  readonly recipients: readonly string[]
}

export function acceptedFate(parts: readonly Accepted[]): Fate {
  const fields = [...new Set(parts.flatMap((part) => part.fields))].sort()
  const what = parts.some(({ isHeld }) => isHeld) ? 'held' : 'accepted'
  return {
    what: [what, ...fields].join(', '),
    recipients: [...new Set(parts.flatMap((part) => part.recipients))].sort(),
  }
}

export const fieldsOf = ({ headers }: Pick<ReadableMessage, 'headers'>, names: readonly string[]): readonly string[] =>
  names.flatMap((name) => headers.get(name).map((value) => `${name}: ${value}`))

/** The fate in the shadow. */
export async function rehearsedFate(rehearsed: Rehearsed, names: readonly string[]): Promise<Fate> {
  if ('verdict' in rehearsed === false) return refusedFate(rehearsed.refused)
  const verdict: Verdict | undefined = rehearsed.verdict
  if (verdict?.kind === 'refuse') return refusedFate(verdict.reply)
  if (verdict?.kind === 'discard') return DISCARDED
  const parts: Accepted[] = []
  for (const { recipients, content } of rehearsed.messages) {
    const split = await splitContent(one(content), MAX_HEADER)
    const fields = names.flatMap((name) =>
      (split?.fields ?? [])
        .filter((field) => field.name.toLowerCase() === name.toLowerCase())
        .map(({ value }) => `${name}: ${value.replace(/\r?\n(?=[ \t])/g, '').trim()}`),
    )
    parts.push({ isHeld: verdict?.kind === 'quarantine', fields, recipients })
  }
  return acceptedFate(parts)
}

async function* one(content: Uint8Array): AsyncGenerator<Uint8Array> {
  yield content
}
